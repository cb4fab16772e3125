"""Drawing a part with its findings: the picture, the clean twin, and what an inspector has to find."""

from functools import partial

import numpy as np

from synthgen.surface.connector.cloth import weave
from synthgen.surface.connector.findings import Finding, found, painted_regions
from synthgen.surface.connector.items import floor_of, put, solid_of
from synthgen.surface.connector.plate import (
    Room,
    changed_between,
    edges_of,
    grid_of,
    lay,
    outline_of,
    pose_of,
)
from synthgen.surface.connector.tray import is_same
from synthgen.surface.marks.defects import FINEST, placed
from synthgen.surface.optics.camera import grown, photograph
from synthgen.surface.plate.brightness import bend, prepare, radiance
from synthgen.surface.plate.view import PlateView
from synthgen.surface.plate.water import dried_layers

f32 = np.float32

# Width of what an image shows, mm.
FIELD_OF_VIEW = 112.0
# Zinc scatters a part of the light evenly.
_MATTE = 0.45
_DIFFUSE = 0.5


def view_of(size: tuple[int, int]) -> PlateView:
    """Return the view of an image (H, W): its shorter side shows `FIELD_OF_VIEW`."""
    pitch = FIELD_OF_VIEW / min(size)
    return PlateView(size, round(pitch, 9))


def draw_connector(params: dict, size: tuple[int, int]) -> Finding:
    """Draw a flat connector on black cloth.

    Parameters
    ----------
    params : dict
        As returned by `synthgen.families.connectors.sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    Finding
    """
    view = view_of(size)
    pose = pose_of(params["pose"])
    grid = grid_of(view)
    lit = prepare(params["texture"], params["light"], view)
    metal, stains = _metal(params, view, lit)
    cloth = weave(params["background"], view)
    room = _room_of(params)

    def picture_of(plate: dict, surface: np.ndarray):
        outline = outline_of(plate)
        edges = edges_of(outline, pose, grid, size)
        return lay((surface, cloth), outline, edges, (pose, grid), room), edges

    clean, before = picture_of(params["meant"], metal)
    marked = metal.copy()
    touched = _mark(params, view, lit, pose, marked)
    picture, after = picture_of(params["made"], marked)

    changed = changed_between(before, after, view.pitch)
    # A scratch ends at the edge of the metal
    changed |= touched & (after.distance < view.pitch)
    camera = params["camera"]
    masks = []
    for thing in params["objects"]:
        regions = painted_regions(thing["params"]["regions"], pose, grid, size)
        masks.append(grown(changed | regions, camera["blur"]))
    return found(
        params,
        image=photograph(picture, camera),
        clean=photograph(clean, camera) if "clean" in params["fields"] else None,
        masks=masks,
        stains=None if stains is None else grown(stains & (after.distance < view.pitch), camera["blur"]),
        pitch=view.pitch,
    )


def draw_tray(params: dict, size: tuple[int, int]) -> Finding:
    """Draw a tray of screws and washers; as `draw_connector`."""
    view = view_of(size)
    pose = pose_of(params["pose"])
    grid = grid_of(view)
    lit = prepare(params["texture"], params["light"], view)
    metal, _ = _metal(params, view, lit)
    room = _room_of(params)
    empty = floor_of(params["background"], pose, grid, size, room)

    def filled(items: list[dict], others: list[dict]):
        return _filled(empty, items, others, partial(_put_item, metal, pose, grid, room))

    meant = params["meant"]["items"]
    made = params["made"]["items"]
    clean, before = filled(meant, made)
    picture, after = filled(made, meant)
    changed = before | after

    camera = params["camera"]
    masks = []
    for thing in params["objects"]:
        regions = painted_regions(thing["params"]["regions"], pose, grid, size)
        masks.append(grown(changed | regions, camera["blur"]))
    return found(
        params,
        image=photograph(picture, camera),
        clean=photograph(clean, camera) if "clean" in params["fields"] else None,
        masks=masks,
        stains=None,
        pitch=view.pitch,
    )


def _put_item(metal: np.ndarray, pose, grid, room: Room, item: dict, picture: np.ndarray) -> np.ndarray:
    """Lay an item into a picture; return the pixels that it changed, bool (H, W)."""
    return put(solid_of(item, pose), metal, grid, room, picture)


def _filled(empty: np.ndarray, items: list[dict], others: list[dict], lay_one) -> tuple[np.ndarray, np.ndarray]:
    """Return a tray with items, and the pixels, bool (H, W), of those that others do not have just so."""
    picture = empty.copy()
    changed = np.zeros(empty.shape, bool)
    for item in items:
        touched = lay_one(item, picture)
        whole = [other for other in others if is_same(item, other)]
        if not whole:
            changed |= touched
        elif item != whole[0]:
            changed |= _differing(item, whole[0], empty.shape, lay_one)
    return picture, changed


def _differing(one: dict, other: dict, shape: tuple[int, int], lay_one) -> np.ndarray:
    """Return the pixels, bool (H, W), in which two states of an item, alone on a white floor, differ."""
    first = np.ones(shape, f32)
    second = np.ones(shape, f32)
    lay_one(one, first)
    lay_one(other, second)
    return first != second


def _room_of(params: dict) -> Room:
    """Return how the room is lit, and how much of that the metal reflects."""
    x, y = params["room"]
    return Room(x, y, params["texture"]["reflectance"])


def _metal(params: dict, view: PlateView, lit) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the brightness of the metal, wherever it may be, and where it is stained; None without stains."""
    texture = params["texture"]
    picture = radiance(lit, view)
    picture *= f32(1 - _MATTE)
    picture += f32(_MATTE * _DIFFUSE * texture["reflectance"])
    if params["stains"] is None:
        return picture, None

    top, left = view.corner
    older, newer = dried_layers(params, picture, (left, top), view.pitch)
    stained = (older.ids > 0) | (newer.ids > 0)
    return picture, stained


def _mark(params: dict, view: PlateView, lit, pose, metal: np.ndarray) -> np.ndarray:
    """Bend the metal by scratches and dents; return the pixels that changed, bool (H, W)."""
    touched = np.zeros(view.shape, bool)
    defects = []
    for mark in params["made"]["marks"]:
        x, y = pose.place(*mark["at"])
        angle = mark["angle"] + params["pose"]["angle"]
        defect = placed(mark, (x, y, 0.0), angle, least=FINEST * view.pitch)
        defects.append(defect)
    if not defects:
        return touched

    bent = metal.copy()
    for rows, columns in bend(lit, view, bent, defects):
        touched[rows, columns] = True
    metal[touched] = _as_zinc(bent[touched], params["texture"]["reflectance"])
    return touched


def _as_zinc(shine: np.ndarray, reflectance: float) -> np.ndarray:
    """Return the brightness of metal of which a part scatters the light evenly."""
    return f32(1 - _MATTE) * shine + f32(_MATTE * _DIFFUSE * reflectance)
