"""Tables: what they show, how they mark it, and what they refuse."""

import csv
import json

import msgspec
import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.formats import rendered
from synthgen.torch.benchmark.record import Begun, Record
from synthgen.torch.benchmark.results import Results, read_results
from synthgen.torch.benchmark.tables import better_of, default_metric, heading_of, make_grid, shown_metrics


@pytest.fixture(scope="module")
def results(finished):
    return read_results(finished)


def test_models_are_in_falling_order_with_all_that_is_known(results):
    grid = make_grid(results, "parts", "image_auroc")
    assert grid.title == "parts, image AUROC, 2 classes, 2 seeds, 15 test images"
    assert [row[0].split()[0] for row in grid.rows] == ["floor", "chance"]
    values = [dict(zip(grid.head, row, strict=True)) for row in grid.rows]
    assert values[0]["mean"] >= values[1]["mean"]
    low, high = map(float, values[0]["95 % interval"].split(".."))
    assert low <= float(values[0]["mean"]) <= high
    assert "-" not in values[0].values()


def test_classes_are_down_and_models_across_with_the_best_marked(results):
    grid = make_grid(results, "parts", "pl", by="class")
    assert grid.head == ["class", "floor", "chance"]
    assert [row[0] for row in grid.rows] == ["parts/brick", "parts/pcb", "mean", "sd"]
    for place, row in enumerate(grid.rows[:3]):
        best = max(row[1:], key=float)
        assert {row[j] for i, j in grid.best if i == place} == {best}


def test_kinds_and_seeds_are_rows_of_their_own(results):
    kinds = make_grid(results, "parts", "image_auroc", by="kind")
    assert [row[0] for row in kinds.rows] == ["parts/brick dent", "parts/brick scratch", "parts/pcb anomaly"]
    seeds = make_grid(results, "parts", "image_auroc", by="seed")
    assert [row[0] for row in seeds.rows] == ["0", "1", "sd"]


def test_every_format_holds_the_same_numbers(results):
    grid = make_grid(results, "parts", "pl", by="class")
    cells = {cell for row in grid.rows for cell in row}
    for form in ("text", "md", "csv", "tex"):
        text = rendered(grid, form)
        assert all(cell in text for cell in cells), form
    rows = list(csv.reader(rendered(grid, "csv").splitlines()))
    assert rows == [grid.head, *grid.rows]
    assert r"\textbf{" in rendered(grid, "tex")
    assert "**" in rendered(grid, "md")


def test_a_name_with_a_mark_of_the_format_does_not_break_it(results):
    grid = make_grid(results, "parts", "pl", by="class")._replace(head=["a_b|c", "floor", "chance"])
    assert r"a\_b|c" in rendered(grid, "tex")
    assert r"a_b\|c" in rendered(grid, "md")


def test_thresholds_say_where_they_come_from(results):
    notes = make_grid(results, "parts", "f1").notes
    assert any("thresholds from held-out images, 5 of a category at least, n < 100" in note for note in notes)
    assert not any("thresholds" in note for note in make_grid(results, "parts", "pl").notes)


def test_failed_and_missing_jobs_are_said_and_make_no_number(results):
    record = results.records["floor/parts/brick/0"]
    failed = msgspec.structs.replace(record, error="ValueError: no", rows=[], times=None, memory=None)
    others = {name: each for name, each in results.records.items() if name != "chance/parts/pcb/1"}
    begun = Begun(results.benchmark.to_dict(), results.jobs)
    grid = make_grid(Results(results.folder, begun, {**others, failed.name: failed}.values()), "parts", "pl")
    values = {row[0]: dict(zip(grid.head, row, strict=True)) for row in grid.rows}
    assert (values["floor"]["mean"], values["floor"]["failed"]) == ("-", "1")
    assert (values["chance"]["mean"], values["chance"]["failed"]) == ("-", "0 +1 missing")
    assert "floor/parts/brick/0 failed: ValueError: no" in grid.notes
    assert "1 of 8 jobs are not done: chance/parts/pcb/1, .." in grid.notes
    partial = make_grid(Results(results.folder, begun, others.values()), "parts", "pl", partial=True)
    assert any("(1/2)" in row[1] for row in partial.rows)


def test_names_that_are_not_there_are_refused(results):
    with pytest.raises(UsageError, match=r"^metric must be one of .*, got image_aurok; did you mean image_auroc\?"):
        make_grid(results, "parts", "image_aurok")
    with pytest.raises(UsageError, match=r"^pool must be one of parts, got part; did you mean parts\?"):
        make_grid(results, "part", "pl")


def test_the_metrics_are_those_of_the_configuration(results):
    assert default_metric(results) == "image_auroc"
    assert shown_metrics(results) == ["image_auroc", "pl", "f1"]
    assert (better_of("fpr@0.99"), better_of("pl@0.5"), better_of("theirs")) == ("down", "up", "up")
    assert (heading_of("pl@0.5"), heading_of("oracle_f1"), heading_of("theirs")) == (
        "PL@0.5",
        "oracle F1",
        "theirs",
    )


def test_the_files_hold_every_job(finished):
    table = json.loads((finished / "table.json").read_text())
    assert len(table["jobs"]) == 8
    assert set(table["pools"]["parts"]) == {"image_auroc", "pl", "f1"}
    lines = (finished / "table.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == 8
    assert all(float(row["fit_s"]) >= 0 for row in rows)
    assert "| floor" in (finished / "table.md").read_text()


def test_many_jobs_are_one_table(tmp_path):
    """As many as a benchmark of Taylor et al. 2025 has: nothing grows faster than the jobs."""
    records = []
    for model in range(15):
        for category in range(27):
            row = {"kind": "all", "normal": 1, "anomalous": 1, "pl": (model + category) / 50}
            place = {"model": f"m{model}", "set": "s", "category": f"c{category}", "seed": 0}
            records.append(Record(fingerprint="", spec={}, rows=[row], **place))
    config = {
        "benchmark": "b",
        "sets": {"s": {"path": "x"}},
        "models": {f"m{i}": {"kind": "chance"} for i in range(15)},
    }
    results = Results(tmp_path, Begun(config, [record.name for record in records]), records)
    grid = make_grid(results, "s", "pl")
    assert [row[0] for row in grid.rows][:2] == ["m14", "m13"]
