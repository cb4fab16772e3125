"""Locks of parts: who may draw at the same time, and what dead holders leave."""

import errno
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from synthgen.errors import LockedError
from synthgen.run import lock
from synthgen.run.lock import gate, is_lock, part_lock
from synthgen.shards import mirror, mutex

pytestmark = pytest.mark.filterwarnings("ignore:.*has no locks:UserWarning")
DEAD = subprocess.Popen([sys.executable, "-c", ""])
DEAD.wait()


@pytest.fixture(params=["with locks", "without locks"])
def system(request, monkeypatch):
    """The file system at hand, and one that has no locks."""
    if request.param == "without locks":
        monkeypatch.setattr(mutex, "fcntl", None)


# held part, wanted part, alone -> may it be drawn?
TOGETHER = [
    ((1, 2), (2, 2), False, True),
    ((1, 2), (1, 2), False, False),
    ((1, 2), (1, 3), False, False),
    ((1, 2), (1, 1), False, False),
    ((1, 2), (2, 2), True, False),
    ((1, 1), (1, 1), True, False),
]


@pytest.mark.parametrize(("held", "wanted", "alone", "allowed"), TOGETHER)
def test_parts_of_one_split_are_drawn_together_and_others_are_not(tmp_path, system, held, wanted, alone, allowed):
    with part_lock(tmp_path, held):
        if allowed:
            with part_lock(tmp_path, wanted, alone):
                pass
        else:
            with pytest.raises(LockedError, match=f"part-{held[0]}-of-{held[1]} is being written by"):
                with part_lock(tmp_path, wanted, alone):
                    pass
    with part_lock(tmp_path, wanted, alone):
        pass
    assert not list(tmp_path.iterdir())


def test_the_last_part_is_told(tmp_path, system):
    told = []
    with part_lock(tmp_path, (1, 2), last=lambda: told.append(1)):
        with part_lock(tmp_path, (2, 2), last=lambda: told.append(2)):
            pass
        assert told == []
    assert told == [1]


def leave_locks(folder, parts):
    for k, n in parts:
        name = json.dumps({"pid": DEAD.pid, "host": socket.gethostname()})
        (folder / f".part-{k}-of-{n}.lock").write_text(name)
        if mutex.fcntl is None:
            (folder / f".part-{k}-of-{n}.held").write_text(name)


def test_locks_of_the_dead_are_taken_and_cleared_away(tmp_path, system):
    leave_locks(tmp_path, [(1, 3), (2, 3), (3, 3), (1, 8)])
    with part_lock(tmp_path, (1, 8)):
        pass
    assert not list(tmp_path.iterdir())


