"""A model against another over classes, in all formats."""

import csv

import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.comparing import make_comparison
from synthgen.torch.benchmark.formats import rendered
from synthgen.torch.benchmark.record import Begun, Record
from synthgen.torch.benchmark.results import Results

# What models have on eight classes: the second is better on all but one, the third is not done.
VALUES = {
    "first": [0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8],
    "second": [0.6, 0.75, 0.72, 0.83, 0.54, 0.65, 0.76, 0.79],
    "third": [0.9] * 7,
}


def results_of(metric, folder):
    records = []
    for model, values in VALUES.items():
        for number, value in enumerate(values):
            row = {"kind": "all", "normal": 1, "anomalous": 1, metric: value}
            place = {"set": "s", "category": f"c{number}", "seed": 0}
            records.append(Record(model=model, **place, fingerprint="", spec={}, rows=[row]))
    config = {
        "benchmark": "b",
        "sets": {"s": {"path": "x"}},
        "models": {name: {"kind": "chance"} for name in VALUES},
    }
    return Results(folder, Begun(config, [record.name for record in records]), records)


@pytest.mark.parametrize(("metric", "better", "worse"), [("pl", "7", "1"), ("fpr@0.95", "1", "7")])
def test_classes_are_counted_for_the_better_one(tmp_path, metric, better, worse):
    grid = make_comparison(results_of(metric, tmp_path), "s", metric, "first")
    rows = {row[0]: dict(zip(grid.head, row, strict=True)) for row in grid.rows}
    assert (rows["second"]["better"], rows["second"]["worse"], rows["second"]["equal"]) == (better, worse, "0")
    assert float(rows["second"]["mean difference"]) > 0
    assert float(rows["second"]["p"]) == pytest.approx(0.0156, abs=1e-4)
    assert set(rows["third"].values()) == {"third", "-"}
    for form in ("text", "md", "csv", "tex"):
        assert "0.0156" in rendered(grid, form)
    assert list(csv.reader(rendered(grid, "csv").splitlines())) == [grid.head, *grid.rows]


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"^against must be one of .*, got secnd; did you mean second\?"):
        make_comparison(results_of("pl", tmp_path), "s", "pl", "secnd")
