"""Parts with a shape, stains and defects on them.

Solid textures and defects are functions of points in the part's own coordinates (paper 002 section III), so they
stick to the part however it lies. A pixel is the mean of `SAMPLES` x `SAMPLES` samples; it is inside a stain or a
defect where one of its samples is.
"""

from functools import lru_cache
from pathlib import Path

import numba
import numpy as np

from synthgen.surface.inspected import LEAST, Inspected, stain_field
from synthgen.surface.layers import MOST_IDS, Layers
from synthgen.surface.marks.defects import Placed, displacement, placed, reach
from synthgen.surface.mesh.files import BUILTIN, builtin, load_mesh
from synthgen.surface.mesh.scene import FIELD_OF_VIEW, pose_matrix, render_tiles
from synthgen.surface.optics.camera import develop
from synthgen.surface.optics.light import CAMERA_DISTANCE
from synthgen.surface.optics.machined import TABLE, prepare_part, shade_part

SAMPLES = 2  # along each side of a pixel
_CANDIDATES = 64  # tries for a place that the camera sees


def part_mesh(name: str):
    """Return a built-in part by its name, or one from a file, which is read once; see `builtin` and `load_mesh`."""
    if name in BUILTIN:
        return builtin(name)
    path = Path(name)
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
    return _loaded(path, stamp)


@lru_cache(maxsize=1)
def _loaded(path: Path, stamp):
    return load_mesh(path)


def sample_places(
    rng: np.random.Generator, mesh, pose: dict, count: int, field_of_view: float, aspect: float = 0.8
) -> list[dict]:
    """Draw places for defects that the camera sees.

    Parameters
    ----------
    rng : numpy.random.Generator
    mesh : trimesh.Trimesh
    pose : dict
        As returned by `sample_pose`.
    count : int
    field_of_view : float
        Width of the picture, mm.
    aspect : float
        Its height divided by its width.

    Returns
    -------
    list of dict
        ``centre`` and ``normal``, (3,) in the part's coordinates, and ``angle``, degrees; rounded. At most `count`:
        a part may show nothing.
    """
    rotation, move = pose_matrix(pose)
    corners = np.asarray(mesh.vertices)[mesh.faces]
    world = corners @ rotation.T + move
    camera = np.array([0.0, 0.0, CAMERA_DISTANCE])
    normals = np.cross(world[:, 1] - world[:, 0], world[:, 2] - world[:, 0])
    towards = camera - world.mean(axis=1)
    seen_area = np.maximum((normals * towards).sum(axis=1) / np.linalg.norm(towards, axis=1), 0.0)
    places = []
    for _ in range(count):
        u = rng.random((_CANDIDATES, 3))
        angle = round(360 * float(rng.random()), 3)
        if not seen_area.any():
            continue
        sums = np.cumsum(seen_area)
        faces = np.minimum(np.searchsorted(sums, u[:, 0] * sums[-1], side="right"), len(sums) - 1)
        root = np.sqrt(u[:, 1])
        weights = np.stack([1 - root, root * (1 - u[:, 2]), root * u[:, 2]], axis=1)
        points = np.einsum("nk,nkj->nj", weights, world[faces])
        half = field_of_view / 2 * 0.95 * (1 - points[:, 2] / CAMERA_DISTANCE)
        framed = (np.abs(points[:, 0]) < half) & (np.abs(points[:, 1]) < half * aspect)
        for face, point, good in zip(faces, points, framed, strict=True):
            if good and not _hidden(world, camera, point, face):
                centre, normal = (
                    rotation.T @ (point - move),
                    rotation.T @ (normals[face] / np.linalg.norm(normals[face])),
                )
                rounded = {"centre": np.round(centre, 4).tolist(), "normal": np.round(normal, 6).tolist()}
                places.append({**rounded, "angle": angle})
                break
    return places


