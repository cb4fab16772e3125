"""Drawing parts with a shape, with stains and defects on them.

Solid textures and defects are functions of points in the part's own coordinates (Mao et al. 2025, section III), so
they stick to the part however it lies. A pixel is the mean of `SAMPLES` x `SAMPLES` samples; it is inside a stain
or a defect where one of its samples is.
"""

import numpy as np

from synthgen.surface.annotations import Annotations, object_params
from synthgen.surface.inspected import Inspected
from synthgen.surface.marks.defects import FINEST, Placed, defect_reach, displacement, placed
from synthgen.surface.mesh.files import part_mesh
from synthgen.surface.mesh.machined import TABLE, Lighting, prepare_part, shade_part
from synthgen.surface.mesh.scene import FIELD_OF_VIEW, Surface, pixel_of, render_tiles
from synthgen.surface.optics.camera import photograph
from synthgen.surface.stains.field import LEAST, stain_field

f32 = np.float32

SAMPLES = 2  # along each side of a pixel


def draw_part(params: dict, size: tuple[int, int]) -> Inspected:
    """Draw a part with stains and defects.

    Parameters
    ----------
    params : dict
        As a plate's (`synthgen.families.stains.sample`), with ``mesh``, a built-in part or a file; ``pose``, as of
        `sample_pose`; ``texture``, as of `sample_finish`; and ``defects`` with places as of `sample_places`.
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
        If trimesh or pyrender is not installed.
    DeviceError
        If there is no OpenGL library.
    """
    drawing = _Drawing(params, size)
    fine = (SAMPLES * size[0], SAMPLES * size[1])
    mesh = part_mesh(params["mesh"])
    for place, surface in render_tiles(mesh, params["pose"], fine, drawing.field_of_view):
        drawing.draw_tile(place, surface)

    annotations = drawing.annotate()
    mask, objects = annotations.finish()
    return Inspected(
        image=photograph(drawing.image, params["camera"]),
        clean=photograph(drawing.clean, params["camera"]) if "clean" in params["fields"] else None,
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
    field_of_view : float
        Width of the picture, mm.
    """

    def __init__(self, params: dict, size: tuple[int, int]):
        self.field_of_view = params["camera"]["field_of_view"] or FIELD_OF_VIEW
        self.clean = np.full(size, TABLE, f32)
        self.image = self.clean.copy()

        pitch = self.field_of_view / size[1]
        self._params = params
        self._size = size
        self._lighting = prepare_part(params["texture"], params["light"], params["pose"], pitch / SAMPLES)
        self._stains = _Stains(params["stains"], size) if params["stains"] is not None else None
        self._defects = [_place(entry, pitch) for entry in params["defects"]]
        self._pixels = [[] for _ in self._defects]

    def draw_tile(self, place: tuple[slice, slice], surface: Surface) -> None:
        """Draw what the camera sees in a tile of the finer picture of samples."""
        window = tuple(slice(span.start // SAMPLES, span.stop // SAMPLES) for span in place)
        seen = surface.mask > 0
        points = surface.points[seen]
        normals = surface.normals[seen]
        rows, columns = np.nonzero(seen)
        rows = rows // SAMPLES + window[0].start
        columns = columns // SAMPLES + window[1].start

        reflectance = np.full(len(points), self._lighting.reflectance, f32)
        before = shade_part(self._lighting, points, normals, reflectance)
        inside = np.zeros(len(points), bool)
        if self._stains is not None:
            reflectance, inside = self._stains.evaluate(points, reflectance, rows, columns)

        normals, reached = _bend(self._defects, points, normals)
        for pixels, samples in zip(self._pixels, reached, strict=True):
            inside[samples] = True
            flat = rows[samples] * self._size[1] + columns[samples]
            pixels.append(np.unique(flat))

        after = _shaded_where(self._lighting, before, inside, points, normals, reflectance)
        self.clean[window] = _pixel_means(seen, before)
        self.image[window] = _pixel_means(seen, after)

    def annotate(self) -> Annotations:
        """Return the masks and records of all that was drawn."""
        params = self._params
        annotations = Annotations(self._size, params["kinds"], params["camera"]["blur"], params["ids"])
        if self._stains is not None:
            numbers, points = self._stains.found()
            whole = (slice(0, self._size[0]), slice(0, self._size[1]))
            records = [object_params("stains", None, point) for point in points]
            annotations.add_field("stain", whole, numbers, self._pixel_of(points), records)

        for number, pixels in enumerate(self._pixels):
            entry = params["defects"][number]
            flat = np.concatenate([*pixels, np.empty(0, int)])
            rows, columns = np.divmod(flat, self._size[1])
            center = self._pixel_of([entry["center"]])[0]
            record = object_params("defects", number, entry["center"])
            annotations.add(entry["kind"], rows, columns, center, record)
        return annotations

    def _pixel_of(self, points) -> np.ndarray:
        return pixel_of(points, self._params["pose"], self._size, self.field_of_view)


def _place(entry: dict, pitch: float) -> Placed:
    """Put a defect where `sample_places` says."""
    return placed(
        entry,
        entry["center"],
        entry["angle"],
        normal=entry["normal"],
        least=FINEST * pitch,
    )


class _Stains:
    """The stains of a part, numbered as the tiles of its picture show them."""

    def __init__(self, stains: dict, size: tuple[int, int]):
        self._field = stain_field(stains)
        self._offset = np.array(stains["offset"], np.float64)
        self._numbers = np.zeros(size, np.uint32)
        self._cells = {}

    def evaluate(self, points, reflectance, rows, columns) -> tuple[np.ndarray, np.ndarray]:
        """Return the reflectance of samples and whether they are stained; note the stains at their pixels."""
        places = points + self._offset
        changed, inside = self._field.evaluate(places, reflectance)
        wet = np.flatnonzero(inside)
        ids, cells = self._field.identify(places[wet])
        if len(cells):
            numbers = [self._number_of(tuple(cell)) for cell in cells.tolist()]
            self._numbers[rows[wet], columns[wet]] = np.array(numbers, np.uint32)[ids - 1]
        return np.maximum(changed, LEAST * reflectance), inside

    def _number_of(self, cell: tuple[int, int, int]) -> int:
        """Return the number of a stain; the first one seen is 1."""
        return self._cells.setdefault(cell, len(self._cells) + 1)

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the stain at each pixel, and the centers of the stains, (n, 3)."""
        # a stain may have lost its last pixel to a neighbor
        counts = np.bincount(self._numbers.ravel(), minlength=len(self._cells) + 1)
        kept = counts[1:] > 0
        renumbered = np.concatenate([[0], np.cumsum(kept)]).astype(np.uint32)

        cells = np.array(list(self._cells), np.int64).reshape(-1, 3)
        points = self._field.centers(cells[kept]) - self._offset
        return renumbered[self._numbers], points


def _bend(defects: list[Placed], points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the normals of samples with all defects, and which samples each defect reaches."""
    bent = normals.copy()
    reached = []
    for defect in defects:
        near = _near(defect, points)
        change = displacement(defect, points[near])
        near = near[change.inside]
        gradient = change.gradient[change.inside]

        # its part along the surface is the slope
        rise = (gradient * normals[near]).sum(axis=1, keepdims=True)
        bent[near] -= gradient - rise * normals[near]
        reached.append(near)

    touched = np.unique(np.concatenate([*reached, np.empty(0, int)]))
    bent[touched] /= np.linalg.norm(bent[touched], axis=1, keepdims=True)
    return bent, reached


def _near(defect: Placed, points: np.ndarray) -> np.ndarray:
    """Return which points lie in the box of a defect."""
    middle = defect.curve if defect.kind == "scratch" else defect.center[None]
    reach = defect_reach(defect)
    low = middle.min(axis=0) - reach
    high = middle.max(axis=0) + reach

    near = np.ones(len(points), bool)
    for axis in range(3):
        values = points[:, axis]
        near &= (values > low[axis]) & (values < high[axis])
    return np.flatnonzero(near)


def _shaded_where(lighting: Lighting, before, inside, points, normals, reflectance) -> np.ndarray:
    """Return the brightness of samples, anew where they are inside of something."""
    after = before.copy()
    after[inside] = shade_part(
        lighting,
        points[inside],
        normals[inside],
        reflectance[inside],
    )
    return after


def _pixel_means(seen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the means of the samples of each pixel; those that miss the part see the table."""
    samples = np.full(seen.shape, TABLE, f32)
    samples[seen] = values
    height = seen.shape[0] // SAMPLES
    width = seen.shape[1] // SAMPLES
    blocks = samples.reshape(height, SAMPLES, width, SAMPLES)
    return blocks.mean(axis=(1, 3), dtype=f32)
