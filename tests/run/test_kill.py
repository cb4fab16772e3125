"""Runs that are killed: by signal 9, by Ctrl-C, one worker of them. Nothing is lost, nothing half-written stays."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from click.testing import CliRunner

import synthgen
from synthgen.cli import cli
from synthgen.errors import WorkerError

ARGUMENTS = [
    "fractals",
    "--classes",
    "6",
    "--per-class",
    "40",
    "--size",
    "64",
    "--points",
    "60000",
    "--shard-size",
    "12",
]
# Only so that a hang ends.
SECONDS = 300


def start(folder, progress="none"):
    return subprocess.Popen(
        [sys.executable, "-m", "synthgen", *ARGUMENTS, "--out", folder, "--workers", "2", "--progress", progress],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def finished(folder):
    return len(list(folder.glob("shards/*train*.json")))


def children(pid):
    out = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in out.split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run_here(folder, *options):
    """Run the command to its end, in this process and without workers; return what it prints."""
    words = [*ARGUMENTS, "--out", str(folder), "--workers", "0", "--progress", "none", *options]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "d"
    run_here(folder)
    return files_of(folder)


def files_of(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def check_whole(folder, undisturbed):
    assert synthgen.verify(folder).ok
    assert files_of(folder) == undisturbed


def test_killed_twice_and_resumed_at_once(tmp_path, undisturbed):
    folder = tmp_path / "d"
    for after in (3, 9):
        process = start(folder)
        wait_for(lambda after=after: finished(folder) >= after)
        workers = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)  # the parent alone
        process.wait()
        again = start(folder)  # at once: the workers of the killed run must not hold its lock
        wait_for(lambda w=workers: not any(map(alive, w)))
        wait_for(lambda after=after: finished(folder) >= after + 2)
        again.kill()
        for each in (process, again):
            each.communicate()
    assert "were there" in run_here(folder)
    check_whole(folder, undisturbed)


def test_workers_end_with_their_parent(tmp_path):
    process = start(tmp_path / "d")
    wait_for(lambda: finished(tmp_path / "d") >= 1)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(alive, workers)))
    assert not (tmp_path / "d" / "dataset.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_end_before_they_are_finished_and_can_be_resumed(tmp_path, undisturbed, number):
    folder = tmp_path / "d"
    process = start(folder)
    wait_for(lambda: finished(folder) >= 2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert not (folder / "dataset.json").exists()
    assert process.returncode == 130
    assert errors.strip() == "synthgen: interrupted; run the same command again to resume"
    assert not list(folder.rglob("*.tmp"))
    assert not list(folder.glob(".part*"))
    run_here(folder)
    check_whole(folder, undisturbed)


def test_a_worker_that_dies_is_reported_by_its_shard_and_tried_again(tmp_path, undisturbed):
    folder = tmp_path / "d"
    process = start(folder, progress="plain")
    wait_for(lambda: finished(folder) >= 1)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert "a worker died on shard" in errors
    assert "signal 9: killed, most likely for memory; fewer workers or smaller images need less" in errors
    check_whole(folder, undisturbed)


def test_a_shard_that_kills_its_workers_twice_ends_the_run(tmp_path, monkeypatch, make_recipe):
    # every worker of this run dies as it starts
    (tmp_path / "numpy.py").write_text("import os; os._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError, match=r"died 2 times on shard 0 \(exit code 7\)"):
        synthgen.generate(make_recipe(storage={"shard_size": 40}), tmp_path / "d", workers=1, progress=False)


def one_part(folder, k, n):
    """Start drawing part K/N with two workers."""
    return subprocess.Popen(
        [sys.executable, "-m", "synthgen", *ARGUMENTS, "--out", folder, "--workers", "1", "--part", f"{k}/{n}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_twice_and_cut_anew_leaves_no_other_files(tmp_path, undisturbed, seed):
    chance = random.Random(seed)
    folder = tmp_path / "d"
    for n in (2, 3):
        processes = [one_part(folder, k, n) for k in range(1, n + 1)]
        least = finished(folder) + chance.randint(1, 3)
        wait_for(lambda least=least: finished(folder) >= least)
        # a worker first, then the parents: nobody clears away what it was writing
        for process in processes:
            for worker in children(process.pid)[: chance.randint(0, 1)]:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        time.sleep(chance.random() / 5)
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()

    # at once: all meet the locks that the killed ones left
    last = [one_part(folder, k, 4) for k in range(1, 5)]
    errors = [process.communicate(timeout=4 * SECONDS)[1] for process in last]
    assert [process.returncode for process in last] == [0] * 4, errors
    check_whole(folder, undisturbed)


def test_growth_that_is_killed_leaves_the_data_set_readable_and_goes_on(tmp_path):
    folder = tmp_path / "d"
    # of an option that is given twice, the last counts
    run_here(folder, "--per-class", "4")
    keys = [sample.key for sample in synthgen.open(folder)]
    shards = finished(folder)

    process = start(folder)
    wait_for(lambda: finished(folder) >= shards + 2)
    process.kill()
    process.communicate()
    assert [sample.key for sample in synthgen.open(folder)] == keys
    assert synthgen.verify(folder).ok

    assert "were there" in run_here(folder)
    assert synthgen.verify(folder).ok
    assert len(synthgen.open(folder)) == 240
    synthgen.generate(folder, tmp_path / "at-once", workers=0, progress=False)
    assert files_of(folder) == files_of(tmp_path / "at-once")