@numba.njit(cache=True)
def _hidden(triangles, camera, point, own):
    """Return whether a triangle other than its own lies between a point and the camera (Moeller and Trumbore)."""
    d = camera - point
    for i in range(len(triangles)):
        if i == own:
            continue
        e, f, s = triangles[i, 1] - triangles[i, 0], triangles[i, 2] - triangles[i, 0], point - triangles[i, 0]
        hx, hy, hz = d[1] * f[2] - d[2] * f[1], d[2] * f[0] - d[0] * f[2], d[0] * f[1] - d[1] * f[0]
        det = e[0] * hx + e[1] * hy + e[2] * hz
        if det == 0.0:
            continue
        u = (s[0] * hx + s[1] * hy + s[2] * hz) / det
        qx, qy, qz = s[1] * e[2] - s[2] * e[1], s[2] * e[0] - s[0] * e[2], s[0] * e[1] - s[1] * e[0]
        v = (d[0] * qx + d[1] * qy + d[2] * qz) / det
        t = (f[0] * qx + f[1] * qy + f[2] * qz) / det
        if u >= 0 and v >= 0 and u + v <= 1 and 1e-6 < t < 1:
            return True
    return False


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
        If the mesh does not load or does not fit before the camera.
    MissingExtraError
        If trimesh or pyrender is not installed.
    DeviceError
        If there is no OpenGL library.
    """
    camera, field_of_view = params["camera"], params["camera"]["field_of_view"] or FIELD_OF_VIEW
    pitch = field_of_view / size[1]
    lighting = prepare_part(params["texture"], params["light"], params["pose"], pitch / SAMPLES)
    defects = [placed(d, d["centre"], d["angle"], d["normal"], 0.75 * pitch) for d in params["defects"]]
    stains = _Stains(params["stains"], size) if params["stains"] else None
    clean = np.full(size, TABLE, np.float32)
    image, bent = clean.copy(), [[] for _ in defects]
    fine = tuple(SAMPLES * n for n in size)
    for place, surface in render_tiles(part_mesh(params["mesh"]), params["pose"], fine, field_of_view):
        seen = surface.mask > 0
        points, normals = surface.points[seen], surface.normals[seen]
        window = tuple(slice(s.start // SAMPLES, s.stop // SAMPLES) for s in place)
        rows, columns = (n // SAMPLES + s.start for n, s in zip(np.nonzero(seen), window, strict=True))
        reflectance = np.full(len(points), lighting.reflectance, np.float32)
        before = shade_part(lighting, points, normals, reflectance)
        inside = np.zeros(len(points), bool)
        if stains:
            reflectance, inside = stains.evaluate(points, reflectance, rows, columns)
        normals, reached = _bend(defects, points, normals)
        for pixels, samples in zip(bent, reached, strict=True):
            inside[samples] = True
            pixels.append(np.unique(rows[samples] * size[1] + columns[samples]))
        after = before.copy()
        after[inside] = shade_part(lighting, points[inside], normals[inside], reflectance[inside])
        clean[window], image[window] = _pixel_means(seen, before), _pixel_means(seen, after)
    layers = Layers(size, params["kinds"], camera["blur"])
    if stains:
        layers.add_field("stain", (slice(0, size[0]), slice(0, size[1])), *stains.found(), MOST_IDS - len(defects))
    for entry, pixels in zip(params["defects"], bent, strict=True):
        layers.add(entry["kind"], *np.divmod(np.concatenate([*pixels, np.empty(0, int)]), size[1]), entry)
    mask, objects = layers.finish()
    image, clean = (develop(x, camera["exposure"], camera["blur"], camera["noise"]) for x in (image, clean))
    return Inspected(image, clean if params["clean"] else None, mask, layers.masks, layers.ids, objects)


class _Stains:
    """The stains of a part, numbered as the tiles of its picture show them."""

    def __init__(self, stains: dict, size):
        self._field, self._offset = stain_field(stains), np.array(stains["offset"], np.float64)
        self._numbers, self._cells = np.zeros(size, np.uint16), {}

    def evaluate(self, points, reflectance, rows, columns):
        """Return the reflectance of samples and whether they are stained; note the stains at their pixels."""
        changed, inside = self._field.evaluate(points + self._offset, reflectance)
        wet = np.flatnonzero(inside)
        ids, cells = self._field.identify(points[wet] + self._offset)
        numbers = [self._cells.setdefault(tuple(cell), len(self._cells) + 1) for cell in cells.tolist()]
        if numbers:
            self._numbers[rows[wet], columns[wet]] = np.array(numbers, np.uint16)[ids - 1]
        return np.maximum(changed, LEAST * reflectance), inside

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the stain at each pixel, and the centres of the stains, (n, 3)."""
        # a stain may have lost its last pixel to a neighbour
        kept = np.bincount(self._numbers.ravel(), minlength=len(self._cells) + 1)[1:] > 0
        renumbered = np.append(np.uint16(0), np.cumsum(kept, dtype=np.uint16))
        cells = np.array(list(self._cells), np.int64).reshape(-1, 3)[kept]
        return renumbered[self._numbers], self._field.centers(cells) - self._offset


def _bend(defects: list[Placed], points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the normals of samples with all defects, and which samples each defect reaches."""
    bent, reached = normals.copy(), []
    for defect in defects:
        near = _near(defect, points)
        change = displacement(defect, points[near])
        near, gradient = near[change.inside], change.gradient[change.inside]
        # its part along the surface is the slope
        bent[near] -= gradient - (gradient * normals[near]).sum(axis=1, keepdims=True) * normals[near]
        reached.append(near)
    touched = np.unique(np.concatenate([*reached, np.empty(0, int)]))
    bent[touched] /= np.linalg.norm(bent[touched], axis=1, keepdims=True)
    return bent, reached


def _near(defect: Placed, points: np.ndarray) -> np.ndarray:
    """Return which points lie in the box of a defect."""
    middle = defect.curve if defect.shape["kind"] == "scratch" else defect.centre[None]
    low, high = middle.min(axis=0) - reach(defect), middle.max(axis=0) + reach(defect)
    near = np.ones(len(points), bool)
    for axis in range(3):
        near &= (points[:, axis] > low[axis]) & (points[:, axis] < high[axis])
    return np.flatnonzero(near)


def _pixel_means(seen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the means of the samples of each pixel; those that miss the part see the table."""
    samples = np.full(seen.shape, TABLE, np.float32)
    samples[seen] = values
    height, width = (n // SAMPLES for n in seen.shape)
    return samples.reshape(height, SAMPLES, width, SAMPLES).mean(axis=(1, 3), dtype=np.float32)
