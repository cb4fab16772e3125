"""The memory that a process may take, as the system's files say."""

import math
import os
import tempfile
from pathlib import Path

import pytest

from synthgen import compiled, machine

MEGA = 2**20


def write(folder, **values):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def group_2(folder, limit, used, inactive=0):
    write(folder, memory__max=limit, memory__current=used, memory__stat=f"anon 5\ninactive_file {inactive}")


def group_1(folder, limit, used, inactive=0):
    statistics = f"cache 5\ntotal_inactive_file {inactive}"
    write(folder, memory__limit_in_bytes=limit, memory__usage_in_bytes=used, memory__stat=statistics)


def left(tmp_path, membership):
    (tmp_path / "cgroup").write_text(membership)
    return machine._cgroup_bytes(tmp_path / "fs", tmp_path / "cgroup")


def test_a_group_of_version_2_leaves_its_limit_less_what_is_used(tmp_path):
    group_2(tmp_path / "fs" / "job" / "step", 100 * MEGA, 70 * MEGA, inactive=20 * MEGA)
    assert left(tmp_path, "0::/job/step\n") == 50 * MEGA


def test_a_group_above_may_leave_less(tmp_path):
    group_2(tmp_path / "fs" / "job", 80 * MEGA, 75 * MEGA)
    group_2(tmp_path / "fs" / "job" / "step", 100 * MEGA, 10 * MEGA)
    assert left(tmp_path, "0::/job/step\n") == 5 * MEGA


def test_a_group_of_version_1_leaves_its_limit_less_what_is_used(tmp_path):
    group_1(tmp_path / "fs" / "memory" / "job", 100 * MEGA, 70 * MEGA, inactive=20 * MEGA)
    assert left(tmp_path, "4:cpu,cpuacct:/job\n7:memory:/job\n0::/\n") == 50 * MEGA


def test_more_used_than_allowed_leaves_nothing(tmp_path):
    group_2(tmp_path / "fs" / "job", 10 * MEGA, 20 * MEGA)
    assert left(tmp_path, "0::/job\n") == 0


@pytest.mark.parametrize("membership", ["", "0::/job\n", "7:memory:/job\n", "not a line\n", "5:cpu:/job\n"])
def test_where_no_group_has_a_limit_there_is_none(tmp_path, membership):
    group_2(tmp_path / "fs" / "job", "max", 20 * MEGA)
    group_1(tmp_path / "fs" / "memory" / "job", "unknown", 20 * MEGA)
    assert left(tmp_path, membership) == math.inf


def test_the_smaller_of_machine_and_group_is_available(monkeypatch):
    monkeypatch.setattr(machine, "_machine_bytes", lambda: 7 * MEGA)
    for group, expected in ((3 * MEGA, 3 * MEGA), (math.inf, 7 * MEGA)):
        monkeypatch.setattr(machine, "_cgroup_bytes", lambda group=group: group)
        assert machine.available_bytes() == expected


def test_a_process_has_a_cpu():
    assert machine.available_cpus() >= 1
    assert machine.cpu_name()


def test_a_user_without_a_home_has_private_caches_in_the_temporary_folder(tmp_path, monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    places = [machine.user_cache(), machine.user_cache()]
    assert places[0] == places[1]
    assert places[0].parent == tmp_path
    assert all(place.is_absolute() for place in compiled._usual_places())

    # One that others can write is not theirs.
    places[0].chmod(0o777)
    assert machine.user_cache() not in places
