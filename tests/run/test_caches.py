"""Damaged caches of Numba are removed, and the run goes on."""

import os
import subprocess
import sys

import pytest

from synthgen.run.caches import remove_damaged_cache, with_sound_caches

DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: path.write_bytes(b"\x80\x05" + bytes(range(256))),
}
MODULE = """
import numba

@numba.njit(cache=True)
def inner(x):
    return x + 1

@numba.njit(cache=True)
def outer(x):
    return inner(x) * 2
"""
SCRIPT = """
import warnings
from compiled import inner, outer
from synthgen.run.caches import with_sound_caches
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print(with_sound_caches(outer, 3), with_sound_caches(inner, 3))
print(sum("a damaged cache of Numba was removed" in str(entry.message) for entry in told))
"""


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_caches_are_removed_and_made_anew(tmp_path, suffix, damage):
    (tmp_path / "compiled.py").write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run():
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert run() == ["8", "4", "0"]
    paths = sorted((tmp_path / "cache").rglob(f"*.{suffix}"))
    assert len(paths) == 2
    for path in paths:
        DAMAGES[damage](path)
    assert run() == ["8", "4", "2"]
    assert run() == ["8", "4", "0"]


def test_other_errors_pass():
    def fail():
        raise EOFError("not of a cache")

    with pytest.raises(EOFError, match="not of a cache") as raised:
        with_sound_caches(fail)
    assert not remove_damaged_cache(raised.value)
