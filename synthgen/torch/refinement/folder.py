"""Refining a set of images into a folder: masks, sheets, recovered images, and a table; a stopped run goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from PIL import Image

from synthgen.errors import SynthgenError, UsageError, one_line
from synthgen.layouts import ImageSet
from synthgen.look.heatmaps import picture_names
from synthgen.metrics import best_f1_threshold
from synthgen.metrics.overlap import overlaps
from synthgen.shards.files import make_folder, replacing
from synthgen.tables import write_csv
from synthgen.torch.evaluation.journal import Journal
from synthgen.torch.models.base import AnomalyModel
from synthgen.torch.refinement.options import RefineOptions
from synthgen.torch.refinement.outlines import as_batch, kept_threshold, refine_all
from synthgen.torch.refinement.pictures import at_size, cutouts, sheet

TABLE = "refined.csv"
JOURNAL = ".refine.jsonl"
COLUMNS = (
    "image", "mask", "coarse_area", "area", "iterations", "seconds", "iou", "dice", "refined_iou", "refined_dice",
    "note", "error",
)  # fmt: skip


class Work(NamedTuple):
    """A refinement of many images.

    Attributes
    ----------
    model : AnomalyModel
    images : ImageSet
        At their own sizes.
    folder : Path
        For the results.
    options : RefineOptions
    threshold : float
        Of the model's maps.
    normal : ndarray or None
        Normal images to start from.
    """

    model: AnomalyModel
    images: ImageSet
    folder: Path
    options: RefineOptions
    threshold: float
    normal: np.ndarray | None = None


def refine_set(work: Work, batch_size: int = 1, advance: Callable | None = None) -> list[dict]:
    """Refine the images of a set, and write what is found; return the rows of the table, in order.

    A run that was stopped goes on where it was, if model, options and images are the same.

    Parameters
    ----------
    work : Work
    batch_size : int
        Images that are searched at once: 1 on a CPU.
    advance : callable, optional
        Called with the number of images that are done.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    names = picture_names([entry.name for entry in work.images.entries])
    make_folder(work.folder)
    journal = Journal(work.folder / JOURNAL, _settings(work))
    rows = {row.pop("number"): row for row in journal.entries}
    if advance is not None:
        advance(len(rows))

    left = [number for number in range(len(names)) if number not in rows]
    finished = False
    try:
        for first in range(0, len(left), batch_size):
            numbers = left[first : first + batch_size]
            found = _refined(work, numbers, names)
            rows |= found
            for number, row in found.items():
                journal.add({"number": number, **row})
            if advance is not None:
                advance(len(numbers))
        finished = True
    finally:
        journal.close(finished)

    table = [rows[number] for number in range(len(names))]
    known = {name for row in table for name in row}
    columns = [name for name in COLUMNS if name in known]
    write_csv(work.folder / TABLE, table, columns)
    return table


def _settings(work: Work) -> dict:
    """Return what makes a refinement the same."""
    names = [entry.name for entry in work.images.entries]
    digest = hashlib.sha256(repr(names).encode("utf-8", "surrogateescape"))
    for name in work.model.state:
        tensor = getattr(work.model, name).detach().cpu().contiguous()
        digest.update(tensor.numpy().tobytes())
    options = msgspec.to_builtins(work.options)
    return {"inputs": digest.hexdigest(), "threshold": work.threshold, "options": options}


