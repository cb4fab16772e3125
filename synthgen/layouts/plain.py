"""A plain folder: normal images; or a folder ``good`` (``normal``, ``ok``) and others, a kind of defect each.

Masks may lie in its folder ``ground_truth/KIND``, named as in MVTec AD. The folder ``test`` of an MVTec AD category
is read with the masks beside it.
"""

from pathlib import Path

from synthgen.layouts import mvtec
from synthgen.layouts.entries import NORMAL, Entry, subfolders
from synthgen.layouts.files import entry_of, pictures_in

NAME = "plain folder"


def recognises(path: Path) -> bool:
    """Return whether there are images in the folder or in the folders of it."""
    return bool(pictures_in(path)) or any(pictures_in(folder) for folder in subfolders(path))


def normal(path: Path) -> list[Entry]:
    """Return the images of the folder itself, or else those of its folder ``good``."""
    pictures = pictures_in(path) or [p for name in NORMAL for p in pictures_in(path / name)]
    return [entry_of(picture, 0, "good", path.name) for picture in pictures]


def test_set(path: Path) -> list[Entry]:
    """Return the images of the folders of a folder; images beside those are not looked at."""
    home = path.parent if path.name == "test" else path
    return mvtec.kinds_of(path, home / "ground_truth", path.name, mvtec.truths)
