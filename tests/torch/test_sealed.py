"""Sealed files: what was written comes back, and a disk that is full is an error of the disk."""

import hashlib
import subprocess
import sys
from contextlib import closing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from synthgen.errors import FormatError
from synthgen.shards.files import RawFile
from synthgen.torch.sealed import read_sealed, write_sealed, write_tensors

# Parts of one memory, another layout, and a number: what safetensors itself refuses.
WHOLE = torch.arange(12.0).view(3, 4)
NOTES = {"epoch": "3"}
ENOUGH = 10**6
TENSORS = {"whole": WHOLE, "rows": WHOLE[1:], "turned": WHOLE.T, "number": torch.tensor(7)}


def test_what_was_sealed_comes_back(tmp_path):
    notes = {"text": 'a "sha256":"' + "0" * 64 + '" of another kind'}
    write_sealed(tmp_path / "a", TENSORS, notes)
    with closing(RawFile(tmp_path / "a")) as file:
        metadata, tensors = read_sealed(file, file.size)
    assert metadata["text"] == notes["text"]
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes")
def test_a_file_that_cannot_grow_is_an_error_of_the_disk(tmp_path):
    code = f"""
import resource
from pathlib import Path
import torch
from synthgen.errors import StorageError
from synthgen.torch.sealed import write_sealed, write_tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
for write in (write_sealed, write_tensors):
    try:
        write(Path({str(tmp_path)!r}) / "a", {{"x": torch.zeros(2**20)}}, {{}})
    except StorageError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert ["cannot be written" in line for line in lines] == [True, True]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "a.safetensors"
    write_sealed(path, TENSORS, NOTES)
    return path


def read(path, most_bytes=ENOUGH):
    file = RawFile(path)
    try:
        return read_sealed(file, most_bytes)
    finally:
        file.close()


def test_plain_weights_are_read_by_safetensors_and_named_by_their_digest(tmp_path):
    path = tmp_path / "a.safetensors"
    digest = write_tensors(path, TENSORS, NOTES)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(path, "pt") as file:
        assert file.metadata() == NOTES
        assert set(file.keys()) == set(TENSORS)
        assert all(torch.equal(file.get_tensor(name), value) for name, value in TENSORS.items())


@given(st.data())
def test_no_changed_bit_passes(sealed, tmp_path_factory, data):
    raw = bytearray(sealed.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("changed") / "a.safetensors"
    path.write_bytes(raw)
    with pytest.raises(FormatError):
        read(path)


@given(st.data())
def test_no_shorter_or_longer_file_passes(sealed, tmp_path_factory, data):
    raw = sealed.read_bytes()
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    path = tmp_path_factory.mktemp("changed") / "a.safetensors"
    path.write_bytes(data.draw(st.sampled_from([cut, raw + b"\0"])))
    with pytest.raises(FormatError):
        read(path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(sealed):
    size = sealed.stat().st_size
    with pytest.raises(FormatError, match=f"it must have at most {size - 1} bytes, got {size}"):
        read(sealed, size - 1)
