"""Where a gallery goes: one file, or a folder of a page and its pictures. Both are whole or absent."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from synthgen.errors import FormatError, UsageError
from synthgen.look.page import MARK, is_ours
from synthgen.shards.files import make_folder, refuse_remote, storage_errors, write_atomically

INDEX = "index.html"
PICTURES = "pictures"
_ENDINGS = (".html", ".htm")


def is_one_file(out: Path) -> bool:
    """Return whether a gallery of this name is one file."""
    return out.suffix.lower() in _ENDINGS


def check_out(out: Path) -> None:
    """Raise `UsageError` if something else than a gallery of ours lies where one is to be written."""
    refuse_remote(out)
    if not os.path.lexists(out):
        return
    if is_one_file(out):
        if not out.is_file() or not _is_page(out):
            raise UsageError(f"{out}: is no page of ours; choose another --out")
        return

    names = {entry.name for entry in out.iterdir()} if out.is_dir() else {"?"}
    is_gallery = names == {INDEX, PICTURES} and _is_page(out / INDEX)
    if names and not is_gallery:
        raise UsageError(
            f"{out}: must be a new or an empty folder, or a gallery, got one that holds something else"
        )


def _is_page(path: Path) -> bool:
    with suppress(OSError, FormatError):
        with open(path, "rb") as file:
            return is_ours(file.read(len(MARK)))
    return False


def write_one(out: Path, page: bytes) -> list[int]:
    """Write a page as one file; return the sizes of the files."""
    make_folder(out.absolute().parent, out)
    write_atomically(out, page)
    return [len(page)]


def write_folder(out: Path, page: bytes, pictures: dict[str, bytes]) -> list[int]:
    """Write a page and its pictures as a folder, in place of a gallery; return the sizes of the files."""
    out = out.absolute()
    work = _beside(out)
    make_folder(work / PICTURES, out)
    try:
        with storage_errors(out):
            (work / INDEX).write_bytes(page)
            for name, data in pictures.items():
                (work / PICTURES / f"{name}.webp").write_bytes(data)
            _swap(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [len(page), *map(len, pictures.values())]


def _swap(work: Path, out: Path) -> None:
    """Give a finished folder its name; the gallery that had it goes."""
    old = _beside(out)
    had_one = os.path.lexists(out)
    if had_one:
        os.replace(out, old)
    try:
        os.replace(work, out)
    except OSError:
        if had_one:
            os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path) -> Path:
    """Return a hidden name beside a folder that nobody else uses."""
    return out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
