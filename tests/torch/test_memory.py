"""Freed memory is kept within the context, and given back at its end."""

import os
import sys

import pytest
import torch

from synthgen.torch import memory

LARGE = 2**26  # bytes; above glibc's largest limit for blocks of the heap


@pytest.fixture(autouse=True)
def no_other_context(monkeypatch):
    """A loop over batches that another test left unfinished holds a context of its own."""
    monkeypatch.setattr(memory, "_open", 0)


def resident() -> int:
    """Return the bytes of this process that lie in memory."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_blocks_stay_within_the_context_and_go_back_after_it():
    with memory.freed_memory_kept():
        before = resident()
        block = torch.ones(LARGE, dtype=torch.uint8)
        del block
        kept = resident() - before
    assert kept > LARGE // 2
    assert resident() - before < LARGE // 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_context_within_another_gives_nothing_back():
    with memory.freed_memory_kept():
        before = resident()
        with memory.freed_memory_kept():
            block = torch.ones(LARGE, dtype=torch.uint8)
            del block
        assert resident() - before > LARGE // 2


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_other_systems_are_left_alone(platform, monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(memory, "_glibc", memory._glibc.__wrapped__)
    with memory.freed_memory_kept():
        assert torch.ones(3).sum() == 3
