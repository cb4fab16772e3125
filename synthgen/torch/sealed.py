"""Tensors as safetensors files. A sealed file holds a digest of all its bytes, and is checked before it is used."""

import hashlib
import json
from contextlib import closing
from pathlib import Path

import torch

from synthgen.errors import FormatError, StorageError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import RawFile, replacing, sha256_of

# The digest is taken of the file with this in its place.
_SEAL = "sha256"
_NO_DIGEST = "0" * 64
# The longest header that safetensors reads.
_MAX_HEADER = 100_000_000
_CHUNK = 2**24


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Write named tensors as safetensors, a whole file or none; return the SHA-256 of the file."""
    with replacing(path) as temporary:
        _write(temporary, tensors, metadata)
        digest = sha256_of(temporary)
    return digest


def write_sealed(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write named tensors with a digest among the metadata, a whole file or none."""
    unsealed = {**metadata, _SEAL: _NO_DIGEST}
    with replacing(path) as temporary:
        _write(temporary, tensors, unsealed)
        _seal(temporary)


def _write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    with needed_for("weights"):
        from safetensors import SafetensorError
        from safetensors.torch import save_file

    # Each on its own memory: layouts other than the plain one and tensors that share memory cannot be stored.
    plain = {}
    for name, value in tensors.items():
        on_cpu = value.detach().cpu()
        plain[name] = on_cpu.contiguous().clone()

    try:
        save_file(plain, path, metadata)
    except SafetensorError as error:
        raise StorageError(f"{path}: cannot be written: {one_line(error)}") from None


def _seal(path: Path) -> None:
    """Put its digest into a file that has none yet."""
    with closing(RawFile(path)) as file:
        header = _read_header(file)
        digest = _digest_of(file, header, _NO_DIGEST)

    start, _ = _place_of_digest(header, _NO_DIGEST)
    with open(path, "rb+") as written:
        written.seek(start)
        written.write(digest.encode())


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

    if file.size > most_bytes:
        raise FormatError(f"it must have at most {most_bytes} bytes, got {file.size}")
    check_seal(file)
    try:
        with safe_open(file.path, "pt") as content:
            names = list(content.keys())
            tensors = {name: content.get_tensor(name) for name in names}
            return content.metadata(), tensors
    except (SafetensorError, RuntimeError) as error:
        raise FormatError(f"no safetensors file: {one_line(error)}") from None


def check_seal(file: RawFile) -> None:
    """Raise `FormatError` unless the file is as it was written."""
    header = _read_header(file)
    digest = _stated_digest(header)
    if _digest_of(file, header, digest) != digest:
        raise FormatError("its SHA-256 is not the one that was written")


def _read_header(file: RawFile) -> bytes:
    """Return the header as it is stored, its length before it."""
    if file.size < 8:
        raise FormatError(f"it must have at least 8 bytes, got {file.size}")

    first = file.read(0, 8)
    size = 8 + int.from_bytes(first, "little")
    if size > min(file.size, _MAX_HEADER):
        raise FormatError(f"its header ends at byte {size}, the file at {file.size}")
    return file.read(0, size)


def _stated_digest(header: bytes) -> str:
    """Return the digest that a header holds."""
    try:
        metadata = json.loads(header[8:])["__metadata__"]
        digest = metadata[_SEAL]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError("it holds no digest") from None

    is_text = isinstance(digest, str) and digest.isascii()
    if not is_text or len(digest) != len(_NO_DIGEST):
        raise FormatError("it holds no digest")
    return digest


def _digest_of(file: RawFile, header: bytes, digest: str) -> str:
    """Return the SHA-256 of a file with no digest in the place of its own."""
    start, stop = _place_of_digest(header, digest)
    found = hashlib.sha256(header[:start])
    found.update(_NO_DIGEST.encode())
    found.update(header[stop:])

    for offset in range(len(header), file.size, _CHUNK):
        left = file.size - offset
        chunk = file.read(offset, min(_CHUNK, left))
        found.update(chunk)
    return found.hexdigest()


def _place_of_digest(header: bytes, digest: str) -> tuple[int, int]:
    """Return where the digest stands in the header: first byte, and the one after the last."""
    before = f'"{_SEAL}":"'.encode()
    marker = before + digest.encode() + b'"'
    found = header.find(marker)
    if found < 0:
        raise FormatError("it holds no digest")

    start = found + len(before)
    return start, start + len(digest)
