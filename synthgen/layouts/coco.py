"""COCO: ``images/SPLIT/KEY.png``, ``annotations/instances_SPLIT.json``; roboflow's flavour has both in ``SPLIT``.

Source: Lin et al., Microsoft COCO, ECCV 2014, and the format page of its data set. Boxes and areas are those of the
visible pixels. Readers that know run lengths of crowds alone take `polygons`, which are as exact.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.json import encode as encode_json

from synthgen.errors import UsageError
from synthgen.layouts.export.objects import Thing, things_of
from synthgen.layouts.export.pictures import image_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import Writer as Base
from synthgen.layouts.export.writer import Written, as_file
from synthgen.layouts.outlines import outlines
from synthgen.layouts.rle import rle_text
from synthgen.version import __version__

# The folders that RF-DETR looks for.
_ROBOFLOW = ("train", "valid", "test")


class Writer(Base):
    """Run lengths, or polygons, of every object."""

    SPLITS = "train=0.8,valid=0.1,test=0.1"

    def check(self) -> None:
        """Refuse data sets without masks, and splits that roboflow's readers do not look for."""
        self.needs_masks("coco")
        self._is_roboflow = self.options.flavour == "roboflow"
        names = [name for name, _ in self.splits]
        strange = [name for name in names if name not in _ROBOFLOW]
        if self._is_roboflow and strange:
            raise UsageError(f"split must be of {', '.join(_ROBOFLOW)} for roboflow, got {strange[0]}")

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample, and what the annotations say of it."""
        folder = sample.split if self._is_roboflow else f"images/{sample.split}"
        image = image_of(sample, self.options)
        file = as_file(f"{folder}/{self.key(sample)}", image, "image")

        height, width = sample.source.manifest.fields["image"].shape[:2]
        ids, things = things_of(self, sample)
        objects = [self._object(ids, thing) for thing in things]
        row = {
            "split": sample.split,
            "name": f"{self.key(sample)}.{image.suffix}",
            "size": [width, height],
            "objects": objects,
        }
        return Written([file], row)

    def _object(self, ids, thing: Thing) -> dict:
        top, left, bottom, right, area = thing.box.tolist()
        segmentation = _polygons(ids, thing) if self.options.polygons else _run_lengths(ids, thing)
        return {
            "name": thing.name,
            "bbox": [left, top, right - left, bottom - top],
            "area": area,
            "iscrowd": int(thing.is_crowd),
            "segmentation": segmentation,
        }

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the annotations of each split; they pass through memory a batch at a time."""
        names = sorted({thing["name"] for row in rows() for thing in row["objects"]})
        numbers = {name: number for number, name in enumerate(names, 1)}
        for split, _ in self.splits:
            place = f"annotations/instances_{split}.json"
            if self._is_roboflow:
                place = f"{split}/_annotations.coco.json"

            with tree.writing(place) as write:
                _write_annotations(write, numbers, lambda split=split: _of_split(rows, split))

    def usage(self, out: Path) -> str:
        """Return what the readers of COCO are told."""
        split, _ = self.splits[0]
        if self._is_roboflow:
            return f'rfdetr.RFDETRSegPreview().train(dataset_dir="{out}")'

        images = out / "images" / split
        annotations = out / "annotations" / f"instances_{split}.json"
        return "\n".join(
            (
                f'pycocotools.coco.COCO("{annotations}")',
                f'torchvision.datasets.CocoDetection("{images}", "{annotations}")',
                f'fiftyone.Dataset.from_dir(data_path="{images}", labels_path="{annotations}",',
                '    dataset_type=fiftyone.types.COCODetectionDataset, label_types="segmentations")',
                f'lightly_studio.ImageDataset.create().add_samples_from_coco("{annotations}", "{images}",',
                "    annotation_type=lightly_studio.AnnotationType.SEGMENTATION_MASK)",
            )
        )


def _run_lengths(ids, thing: Thing) -> dict:
    text = rle_text(ids, thing.number, thing.box)
    return {"size": list(ids.shape), "counts": text}


def _polygons(ids, thing: Thing) -> list[list[int]]:
    """Return each piece of an object as x, y, x, y .."""
    corner = thing.box[:2]
    polygons = []
    for points in outlines(thing.window(ids)):
        places = points + corner
        pairs = places[:, ::-1]
        polygons.append(pairs.ravel().tolist())
    return polygons


def _of_split(rows: Callable[[], Iterator[dict]], split: str) -> Iterator[dict]:
    return (row for row in rows() if row["split"] == split)


def _write_annotations(write: Callable[[str], None], numbers: dict[str, int], rows) -> None:
    """Write the annotations of one split; images and objects are numbered from 1."""
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]
    write(json.dumps({"info": {"description": f"synthgen {__version__}"}, "licenses": []})[:-1])
    write(f', "categories": {json.dumps(categories)},\n"images": [')
    _write_list(write, (_image(number, row) for number, row in enumerate(rows(), 1)))
    write('],\n"annotations": [')
    _write_list(write, _annotations(numbers, rows))
    write("]}\n")


def _write_list(write: Callable[[str], None], entries: Iterator[dict]) -> None:
    between = "\n"
    for entry in entries:
        write(between + encode_json(entry).decode())
        between = ",\n"


def _image(number: int, row: dict) -> dict:
    width, height = row["size"]
    return {"id": number, "file_name": row["name"], "width": width, "height": height}


def _annotations(numbers: dict[str, int], rows) -> Iterator[dict]:
    number = 0
    for image, row in enumerate(rows(), 1):
        for thing in row["objects"]:
            number += 1
            facts = {key: value for key, value in thing.items() if key != "name"}
            yield {"id": number, "image_id": image, "category_id": numbers[thing["name"]], **facts}
