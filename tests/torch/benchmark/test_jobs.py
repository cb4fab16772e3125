"""Jobs: one for each model, category and seed, and a fingerprint of all that its results depend on."""

import msgspec
import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.jobs import Job, chosen, differences, make_plan


def planned(values, tmp_path, **changes):
    return make_plan(load_benchmark(Benchmark.from_dict(values), changes), tmp_path)


def test_a_job_is_a_model_a_category_and_a_seed(values, tmp_path):
    jobs = planned(values, tmp_path).jobs
    assert len(jobs) == 2 * 2 * 2
    assert [job.name for job in jobs[:3]] == ["floor/parts/brick/0", "floor/parts/brick/1", "floor/parts/pcb/0"]
    assert len({job.fingerprint for job in jobs}) == len(jobs)


CHANGES = {
    "models.floor.sigma": 2, "size": 20, "batch": 3, "seeds": [7], "sets.parts.shots": 5, "thresholds": "test",
    "time_limit": 9, "metrics": ["pl@0.5"], "models.floor.calibrate": 1,
}  # fmt: skip
HARMLESS = {"keep": ["maps"], "threads": 2, "metrics": ["pl"], "pools": {"p": ["parts"]}, "benchmark": "other"}


@pytest.mark.parametrize("key", [*CHANGES, *HARMLESS])
def test_the_fingerprint_follows_what_results_depend_on_and_nothing_else(values, tmp_path, key):
    value = (CHANGES | HARMLESS)[key] if key != "metrics" else CHANGES[key]
    before = planned(values, tmp_path).jobs[0]
    after = planned(values, tmp_path, **{key: value}).jobs[0]
    assert (before.fingerprint != after.fingerprint) == (key in CHANGES)
    assert bool(differences(before.spec, after.spec)) == (key in CHANGES)


# Values as people write them, which a struct holds in another type.
GRIDS = [
    {"calibrate": [0, 1]}, {"calibrate": ["0.5"]}, {"batch": ["4"]}, {"size": [32, "32x16"]},
    {"coreset": [1.0, "0.5", 100]}, {"layers": [[2], [1, 2]]}, {"sigma": [4]},
]  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS)
def test_a_worker_sees_the_fingerprint_of_the_job_that_it_is_sent(values, tmp_path, grid):
    models = {"m": {"kind": "patchcore", "backbone": "random:test_resnet", "grid": grid}}
    for job in planned(values, tmp_path, models=models).jobs:
        plain = msgspec.to_builtins(job)
        sent = msgspec.json.decode(msgspec.json.encode(plain))
        assert msgspec.convert(sent, Job).fingerprint == job.fingerprint


def test_jobs_are_chosen_by_how_they_begin(values, tmp_path):
    jobs = planned(values, tmp_path).jobs
    assert {job.name for job in chosen(jobs, ["chance/parts/pcb"])} == {"chance/parts/pcb/0", "chance/parts/pcb/1"}
    assert len(chosen(jobs, ["floor", "floor/parts"])) == 4
    with pytest.raises(UsageError, match=r"such as floor/parts/brick, got flor; did you mean floor\?"):
        chosen(jobs, ["flor"])


def test_weights_that_are_not_there_are_missing_and_equal_ones_are_equal(values, tmp_path):
    models = {"m": {"kind": "padim", "backbone": str(tmp_path / "w.safetensors")}}
    assert "which is not there" in planned(values, tmp_path, models=models).missing[0]
    specs = []
    for name in ("w", "other"):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(b"same")
        models["m"]["backbone"] = str(path)
        specs.append(planned(values, tmp_path, models=models).jobs[0].spec)
    assert specs[0] == specs[1]


def test_what_differs_is_said_by_its_place():
    here = {"a": 1, "b": {"c": 2, "d": 3}}
    there = {"a": 1, "b": {"c": 4, "d": 3}, "e": "x" * 99}
    assert differences(here, there) == ["b.c is 2 here and 4 there", f"e is None here and {'x' * 37}... there"]
