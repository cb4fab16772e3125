"""How well a defect shows on its part: the sampler draws one that nobody could see again."""

from functools import cached_property

import numpy as np

from synthgen.surface.marks.contrast import SIZE, contrast_of
from synthgen.surface.marks.defects import Placed
from synthgen.surface.mesh.lit import (
    LitPart,
    box_of,
    changed,
    exposed,
    light_part,
    place_on_part,
    samples_near,
    shade_clean,
)
from synthgen.surface.mesh.machined import TABLE
from synthgen.surface.mesh.samples import SIDE, Samples, Tile, pixel_means, sample_tiles, sample_window
from synthgen.surface.mesh.scene import FIELD_OF_VIEW, View, pose_matrix, view_of
from synthgen.surface.optics.light import CAMERA_DISTANCE

# Size of the picture of which the exposure is taken.
_SMALL = (205, 245)
# Of so many pixels of a defect the change is computed: more, evenly spread, would tell the same.
_MOST_PIXELS = 1000
# Nothing of a part is nearer to the camera than this, mm.
_NEAREST = 0.01 * CAMERA_DISTANCE


class Judge:
    """Tells how much the defects of a part change its image.

    Parameters
    ----------
    mesh : trimesh.Trimesh
    params : dict
        Of the sample: its ``pose``, ``texture``, ``light`` and ``camera`` count.
    """

    def __init__(self, mesh, params: dict):
        self._mesh = mesh
        self._params = params
        self._field_of_view = params["camera"]["field_of_view"] or FIELD_OF_VIEW
        self._pitch = self._field_of_view / SIZE[1]

    @cached_property
    def _part(self) -> LitPart:
        params = self._params
        return light_part(self._mesh, params["pose"], params["texture"], params["light"], self._pitch)

    @cached_property
    def _view(self) -> View:
        height, width = SIZE
        return view_of(self._part.model, (SIDE * height, SIDE * width), self._field_of_view)

    @cached_property
    def exposure(self) -> float:
        """The exposure of the part, taken of a small picture of it."""
        part = self._part
        seen = [np.empty(0, np.float32)]
        for tile in sample_tiles(part.model, part.flats, _SMALL, self._field_of_view):
            clean = pixel_means(tile.samples, tile.seen, shade_clean(part, tile), TABLE)
            seen.append(clean[tile.seen == 1])
        return exposed(self._params["camera"], np.concatenate(seen))["exposure"]

    def contrast(self, entry: dict) -> float:
        """Return how many gray levels a defect changes what the camera sees of it; see `contrast_of`.

        Parameters
        ----------
        entry : dict
            Of the sample's ``defects``.

        Returns
        -------
        float
            0 for a defect that the camera does not see.
        """
        defect = place_on_part(entry, self._pitch)
        window = self._window_of(defect)
        if window is None:
            return 0.0
        part = self._part
        tile = sample_window(part.model, part.flats, self._view, window, self._pitch)
        near = samples_near(tile, [defect])
        tile = _with_samples(tile, _spread(tile.samples.pixels, near))

        before = shade_clean(part, tile)
        everything = np.arange(len(before))
        after = changed(part, tile, [defect], everything, before)
        pixels = np.unique(after.pixels[0])
        was = pixel_means(tile.samples, tile.seen, before, TABLE)
        becomes = pixel_means(tile.samples, tile.seen, after.values, TABLE)
        return contrast_of(entry["kind"], was.ravel()[pixels], becomes.ravel()[pixels], self.exposure)

    def _window_of(self, defect: Placed) -> tuple[slice, slice] | None:
        """Return the rows and columns of the picture in which a defect lies, or None if it lies beside it."""
        rotation, move = pose_matrix(self._params["pose"])
        low, high = box_of(defect, rotation)
        left, bottom, far = low + move
        right, top, near = high + move
        distances = np.maximum(CAMERA_DISTANCE - np.array([far, near]), _NEAREST)
        scales = CAMERA_DISTANCE / (self._pitch * distances)

        spans = []
        for ends, size in zip(((-top, -bottom), (left, right)), SIZE, strict=True):
            places = size / 2 + np.outer(ends, scales)
            first = max(int(np.floor(places.min())) - 1, 0)
            last = min(int(np.ceil(places.max())) + 1, size)
            if first >= last:
                return None
            spans.append(slice(first, last))
        return spans[0], spans[1]


def _spread(pixels: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the samples of at most so many of the pixels that some samples belong to, evenly spread.

    Parameters
    ----------
    pixels : ndarray of int, (n,)
        The pixel of each sample, ascending.
    near : ndarray of int
        Samples, with all others of their pixels.
    """
    starts = np.diff(pixels[near], prepend=-1) > 0
    number = np.cumsum(starts) - 1
    count = int(starts.sum())
    kept = np.ones(count, bool)
    if count > _MOST_PIXELS:
        kept[:] = False
        kept[np.linspace(0, count - 1, _MOST_PIXELS).astype(int)] = True
    return near[kept[number]]


def _with_samples(tile: Tile, chosen: np.ndarray) -> Tile:
    """Return a tile with some of its samples."""
    samples = Samples(*(column[chosen] for column in tile.samples))
    return tile._replace(samples=samples)
