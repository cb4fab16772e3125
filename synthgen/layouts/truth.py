"""Where the defects of an image are, and how that is resized."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from synthgen.compose.pictures import nearest
from synthgen.extras import needed_for

WHOLE = (slice(None), slice(None))  # all rows and columns
_CONNECTED = np.ones((3, 3))  # regions are 8-connected, as in MVTec's script and anomalib


@dataclass(frozen=True)
class Truth:
    """Where the defects of an image are.

    Parameters
    ----------
    layers : tuple of ndarray of int32, (H, W)
        At least one. Each pixel is 0 or the number of a defect. Defects that overlap lie in different layers, and
        each number occurs in one layer only.
    regions : tuple of ndarray of bool, (H, W)
        Regions that saturate, which may overlap. Empty if the layout knows no saturation.
    saturation : tuple of float
        For each region the number of pixels that are enough to call it found, in (0, area].
    """

    layers: tuple[np.ndarray, ...]
    regions: tuple[np.ndarray, ...] = ()
    saturation: tuple[float, ...] = ()

    @property
    def instances(self) -> np.ndarray:
        """Int32 (H, W): the number of the defect at each pixel, of several the first; 0 where nothing is wrong."""
        instances = self.layers[0]
        for layer in self.layers[1:]:
            instances = np.where(instances > 0, instances, layer)
        return instances


def nothing_wrong(shape: tuple[int, int]) -> Truth:
    """Return the truth of a normal image (H, W)."""
    nothing = np.zeros(shape, np.int32)
    return Truth((nothing,))


def truth_of_regions(mask: np.ndarray) -> Truth:
    """Return the truth of a mask (H, W) in which each 8-connected region is a defect."""
    with needed_for("masks"):
        from scipy.ndimage import label

    regions, _ = label(mask, structure=_CONNECTED, output=np.int32)
    return Truth((regions,))


def layers_of(masks: Iterable[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Return the layers of some defects, bool (H, W) each, numbered from 1: as few as keep all of them whole."""
    layers = [np.zeros(shape, np.int32)]

    for number, mask in enumerate(masks, 1):
        free = [layer for layer in layers if not layer[mask].any()]
        if not free:
            free = [np.zeros(shape, np.int32)]
            layers += free
        free[0][mask] = number

    return tuple(layers)


def truth_within(truth: Truth, region: np.ndarray) -> Truth:
    """Return what of a truth lies in a region, bool (H, W). Of a region that saturates the same share is enough."""
    layers = tuple(np.where(region, layer, 0) for layer in truth.layers)

    regions = []
    saturation = []
    for whole, enough in zip(truth.regions, truth.saturation, strict=True):
        inside = whole & region
        if inside.any():
            share = enough / whole.sum()
            regions.append(inside)
            saturation.append(share * inside.sum())
    return Truth(layers, tuple(regions), tuple(saturation))


def resized_truth(truth: Truth, size: tuple[int, int], place: tuple[slice, slice] = WHOLE) -> tuple[Truth, int]:
    """Return a truth at another size (H, W), and how many defects have no pixel there.

    With `place` only these rows and columns are taken. Of a region that saturates, the same share is enough as
    before.
    """
    layers = tuple(nearest(layer[place], size) for layer in truth.layers)
    lost = _count(truth.layers) - _count(layers)

    regions = []
    saturation = []
    for region, enough in zip(truth.regions, truth.saturation, strict=True):
        small = nearest(region[place], size)
        if small.any():
            share = enough / region.sum()
            regions.append(small)
            saturation.append(share * small.sum())

    small_truth = Truth(layers, tuple(regions), tuple(saturation))
    return small_truth, lost


def _count(layers: tuple[np.ndarray, ...]) -> int:
    """Return how many defects some layers hold."""
    count = 0
    for layer in layers:
        numbers = np.unique(layer)
        count += int(np.count_nonzero(numbers))
    return count
