"""Refinement in a job equals that of `synthgen evaluate --refine`; models that cannot be refined are refused."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.probe import forecast
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark
from synthgen.torch.benchmark.splits import held_share
from synthgen.torch.benchmark.tables import make_grid, write_tables

MODEL = {"kind": "padim", "backbone": "random:test_resnet", "layers": [1], "channels": 8}
OVERLAPS = ("iou", "dice", "refined_iou", "refined_dice")


def made(values, **changes):
    return load_benchmark(Benchmark.from_dict(values), changes)


@pytest.fixture(scope="module")
def refined(values, tmp_path_factory):
    """The folder of a benchmark of one model, whose masks are refined, on one category."""
    out = tmp_path_factory.mktemp("refined") / "out"
    models = {"fine": {**MODEL, "refine": {}}}
    benchmark = made(
        values, models=models, seeds=[0], metrics=["refined_iou", "iou"], **{"sets.parts.classes": ["brick"]}
    )
    run_benchmark(benchmark, out, workers=0, progress="none")
    write_tables(out)
    return out


def typed(*words):
    result = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_job_equals_fit_and_evaluate_with_refine_to_the_last_digit(refined, photos, tmp_path):
    (record,) = read_results(refined).records.values()
    assert record.error is None
    out = tmp_path / "m.safetensors"
    source = photos / "brick"
    typed(
        "fit", "padim", "--normal", source, "--backbone", "random:test_resnet", "--layers", "1", "--channels", 8,
        "--size", 24, "--hold-out", held_share(12), "--out", out, "--progress", "none",
    )  # fmt: skip
    rows = json.loads(typed("evaluate", out, source, "--refine", "--json", "--progress", "none"))
    for own, other in zip(record.rows, rows, strict=True):
        assert {name: own[name] for name in OVERLAPS} == {name: other[name] for name in OVERLAPS}
    assert record.rows[0]["refined_iou"] != record.rows[0]["iou"]


def test_what_was_refined_is_told_for_each_image_and_in_the_tables(refined):
    results = read_results(refined)
    (record,) = results.records.values()
    assert record.times.refine_s > 0
    with (refined / "refined" / "fine" / "parts" / "brick" / "seed-0.csv").open(newline="") as file:
        fits = list(csv.DictReader(file))
    values = [float(fit["refined_iou"]) for fit in fits if fit["refined_iou"]]
    assert (len(fits), len(values)) == (10, 6)
    assert record.rows[0]["refined_iou"] == pytest.approx(np.mean(values))

    samples = results.samples("fine", results.cells[0], "refined_iou")
    assert samples.shape == (2000,)
    assert samples.mean() == pytest.approx(np.mean(values), abs=0.02)
    rounded = np.float32(values)
    assert rounded.min() <= samples.min() < samples.max() <= rounded.max()
    assert "parts, refined IoU, 1 class" in (refined / "table.md").read_text()
    notes = make_grid(results, "parts", "refined_iou").notes
    assert any(note.startswith("thresholds from held-out images") for note in notes)


def test_options_of_refinement_are_part_of_a_job_that_has_any(values, tmp_path):
    models = {"plain": MODEL, "fine": {**MODEL, "refine": {}}, "other": {**MODEL, "refine": {"iterations": 3}}}
    benchmark = made(values, models=models, seeds=[0])
    assert Benchmark.from_dict(benchmark.to_dict()) == benchmark
    jobs = {job.model.name: job for job in make_plan(benchmark, tmp_path).jobs}
    assert "refine" not in jobs["plain"].spec
    assert jobs["fine"].spec["refine"]["iterations"] == 45
    assert len({job.fingerprint for job in jobs.values()}) == 3


def test_the_dry_run_refines_too(values, tmp_path):
    models = {"plain": MODEL, "fine": {**MODEL, "refine": {"iterations": 20, "tolerance": 0}}}
    found = forecast(
        made(values, models=models, seeds=[0]), tmp_path, only=["plain/parts/brick", "fine/parts/brick"]
    )
    plain, fine = found.models
    assert fine.reason is None
    assert fine.seconds > plain.seconds


MISTAKES = {
    "no gradients": (
        {"kind": "floor", "refine": {}},
        {},
        "refine must go with a differentiable score .*, got floor",
    ),
    "the test set": ({**MODEL, "refine": {}}, {"thresholds": "test"}, "held-out or synthetic, got test"),
    "a grid": ({**MODEL, "grid": {"refine": [{}]}}, {}, "grid.refine must be an option of a model, got refine"),
    "unknown": ({**MODEL, "refine": {"step_": 1}}, {}, r"m.refine.step_ is not a known key; did you mean step\?"),
    "a range": ({**MODEL, "refine": {"iterations": 0}}, {}, "refine.iterations must be"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_cannot_be_refined_is_refused(values, tmp_path, name):
    model, changes, rule = MISTAKES[name]
    with pytest.raises(UsageError, match=rule):
        make_plan(made(values, models={"m": model}, **changes), tmp_path)


def test_a_job_without_a_threshold_fails_and_says_why(values, tmp_path):
    changes = {"models": {"fine": {**MODEL, "refine": {}}}, "seeds": [0], "sets.parts.shots": 4}
    run_benchmark(made(values, **changes), tmp_path, workers=0, progress="none", only=["fine/parts/brick"])
    (record,) = read_results(tmp_path).records.values()
    assert "models.fine.refine must have images that give a threshold" in record.error
