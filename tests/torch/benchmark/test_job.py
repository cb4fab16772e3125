"""One job: what it writes, and that it equals `synthgen fit` and `synthgen evaluate`."""

import json

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.job import run_job
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.record import read_record
from synthgen.torch.benchmark.results import read_samples
from synthgen.torch.benchmark.splits import held_share


def jobs_of(values, tmp_path, **changes):
    return make_plan(load_benchmark(Benchmark.from_dict(values), changes), tmp_path).jobs


@pytest.fixture(scope="module")
def patchcore(values, tmp_path_factory):
    """A job that keeps everything, its folder and its record."""
    folder = tmp_path_factory.mktemp("job")
    model = {"kind": "patchcore", "backbone": "random:test_resnet", "coreset": 0.5, "layers": [1, 2]}
    keep = ["scores", "maps", "models"]
    changes = {"models": {"pc": model}, "seeds": [3], "keep": keep, "metrics": ["image_auroc", "pl@0.5", "oracle"]}
    job = jobs_of(values, folder, **changes)[0]
    return job, folder, run_job(job, folder)


def typed(*words):
    result = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_job_alone_equals_fit_and_evaluate_to_the_last_digit(patchcore, photos, tmp_path):
    _, _, record = patchcore
    out = tmp_path / "m.safetensors"
    source = photos / "brick"
    share = held_share(12)
    typed(
        "fit", "patchcore", "--normal", source, "--backbone", "random:test_resnet", "--coreset", 0.5, "--layers",
        "1,2", "--seed", 3, "--size", 24, "--hold-out", share, "--out", out, "--progress", "none",
    )  # fmt: skip
    rows = json.loads(typed("evaluate", out, source, "--json", "--progress", "none"))
    both = 0
    for own, other in zip(record.rows, rows, strict=True):
        shared = [name for name in own if other.get(name) is not None]
        both += len(shared)
        assert {name: own[name] for name in shared} == {name: other[name] for name in shared}
    assert both > 15


def test_the_record_says_what_was_done_and_what_it_took(patchcore):
    job, folder, record = patchcore
    found = read_record(job.path(folder))
    assert msgspec.json.encode(found) == msgspec.json.encode(record)
    assert record.error is None
    assert record.name == job.name == "pc/parts/brick/3"
    assert record.fingerprint == job.fingerprint
    assert [row["kind"] for row in record.rows] == ["all", "dent", "scratch"]
    assert "pl@0.5" in record.rows[0]
    assert record.data["fitted"] == 7
    assert record.thresholds["images"] == 5
    assert record.images.names[0] == "test/dent/000.png"
    assert record.memory.parameters > 1000
    assert record.backbone is not None
    times = msgspec.to_builtins(record.times)
    assert [name for name, value in times.items() if value is None] == ["refine_s"]
    assert record.times.limit_kept


def test_what_is_kept_lies_beside_the_record(patchcore):
    job, folder, record = patchcore
    maps = sorted(job.path(folder, "maps", "").iterdir())
    assert len(maps) == len(record.images.scores) == 10
    assert np.load(maps[0]).dtype == np.float16
    assert job.path(folder, "models", ".safetensors").stat().st_size == record.memory.file
    scores = job.path(folder, "scores", ".csv").read_text().splitlines()
    assert len(scores) == 11
    samples = read_samples(job.path(folder, "samples", ".npz"))
    assert {"image_auroc", "pl", "aupro"} <= set(samples)
    assert len(samples["image_auroc"]) == 2000


def test_equal_jobs_find_equal_things(patchcore, tmp_path):
    job, _, record = patchcore
    again = run_job(job, tmp_path)
    assert again.rows == record.rows
    assert again.images == record.images


BAD = {
    "Averaging": "UsageError: model Averaging must give an image the same map alone and in a batch",
    "Training": "UsageError: model Training must give one image the same map each time, and does not",
    "NotFinite": "must have finite scores, got NaN or infinity",
    "Raising": "RuntimeError: no such thing as a second line",
    "Nobody": "theirs:Nobody: module 'theirs' has no attribute 'Nobody'",
    "os": "got theirs:os without fit and predict",
}


@pytest.mark.parametrize("name", BAD)
def test_a_model_that_cannot_be_believed_is_named_in_its_record(values, others, name):
    job = jobs_of(values, others, models={"bad": {"kind": f"theirs:{name}"}})[0]
    record = run_job(job, others, trust=True)
    assert BAD[name] in record.error
    assert record.failed
    assert record.rows == []
    assert 0 < len(record.traceback) <= 20


def test_other_peoples_models_are_given_options_and_seed_if_they_are_trusted(values, others):
    models = {"mine": {"kind": "theirs:Bright", "power": 2.0}}
    job = jobs_of(values, others, models=models)[0]
    refused = run_job(job, others)
    assert "models.mine.kind must be trusted to run, got theirs:Bright: --trust allows it" in refused.error
    record = run_job(job, others, trust=True)
    assert record.error is None
    assert record.rows[0]["image_auroc"] > 0.9
    wrong = jobs_of(values, others, models={"mine": {"kind": "theirs:Bright", "pover": 2.0}})[0]
    assert "models.mine must have the options of theirs:Bright" in run_job(wrong, others, trust=True).error


@pytest.mark.parametrize("rule", ["held-out", "synthetic", "test"])
def test_thresholds_come_from_where_the_configuration_says(values, tmp_path, rule):
    job = jobs_of(values, tmp_path, thresholds=rule, metrics=["f1", "recall", "pixel_f1", "oracle"])[0]
    record = run_job(job, tmp_path)
    assert record.error is None
    row = record.rows[0]
    is_known = rule != "test"
    assert {name: name in row and row[name] is not None for name in ("f1", "recall", "pixel_f1")} == {
        "f1": is_known,
        "recall": is_known,
        "pixel_f1": is_known,
    }
    assert (record.thresholds["images"], record.data["fitted"]) == ((5, 7) if is_known else (0, 12))
    if is_known:
        assert record.thresholds["source"].startswith(rule)
        assert row["f1"] <= row["oracle_f1"]