def test_many_parts_may_start_at_once_where_others_were_killed(tmp_path, system):
    failures = []
    barrier = threading.Barrier(8)

    def draw(k):
        barrier.wait()
        try:
            with part_lock(tmp_path, (k, 8)):
                barrier.wait()
        except LockedError as error:
            failures.append(str(error))
            barrier.abort()

    for _ in range(10):
        leave_locks(tmp_path, [(k, 3) for k in (1, 2, 3)])
        threads = [threading.Thread(target=draw, args=(k,)) for k in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert not list(tmp_path.iterdir())


def test_without_locks_a_holder_elsewhere_is_named_with_what_to_remove(tmp_path, monkeypatch):
    monkeypatch.setattr(mutex, "fcntl", None)
    leave_locks(tmp_path, [(1, 2)])
    (tmp_path / ".part-1-of-2.held").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    with pytest.raises(LockedError, match=r"elsewhere.*if that process is dead, remove .*\.part-1-of-2\.held"):
        with part_lock(tmp_path, (1, 2)):
            pass
    (tmp_path / ".part-1-of-2.held").unlink()
    with part_lock(tmp_path, (1, 2)):
        pass


# The process that a claim names: on another machine, and one of this machine that lives.
HOLDERS = [{"pid": 1, "host": "elsewhere"}, {"pid": os.getpid(), "host": socket.gethostname()}]


@pytest.mark.parametrize("holder", HOLDERS)
def test_without_locks_a_holder_that_gives_no_sign_of_life_is_taken_to_be_dead(tmp_path, monkeypatch, holder):
    monkeypatch.setattr(mutex, "fcntl", None)
    claim = tmp_path / ".part-1-of-2.held"
    claim.write_text(json.dumps(holder))
    last = claim.stat().st_mtime - 599
    os.utime(claim, (last, last))
    with pytest.raises(LockedError, match="or wait for 10 minutes"), part_lock(tmp_path, (1, 2)):
        pass
    os.utime(claim, (last - 2, last - 2))
    with part_lock(tmp_path, (1, 2)):
        pass
    assert not list(tmp_path.iterdir())


def test_without_locks_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(mutex, "fcntl", None)
    monkeypatch.setattr(mutex, "_BEAT_SECONDS", 0.01)
    claim = tmp_path / ".part-1-of-2.held"
    with part_lock(tmp_path, (1, 2)):
        os.utime(claim, (1000, 1000))
        end = time.monotonic() + 60
        while claim.stat().st_mtime == 1000 and time.monotonic() < end:
            time.sleep(0.01)
        assert claim.stat().st_mtime > 1000


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named_once(tmp_path, monkeypatch, code):
    class NoLocks:
        LOCK_EX = LOCK_NB = LOCK_UN = 0

        @staticmethod
        def flock(*_):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(mutex, "fcntl", NoLocks)
    # the folder may have the name of one that an earlier test was told of, and that is gone
    monkeypatch.setattr(mutex, "_warned", set())

    def take_twice():
        for _ in range(2):
            with part_lock(tmp_path, (1, 2)):
                pass

    with pytest.warns(UserWarning, match="has no locks") as told:
        take_twice()
    assert [str(warning.message).partition(":")[0] for warning in told] == [str(tmp_path)]


def test_the_gate_is_waited_for(tmp_path, system, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.05)
    with gate(tmp_path), pytest.raises(LockedError, match=r"must be free within .* is held by"):
        with part_lock(tmp_path, (1, 1)):
            pass


_HOLDER = """
import sys
from pathlib import Path
from synthgen.run.lock import part_lock
with part_lock(Path(sys.argv[1]), (1, 1)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(LockedError, match=f'"pid": {process.pid}'), part_lock(tmp_path, (1, 1)):
        pass
    process.kill()
    process.communicate()
    with part_lock(tmp_path, (1, 1)):
        assert is_lock(".part-1-of-1.lock")
        assert os.listdir(tmp_path) == [".part-1-of-1.lock"]


@contextmanager
def other_process():
    """A forked process, which has a copy of each open file, and does nothing."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    try:
        yield
    finally:
        os.close(theirs)
        os.close(ours)
        os.waitpid(process, 0)


@contextmanager
def held_part(folder):
    held = mutex.try_lock(folder / "x")
    yield
    held.release()


def held_shard(folder):
    return mirror._alone(folder / "x")


# what takes a lock of the kernel -> the file that is locked, which its holder may remove
KERNEL_LOCKS = {held_part: "x", held_shard: ".x.lock"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.parametrize(("hold", "name"), KERNEL_LOCKS.items())
def test_a_lock_is_given_back_though_a_process_was_forked_meanwhile(tmp_path, hold, name):
    fcntl = pytest.importorskip("fcntl")
    with ExitStack() as forked:
        with hold(tmp_path):
            # The same file, whether or not its holder removes the name.
            os.link(tmp_path / name, tmp_path / "other name")
            forked.enter_context(other_process())
        with open(tmp_path / "other name", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def orphan(hold, folder, keeps):
    """A process whose parent held a lock as it forked it, and was killed.

    With `keeps` it has a copy of the lock's open file, as after a fork that Python does not see.
    """
    ours, theirs = os.pipe()
    holder = os.fork()
    if holder == 0:
        try:
            held = hold(folder)
            held.__enter__()
            if keeps:
                mutex._open.clear()
            if os.fork() == 0:
                os.close(theirs)
                os.read(ours, 1)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(holder, 0)
    try:
        yield
    finally:
        os.close(theirs)
        os.close(ours)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.parametrize(("hold", "keeps"), [(held_part, False), (held_shard, False), (held_shard, True)])
def test_nobody_waits_for_a_killed_process_though_one_that_it_forked_lives(tmp_path, monkeypatch, hold, keeps):
    monkeypatch.setattr(mirror, "_PATIENCE", math.inf)
    taken = []

    def take():
        with hold(tmp_path):
            taken.append(True)

    with orphan(hold, tmp_path, keeps):
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        thread.join(60)
        assert taken


def test_a_shard_that_another_process_fetches_for_too_long_is_waited_for_no_longer(tmp_path, system, monkeypatch):
    monkeypatch.setattr(mirror, "_PATIENCE", 0.05)
    with held_shard(tmp_path), held_shard(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
def test_a_forked_process_gives_no_lock_of_its_parent_back(tmp_path, system):
    held = mutex.try_lock(tmp_path / "x.lock")
    process = os.fork()
    if process == 0:
        held.release()
        os._exit(0)
    os.waitpid(process, 0)
    assert mutex.try_lock(tmp_path / "x.lock") is None
    held.release()
    assert not list(tmp_path.iterdir())
