"""Images that are given twice: by a folder and a folder in it, or by links. They count once."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from synthgen.layouts import own
from synthgen.layouts.entries import Chosen, Entry, ImageSet, Joined
from synthgen.machine import counted


class _First(NamedTuple):
    """Where an image was given first."""

    place: str
    name: str


def each_once(opened: Sequence[ImageSet]) -> list[ImageSet]:
    """Return sets, each without the images of those before it, and with a line on what was left out.

    Two image files are one where links lead to it by both names; two data sets of ours are where their folders are.
    """
    seen: dict = {}
    return [_new_of(images, seen) for images in opened]


def _new_of(images: ImageSet, seen: dict) -> ImageSet:
    """Return a set of one place without what was seen before; `seen` grows."""
    (source,) = images.sources
    parts = images.entries.parts if isinstance(images.entries, Joined) else [images.entries]
    kept = []
    twins: list[tuple[Entry, _First]] = []
    for part in parts:
        of_part, twins_of_part = _divided(part, source.place, seen)
        kept.append(of_part)
        twins += twins_of_part

    if not twins:
        return images
    entries = Joined(kept)
    line = _line(source.place, twins)
    return ImageSet(entries, [replace(source, count=len(entries))], [*images.left_out, line])


def _divided(part: Sequence[Entry], place: str, seen: dict) -> tuple[Sequence[Entry], list[tuple[Entry, _First]]]:
    """Return the entries of a part that are new, and each of the others with where it was seen first."""
    if isinstance(part, own.Samples):
        key = _identity(part.path)
        first = seen.setdefault(key, _First(place, str(part.path)))
        is_new = first == (place, str(part.path))
        return (part, []) if is_new else ([], [(entry, first) for entry in part])

    new = []
    twins = []
    for number, entry in enumerate(part):
        key = _identity(entry.name)
        if key in seen:
            twins.append((entry, seen[key]))
        else:
            seen[key] = _First(place, entry.name)
            new.append(number)
    return (Chosen(part, new) if twins else part), twins


def _identity(path: str | Path) -> tuple:
    """Return what two paths of one file have in common."""
    try:
        found = os.stat(path)
    except OSError:  # reported when it is read
        return (str(path),)
    return found.st_dev, found.st_ino


def _line(place: str, twins: list[tuple[Entry, _First]]) -> str:
    """Return the line on images that were left out."""
    entry, first = twins[0]
    what = counted(len(twins), "image")
    if first.place != place:
        return f"{place}: {what} left out that {first.place} has too, {entry.name} among them"
    are = "is" if len(twins) == 1 else "are"
    return f"{place}: {what} left out that {are} there by another name, {entry.name} of {first.name}"
