"""The pool against workers that keep its protocol, report an error, or die: no sample is drawn here."""

import pytest

from synthgen import errors
from synthgen.errors import SynthgenError, WorkerError
from synthgen.run import pool
from synthgen.run.plan import make_plan
from synthgen.run.target import Target

# Takes orders as a worker does and notes each shard in the folder; `answer` says what it does then.
WORKER = """
import json, os, sys
from pathlib import Path
folder = Path(json.loads(sys.stdin.readline())["target"]["folder"])

def send(**report):
    print(json.dumps(report), flush=True)

for line in sys.stdin:
    shard = json.loads(line).get("shard")
    if shard is None:
        continue
    with open(folder / "shards.txt", "a") as file:
        file.write(f"{{shard}}\\n")
    times = (folder / "shards.txt").read_text().split().count(str(shard))
    {answer}
"""
WRITES = "send(progress=4); send(progress=5); send(done=shard)"


class Counted:
    """A progress that counts and keeps its notes."""

    def __init__(self):
        self.units = 0
        self.notes = []

    def advance(self, units):
        self.units += units

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def run(tmp_path, monkeypatch, make_recipe):
    """Return a function that runs the pool with workers that answer in a given way: the progress."""

    def run(answer, shards=(0, 1, 2, 3, 4), workers=2):
        monkeypatch.setattr(pool, "_START", WORKER.format(answer=answer))
        progress = Counted()
        pool.run_pool(make_plan(make_recipe()), Target(str(tmp_path)), list(shards), workers, progress)
        return progress

    return run


def written(folder):
    return sorted(int(shard) for shard in (folder / "shards.txt").read_text().split())


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_every_shard_is_given_out_once(tmp_path, run, workers):
    progress = run(WRITES, workers=workers)
    assert written(tmp_path) == [0, 1, 2, 3, 4]
    assert progress.units == 5 * 9
    assert progress.notes == []


def test_the_shard_of_a_dead_worker_is_tried_once_more_and_counted_once(tmp_path, run):
    progress = run(f"shard == 1 and times == 1 and (send(progress=3), os._exit(3)); {WRITES}", shards=[0, 1, 2])
    assert written(tmp_path) == [0, 1, 1, 2]
    assert progress.units == 3 * 9
    assert progress.notes == ["a worker died on shard 1 (exit code 3); trying it once more"]


# shards, workers -> the threads that busy workers are let use, one after the other
THREADS = [(1, 4, [4]), (2, 4, [1, 2, 2, 4]), (2, 2, [1, 1, 1, 2]), (2, 1, [1, 1])]


@pytest.mark.parametrize(("shards", "workers", "threads"), THREADS)
def test_cores_for_which_no_shard_waits_are_threads_of_busy_workers(run, monkeypatch, shards, workers, threads):
    told = []
    monkeypatch.setattr(pool, "available_cpus", lambda: 8)
    monkeypatch.setattr(pool._Worker, "let", lambda worker, threads: told.append(threads))
    run(WRITES, shards=range(shards), workers=workers)
    assert told == threads


WAYS = {
    "os._exit(7)": r"exit code 7",
    "os.kill(os.getpid(), 15)": r"signal 15",
    "os.kill(os.getpid(), 9)": r"signal 9: killed, most likely for memory",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_shard_on_which_workers_die_twice_ends_the_run(tmp_path, run, way):
    with pytest.raises(
        WorkerError, match=rf"^workers died 2 times on shard 2 \({WAYS[way]}.*finished shards are kept"
    ):
        run(way, shards=[2])
    assert written(tmp_path) == [2, 2]


@pytest.mark.parametrize("kind", ["StorageError", "UsageError", "DeviceError", "SomeNewError"])
def test_what_a_worker_reports_is_raised_here(run, kind):
    with pytest.raises(getattr(errors, kind, SynthgenError), match=r"^the disk is full$"):
        run(f"send(error='the disk is full', kind={kind!r})")
