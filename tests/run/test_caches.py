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
COMMAND = ["fractals", "--classes", "1", "--per-class", "2", "--size", "16", "--points", "50", "--systems", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a small command with a cache of its own, and return stderr."""
    cache = tmp_path_factory.mktemp("cache")

    def run(folder):
        process = subprocess.run(
            [sys.executable, "-m", "synthgen", *COMMAND, "--out", folder, "--workers", "0", "--progress", "none"],
            env={**os.environ, "NUMBA_CACHE_DIR": str(cache)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process.stderr

    run.cache = cache
    return run


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_with_damaged_caches_ends_well(run, tmp_path, suffix, damage):
    assert "warning" not in run(tmp_path / "first")
    paths = sorted(run.cache.rglob(f"*.{suffix}"))
    for path in paths[:: len(paths) // 3]:
        DAMAGES[damage](path)
    errors = run(tmp_path / "second")
    assert "a damaged cache of Numba was removed" in errors
    assert "warning" not in run(tmp_path / "third")


def test_other_errors_pass():
    def fail():
        raise EOFError("not of a cache")

    with pytest.raises(EOFError, match="not of a cache") as raised:
        with_sound_caches(fail)
    assert not remove_damaged_cache(raised.value)
