"""Pooled means are those of Taylor et al. 2025; what is missing makes no number."""

import json
from pathlib import Path

import numpy as np
import pytest

from synthgen.torch.benchmark.pooling import differences, pooled_lines, pooled_mean
from synthgen.torch.benchmark.record import Begun, Record
from synthgen.torch.benchmark.results import Results

HERE = Path(__file__).parent
# Taylor et al. 2025, tables 2 to 9, class by class, and what follows from them.
TABLES = json.loads((HERE / "vadi_tables.json").read_text())
POOLED = json.loads((HERE / "vadi.json").read_text())
# Names that are misprinted there: one twice, whose first row is that of another.
MEANT = {("MVTec PL", "cfow"): "cflow", ("MVTec P-AUC", "pefm"): "pfm", ("MVTec P-AUC", "pefm#2"): "pefm"}


def results_of(metric, seeds=(0,), noise=0.0):
    """Return the results of a benchmark whose jobs found what the tables say."""
    records = []
    for name in ("MVTec", "VisA"):
        for model, values in TABLES[f"{name} {metric}"].items():
            own = MEANT.get((f"{name} {metric}", model), model).replace(" ", "-")
            for category, value in values.items():
                if category == "mean":
                    continue
                for seed in seeds:
                    row = {"kind": "all", "normal": 1, "anomalous": 1, "m": value + noise * seed}
                    place = {"set": name, "category": category.replace(" ", "_"), "seed": seed}
                    records.append(Record(model=own, **place, fingerprint="", spec={}, rows=[row]))
    return made(records)


def made(records, **changes):
    config = {
        "benchmark": "VADI",
        "sets": {"MVTec": {"path": "m"}, "VisA": {"path": "v"}},
        "models": {record.model: {"kind": "chance"} for record in records},
        **changes,
    }
    return Results(Path("nowhere"), Begun(config, [record.name for record in records]), records)


@pytest.mark.parametrize("metric", POOLED)
def test_the_pooled_means_are_those_of_the_published_tables(metric):
    lines = {line.model: line for line in pooled_lines(results_of(metric), "VADI", "m")}
    assert len(lines) == 15
    for model, expected in POOLED[metric].items():
        line = lines[model.replace(" ", "-")]
        assert line.cells == 27
        assert line.mean == pytest.approx(expected["pooled_mean"], abs=1e-6)
        assert line.sd_classes == pytest.approx(expected["sd_n_minus_1"], abs=1e-6)


def test_the_winners_are_those_of_figure_6_and_no_mean_of_means():
    winners = {metric: pooled_lines(results_of(metric), "VADI", "m")[0].model for metric in POOLED}
    expected = ("ppdm", "fastflow", "reverse-distillation", "patchcore")
    assert winners == dict(zip(("I-AUC", "P-AUC", "AUPRO", "PL"), expected, strict=True))
    order = [line.model for line in pooled_lines(results_of("PL"), "VADI", "m")]
    assert order.index("ppdm") == 4


def test_ranks_and_seeds_follow_by_hand():
    results = results_of("PL", seeds=(0, 1), noise=0.01)
    lines = pooled_lines(results, "VADI", "m")
    table = np.array([[results.mean_of_seeds(line.model, cell, "m") for cell in results.cells] for line in lines])
    above = (table[None] > table[:, None]).sum(1)
    same = (table[None] == table[:, None]).sum(1)
    ranks = (above + (same + 1) / 2).mean(1)
    np.testing.assert_allclose([line.rank for line in lines], ranks)
    assert lines[0].sd_seeds == pytest.approx(0.01 / np.sqrt(2))


def test_a_category_that_is_missing_or_failed_makes_the_mean_no_number():
    whole = list(results_of("PL").records.values())
    first = next(record for record in whole if record.model == "ppdm")
    place = whole.index(first)
    failed = Record(
        model="ppdm", set=first.set, category=first.category, seed=0, fingerprint="", spec={}, error="no"
    )
    names = [record.name for record in whole]
    for records in (whole[:place] + whole[place + 1 :], [*whole[:place], failed, *whole[place + 1 :]]):
        results = made(whole)
        results.records = {record.name: record for record in records}
        assert results.jobs == names
        lines = pooled_lines(results, "VADI", "m")
        last = lines[-1]
        assert (last.model, last.mean, last.rank, last.cells) == ("ppdm", None, None, 26)
        assert (last.failed, last.missing) in ((1, 0), (0, 1))
        (partial,) = (line for line in pooled_lines(results, "VADI", "m", partial=True) if line.model == "ppdm")
        assert partial.mean is not None


def test_lower_is_better_where_it_is():
    up = [line.model for line in pooled_lines(results_of("PL"), "VADI", "m")]
    down = [line.model for line in pooled_lines(results_of("PL"), "VADI", "m", better="down")]
    assert up == down[::-1]


def test_differences_between_data_sets_and_their_mean():
    found = differences(results_of("I-AUC"), ("MVTec", "VisA"), "m")
    table = TABLES["MVTec I-AUC"]["ppdm"], TABLES["VisA I-AUC"]["ppdm"]
    means = [np.mean([value for name, value in each.items() if name != "mean"]) for each in table]
    assert found["ppdm"] == pytest.approx(means[0] - means[1])
    others = [value for name, value in found.items() if name != "mean"]
    assert found["mean"] == pytest.approx(np.mean(others))


def test_nothing_is_no_mean():
    assert pooled_mean([]) is None
    assert pooled_mean([None], partial=True) is None
