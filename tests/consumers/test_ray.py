"""Tasks of Ray draw the files that processes of this machine draw, also where a task is killed."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest
import ray

import synthgen
from synthgen.errors import StorageError, UsageError, WorkerError
from synthgen.run.executors import Crew
from synthgen.run.orders import order_of
from synthgen.run.plan import make_plan
from synthgen.run.ray import Ray, draw_shard
from synthgen.run.target import Target
from synthgen.shards.places import Place

SLOW = {"size": 64, "points": 60000, "per_class": 24, "storage": {"shard_size": 12}}
# Only so that a hang ends.
SECONDS = 120


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster of this machine, which all runs of this file join."""
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", num_cpus=2)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def expected(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "d"
    synthgen.generate(make_recipe(**SLOW), folder, workers=2, progress=False)
    return files_of(folder)


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Counted:
    """A progress that counts."""

    def __init__(self):
        self.units = 0

    def advance(self, units):
        self.units += units


def drawing():
    """Return the processes that draw a shard now."""
    found = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "ray::draw_shard" in line]


def test_a_folder_and_a_store_get_the_same_files(make_recipe, expected, tmp_path):
    report = synthgen.generate(make_recipe(**SLOW), tmp_path / "d", executor="ray", progress=False)
    assert (report.drawn, report.finished) == (120, True)
    assert files_of(tmp_path / "d") == expected

    address = f"file://{tmp_path}/e"
    synthgen.generate(make_recipe(**SLOW), address, executor="ray", progress=False, scratch=tmp_path / "s")
    place = Place(address)
    assert dict(place.read_all(place.sizes(), 2**30)) == expected


def test_a_task_that_is_killed_is_begun_again_and_counted_once(make_recipe, expected, tmp_path):
    killed = []

    def kill():
        end = time.monotonic() + SECONDS
        while not killed and time.monotonic() < end:
            killed.extend(drawing()[:1])
            time.sleep(0.05)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    synthgen.generate(make_recipe(**SLOW), tmp_path / "d", executor="ray", progress=False)
    killer.join()
    assert killed
    assert files_of(tmp_path / "d") == expected


def test_every_sample_is_counted(make_recipe, tmp_path):
    plan = make_plan(make_recipe(**SLOW))
    (tmp_path / "shards").mkdir()
    progress = Counted()
    crew = Ray(Crew("ray", workers=3))
    crew.run(plan, Target(str(tmp_path)), list(range(plan.run.shards)), 3, progress)
    assert progress.units == 120
    assert 1 <= crew.offered(plan) <= 2


def test_an_error_of_a_task_keeps_its_kind(make_recipe, tmp_path):
    plan = make_plan(make_recipe())
    with pytest.raises(StorageError, match="cannot be written"):
        Ray(Crew("ray")).run(plan, Target(str(tmp_path / "missing")), [0], 1, Counted())


def test_a_shard_that_kills_its_tasks_is_named(make_recipe, monkeypatch):
    def dies(*order):
        os._exit(7)

    plan = make_plan(make_recipe())
    monkeypatch.setattr("synthgen.run.ray.draw_shard", dies)
    with pytest.raises(WorkerError, match="workers died 3 times on shard 4"):
        Ray(Crew("ray")).run(plan, Target("."), [4], 1, Counted())


def test_a_task_refuses_other_libraries_than_those_of_the_head(make_recipe):
    plan = make_plan(make_recipe())
    order = order_of(plan, Target("."))
    order.versions["numpy"] = "1.0"
    report = draw_shard(json.dumps(order.to_dict()), 0, None)
    assert report["kind"] == "UsageError"
    assert "numpy is 1.0 there" in report["error"]


def test_a_store_that_tasks_do_not_see_is_refused(make_recipe):
    with pytest.raises(UsageError, match="out must be seen by all tasks, got memory://bucket/x"):
        Ray(Crew("ray")).run(make_plan(make_recipe()), Target(".", "memory://bucket/x"), [0], 1, Counted())


MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.50.0
    Python: 3.12.1
This process was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""
# address -> what joining it says
NOT_JOINED = {
    "127.0.0.1:9": "got 127.0.0.1:9: [Errno 111] Connection refused",
    "auto": "got auto: Version mismatch: The cluster was started with: Ray: 2.50.0 Python: 3.12.1 This process was "
    "started with: Ray: 2.60.0 Python: 3.11.7",
}


@pytest.mark.parametrize("address", NOT_JOINED)
def test_a_cluster_that_cannot_be_joined_is_a_sentence(monkeypatch, address):
    def refused(**_):
        raise RuntimeError(MISMATCH)

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(UsageError) as error:
        Ray(Crew("ray", address=address))
    rule = "address must be that of a Ray cluster that can be joined"
    assert str(error.value) == f"{rule}, {NOT_JOINED[address]}"
