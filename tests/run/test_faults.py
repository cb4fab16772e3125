"""A run whose system fails: right bytes, or one line that names a file; then the same command goes on."""

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import synthgen
from synthgen.errors import StorageError

_TOOL = Path(__file__).parents[2] / "tools" / "faults.py"
_SPEC = importlib.util.spec_from_file_location("faults", _TOOL)
faults = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(faults)

# Of all faults every 199th is tried, another one for each format; SYNTHGEN_FAULTS=1 tries all of them.
EVERY = int(os.environ.get("SYNTHGEN_FAULTS", "199"))
WORKS = ["a run", "a resumed run", "a finished run", "a growth", "a merge"]
STORAGES = ["hdf5", "webdataset"]


@pytest.mark.filterwarnings("ignore:.*has no locks:UserWarning")
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("storage", STORAGES)
def test_every_call_of_the_system_may_fail(tmp_path, storage, work):
    found = list(faults.faults_of(work, storage, tmp_path / "counted" / "data"))
    assert len({operation for operation, _, _ in found}) > 4
    first = (STORAGES.index(storage) * 31 + WORKS.index(work) * 17) % EVERY
    problems = {}
    for fault in found[first::EVERY]:
        problem = faults.try_fault(work, storage, tmp_path, fault)
        if problem is not None:
            problems[fault] = problem
    assert not problems


LACKING = [
    ("link", errno.EPERM),
    ("link", errno.ENOTSUP),
    ("fsync", errno.EINVAL),
    ("fsync", errno.ENOTSUP),
    ("lock", errno.ENOTSUP),
    ("lock", errno.ENOSYS),
    ("lock", errno.ENOLCK),
    ("lock", errno.EPERM),
    ("lock", errno.EINVAL),
    ("reserve", errno.EINVAL),
    ("reserve", errno.ENOTSUP),
]


@pytest.mark.filterwarnings("ignore:.*has no locks:UserWarning")
@pytest.mark.parametrize(("operation", "code"), LACKING)
@pytest.mark.parametrize("work", ["a run", "a merge"])
def test_a_file_system_without_a_function_gives_the_same_files(tmp_path, work, operation, code):
    prepare, draw = faults.works("hdf5")[work]
    faults.works("hdf5")["a run"][1](tmp_path / "reference")
    with faults.Faults(tmp_path, operation, None, code):
        prepare(tmp_path / "data")
        draw(tmp_path / "data")
    assert faults.files_of(tmp_path / "data") == faults.files_of(tmp_path / "reference")


@pytest.mark.parametrize("number", [3, 14])
def test_workers_report_a_full_disk(tmp_path, make_recipe, number):
    # each process of the run meets a disk that is full from its n-th write on
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, os, sys\n"
        f"sys.path.insert(0, {str(_TOOL.parent)!r})\n"
        "from faults import Faults\n"
        f"Faults({str(tmp_path / 'data' / 'shards')!r}, 'write', {number}, errno.ENOSPC).__enter__()\n"
    )
    recipe = make_recipe(storage={"format": "webdataset", "shard_size": 4})
    places = f"{str(tmp_path / 'recipe.yaml')!r}, {str(tmp_path / 'data')!r}"
    code = f"import synthgen; synthgen.generate({places}, workers=2, progress=False)"
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0 or f"{StorageError.__name__}: {tmp_path / 'data'}" in run.stderr
    synthgen.generate(recipe, tmp_path / "data", workers=0, progress=False)
    synthgen.generate(recipe, tmp_path / "whole", workers=0, progress=False)
    assert faults.files_of(tmp_path / "data") == faults.files_of(tmp_path / "whole")
