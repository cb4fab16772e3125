"""Weights as safetensors files. A sealed file holds a digest of all its bytes, and is checked before it is used."""

import hashlib
import json
from pathlib import Path

import torch

from synthgen.errors import FormatError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import RawFile, replacing, write_atomically

# The digest is taken of the file with this in its place.
_SEAL = "sha256"
_NO_DIGEST = "0" * 64
# The longest header that safetensors reads.
_MAX_HEADER = 100_000_000
_CHUNK = 2**24


def write_weights(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Write named tensors as safetensors, a whole file or none; return the SHA-256 of the file."""
    content = _encoded(tensors, metadata)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def write_sealed(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write named tensors with a digest among the metadata, a whole file or none."""
    content = memoryview(_encoded(tensors, {**metadata, _SEAL: _NO_DIGEST}))
    digest = hashlib.sha256(content).hexdigest()

    start, stop = _place_of_digest(bytes(content[: _header_size(content)]), _NO_DIGEST)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content[:start])
        file.write(digest.encode())
        file.write(content[stop:])


def read_sealed(file: RawFile, most_bytes: int) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return metadata and tensors of a sealed file.

    Parameters
    ----------
    file : RawFile
    most_bytes : int
        Larger files are refused before they are read.

    Raises
    ------
    FormatError
        If a bit of the file is not as it was written, or it is no such file.
    """
    with needed_for("checkpoints"):
        from safetensors import SafetensorError, safe_open

    _check_seal(file, most_bytes)
    try:
        with safe_open(file.path, "pt") as content:
            names = list(content.keys())
            return content.metadata(), {name: content.get_tensor(name) for name in names}
    except (SafetensorError, RuntimeError) as error:
        raise FormatError(f"no safetensors file: {one_line(error)}") from None


def _encoded(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    with needed_for("weights"):
        from safetensors.torch import save

    # Each on its own memory: layouts other than the plain one and tensors that share memory cannot be stored.
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    return save(plain, metadata)


def _check_seal(file: RawFile, most_bytes: int) -> None:
    """Raise `FormatError` unless the file is as it was written."""
    if file.size > most_bytes:
        raise FormatError(f"it must have at most {most_bytes} bytes, got {file.size}")
    header = _read_header(file)
    digest = _stated_digest(header)
    if _digest_of(file, header, digest) != digest:
        raise FormatError("its SHA-256 is not the one that was written")


def _read_header(file: RawFile) -> bytes:
    """Return the header as it is stored, its length before it."""
    if file.size < 8:
        raise FormatError(f"it must have at least 8 bytes, got {file.size}")
    size = _header_size(file.read(0, 8))
    if size > min(file.size, _MAX_HEADER):
        raise FormatError(f"its header ends at byte {size}, the file at {file.size}")
    return file.read(0, size)


def _header_size(content) -> int:
    """Return how many bytes the header takes, with the eight that say its length."""
    return 8 + int.from_bytes(content[:8], "little")


def _stated_digest(header: bytes) -> str:
    try:
        digest = json.loads(header[8:])["__metadata__"][_SEAL]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError("it holds no digest") from None
    if not isinstance(digest, str) or len(digest) != len(_NO_DIGEST) or not digest.isascii():
        raise FormatError("it holds no digest")
    return digest


def _digest_of(file: RawFile, header: bytes, digest: str) -> str:
    """Return the SHA-256 of a file with no digest in the place of its own."""
    start, stop = _place_of_digest(header, digest)
    found = hashlib.sha256(header[:start])
    found.update(_NO_DIGEST.encode())
    found.update(header[stop:])
    for offset in range(len(header), file.size, _CHUNK):
        found.update(file.read(offset, min(_CHUNK, file.size - offset)))
    return found.hexdigest()


def _place_of_digest(header: bytes, digest: str) -> tuple[int, int]:
    """Return where the digest stands in the header: first byte, and the one after the last."""
    marker = f'"{_SEAL}":"{digest}"'.encode()
    start = header.find(marker)
    if start < 0:
        raise FormatError("it holds no digest")
    stop = start + len(marker) - 1
    return stop - len(digest), stop
