"""Drawing parts with a shape, with stains and defects on them.

Solid textures and defects are functions of points in the part's own coordinates (Mao et al. 2025, section III), so
they stick to the part however it lies. A pixel is the mean of `SAMPLES` x `SAMPLES` samples; it is inside a stain
or a defect where one of its samples is.
"""

import numpy as np

from synthgen.surface.annotations import Annotations, object_params
from synthgen.surface.inspected import Inspected
from synthgen.surface.marks.defects import FINEST, Placed, defect_reach, displacement, placed, scratch_sag
from synthgen.surface.mesh.files import part_mesh
from synthgen.surface.mesh.machined import TABLE, Facets, prepare_part, shade_part
from synthgen.surface.mesh.normals import flat_faces
from synthgen.surface.mesh.scene import FIELD_OF_VIEW, Surface, pixel_of, render_tiles
from synthgen.surface.mesh.shadows import cast_shadows
from synthgen.surface.optics.camera import photograph
from synthgen.surface.stains.field import LEAST, stain_field

f32 = np.float32

SAMPLES = 2  # along each side of a pixel
# A defect changes what faces the same way as it, by this cosine at least, and nothing behind it.
_FACING = 0.2
# The exposure makes a part as bright as this on the whole, and is no farther from 1 than by these factors.
_BRIGHTNESS = 0.5
_EXPOSURES = (0.5, 5.0)


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
    height, width = size
    mesh = part_mesh(params["mesh"], params["mesh_scale"])
    drawing = _Drawing(params, size, mesh)
    tiles = render_tiles(
        mesh,
        params["pose"],
        (SAMPLES * height, SAMPLES * width),
        drawing.field_of_view,
    )
    for place, surface in tiles:
        drawing.draw_tile(place, surface)

    camera = drawing.exposed(params["camera"])
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
        255 where all samples of a pixel show the part.
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
        self._params = params
        self._size = size
        self._flats = flat_faces(mesh.vertices, mesh.faces)
        self._shadows = cast_shadows(mesh, params["pose"], params["light"])
        self._lighting = prepare_part(
            params["texture"],
            params["light"],
            params["pose"],
            pitch=pitch / SAMPLES,
        )
        self._stains = _Stains(stains, size) if stains is not None else None
        self._defects = [_place(entry, pitch) for entry in params["defects"]]
        self._pixels: list[list[np.ndarray]] = [[] for _ in self._defects]

    def draw_tile(self, place: tuple[slice, slice], surface: Surface) -> None:
        """Draw what the camera sees in a tile of the finer picture of samples."""
        window = tuple(slice(span.start // SAMPLES, span.stop // SAMPLES) for span in place)
        seen = surface.mask > 0
        points = surface.points[seen]
        normals = surface.normals[seen]
        rows, columns = np.nonzero(seen)
        rows = rows // SAMPLES + window[0].start
        columns = columns // SAMPLES + window[1].start

        lighting = self._lighting
        reflectance = np.full(len(points), lighting.reflectance, f32)
        flats = self._flats[surface.faces[seen]]
        before = self._shaded(Facets(points, normals, flats), reflectance)
        inside = np.zeros(len(points), bool)
        if self._stains is not None:
            reflectance, inside = self._stains.evaluate(
                points,
                reflectance,
                rows,
                columns,
            )

        normals, reached = _bend(self._defects, points, normals)
        flat = rows * self._size[1] + columns
        for pixels, samples in zip(self._pixels, reached, strict=True):
            inside[samples] = True
            pixels.append(np.unique(flat[samples]))

        after = before.copy()
        bent = Facets(points[inside], normals[inside], flats[inside])
        after[inside] = self._shaded(bent, reflectance[inside])
        self.clean[window] = _pixel_means(seen, before)
        self.image[window] = _pixel_means(seen, after)
        self.region[window] = _all_seen(seen)

    def _shaded(self, facets: Facets, reflectance: np.ndarray) -> np.ndarray:
        """Return the brightness of samples."""
        return shade_part(self._lighting, self._shadows, facets, reflectance)

    def exposed(self, camera: dict) -> dict:
        """Return a camera with the exposure that the clean part needs."""
        seen = self.clean[self.region > 0]
        mean = float(seen.mean(dtype=np.float64)) if len(seen) else _BRIGHTNESS
        least, most = _EXPOSURES
        factor = min(max(_BRIGHTNESS / mean, least), most)
        return {**camera, "exposure": round(camera["exposure"] * factor, 4)}

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

    def _add_stains(self, stains: "_Stains", annotations: Annotations) -> None:
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
        flat = np.concatenate([*self._pixels[number], none])
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
        self._cells: dict[tuple[int, ...], int] = {}

    def evaluate(self, points, reflectance, rows, columns) -> tuple[np.ndarray, np.ndarray]:
        """Return the reflectance of samples and whether they are stained; note the stains at their pixels."""
        places = points + self._offset
        changed, inside = self._field.evaluate(places, reflectance)
        wet = np.flatnonzero(inside)
        ids, cells = self._field.identify(places[wet])

        if len(cells):
            numbers = [self._number_of(tuple(cell)) for cell in cells.tolist()]
            numbers_of_ids = np.array(numbers, np.uint32)
            self._numbers[rows[wet], columns[wet]] = numbers_of_ids[ids - 1]
        least = LEAST * reflectance
        return np.maximum(changed, least), inside

    def _number_of(self, cell: tuple[int, ...]) -> int:
        """Return the number of a stain; the first one seen is 1."""
        following = len(self._cells) + 1
        return self._cells.setdefault(cell, following)

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the stain at each pixel, and the centers of the stains, (n, 3)."""
        # a stain may have lost its last pixel to a neighbor
        most = len(self._cells) + 1
        counts = np.bincount(self._numbers.ravel(), minlength=most)
        kept = counts[1:] > 0
        new_numbers = np.concatenate([[0], np.cumsum(kept)])
        renumbered = new_numbers.astype(np.uint32)

        cells = np.array(list(self._cells), np.int64)
        cells = cells.reshape(-1, 3)
        points = self._field.centers(cells[kept]) - self._offset
        return renumbered[self._numbers], points


def _bend(defects: list[Placed], points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the normals of samples with all defects, and which samples each defect reaches."""
    bent = normals.copy()
    reached = []
    for defect in defects:
        near = _near(defect, points)
        facing = normals[near] @ defect.axes[2] > _FACING
        near = near[facing]
        change = displacement(defect, points[near])
        near = near[change.inside]
        gradient = change.gradient[change.inside]

        # its part along the surface is the slope
        upwards = normals[near]
        rise = (gradient * upwards).sum(axis=1, keepdims=True)
        bent[near] -= gradient - rise * upwards
        reached.append(near)

    none = np.empty(0, int)
    touched = np.unique(np.concatenate([*reached, none]))
    changed = bent[touched]
    length = np.linalg.norm(changed, axis=1, keepdims=True)
    bent[touched] = changed / length
    return bent, reached


def _near(defect: Placed, points: np.ndarray) -> np.ndarray:
    """Return which points lie in the box of a defect."""
    middle = defect.center[None]
    reach = defect_reach(defect)
    if defect.kind == "scratch":
        middle = defect.curve
        reach += scratch_sag(defect)
    low = middle.min(axis=0) - reach
    high = middle.max(axis=0) + reach

    near = np.ones(len(points), bool)
    for axis in range(3):
        values = points[:, axis]
        near &= values > low[axis]
        near &= values < high[axis]
    return np.flatnonzero(near)


def _all_seen(seen: np.ndarray) -> np.ndarray:
    """Return 255 for the pixels all samples of which see the part."""
    height, width = seen.shape
    blocks = seen.reshape(height // SAMPLES, SAMPLES, width // SAMPLES, SAMPLES)
    whole = blocks.all(axis=(1, 3))
    return np.where(whole, 255, 0).astype(np.uint8)


def _pixel_means(seen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the means of the samples of each pixel; those that miss the part see the table."""
    samples = np.full(seen.shape, TABLE, f32)
    samples[seen] = values
    height, width = seen.shape
    blocks = samples.reshape(
        height // SAMPLES,
        SAMPLES,
        width // SAMPLES,
        SAMPLES,
    )
    return blocks.mean(axis=(1, 3), dtype=f32)
