"""Ways to damage a file. Each takes the file and a generator, changes the file, and says what it did."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

Way = Callable[[Path, np.random.Generator], str]
_GIANT = 2**40
_ODD_VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    255,
    16384,
    2**31,
    2**63,
    1e308,
    "",
    "x",
    "../..",
    "/etc/passwd",
    [],
    {},
    [[]],
]


def one_of(rng: np.random.Generator, things):
    """Return one of some things, each as likely as the others."""
    return things[int(rng.integers(len(things)))]


def _opened(path: Path, rng) -> tuple[bytearray, int]:
    """Return the bytes of a file, and a place among them."""
    data = bytearray(path.read_bytes())
    at = rng.integers(max(1, len(data)))
    return data, int(at)


def flip_bit(path: Path, rng) -> str:
    """Change one bit."""
    data, at = _opened(path, rng)
    if data:
        data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return f"bit flipped at {at}"


def garble(path: Path, rng) -> str:
    """Replace a stretch by random bytes."""
    data, at = _opened(path, rng)
    size = min(int(rng.integers(1, 65)), len(data) - at)

    data[at : at + size] = rng.bytes(size)
    path.write_bytes(data)
    return f"{size} bytes garbled at {at}"


def clear(path: Path, rng) -> str:
    """Replace a stretch by zeros, as a lost block of a disk."""
    data, at = _opened(path, rng)
    at = at // 512 * 512
    size = min(512, len(data) - at)

    data[at : at + size] = bytes(size)
    path.write_bytes(data)
    return f"{size} bytes cleared at {at}"


def repeat(path: Path, rng) -> str:
    """Say a stretch twice, so that all behind it moves."""
    data, at = _opened(path, rng)
    size = int(rng.integers(1, 65))

    longer = data[: at + size] + data[at:]
    path.write_bytes(longer)
    return f"{size} bytes repeated at {at}"


def truncate(path: Path, rng) -> str:
    """Cut the end off."""
    before = path.stat().st_size
    size = int(rng.integers(max(1, before)))
    os.truncate(path, size)
    return f"truncated to {size}"


def append(path: Path, rng) -> str:
    """Add bytes at the end."""
    size = int(rng.integers(1, 4096))
    with path.open("ab") as file:
        file.write(rng.bytes(size))
    return f"{size} bytes appended"


def empty(path: Path, rng) -> str:
    """Leave nothing in the file."""
    path.write_bytes(b"")
    return "emptied"


def remove(path: Path, rng) -> str:
    """Remove the file."""
    path.unlink()
    return "removed"


def make_fifo(path: Path, rng) -> str:
    """Put a FIFO in its place, which nobody writes to."""
    path.unlink()
    os.mkfifo(path)
    return "a FIFO"


def make_folder(path: Path, rng) -> str:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()
    return "a folder"


def link_to_nothing(path: Path, rng) -> str:
    """Put a link to nothing in its place."""
    path.unlink()
    path.symlink_to("nowhere")
    return "a link to nothing"


def link_to_zeros(path: Path, rng) -> str:
    """Put a link to a device without end in its place."""
    path.unlink()
    path.symlink_to("/dev/zero")
    return "a link to /dev/zero"


def make_giant(path: Path, rng) -> str:
    """Make it a terabyte of holes."""
    os.truncate(path, _GIANT)
    return "a sparse giant"


def only_lines(path: Path, rng) -> str:
    """Leave nothing but many line ends."""
    path.write_bytes(b"\n" * 50_000_000)
    return "fifty million line ends"


def nested(path: Path, rng) -> str:
    """Leave JSON of great depth."""
    path.write_bytes(b"[" * 100_000)
    return "deeply nested JSON"


def _others(path: Path) -> list[Path]:
    """Return the other files of a kind in a folder."""
    alike = path.parent.glob(f"*{path.suffix}")
    return sorted(other for other in alike if other != path and other.is_file())


def swap(path: Path, rng) -> str:
    """Exchange it with another file of its kind in the folder, if there is one."""
    others = _others(path)
    if not others:
        return flip_bit(path, rng)

    other = one_of(rng, others)
    aside = path.with_name("aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)
    return f"swapped with {other.name}"


def stale(path: Path, rng) -> str:
    """Replace it by a copy of another file of its kind, if there is one."""
    others = _others(path)
    if not others:
        return garble(path, rng)

    other = one_of(rng, others)
    shutil.copyfile(other, path)
    return f"replaced by {other.name}"


def edit_json(path: Path, rng) -> str:
    """Give a value of a JSON file, or of one of its lines, an odd value."""
    lines = path.read_text().splitlines()
    whole = path.suffix == ".json"
    row = 0 if whole else int(rng.integers(len(lines)))
    value = json.loads("\n".join(lines) if whole else lines[row])

    said = set_oddly(value, rng)
    if whole:
        path.write_text(json.dumps(value))
    else:
        lines[row] = json.dumps(value)
        path.write_text("\n".join(lines) + "\n")
    return said


def set_oddly(value, rng) -> str:
    """Give something inside a JSON value an odd value; return what and which."""
    path = ""

    while True:
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = one_of(rng, keys)
        path += f".{key}"
        inner = value[key]

        branches = isinstance(inner, dict | list) and len(inner) > 0
        if not branches or rng.random() < 0.2:
            break
        value = inner

    odd = one_of(rng, _ODD_VALUES)
    if type(inner) is int and rng.random() < 0.5:
        odd = inner + one_of(rng, (-1, 1, 1000))

    value[key] = odd
    return f"{path[1:]} set to {odd!r}"


BYTES: tuple[Way, ...] = (flip_bit, flip_bit, flip_bit, garble, clear, repeat, truncate, append, swap, stale)
FILES: tuple[Way, ...] = (empty, remove, make_fifo, make_folder, link_to_nothing, link_to_zeros, make_giant)
TEXTS: tuple[Way, ...] = (only_lines, nested, edit_json, edit_json, edit_json, edit_json)


def damaged(path: Path, rng, more: tuple[Way, ...] = ()) -> str:
    """Damage a file in one way; `more` are ways for files of its kind. Return what was done."""
    way = one_of(rng, [*BYTES, *FILES, *more])
    said = way(path, rng)
    return f"{path.name}: {said}"
