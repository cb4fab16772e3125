"""Features of some places of an image as a function of its pixels, with gradients: what `local_scores` is made of.

Where the places lie close together only a window of the image goes through the backbone. Near the window's edge a
network sees its padding in place of the image: what the rows of the reference lose by that is added again, so that
they are exact at the reference, and nearly so around it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from synthgen.errors import UsageError

#: Normalised images (N, C, H, W) -> maps, each (N, D, h, w).
MapsOf = Callable[[torch.Tensor], list[torch.Tensor]]

# Cells of the coarsest layer around the places that a window shows.
MARGIN = 2
# A window that is larger than this share of the image saves nothing.
_LARGEST_WINDOW = 0.8
# Rows of a window that differ more than this, as a share of their length, are another network's.
_MOST_CHANGED = 0.5


class Window(NamedTuple):
    """Rows `top` to `bottom` and columns `left` to `right` of an image, in pixels."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, images: torch.Tensor) -> torch.Tensor:
        """Return the window of images (.., H, W)."""
        return images[..., self.top : self.bottom, self.left : self.right]


class LocalRows:
    """The rows of features at some places, as a function of the images.

    Parameters
    ----------
    maps_of : callable
        From normalised images to maps, without any border left out.
    reference : Tensor, (N, C, H, W)
        Normalised images.
    places : sequence of Tensor of bool, (N, h, w)
        For each map the places that are wanted.
    coarsest : int
        Pixels between the places of the coarsest layer; 0 to see the whole image.
    """

    def __init__(self, maps_of: MapsOf, reference: torch.Tensor, places: Sequence[torch.Tensor], coarsest: int = 0):
        self._maps_of = maps_of
        self._window: Window | None = None
        self._lost: list[torch.Tensor] = []
        self._indices = [each.nonzero(as_tuple=True) for each in places]
        with torch.no_grad():
            maps = maps_of(reference)
            self.reference = self._taken(maps)
            self._try_window(reference, maps, places, coarsest)

    def _try_window(self, reference, maps, places, coarsest: int) -> None:
        """Use a window, if there is one that is small and shows the network what it needs."""
        window = window_of(places, reference.shape[-2:], coarsest)
        if window is None:
            return

        whole = self._indices
        self._indices = _shifted(whole, maps, reference.shape, window)
        try:
            seen = self._taken(self._maps_of(window.cut(reference)))
        except (UsageError, IndexError):  # a network that takes images of one size only
            self._indices = whole
            return

        lost = [full - part for full, part in zip(self.reference, seen, strict=True)]
        if _lengths(lost) > _MOST_CHANGED * _lengths(self.reference):
            self._indices = whole
            return
        self._lost = lost
        self._window = window

    @property
    def window(self) -> Window | None:
        """What of the images goes through the backbone; None for all."""
        return self._window

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return for each map the rows (P, D) at its places, image by image and row by row."""
        if self._window is None:
            return self._taken(self._maps_of(images))
        rows = self._taken(self._maps_of(self._window.cut(images)))
        return [seen + lost for seen, lost in zip(rows, self._lost, strict=True)]

    def _taken(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the rows of maps at the places."""
        rows = []
        for each, indices in zip(maps, self._indices, strict=True):
            channels_last = each.permute(0, 2, 3, 1)
            rows.append(channels_last[indices])
        return rows


def _shifted(indices, maps, shape, window: Window) -> list[tuple[torch.Tensor, ...]]:
    """Return the places of each map as places of the maps of a window."""
    height, width = shape[-2:]
    shifted: list[tuple[torch.Tensor, ...]] = []
    for (image, row, column), each in zip(indices, maps, strict=True):
        rows, columns = each.shape[-2:]
        down = window.top * rows // height
        right = window.left * columns // width
        shifted.append((image, row - down, column - right))
    return shifted


def _lengths(rows: list[torch.Tensor]) -> float:
    """Return the length of all rows together."""
    lengths = [torch.linalg.vector_norm(each) for each in rows]
    return float(torch.stack(lengths).norm())


def window_of(places: Sequence[torch.Tensor], size, coarsest: int) -> Window | None:
    """Return the window around places of one image, or None where only the whole image will do.

    Parameters
    ----------
    places : sequence of Tensor of bool, (N, h, w)
    size : (int, int)
        Height and width of the image.
    coarsest : int
        Pixels between the places of the coarsest layer: windows begin and end at multiples.
    """
    is_whole = coarsest and all(side % coarsest == 0 for side in size)
    if not is_whole or len(places[0]) != 1:
        return None

    ranges = []
    for axis, side in enumerate(size):
        found = _range_of(places, axis, side, coarsest)
        if found is None:
            return None
        ranges.append(found)

    (top, bottom), (left, right) = ranges
    area = (bottom - top) * (right - left)
    if area > _LARGEST_WINDOW * size[0] * size[1]:
        return None
    return Window(top, left, bottom, right)


def _range_of(places: Sequence[torch.Tensor], axis: int, side: int, step: int) -> tuple[int, int] | None:
    """Return the pixels along an axis that a window around places shows: multiples of a step, within the image."""
    low = side
    high = 0
    for each in places:
        cells = each.shape[axis + 1]
        if side % cells:
            return None
        cell = side // cells
        for number in each.nonzero()[:, axis + 1].unique().tolist():
            low = min(low, number * cell)
            high = max(high, (number + 1) * cell)
    if low >= high:
        return None

    margin = MARGIN * step
    first = max(0, low - margin)
    last = min(side, high + margin)
    steps = -(-last // step)
    return first // step * step, steps * step
