"""Drawing parts with a shape, with stains and defects on them.

Solid textures and defects are functions of points in the part's own coordinates (Mao et al. 2025, section III), so
they stick to the part however it lies. A pixel is the mean of its samples (`samples`); it is inside a stain or a
defect where one of them is.
"""

import numpy as np

from synthgen.surface.annotations import Annotations, object_params
from synthgen.surface.inspected import Inspected
from synthgen.surface.mesh.files import part_mesh
from synthgen.surface.mesh.lit import changed, exposed, light_part, place_on_part, samples_near, shade_clean
from synthgen.surface.mesh.machined import TABLE
from synthgen.surface.mesh.samples import Tile, pixel_means, sample_tiles
from synthgen.surface.mesh.scene import FIELD_OF_VIEW, pixel_of
from synthgen.surface.mesh.wet import DriedWater, only_seen
from synthgen.surface.optics.camera import photograph
from synthgen.surface.stains.field import LEAST, stain_field

f32 = np.float32

# Outlines of stains lie no nearer to the middle of a pixel than its side, where they leave it out; noise of a
# frequency and an amplitude of 1 moves them by no more than this in a unit of length.
_STEEPEST = 3.0


def draw_part(params: dict, size: tuple[int, int]) -> Inspected:
    """Draw a part with stains and defects.

    Parameters
    ----------
    params : dict
        As a plate's (`synthgen.families.stains.sample`), with ``mesh``, a built-in part or a file; ``pose``, as of
        `sample_pose`; ``texture``, as of `sample_finish`; and ``defects`` with places as of `Places`.
        Impurities are not drawn.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    Inspected

    Raises
    ------
    UsageError
        If the mesh does not load or does not fit before the camera, or more stains are seen than there are ids.
    MissingExtraError
        If trimesh is not installed.
    """
    mesh = part_mesh(params["mesh"], params["mesh_scale"])
    drawing = _Drawing(params, size, mesh)
    part = drawing.part
    for tile in sample_tiles(part.model, part.flats, size, drawing.field_of_view):
        drawing.draw_tile(tile)

    whole = drawing.region > 0
    camera = exposed(params["camera"], drawing.clean[whole])
    image = photograph(drawing.image, camera)
    clean = photograph(drawing.clean, camera) if "clean" in params["fields"] else None

    annotations = drawing.annotate()
    mask, objects = annotations.finish()
    return Inspected(
        image=image,
        clean=clean,
        region=drawing.region,
        mask=mask,
        masks=annotations.masks,
        instances=annotations.ids,
        objects=objects,
    )


class _Drawing:
    """The picture of a part while it is drawn tile by tile.

    Attributes
    ----------
    image, clean : ndarray of float32, (H, W)
        Brightness with and without all that lies on the part.
    region : ndarray of uint8, (H, W)
        255 where all of a pixel shows the part.
    part : LitPart
    field_of_view : float
        Width of the picture, mm.
    """

    def __init__(self, params: dict, size: tuple[int, int], mesh):
        stains = params["stains"]
        self.field_of_view = params["camera"]["field_of_view"] or FIELD_OF_VIEW
        self.clean = np.full(size, TABLE, f32)
        self.image = self.clean.copy()
        self.region = np.zeros(size, np.uint8)

        pitch = self.field_of_view / size[1]
        self.part = light_part(mesh, params["pose"], params["texture"], params["light"], pitch)
        self._params = params
        self._size = size
        self._stains = _stains_of(params, size, mesh, self.field_of_view) if stains is not None else None
        self._defects = [place_on_part(entry, pitch) for entry in params["defects"]]
        self._pixels: list[list[np.ndarray]] = [[] for _ in self._defects]

    def draw_tile(self, tile: Tile) -> None:
        """Draw what the camera sees in a tile."""
        samples = tile.samples
        before = shade_clean(self.part, tile)
        after = before.copy()
        self._bend(tile, after)
        if self._stains is not None:
            self._stains.lay(tile, after)

        self.clean[tile.window] = pixel_means(samples, tile.seen, before, TABLE)
        self.image[tile.window] = pixel_means(samples, tile.seen, after, TABLE)
        self.region[tile.window] = np.where(tile.seen == 1, 255, 0)

    def _bend(self, tile: Tile, values: np.ndarray) -> None:
        """Shade what the defects reach again, in place, and note the pixels of each defect."""
        if not self._defects:
            return
        near = samples_near(tile, self._defects)
        after = changed(self.part, tile, self._defects, near, values[near])
        values[near] = after.values
        for number, pixels in enumerate(after.pixels):
            places = tile.places(np.unique(pixels), self._size[1])
            self._pixels[number].append(places)

    def annotate(self) -> Annotations:
        """Return the masks and records of all that was drawn."""
        params = self._params
        annotations = Annotations(
            self._size,
            params["kinds"],
            blur=params["camera"]["blur"],
            dtype=params["ids"],
        )
        if self._stains is not None:
            self._add_stains(self._stains, annotations)
        for number in range(len(self._pixels)):
            self._add_defect(number, annotations)
        return annotations

    def _add_stains(self, stains: "_Stains | DriedWater", annotations: Annotations) -> None:
        """Note all stains that are seen."""
        height, width = self._size
        numbers, points = stains.found()
        annotations.add_field(
            "stain",
            (slice(0, height), slice(0, width)),
            numbers,
            centers=self._pixel_of(points),
            params=[object_params("stains", None, point) for point in points],
        )

    def _add_defect(self, number: int, annotations: Annotations) -> None:
        """Note the pixels of a defect."""
        entry = self._params["defects"][number]
        none = np.empty(0, int)
        flat = np.unique(np.concatenate([*self._pixels[number], none]))
        rows, columns = np.divmod(flat, self._size[1])
        centers = self._pixel_of([entry["center"]])
        annotations.add(
            entry["kind"],
            rows,
            columns,
            center=centers[0],
            params=object_params("defects", number, entry["center"]),
        )

    def _pixel_of(self, points) -> np.ndarray:
        return pixel_of(
            points,
            self._params["pose"],
            self._size,
            self.field_of_view,
        )


