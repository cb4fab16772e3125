"""The objects of a sample as detectors learn them: which pixels each has, and what it is called."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from synthgen.boxes import boxes_of
from synthgen.layouts.defects import DEFECTS, defect_field
from synthgen.layouts.entries import NORMAL
from synthgen.layouts.export.sources import Picked, Source
from synthgen.layouts.export.writer import Writer

_MOST_IDS = 2**16


class Thing(NamedTuple):
    """An object that is seen in an image.

    Attributes
    ----------
    number : int
        Its value in the picture of ids.
    name : str
        Of its category.
    box : ndarray of int64
        Top, left, bottom, right of its visible pixels, the last two exclusive, and how many they are.
    is_crowd : bool
        Whether the number stands for several objects.
    """

    number: int
    name: str
    box: np.ndarray
    is_crowd: bool

    def window(self, ids: np.ndarray) -> np.ndarray:
        """Return its visible pixels within its box, bool."""
        top, left, bottom, right, _ = self.box
        return ids[top:bottom, left:right] == self.number


def things_of(writer: Writer, sample: Picked) -> tuple[np.ndarray, list[Thing]]:
    """Return the picture of ids of a sample, unsigned (H, W), and the objects that it shows.

    A data set without ids has one object in each image. On a normal image there is no object, unless `truth` asks
    for all.
    """
    marked = writer.marked(sample)
    if marked is None:
        return np.zeros((1, 1), np.uint8), []

    if "instances" not in sample.source.manifest.fields:
        ids = marked.view(np.uint8)
        records: dict[int, dict] = {1: {}}
    else:
        ids = sample.pixels_of("instances") * marked
        records = _records_of(writer, sample)

    boxes = boxes_of(ids, max(records, default=0))
    things = []
    for number, record in records.items():
        box = boxes[number]
        if box[4] < writer.options.min_pixels:
            continue
        name = name_of(record, sample.kind, writer.options.labels)
        is_crowd = record.get("count", 1) > 1
        thing = Thing(number, name, box, is_crowd)
        things.append(thing)
    return ids, things


def _records_of(writer: Writer, sample: Picked) -> dict[int, dict]:
    """Return the records of the objects that count, by their ids."""
    records = sample.source.dataset.params(sample.place)["objects"]
    counting = _counting(writer, sample.source, sample.kind, records)
    return {record["id"]: record for record in counting if record["id"] < _MOST_IDS}


def _counting(writer: Writer, source: Source, kind: str, records: list[dict]) -> list[dict]:
    """Return the records that count, of those of an image of a kind."""
    if writer.options.truth != DEFECTS:
        return records
    if kind in NORMAL:
        return []

    # where a field has the kind's pixels, others that lie on them are no defects
    field = defect_field(source.manifest.fields, kind)
    of_kind = [record for record in records if record["kind"] == field]
    return of_kind or records


def name_of(record: dict, kind: str, labels: str) -> str:
    """Return the category of an object.

    Parameters
    ----------
    record : dict
        Its record in ``params["objects"]``; empty where there is none.
    kind : str
        The class of the image.
    labels : str
        As of `Options`. ``auto``: the class of the source it was taken from, else its kind, else the image's class.

    Examples
    --------
    >>> name_of({"kind": "fractal", "params": {"source_class": 7}}, "group 1", "auto")
    'source-000007'
    >>> name_of({"kind": "dent", "params": {}}, "dent", "auto"), name_of({}, "fractal-3", "auto")
    ('dent', 'fractal-3')
    """
    source = record.get("params", {}).get("source_class")
    if labels in ("auto", "source") and source is not None:
        return f"source-{source:06d}"
    if labels in ("auto", "kind") and "kind" in record:
        return record["kind"]
    return kind


def names_in(writer: Writer) -> Iterator[str]:
    """Yield the names of all objects that an export may have, some of them often; this reads all parameters."""
    labels = writer.options.labels
    for source in writer.sources:
        has_objects = "instances" in source.manifest.fields and labels != "class"
        if not has_objects:
            yield from (source.names[label] for label in source.labels)
            continue
        for place in source.places.tolist():
            params = source.dataset.params(place)
            kind = source.names[params["class"]]
            for record in _counting(writer, source, kind, params["objects"]):
                yield name_of(record, kind, labels)
