"""YOLO's segmentation: ``images/SPLIT``, ``labels/SPLIT/KEY.txt``, ``data.yaml``.

A line of a label file is one polygon: class, then x and y as shares of the image. Pieces and holes of an object are
joined by bridges of no width. The points are the middles of pixels: ultralytics cuts off what is behind the decimal
point, OpenCV's `fillPoly` paints the edge, and so the object comes out again.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import yaml

from synthgen.errors import UsageError
from synthgen.layouts.export.objects import Thing, names_in, things_of
from synthgen.layouts.export.pictures import image_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import File, Written, as_file
from synthgen.layouts.export.writer import Writer as Base
from synthgen.layouts.outlines import filled, joined_outline

_DIGITS = 6


class Writer(Base):
    """A polygon for each object; an empty file for an image without one."""

    SPLITS = "train=0.8,val=0.2"

    def check(self) -> None:
        """Refuse data sets without masks, and splits without one to train on and one to validate on."""
        self.needs_masks("yolo-seg")
        names = {_yolo_name(name) for name, _ in self.splits}
        if not names >= {"train", "val"}:
            raise UsageError(f"split must have train and val for yolo-seg, got {self.options.split}")

    def survey(self) -> dict:
        """Return the names of all objects: label files hold their numbers."""
        return {"names": sorted(set(names_in(self)))}

    def put(self, sample: Picked) -> Written:
        """Return the image and the labels of a sample; its row has the overlap of each object with its polygon."""
        place = f"{sample.split}/{self.key(sample)}"
        image = as_file(f"images/{place}", image_of(sample, self.options), "image")
        ids, things = things_of(self, sample)

        text = ""
        overlaps = []
        for thing in things:
            window = thing.window(ids)
            points = joined_outline(window)
            text += self._line(points, thing, ids.shape)
            overlap = _overlap(points, window)
            overlaps.append(overlap)
        labels = File(f"labels/{place}.txt", text.encode(), "text")
        return Written([image, labels], {"overlaps": overlaps})

    def _line(self, points: np.ndarray, thing: Thing, shape: tuple[int, ...]) -> str:
        height, width = shape
        top, left = thing.box[:2]
        rows = points[:, 0] + top
        columns = points[:, 1] + left
        x = (columns + 0.5) / width
        y = (rows + 0.5) / height
        pairs = np.column_stack([x, y])
        numbers = " ".join(f"{value:.{_DIGITS}f}" for value in pairs.ravel())
        number = self.facts["names"].index(thing.name)
        return f"{number} {numbers}\n"

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the configuration, which holds wherever the folder is moved to."""
        splits = {_yolo_name(name): f"images/{name}" for name, _ in self.splits}
        names = dict(enumerate(self.facts["names"]))
        values = {"path": ".", **splits, "names": names}
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        tree.put_text("data.yaml", text)

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return how well the polygons cover the objects."""
        count = 0
        total = 0.0
        worst = 1.0
        for row in rows():
            count += len(row["overlaps"])
            total += sum(row["overlaps"])
            worst = min([worst, *row["overlaps"]])
        if not count:
            return ["no object in any image"]
        return [f"{count:,} polygons: IoU with the objects {total / count:.4f} on average, {worst:.4f} at worst"]

    def usage(self, out: Path) -> str:
        """Return what ultralytics is told: it looks for the folder where the command runs."""
        return f"cd {out} && yolo segment train data=data.yaml model=yolo11n-seg.pt"


def _overlap(points: np.ndarray, window: np.ndarray) -> float:
    """Return the intersection over union of an object and its polygon."""
    polygon = filled(points, *window.shape)
    common = np.count_nonzero(polygon & window)
    either = np.count_nonzero(polygon | window)
    return round(float(common / either), 6)


def _yolo_name(split: str) -> str:
    return "val" if split == "valid" else split
