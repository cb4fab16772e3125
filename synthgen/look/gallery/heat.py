"""Where the defects of images lie, over many of them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from synthgen.layouts.defects import defect_field
from synthgen.layouts.entries import NORMAL
from synthgen.look.colors import colored
from synthgen.look.pictures import webp, within

CELLS = 16  # on the longer side of an image


def marking_field(fields, name: str) -> str | None:
    """Return the field that marks the defects of a class, or None: a class of normal images has none."""
    return None if name in NORMAL else defect_field(fields, name)


def title_of(names: Sequence[str]) -> str:
    """Return what the heat map shows: where there are no normal images, what is marked is no defect."""
    has_normal = any(name in NORMAL for name in names)
    return "Where the defects lie" if has_normal else "Where the masks lie"


def grid_of(mask: np.ndarray) -> np.ndarray:
    """Return the share of each cell that a mask (H, W) covers, float32 (rows, columns)."""
    rows, columns = within(mask.shape, CELLS)
    marked = mask > 0
    picture = Image.fromarray(marked.astype(np.float32))
    small = picture.resize((columns, rows), Image.Resampling.BOX)
    return np.asarray(small)


def heat_picture(grids: Sequence[np.ndarray]) -> bytes:
    """Return a picture of the mean of grids, the hottest cell brightest."""
    mean = np.mean(grids, axis=0)
    hottest = mean.max()
    heat = mean / hottest if hottest > 0 else mean
    colors = colored(heat)
    picture = Image.fromarray(colors)
    return webp(picture, exact=True)


def cells_of(grid: np.ndarray | None) -> str:
    """Return which cells hold something, a bit each, row by row, in hexadecimal; nothing for None."""
    if grid is None:
        return ""
    marked = grid > 0
    bits = np.packbits(marked)
    return bits.tobytes().hex()
