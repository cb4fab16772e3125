"""Files of weights: what is written is read back, and any changed byte is refused."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from synthgen.errors import FormatError
from synthgen.shards.files import RawFile
from synthgen.torch.pretrain.weights import read_sealed, write_sealed, write_weights

TENSORS = {
    "plain": torch.arange(6.0).reshape(2, 3),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "whole": torch.tensor([1, -2], dtype=torch.int64),
}
NOTES = {"epoch": "3"}
ENOUGH = 10**6


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


def test_weights_are_read_by_safetensors_and_named_by_their_digest(tmp_path):
    path = tmp_path / "a.safetensors"
    digest = write_weights(path, TENSORS, NOTES)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(path, "pt") as file:
        assert file.metadata() == NOTES
        assert set(file.keys()) == set(TENSORS)
        assert all(torch.equal(file.get_tensor(name), value) for name, value in TENSORS.items())


def test_a_sealed_file_comes_back(sealed):
    notes, tensors = read(sealed)
    assert notes.items() >= NOTES.items()
    assert set(tensors) == set(TENSORS)
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


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
