"""VisA: ``Data/Images/Normal``, ``Data/Images/Anomaly``, ``Data/Masks/Anomaly``, beside it ``split_csv/1cls.csv``.

Without a split the first nine tenths of the normal images, by name, are for fitting and the rest for testing: the
proportion of the published one-class split. What is wrong with an image is taken from ``image_anno.csv`` if it is
there.

Source: Zou et al., SPot-the-Difference, ECCV 2022, section 3, and the readme of the data set.
"""

import csv
from functools import partial
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts.entries import Entry, paired
from synthgen.layouts.files import entry_of, pictures_in
from synthgen.layouts.mvtec import read_truth

NAME = "VisA"
_SPLIT = Path("split_csv") / "1cls.csv"
_COLUMNS = ("object", "split", "label", "image", "mask")


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    return (path / "Data" / "Images" / "Normal").is_dir()


def normal(path: Path) -> list[Entry]:
    """Return the normal images that are for fitting."""
    return [entry_of(picture, 0, "good", path.name) for picture in _normal(path, "train")]


def test_set(path: Path) -> list[Entry]:
    """Return the normal images that are for testing, and the anomalous ones with their masks."""
    entries = [entry_of(picture, 0, "good", path.name) for picture in _normal(path, "test")]
    folder = path / "Data" / "Masks" / "Anomaly"
    pictures = pictures_in(path / "Data" / "Images" / "Anomaly")
    masks = paired(pictures, {mask.stem: mask for mask in pictures_in(folder)}, folder)
    rows = _rows(path)
    if rows is not None:
        chosen = {row["image"] for row in rows if row["split"] == "test" and row["label"] != "normal"}
        pairs = [pair for pair in zip(pictures, masks, strict=True) if _within(path, pair[0]) in chosen]
    else:
        pairs = list(zip(pictures, masks, strict=True))
    kinds = _kinds(path / "image_anno.csv")
    return entries + [
        entry_of(picture, 1, kinds.get(picture.name, "anomaly"), path.name, partial(read_truth, mask))
        for picture, mask in pairs
    ]


def _normal(path: Path, split: str) -> list[Path]:
    pictures = pictures_in(path / "Data" / "Images" / "Normal")
    rows = _rows(path)
    if rows is None:
        cut = len(pictures) * 9 // 10
        return pictures[:cut] if split == "train" else pictures[cut:]
    chosen = {row["image"] for row in rows if row["split"] == split and row["label"] == "normal"}
    return [picture for picture in pictures if _within(path, picture) in chosen]


def _within(path: Path, picture: Path) -> str:
    """Return a picture's path as the split writes it, from the folder of all categories."""
    return picture.relative_to(path.parent).as_posix()


def _rows(path: Path) -> list[dict] | None:
    """Return the rows of this category in the split, None if there is no split."""
    split = path.parent / _SPLIT
    if not split.is_file():
        return None
    rows = [row for row in _table(split, _COLUMNS) if row["object"] == path.name]
    if not rows:
        raise UsageError(f"{split}: must have rows of the object {path.name}, got none")
    for row in rows:
        if not (path.parent / row["image"]).is_file():
            raise UsageError(f"{split}: every image must be there, got none at {path.parent / row['image']}")
    return rows


def _kinds(path: Path) -> dict[str, str]:
    """Return what is wrong with each image, by its name."""
    if not path.is_file():
        return {}
    rows = _table(path, ("image", "label"))
    return {Path(row["image"]).name: row["label"] for row in rows if row["label"] != "normal"}


def _table(path: Path, columns: tuple[str, ...]) -> list[dict]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"{path}: must have the columns {', '.join(columns)}, got no {missing[0]}")
            return list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: must be a table of comma-separated values: {error}") from None
