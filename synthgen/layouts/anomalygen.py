"""NVIDIA's AnomalyGen: ``TEXTURE/anomaly_image/TYPE/x.png``, ``TEXTURE/mask/TYPE/x_mask.png``, ``pairs.jsonl``.

A pair is a normal image and a mask: what is to be generated. Normal images are the clean twins of those with
defects, where the data set has them, else its normal images in turn.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts.entries import NORMAL
from synthgen.layouts.export.names import safe_name, safe_names
from synthgen.layouts.export.pictures import image_of, mask_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import (
    GIVES_DEFECTS,
    File,
    Written,
    as_file,
    joined_names,
    notes_on_hidden,
)
from synthgen.layouts.export.writer import Writer as Base

_PAIRS = "pairs.jsonl"


class Writer(Base):
    """One texture: what the images show."""

    SQUARES = True

    def check(self) -> None:
        """Name the kinds of defects."""
        self.needs_masks("anomalygen")
        kinds = [name for name in joined_names(self.sources) if name not in NORMAL]
        if not kinds:
            place = self.sources[0].path
            raise UsageError(f"{place}: must have a class of defects for anomalygen, got none; {GIVES_DEFECTS}")
        self._folders = dict(zip(kinds, safe_names(kinds, taken=NORMAL), strict=True))
        self.texture = safe_name(self.options.category or self.sources[-1].path.name)

    def put(self, sample: Picked) -> Written:
        """Return image and mask of a sample with a defect, and its clean twin; or a normal image."""
        key = self.key(sample)
        image = image_of(sample, self.options)
        if self.is_normal(sample):
            file = as_file(f"{self.texture}/normal_image/{key}", image, "image")
            said = {} if sample.is_good else {"hides": True}
            return Written([file], {"normal": file.path, **said})

        folder = self._folders[sample.kind]
        file = as_file(f"{self.texture}/anomaly_image/{folder}/{key}", image, "image")
        mask = as_file(
            f"{self.texture}/mask/{folder}/{key}_mask", mask_of(self.marked(sample), self.options), "mask"
        )
        row = {"mask": mask.path}
        files = [file, mask]
        if "clean" in sample.source.manifest.fields:
            clean = image_of(sample, self.options, "clean")
            # the record has the sums of images and masks alone
            twin = File(f"{self.texture}/clean_image/{key}.{clean.suffix}", clean.data, "text")
            files.append(twin)
            row["clean"] = twin.path
        return Written(files, row)

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the pairs."""
        with tree.writing(_PAIRS) as write:
            for normal, mask in _pairs(rows):
                write(json.dumps({"normal": normal, "mask": mask}) + "\n")

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return how many images show no defect, and that there are no pairs where nothing goes with the masks."""
        found = notes_on_hidden(rows)
        if any(True for _ in _pairs(rows)):
            return found
        return [*found, f"{_PAIRS} is empty: there is neither a class good nor a field clean"]

    def usage(self, out: Path) -> str:
        """Return where the two parts lie."""
        return f"{out / self.texture} has the training data, {out / _PAIRS} what to generate"


def _pairs(rows: Callable[[], Iterator[dict]]) -> Iterator[tuple[str, str]]:
    """Yield a normal image and a mask; normal images are taken in turn where a mask has none of its own."""
    normal = _in_turn(rows)
    for row in rows():
        if "mask" in row:
            clean = row.get("clean") or next(normal, None)
            if clean is not None:
                yield clean, row["mask"]


def _in_turn(rows: Callable[[], Iterator[dict]]) -> Iterator[str]:
    while True:
        found = False
        for row in rows():
            if "normal" in row:
                found = True
                yield row["normal"]
        if not found:
            return
