"""Fits of jobs: what a time limit does to them, and ensembles with the models that they are made of."""

import json

import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.job import run_job
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.splits import held_share

PLAIN = {"backbone": "random:test_resnet", "layers": [1, 2]}
MEMBERS = {
    "pd": {"kind": "padim", "channels": 4, **PLAIN},
    "pc": {"kind": "patchcore", "coreset": 0.5, **PLAIN},
}
# An ensemble, and how `synthgen fit` makes the same one.
ENSEMBLES = {
    "score-ensemble": ({"members": ["pd", "pc"], "combine": "max"}, ["--combine", "max"]),
    "feature-ensemble": (
        {"members": ["random:test_resnet:1,2", "pd"], "components": 5, "set": {"coreset": 0.5}},
        ["--components", "5", "--set", "coreset=0.5"],
    ),
}


def job_of(values, folder, model, **changes):
    """Return the job of the last model on the first category."""
    models = {**MEMBERS, "own": model}
    given = {"models": models, "seeds": [3], "metrics": ["image_auroc"], **changes}
    jobs = make_plan(load_benchmark(Benchmark.from_dict(values), given), folder).jobs
    return next(job for job in jobs if job.model.name == "own")


def typed(*words):
    result = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def fitted_member(name, source, folder):
    """Return the file of a member that `synthgen fit` made as the job does."""
    out = folder / f"{name}.safetensors"
    own = {"pd": ["--channels", 4], "pc": ["--coreset", 0.5]}[name]
    typed(
        "fit", MEMBERS[name]["kind"], "--normal", source, "--backbone", "random:test_resnet", "--layers", "1,2",
        "--seed", 3, "--size", 24, "--hold-out", held_share(12), "--out", out, "--progress", "none", *own,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_an_ensemble_equals_that_of_fit_with_members_of_fit(values, photos, tmp_path, kind):
    given, options = ENSEMBLES[kind]
    record = run_job(job_of(values, tmp_path, {"kind": kind, **given}), tmp_path)
    assert record.error is None

    source = photos / "brick"
    names = [fitted_member(each, source, tmp_path) if each in MEMBERS else each for each in given["members"]]
    members = [word for name in names for word in ("--member", name)]
    own = [] if kind == "score-ensemble" else ["--size", 24, "--hold-out", held_share(12)]
    out = tmp_path / "own.safetensors"
    typed(
        "fit", kind, "--normal", source, "--seed", 3, "--out", out, "--progress", "none", *members, *options, *own
    )
    rows = json.loads(typed("evaluate", out, source, "--json", "--progress", "none"))
    for mine, other in zip(record.rows, rows, strict=True):
        shared = [name for name in mine if other.get(name) is not None]
        assert len(shared) > 5
        assert {name: mine[name] for name in shared} == {name: other[name] for name in shared}


def test_an_ensemble_is_as_large_as_its_largest_member_and_depends_on_all(values, tmp_path):
    large = {**MEMBERS["pd"], "size": "48x32"}
    models = {
        "small": MEMBERS["pc"],
        "large": large,
        "both": {"kind": "score-ensemble", "members": ["small", "large"]},
    }
    made = load_benchmark(Benchmark.from_dict(values), {"models": models})
    last = make_plan(made, tmp_path).jobs[-1]
    assert last.model.size == (32, 48)
    assert [member["kind"] for member in last.spec["members"]] == ["patchcore", "padim"]
    other = load_benchmark(made, {"models.small.coreset": 0.25})
    assert make_plan(other, tmp_path).jobs[-1].fingerprint != last.fingerprint


def test_a_score_ensemble_has_images_of_its_own_whatever_gives_the_thresholds(values, tmp_path):
    model = {"kind": "score-ensemble", "members": ["pd"]}
    record = run_job(job_of(values, tmp_path, model, thresholds="test"), tmp_path)
    assert record.error is None
    assert record.data["fitted"] == 7
    assert record.thresholds["rule"] == "test"
    few = run_job(job_of(values, tmp_path, model, **{"sets.parts.shots": 8}), tmp_path)
    assert "models.own must have images to calibrate on" in few.error


def test_a_training_ends_at_the_time_limit_and_is_measured_as_it_is(values, tmp_path):
    endless = {"kind": "simplenet", "steps": 10**6, "rows": 64, **PLAIN}
    record = run_job(job_of(values, tmp_path, endless, time_limit="300 s", **{"models.own.steps": 3}), tmp_path)
    assert record.error is None
    assert (record.times.limit_kept, record.times.stopped) == (True, False)
    assert record.warnings[0].startswith("the discriminator tells nothing apart")
    # fast steps: scores near 0 are differences of large terms, and differ by the order of the sums
    fast = {"models.own.rate": 0.01}
    record = run_job(job_of(values, tmp_path, endless, time_limit=0.5, **fast), tmp_path)
    assert record.error is None
    assert (record.times.limit_kept, record.times.stopped) == (False, True)
    assert record.rows[0]["image_auroc"] is not None


def test_classes_of_other_code_are_told_when_their_time_is_over(values, others):
    record = run_job(job_of(values, others, {"kind": "theirs:Learning"}, time_limit=0.1), others, trust=True)
    assert record.times.stopped