def _stains_of(params: dict, size: tuple[int, int], mesh, field_of_view: float) -> "_Stains | DriedWater":
    """Return the stains of a part: dried water, or the solid texture of Mao et al. 2025."""
    stains = params["stains"]
    if stains.get("water") == "dried":
        return DriedWater(stains, mesh, params["pose"], size, field_of_view)
    pitch = field_of_view / size[1]
    return _Stains(stains, size, pitch, params["texture"]["reflectance"])


class _Stains:
    """The stains of a solid texture on a part, numbered as the tiles of its picture show them."""

    def __init__(self, stains: dict, size: tuple[int, int], pitch: float, reflectance: float):
        self._field = stain_field(stains)
        self._offset = np.array(stains["offset"], np.float64)
        self._reflectance = f32(reflectance)
        self._margin = pitch * (1 + _STEEPEST * abs(stains["amplitude"]) * stains["frequency"])
        self._numbers = np.zeros(size, np.uint32)
        self._cells: dict[tuple[int, ...], int] = {}

    def lay(self, tile: Tile, values: np.ndarray) -> None:
        """Darken the samples of a tile in place, and note the stains at their pixels."""
        samples = tile.samples
        places = samples.points + self._offset
        shares = self._shares_of(tile, samples.pixels, places)

        # an outline runs through these pixels: the mean of their finer samples
        whole = samples.shares == 1
        crossed = np.flatnonzero(whole & self._field.near_outline(places, self._margin))
        pixels = samples.pixels[crossed]
        points, _ = tile.view.points(pixels)
        finer = points + self._offset
        count = finer.shape[1]
        of_finer = self._shares_of(tile, np.repeat(pixels, count), finer.reshape(-1, 3))
        shares[crossed] = of_finer.reshape(-1, count).mean(axis=1)
        values *= shares

    def _shares_of(self, tile: Tile, pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return which share of the reflectance is left at some places, float32; note the stains there."""
        changed, inside = self._field.evaluate(places, self._reflectance)
        wet = np.flatnonzero(inside)
        ids, cells = self._field.identify(places[wet])
        if len(cells):
            numbers = [self._number_of(tuple(cell)) for cell in cells.tolist()]
            numbers_of_ids = np.array(numbers, np.uint32)
            flat = tile.places(pixels[wet], self._numbers.shape[1])
            self._numbers.ravel()[flat] = numbers_of_ids[ids - 1]
        return np.maximum(changed / self._reflectance, LEAST)

    def _number_of(self, cell: tuple[int, ...]) -> int:
        """Return the number of a stain; the first one seen is 1."""
        following = len(self._cells) + 1
        return self._cells.setdefault(cell, following)

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the stain at each pixel, and the centers of the stains, (n, 3)."""
        cells = np.array(list(self._cells), np.int64)
        points = self._field.centers(cells.reshape(-1, 3)) - self._offset
        return only_seen(self._numbers, points)
