"""Sealed files: what was written comes back, and a disk that is full is an error of the disk."""

import hashlib
import subprocess
import sys
from contextlib import closing

import pytest

pytest.importorskip("torch")

import torch

from synthgen.shards.files import RawFile
from synthgen.torch.sealed import read_sealed, write_sealed, write_tensors

# Parts of one memory, another layout, and a number: what safetensors itself refuses.
WHOLE = torch.arange(12.0).view(3, 4)
TENSORS = {"whole": WHOLE, "rows": WHOLE[1:], "turned": WHOLE.T, "number": torch.tensor(7)}


def test_what_was_sealed_comes_back(tmp_path):
    notes = {"text": 'a "sha256":"' + "0" * 64 + '" of another kind'}
    write_sealed(tmp_path / "a", TENSORS, notes)
    with closing(RawFile(tmp_path / "a")) as file:
        metadata, tensors = read_sealed(file, file.size)
    assert metadata["text"] == notes["text"]
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_the_digest_of_plain_weights_is_that_of_the_file(tmp_path):
    digest = write_tensors(tmp_path / "a", TENSORS, {})
    assert digest == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes")
@pytest.mark.parametrize("write", ["write_sealed", "write_tensors"])
def test_a_file_that_cannot_grow_is_an_error_of_the_disk(tmp_path, write):
    code = f"""
import resource
from pathlib import Path
import torch
from synthgen.errors import StorageError
from synthgen.torch.sealed import {write} as write
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
try:
    write(Path({str(tmp_path)!r}) / "a", {{"x": torch.zeros(2**20)}}, {{}})
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []
