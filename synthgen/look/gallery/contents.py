"""What a gallery is made of, and the page that shows it."""

import math
import re
from typing import NamedTuple

from synthgen.look.gallery.chosen import Chosen
from synthgen.look.gallery.classes import IDS, Look, ShownClass, large_pictures, shown_class
from synthgen.look.gallery.head import head_of
from synthgen.look.gallery.heat import heat_picture, title_of
from synthgen.look.gallery.measures import distributions
from synthgen.look.gallery.nearness import class_map
from synthgen.look.gallery.seen import Seen
from synthgen.look.page import document, packed
from synthgen.look.pictures import COLUMNS
from synthgen.machine import counted
from synthgen.sample import format_key
from synthgen.shards.dataset import Dataset

_QUOTES = 6  # around the name and the content of a picture in a page, and what is between
_PARTS = ("common", "gallery")
_HEAT = "all..heat"
# Pages that are opened from a file may not read the pixels of pictures beside them, so these are inside.
_INSIDE = re.compile(rf"c\d+-i\d+-{IDS}|.*\.\.heat")


class Contents(NamedTuple):
    """A gallery before it is written.

    Attributes
    ----------
    dataset : Dataset
    look : Look
    chosen, wanted : Chosen
        The samples that are shown, and those that were asked for.
    classes : list of ShownClass
    pictures : dict
        Name -> WebP file.
    large : int
        How many samples have large pictures: first the first sample of each class, then the second ones ..
    by : str or None
        The network that says which classes look alike, if there is one.
    """

    dataset: Dataset
    look: Look
    chosen: Chosen
    wanted: Chosen
    classes: list[ShownClass]
    pictures: dict[str, bytes]
    large: int = 0
    by: str | None = None

    def beside(self) -> dict[str, bytes]:
        """Return the pictures that lie beside the page of a folder."""
        return {name: data for name, data in self.pictures.items() if not _INSIDE.fullmatch(name)}

    def page(self, in_folder: bool) -> bytes:
        """Return the page, with all pictures in it unless it lies in a folder."""
        inside = self.pictures
        if in_folder:
            inside = {name: data for name, data in inside.items() if _INSIDE.fullmatch(name)}

        head = head_of(self.dataset)
        measures = [row for shown in self.classes for row in shown.measures]
        found = [distribution._asdict() for distribution in distributions(measures)]
        data = {
            **head,
            "notes": self.notes(),
            "fields": [kind._asdict() for kind in self.look.kinds],
            "size": self.look.large,
            "stored": self.dataset.manifest.fields["image"].shape[:2],
            "columns": COLUMNS,
            "classes": self._class_rows(),
            "distributions": packed(found),
            "heat": self._heat(),
            "map": self._map(),
        }
        return document(head["title"], _PARTS, data, inside, in_folder)

    def notes(self) -> list[str]:
        """Return sentences on what is not shown."""
        manifest = self.dataset.manifest
        count = self.chosen.total
        missing = self.wanted.total - count
        notes = []
        if count < manifest.count:
            of_class = len(self.chosen.indices[0])
            classes = counted(manifest.classes, "class", "classes")
            images = counted(manifest.per_class, "image")
            notes.append(f"Shown: {len(self.classes):,} of {classes}, and {of_class:,} of {images} of each.")
        if missing > 0:
            notes.append(f"Left out: {counted(missing, 'image')}, since one file has at most 20 MB.")
        if 0 < self.large < count:
            notes.append(f"A large picture is there of {self.large:,} of {counted(count, 'image')}.")
        return notes

    def with_large(self, budget: float, in_folder: bool) -> "Contents":
        """Return this with large pictures, as many as a budget of bytes allows for the whole gallery."""
        if self.look.large == self.look.cell:
            return self
        used = len(self.page(in_folder))
        used += sum(map(len, self.beside().values())) if in_folder else 0
        pictures = dict(self.pictures)

        large = 0
        for label, index in _in_turn(self.chosen):
            of_sample = large_pictures(self.dataset, self.look, label, index)
            used += _cost(of_sample, in_folder)
            if used > budget:
                break
            pictures |= of_sample
            large += 1
        return self._replace(pictures=pictures, large=large)

    def _class_rows(self) -> list[dict]:
        rounds, rest = divmod(self.large, len(self.classes))
        rows = []
        for place, shown in enumerate(self.classes):
            row = {
                "label": shown.label,
                "name": shown.name,
                "keys": [format_key(shown.label, index) for index in shown.indices],
                "indices": shown.indices,
                "large": rounds + (place < rest),
                "details": shown.details,
            }
            rows.append(row)
        return rows

    def _heat(self) -> dict | None:
        """Return what the page knows of the heat map of all samples; None where no field marks pixels."""
        if _HEAT not in self.pictures:
            return None
        grid = next(grid for shown in self.classes for grid in shown.grids if grid is not None)
        rows, columns = grid.shape
        title = title_of([shown.name for shown in self.classes])
        cells = [cell for shown in self.classes for cell in shown.cells]
        return {"title": title, "rows": rows, "columns": columns, "cells": packed(cells)}

    def _map(self) -> dict | None:
        """Return which classes look alike; None of too few classes."""
        features = [shown.features for shown in self.classes]
        found = class_map(features)
        return None if found is None else {**found._asdict(), "by": self.by}


def contents_of(
    dataset: Dataset, look: Look, chosen: Chosen, wanted: Chosen, advance, seen: Seen | None = None
) -> Contents:
    """Return a gallery without large pictures.

    Parameters
    ----------
    dataset, look, chosen, wanted
        As for `Contents`.
    advance : callable
        Called with the number of images of each class.
    seen : Seen, optional
        What a network sees of the classes.
    """
    classes = []
    pictures: dict[str, bytes] = {}
    for label, indices in zip(chosen.labels, chosen.indices, strict=True):
        shown = shown_class(dataset, look, label, indices)
        if seen is not None:
            shown = shown._replace(features=seen.parts[label])
        classes.append(shown)
        pictures |= shown.pictures
        advance(len(indices))

    grids = [grid for shown in classes for grid in shown.grids if grid is not None]
    if grids:
        pictures[_HEAT] = heat_picture(grids)
    by = None if seen is None else seen.by
    return Contents(dataset, look, chosen, wanted, classes, pictures, by=by)


def _cost(pictures: dict[str, bytes], in_folder: bool) -> int:
    """Return the bytes that pictures take."""
    cost = 0
    for name, data in pictures.items():
        is_beside = in_folder and not _INSIDE.fullmatch(name)
        cost += len(data) if is_beside else math.ceil(len(data) / 3) * 4 + len(name) + _QUOTES
    return cost


def _in_turn(chosen: Chosen):
    """Yield label and index of the first sample of each class, then of the second of each, and so on."""
    most = max(map(len, chosen.indices))
    for number in range(most):
        for label, indices in zip(chosen.labels, chosen.indices, strict=True):
            yield label, indices[number]
