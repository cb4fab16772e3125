"""Compiled code reads files at a place, and batches are the same where it cannot."""

import numba
import numpy as np
import pytest

from synthgen.torch import ShardDataset
from synthgen.torch.data import preads


@numba.njit
def read(descriptor, room, place):
    return preads.pread(np.int32(descriptor), room.ctypes.data, len(room), place)


@pytest.mark.skipif(not preads.IS_THERE, reason="this system has no pread that counts in 64 bits")
def test_bytes_are_read_from_a_place(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(100)))
    room = np.zeros(10, np.uint8)
    with open(path, "rb") as file:
        assert read(file.fileno(), room, 20) == 10
        assert room.tolist() == list(range(20, 30))
        assert read(file.fileno(), room, 95) == 5
        assert read(file.fileno(), room, 2**40) == 0
        assert file.tell() == 0
    assert read(file_that_is_closed(path), room, 0) == -1


def file_that_is_closed(path):
    with open(path, "rb") as file:
        return file.fileno()


def test_a_system_without_it_is_no_error(monkeypatch):
    monkeypatch.delattr(preads.os, "pread")
    assert not preads._offered()


@pytest.mark.parametrize("codec", ["png", "raw"])
def test_batches_are_the_same_without_it(make_recipe, tmp_path, fingerprint, monkeypatch, codec):
    import synthgen

    synthgen.generate(make_recipe(storage={"codec": codec}), tmp_path / "d", workers=0, progress=False)
    expected = [fingerprint(item) for item in ShardDataset(tmp_path / "d").__getitems__(range(12))]
    monkeypatch.setattr(preads, "IS_THERE", False)
    found = ShardDataset(tmp_path / "d").__getitems__(range(12))
    assert [fingerprint(item) for item in found] == expected