def _refined(work: Work, numbers: list[int], names: list[str]) -> dict[int, dict]:
    """Return the rows of some images, by number; one that cannot be read gets a row that says why."""
    rows = {}
    items = {}
    for number in numbers:
        try:
            items[number] = _read(work, number)
        except SynthgenError as error:
            name = work.images.entries[number].name
            rows[number] = {"image": name, "error": one_line(error)}
    if not items:
        return rows

    start = time.perf_counter()
    pictures = [small.image for _, small in items.values()]
    _, predicted = work.model.predict(as_batch(pictures))
    maps = np.asarray(predicted)
    coarse = maps >= work.threshold
    found = refine_all(work.model, pictures, list(coarse), options=work.options, normal=work.normal)
    seconds = (time.perf_counter() - start) / len(items)

    for place, (number, (full, small)) in enumerate(items.items()):
        row = _row(full, small, coarse[place], found[place])
        row["seconds"] = round(seconds, 3)
        seen = _Seen(full.image, small.image, maps[place], coarse[place])
        row["mask"] = _written(work, names[number], seen, found[place])
        rows[number] = row
    return rows


def _read(work: Work, number: int):
    """Return an image at its own size, and at that of the model."""
    size = work.model.image_size
    full = work.images.resized(None)[number]
    small = work.images.resized(size)[number]
    return full, small


class _Seen(NamedTuple):
    """An image at its own size and at the model's, the model's map, and the coarse mask."""

    full: np.ndarray
    small: np.ndarray
    scores: np.ndarray
    coarse: np.ndarray


def _row(full, small, coarse: np.ndarray, found) -> dict:
    """Return what the table says of an image."""
    coarse_area = float(coarse.mean())
    area = float(found.mask.mean())
    row = {
        "image": full.name,
        "coarse_area": round(coarse_area, 6),
        "area": round(area, 6),
        "iterations": found.iterations,
        "note": "; ".join(found.notes),
    }
    if small.label and small.truth is not None and small.mask.any():
        for prefix, mask in (("", coarse), ("refined_", found.mask)):
            measured = overlaps([small.mask], [mask])
            iou = float(measured.iou[0])
            dice = float(measured.dice[0])
            row[f"{prefix}iou"] = round(iou, 4)
            row[f"{prefix}dice"] = round(dice, 4)
    return row


def _written(work: Work, name: str, seen: _Seen, found) -> str:
    """Write what was found of an image, and return the file of the mask."""
    folder = work.folder
    shown = sheet(seen.small, seen.scores, work.threshold, seen.coarse, found)
    _write(folder / "sheets" / name, shown)

    mask, normal = at_size(found, seen.full)
    if work.options.recover and found.helped:
        _write(folder / "recovered" / name, normal)
        stem = Path(name).with_suffix("")
        for count, piece in enumerate(cutouts(seen.full, mask), 1):
            _write(folder / "cutouts" / f"{stem}-{count}.png", piece)

    path = folder / "masks" / name
    levels = np.where(mask, 255, 0)
    _write(path, levels.astype(np.uint8))
    return str(path)


def _write(path: Path, pixels: np.ndarray) -> None:
    make_folder(path.parent)
    picture = Image.fromarray(pixels)
    with replacing(path) as temporary:
        picture.save(temporary, "PNG")


def threshold_of(model, text: str | None, images) -> float:
    """Return the threshold that a text means: a number, ``oracle``, or what the model keeps.

    Parameters
    ----------
    model : AnomalyModel
    text : str or None
        ``oracle`` is the one of the best F1 of the pixels of `images` themselves, as in the tables of Tao et al.
        2024: for comparisons alone. None is the one in the notes of the model.
    images : ImageSet

    Raises
    ------
    UsageError
        If it is none of these, or the model keeps none.
    """
    if text is None:
        return kept_threshold(model)
    if text != "oracle":
        try:
            return float(text)
        except ValueError:
            raise UsageError(f"threshold must be a number or oracle, got {text!r}") from None

    masks = []
    maps = []
    size = tuple(model.image_size)
    for item in images.resized(size):
        if item.truth is None:
            continue
        _, found = model.predict(as_batch([item.image]))
        masks.append(item.mask)
        maps.append(found[0])
    if not any(mask.any() for mask in masks):
        raise UsageError("threshold must be a number for images whose defects are not marked, got oracle")
    return best_f1_threshold(masks, maps)[0]
