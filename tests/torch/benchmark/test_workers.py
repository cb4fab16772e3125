"""Worker processes: any number gives the same, and one that is killed takes one job with it."""

import pytest

from synthgen.torch.benchmark import workers
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark
from synthgen.torch.benchmark.workers import _way_of_dying


def test_a_worker_that_dies_is_recorded_and_the_rest_equals_a_run_without_workers(
    values, others, finished, monkeypatch
):
    """One worker is killed from outside, and one as its fit does not end at the time limit: three start."""
    monkeypatch.setattr(workers, "_LEAST_GRACE_S", 0.1)
    models = values["models"] | {"bad": {"kind": "theirs:Killed"}, "stuck": {"kind": "theirs:Stuck"}}
    changes = {"models": models, "seeds": [0], "time_limit": 5}
    made = load_benchmark(Benchmark.from_dict(values), changes)
    lines = []
    report = run_benchmark(
        made, others / "out", workers=1, trust=True, progress="none", log=lines.append,
        only=["bad/parts/brick", "floor", "stuck/parts/pcb", "chance/parts/brick"],
    )  # fmt: skip
    assert (report.done, report.failed) == (5, 2)
    assert any(line.startswith("bad/parts/brick/0: failed: killed (signal 9), peak ") for line in lines)

    found = read_results(others / "out").records
    expected = read_results(finished).records
    assert found["bad/parts/brick/0"].error.startswith("killed (signal 9), peak ")
    late = found["stuck/parts/pcb/0"].error
    assert late.startswith("took longer than the time limit of 5 s: killed (signal 9), peak ")
    for name in ("floor/parts/brick/0", "floor/parts/pcb/0", "chance/parts/brick/0"):
        assert found[name].rows == expected[name].rows
        assert found[name].images == expected[name].images


@pytest.mark.parametrize(
    ("code", "words"), [(1, "ended: exit code 1, peak 2.0 GB"), (-9, "killed (signal 9)"), (-11, "by signal 11")]
)
def test_how_a_worker_ended_is_said(code, words):
    assert words in _way_of_dying(code, 2_000_000_000)
