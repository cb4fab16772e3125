"""A part under its light, and how defects change what is seen of it: the drawing and the judge share it."""

from typing import NamedTuple

import numpy as np

from synthgen.surface.marks.defects import FINEST, Placed, defect_reach, displacement, placed, scratch_sag
from synthgen.surface.mesh.machined import Facets, Lighting, prepare_part, shade_part
from synthgen.surface.mesh.normals import flat_faces
from synthgen.surface.mesh.samples import Tile
from synthgen.surface.mesh.scene import Model, model_of
from synthgen.surface.mesh.shadows import Shadows, cast_shadows

# A defect changes what faces the same way as it, by this cosine at least, and nothing behind it.
_FACING = 0.2
# The exposure makes a part as bright as this on the whole, and is no farther from 1 than by these factors.
_BRIGHTNESS = 0.5
_EXPOSURES = (0.5, 5.0)


class LitPart(NamedTuple):
    """A part in its pose under a light.

    Attributes
    ----------
    model : Model
    flats : ndarray of bool, (F,)
        Which triangles belong to flat sides.
    shadows : Shadows
    lighting : Lighting
    """

    model: Model
    flats: np.ndarray
    shadows: Shadows
    lighting: Lighting


class Changed(NamedTuple):
    """What defects do to some samples of a tile.

    Attributes
    ----------
    values : ndarray of float32, (n,)
        Brightness of the samples with all defects.
    pixels : list of ndarray
        Pixels of the tile's window, counted row by row, that each defect reaches; some of them several times.
    """

    values: np.ndarray
    pixels: list[np.ndarray]


def light_part(mesh, pose: dict, texture: dict, light: dict, pitch: float) -> LitPart:
    """Return a part in its pose under a light.

    Parameters
    ----------
    mesh : trimesh.Trimesh
    pose, texture, light : dict
        As returned by `sample_pose`, `sample_finish` and `sample_light`.
    pitch : float
        Side of a pixel, mm.

    Raises
    ------
    UsageError
        If the part reaches the light or the camera.
    """
    return LitPart(
        model=model_of(mesh, pose),
        flats=flat_faces(mesh.vertices, mesh.faces),
        shadows=cast_shadows(mesh, pose, light),
        lighting=prepare_part(texture, light, pose, pitch=pitch),
    )


def place_on_part(entry: dict, pitch: float) -> Placed:
    """Put a defect where its entry of the sample's ``defects`` says."""
    return placed(
        entry,
        entry["center"],
        entry["angle"],
        normal=entry["normal"],
        least=FINEST * pitch,
    )


def exposed(camera: dict, seen: np.ndarray) -> dict:
    """Return a camera with the exposure that a part needs.

    Parameters
    ----------
    camera : dict
        Of the sample.
    seen : ndarray of float32, (n,)
        Brightness of the pixels that show nothing but the clean part.
    """
    mean = float(seen.mean(dtype=np.float64)) if len(seen) else _BRIGHTNESS
    least, most = _EXPOSURES
    factor = min(max(_BRIGHTNESS / mean, least), most)
    return {**camera, "exposure": round(camera["exposure"] * factor, 4)}


def shade_clean(part: LitPart, tile: Tile) -> np.ndarray:
    """Return the brightness of the samples of a tile without defects, float32 (n,)."""
    return _shade(part, _facets_of(part, tile))


def changed(part: LitPart, tile: Tile, defects: list[Placed], chosen: np.ndarray, clean: np.ndarray) -> Changed:
    """Return what defects do to some samples of a tile.

    Parameters
    ----------
    part : LitPart
    tile : Tile
    defects : list of Placed
    chosen : ndarray of int, (n,)
        Numbers of samples, with all others of their pixels; see `samples_near`.
    clean : ndarray of float32, (n,)
        Their brightness without defects.
    """
    samples = tile.samples
    values = clean.copy()
    whole = samples.shares[chosen] == 1
    pixels = samples.pixels[chosen[whole]]
    changes, finer = _finer_changes(part, tile, defects, chosen[whole])
    values[whole] += changes

    # samples of pixels with an edge are fine enough
    edge = chosen[~whole]
    facets = _facets_of(part, tile, edge)
    normals, reached = _bend(defects, facets.points, facets.normals)
    values[~whole] = _shade(part, facets._replace(normals=normals))
    return Changed(
        values=values,
        pixels=[
            np.concatenate([pixels[of_finer], samples.pixels[edge[of_edge]]])
            for of_finer, of_edge in zip(finer, reached, strict=True)
        ],
    )


def _finer_changes(
    part: LitPart, tile: Tile, defects: list[Placed], chosen: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return what defects change in the mean of the finer samples of some pixels, and which pixels each reaches.

    The pixels have one sample each, `chosen`.
    """
    points, normals = tile.view.points(tile.samples.pixels[chosen])
    count = points.shape[1]
    upright = normals.reshape(-1, 3)
    facets = Facets(
        points=points.reshape(-1, 3),
        normals=upright,
        sides=upright,
        flats=np.repeat(part.flats[tile.samples.faces[chosen]], count),
    )
    bent, reached = _bend(defects, facets.points, facets.normals)
    before = _shade(part, facets)
    after = _shade(part, facets._replace(normals=bent))
    changes = (after - before).reshape(-1, count)
    return changes.mean(axis=1), [samples // count for samples in reached]


def _facets_of(part: LitPart, tile: Tile, chosen: np.ndarray | slice = slice(None)) -> Facets:
    """Return some samples of a tile as facets to shade."""
    samples = tile.samples
    normals = samples.normals[chosen]
    return Facets(
        points=samples.points[chosen],
        normals=normals,
        sides=normals,
        flats=part.flats[samples.faces[chosen]],
    )


def _shade(part: LitPart, facets: Facets) -> np.ndarray:
    return shade_part(part.lighting, part.shadows, facets)


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


def samples_near(tile: Tile, defects: list[Placed]) -> np.ndarray:
    """Return the samples of all pixels that defects reach, and of those beside them."""
    samples = tile.samples
    _, reached = _bend(defects, samples.points, samples.normals)
    touched = np.zeros(tile.seen.shape, bool)
    for numbers in reached:
        touched.ravel()[samples.pixels[numbers]] = True

    wide = np.pad(touched, 1)
    height, width = tile.seen.shape
    for down in range(3):
        for right in range(3):
            touched |= wide[down : down + height, right : right + width]
    return np.flatnonzero(touched.ravel()[samples.pixels])


def _near(defect: Placed, points: np.ndarray) -> np.ndarray:
    """Return which points lie in the box of a defect."""
    low, high = box_of(defect)
    near = np.ones(len(points), bool)
    for axis in range(3):
        values = points[:, axis]
        near &= values > low[axis]
        near &= values < high[axis]
    return np.flatnonzero(near)


def box_of(defect: Placed, rotation: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest coordinates of what a defect reaches, (3,) each.

    Parameters
    ----------
    defect : Placed
    rotation : ndarray, (3, 3), optional
        Of the part: the box lies along the axes of the world. Else along those of the part.
    """
    points = defect.center[None]
    if defect.kind == "scratch":
        # it goes on along a surface that bends away
        aside = scratch_sag(defect) * defect.axes[2]
        points = np.concatenate([defect.curve - aside, defect.curve + aside])
    if rotation is not None:
        points = points @ rotation.T
    reach = defect_reach(defect)
    return points.min(axis=0) - reach, points.max(axis=0) + reach
