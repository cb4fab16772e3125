"""Benchmarks that are killed by signal 9, wherever they are, and resumed: they tell what an undisturbed one tells.

Each run is a process that is forked from this one, which has loaded torch, and that kills itself: at the call of a
function, or after a number of calls. So the moments are the same on every machine.
"""

import multiprocessing
import os
import random
import signal
import sys
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from synthgen.torch.benchmark import job, worker, workers  # noqa: F401 - job is loaded before a process is forked
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark
from synthgen.torch.benchmark.tables import as_values

CALLS_OF_A_JOB = 20_000  # about
SECONDS = 300  # only so that a hang ends
FORK = multiprocessing.get_context("fork")


class Moment(NamedTuple):
    """When a process ends: so many calls after functions of these names were called, one behind the other."""

    functions: tuple[str, ...] = ()
    calls: int = 0


NAMED = (
    Moment(("run_jobs",)),
    Moment(("fit_model", "fit")),
    Moment(("predict_set", "predict", "predict")),
    Moment(("_samples", "resampled")),
    Moment(("write_samples", "_place")),
    Moment(("_write_scores",)),
    Moment(("write_record", "_created")),
    Moment(("write_record", "_place")),
    Moment(("write_record", "_sync_folder")),
)
NEVER = Moment(("a function that is not there",))


class Killer:
    """What a process calls at each call of a function of Python; it kills the process at a moment."""

    def __init__(self, moment: Moment):
        self.functions = list(moment.functions)
        self.left = moment.calls

    def __call__(self, frame, *_):
        if not self.functions:
            self.left -= 1
        elif frame.f_code.co_name == self.functions[0]:
            del self.functions[0]
        if not self.functions and self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def started(moment, values, out, **given):
    """Return a process that does the jobs that are left, up to a moment."""

    def work():
        sys.settrace(Killer(moment))
        run_benchmark(Benchmark.from_dict(values), out, **{"workers": 0, "progress": "none", **given})

    process = FORK.Process(target=work)
    process.start()
    return process


def ends(*processes):
    """Wait for processes, and return how they ended."""
    for process in processes:
        process.join(SECONDS)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def told(folder):
    """Return what ``table.json`` says, but for what the jobs took."""
    everything = as_values(read_results(folder))
    del everything["costs"]
    return everything


def check_whole(values, out, finished):
    """Do what is left, and compare it with the undisturbed benchmark."""
    report = run_benchmark(Benchmark.from_dict(values), out, workers=0, retry_failed=True, progress="none")
    assert (report.left, report.failed) == (0, 0)
    assert told(out) == told(finished)
    assert not list(out.rglob("*.tmp"))


def test_a_benchmark_that_is_killed_twenty_times_tells_the_same(values, finished, tmp_path):
    chance = random.Random(16)
    in_first = [Moment(("run_job",), chance.randrange(CALLS_OF_A_JOB)) for _ in range(7)]
    in_second = [Moment(("run_job", "run_job"), chance.randrange(CALLS_OF_A_JOB)) for _ in range(4)]
    moments = [*NAMED, *in_first, *in_second]
    chance.shuffle(moments)
    assert len(moments) == 20

    out = tmp_path / "out"
    done = []
    for moment in moments:
        assert ends(started(moment, values, out)) == [-signal.SIGKILL], moment
        done.append(len(list(out.glob("jobs/*/*/*/seed-*.json"))))
    assert len(set(done)) > 4
    assert list(out.rglob(".seed-?.json.*.tmp"))
    check_whole(values, out, finished)


class Forked:
    """A worker process as `subprocess.Popen` starts it, but forked: loading torch takes seconds."""

    def __init__(self, command, moment, pass_fds, **_):
        orders, self.stdin = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
        self.pid = os.fork()
        if self.pid == 0:
            self.stdin.close()
            sys.stdin = open(os.dup(orders.fileno()))  # noqa: SIM115 - as long as the process lives
            sys.argv = ["-c", str(os.dup(*pass_fds))]
            sys.settrace(Killer(moment))
            worker.main()
        orders.close()


@pytest.fixture
def forked_workers(monkeypatch):
    """Return a function: workers that are started from now on die at this moment."""

    def fork(moment):
        popen = partial(Forked, moment=moment)
        monkeypatch.setattr(workers, "subprocess", SimpleNamespace(Popen=popen, PIPE=None, DEVNULL=None))

    return fork


def test_parts_parents_and_workers_that_are_killed_leave_a_folder_that_goes_on(
    values, finished, tmp_path, forked_workers
):
    out = tmp_path / "out"
    in_its_first_job = [Moment(("run_job", "fit_model")), Moment(("run_job", "write_record", "_place"))]
    parts = [started(moment, values, out, part=(k, 2)) for k, moment in enumerate(in_its_first_job, 1)]
    assert ends(*parts) == [-signal.SIGKILL] * 2

    forked_workers(NEVER)
    at_its_third_report = Moment(("run_jobs", "_take", "_take", "_take"))
    assert ends(started(at_its_third_report, values, out, workers=2)) == [-signal.SIGKILL]

    forked_workers(Moment(("run_job", "run_job", "predict_set")))
    assert ends(started(NEVER, values, out, workers=2)) == [0]
    killed = [record for record in read_results(out).records.values() if record.failed]
    assert 2 <= len(killed) < 8
    assert all(record.error.startswith("killed (signal 9), peak ") for record in killed)
    check_whole(values, out, finished)
