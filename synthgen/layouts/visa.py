"""VisA, read and written: ``Data/Images/Normal``, ``Data/Images/Anomaly``, ``Data/Masks/Anomaly`` and a split.

The split is ``split_csv/1cls.csv`` beside the folders of all objects.

Without a split the first nine tenths of the normal images, by name, are for fitting and the rest for testing: the
proportion of the published one-class split. The kind of defect of an image is taken from ``image_anno.csv`` if it
is there.

Source: Zou et al., SPot-the-Difference, ECCV 2022, section 3, and the readme of the data set.
"""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from synthgen.errors import UsageError, one_line
from synthgen.layouts import mvtec
from synthgen.layouts.entries import Entry
from synthgen.layouts.export.pictures import image_of, mask_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import Written, as_file
from synthgen.layouts.files import entry_of, masks_by_image, normal_entries, paired, pictures_in
from synthgen.layouts.mvtec import read_truth
from synthgen.shards.reading import read_whole

NAME = "VisA"
SPLITS = "split_csv"
_SPLIT = Path(SPLITS) / "1cls.csv"
_COLUMNS = ("object", "split", "label", "image", "mask")
_ANOMALOUS = Path("Data/Images/Anomaly")
_NORMAL = Path("Data/Images/Normal")
_MASKS = Path("Data/Masks/Anomaly")
# What VisA shows; anomalib refuses anything else.
_OBJECTS = (
    "candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2", "pcb1", "pcb2", "pcb3", "pcb4",
    "pipe_fryum",
)  # fmt: skip
# The most that a table may take.
_MOST_BYTES = 2**26


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    return (path / _NORMAL).is_dir()


def normal(path: Path) -> list[Entry]:
    """Return the normal images that are for fitting."""
    images = _normal(path, "train")
    return normal_entries(images, path.name)


def test_set(path: Path) -> list[Entry]:
    """Return the normal images that are for testing, and the anomalous ones with their masks."""
    entries = normal_entries(_normal(path, "test"), path.name)
    kinds = _kinds(path / "image_anno.csv")

    for image, mask in _anomalous(path):
        kind = kinds.get(image.name, "anomaly")
        truth = partial(read_truth, mask)
        entry = entry_of(image, 1, kind, path.name, truth)
        entries.append(entry)
    return entries


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    masks = path / _MASKS
    others = _normal(path, "test" if fitting else "train")
    if fitting:
        return [path / _ANOMALOUS, masks, *others]
    return [masks, *others]


def _anomalous(path: Path) -> list[tuple[Path, Path]]:
    """Return the anomalous images that are for testing, each with its mask."""
    folder = path / _MASKS
    images = pictures_in(path / _ANOMALOUS)
    by_image = masks_by_image(pictures_in(folder), folder, suffix="")
    masks = paired(images, by_image, folder)
    pairs = list(zip(images, masks, strict=True))

    chosen = _chosen(path, "test", normal=False)
    if chosen is None:
        return pairs
    return [pair for pair in pairs if _within(path, pair[0]) in chosen]


def _normal(path: Path, split: str) -> list[Path]:
    """Return the normal images of a split: ``train`` or ``test``."""
    images = pictures_in(path / _NORMAL)
    chosen = _chosen(path, split, normal=True)
    if chosen is not None:
        return [image for image in images if _within(path, image) in chosen]

    cut = len(images) * 9 // 10
    if split == "train":
        return images[:cut]
    return images[cut:]


def _chosen(path: Path, split: str, normal: bool) -> set[str] | None:
    """Return the images of a split, normal or anomalous, by the paths that it writes; None if there is no split."""
    rows = _rows(path)
    if rows is None:
        return None
    of_split = [row for row in rows if row["split"] == split]
    return {row["image"] for row in of_split if (row["label"] == "normal") == normal}


def _within(path: Path, image: Path) -> str:
    """Return an image's path as the split writes it, from the folder of all categories."""
    within = image.relative_to(path.parent)
    return within.as_posix()


def _rows(path: Path) -> list[dict] | None:
    """Return the rows of this category in the split, None if there is no split."""
    split = path.parent / _SPLIT
    if not split.is_file():
        return None

    rows = [row for row in _table(split, _COLUMNS) if row["object"] == path.name]
    if not rows:
        raise UsageError(f"{split}: must have rows of the object {path.name}, got none")
    for row in rows:
        image = path.parent / row["image"]
        if not image.is_file():
            raise UsageError(f"{split}: every image must be there, got none at {image}")
    return rows


def _kinds(path: Path) -> dict[str, str]:
    """Return the kind of defect of each anomalous image, by its name."""
    if not path.is_file():
        return {}

    kinds = {}
    for row in _table(path, ("image", "label")):
        if row["label"] != "normal":
            name = Path(row["image"]).name
            kinds[name] = row["label"]
    return kinds


def _table(path: Path, columns: tuple[str, ...]) -> list[dict]:
    raw = read_whole(path, _MOST_BYTES)
    try:
        lines = io.StringIO(raw.decode("utf-8"), newline="")
        reader = csv.DictReader(lines, restval="")
        head = reader.fieldnames or ()
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: must be a table of comma-separated values: {one_line(error)}") from None

    for column in columns:
        if column not in head:
            raise UsageError(f"{path}: must have the columns {', '.join(columns)}, got no {column}")
    return rows


class Writer(mvtec.Writer):
    """One object. anomalib reads the 12 objects of VisA alone: name the category ``candle`` for it."""

    TARGET = "visa"
    PNG_ALONE = False

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample and, of one with defects, its mask."""
        kind = self.folder_of(sample)
        number = self.number(sample, kind)
        image = image_of(sample, self.options)
        said = self.said_of(sample, kind)
        if mvtec.is_normal(kind):
            file = as_file(f"{self.category}/{_NORMAL}/{number}", image, "image")
            row = self._row(self.split_of(sample), "normal", file.path, "")
            return Written([file], {**row, **said})

        name = f"{kind}-{number}"
        file = as_file(f"{self.category}/{_ANOMALOUS}/{name}", image, "image")
        mask = as_file(f"{self.category}/{_MASKS}/{name}", mask_of(self.marked(sample), self.options), "mask")
        row = self._row("test", "anomaly", file.path, mask.path)
        return Written([file, mask], {**row, "kind": kind, **said})

    def _row(self, split: str, label: str, image: str, mask: str) -> dict:
        """Return a row of the split."""
        return {"object": self.category, "split": split, "label": label, "image": image, "mask": mask}

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the split, and the kinds of all defects."""
        with tree.writing(_SPLIT.as_posix()) as write:
            write(_line(_COLUMNS))
            for row in rows():
                write(_line([row[column] for column in _COLUMNS]))

        with tree.writing(f"{self.category}/image_anno.csv") as write:
            write(_line(("image", "label", "mask")))
            for row in rows():
                write(_line((row["image"], row.get("kind", "normal"), row["mask"])))

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return that anomalib does not read the export, where that is so, and what all such exports tell."""
        found = super().notes(rows)
        if self.category in _OBJECTS:
            return found
        return [
            *found,
            f"anomalib knows the objects of VisA alone, and not {self.category}: --object candle is one of them",
        ]

    def usage(self, out: Path) -> str:
        """Return what the readers of VisA are told."""
        return "\n".join(
            (
                f'synthgen.layouts.open_test_set("{out / self.category}")',
                f"python utils/prepare_data.py --split-type 1cls --data-folder {out} .. # spot-diff",
            )
        )


def _line(values) -> str:
    """Return a line of a table; no value of ours needs quotes."""
    return ",".join(values) + "\n"
