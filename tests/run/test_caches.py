"""Damaged caches of Numba are removed, and the run goes on."""

import json
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
CASES = [(damage, suffix) for damage in DAMAGES for suffix in ("nbi", "nbc")]
MODULE = """
import numba

@numba.njit(cache=True)
def inner(x):
    return x + 1

@numba.njit(cache=True)
def outer(x):
    return inner(x) * 2
"""
# For each module that is named: what its two functions return, and how many caches were removed on the way.
SCRIPT = """
import json, sys, warnings
from importlib import import_module
from synthgen.run.caches import with_sound_caches
found = {}
for name in sys.argv[1:]:
    module = import_module(name)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        results = [with_sound_caches(module.outer, 3), with_sound_caches(module.inner, 3)]
    removed = sum("a damaged cache of Numba was removed" in str(entry.message) for entry in told)
    found[name] = [*results, removed]
print(json.dumps(found))
"""


def name_of(damage, suffix):
    """Return the name of the module whose caches are damaged so."""
    return f"{damage.replace(' ', '_')}_{suffix}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What three processes found, one after another; between the first two each module's caches are damaged.

    Each damage has a module of its own, so that three processes serve all.
    """
    folder = tmp_path_factory.mktemp("caches")
    names = [name_of(*case) for case in CASES]
    for name in names:
        (folder / f"{name}.py").write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}

    def run():
        command = [sys.executable, "-c", SCRIPT, *names]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    first = run()
    for damage, suffix in CASES:
        paths = sorted((folder / "cache").rglob(f"{name_of(damage, suffix)}.*.{suffix}"))
        assert len(paths) == 2
        for path in paths:
            DAMAGES[damage](path)
    return [first, run(), run()]


@pytest.mark.parametrize(("damage", "suffix"), CASES)
def test_damaged_caches_are_removed_and_made_anew(runs, damage, suffix):
    found = [run[name_of(damage, suffix)] for run in runs]
    assert found == [[8, 4, 0], [8, 4, 2], [8, 4, 0]]


def test_other_errors_pass():
    def fail():
        raise EOFError("not of a cache")

    with pytest.raises(EOFError, match="not of a cache") as raised:
        with_sound_caches(fail)
    assert not remove_damaged_cache(raised.value)
