"""Three built-in parts: a plate with holes, a ring, a bolt.

They are lofts (stacks of closed loops of equal length) in millimeters, centered on the origin; z points to the
camera in a pose without rotation. Their edges have chamfers, as machined edges have.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for

BUILTIN = ("plate", "ring", "bolt")

SEGMENTS = 192  # around a circle; a multiple of 24, so that hexagons and rectangles have their corners
_SIDE = SEGMENTS // 4  # points of each side of a rectangle

RING_RADII = (18.0, 30.0)
RING_HEIGHT = 16.0
RING_CHAMFER = 1.0

PLATE_COLUMNS = (22.0, 36.0, 22.0)
PLATE_ROWS = (17.0, 26.0, 17.0)
PLATE_HEIGHT = 8.0
PLATE_CHAMFER = 0.8
HOLES = (4.0, 0.0, 4.0, 0.0, 10.0, 0.0, 4.0, 0.0, 4.0)  # radius in each cell of the plate, row by row

HEAD_FLATS = 19.0  # across the flats
HEAD_HEIGHT = 8.0
HEAD_SLOPE = np.tan(np.radians(30.0))
_WASHER_HEIGHT = 0.5
SHAFT_RADIUS = 6.0
SHAFT_LENGTH = 52.0
THREAD_LENGTH = 30.0
THREAD_PITCH = 2.0
THREAD_DEPTH = 1.1


def builtin(name: str):
    """Return a built-in part.

    Parameters
    ----------
    name : {"plate", "ring", "bolt"}
        A plate of 80 x 60 x 8 mm with five holes; a ring of 60 x 36 x 16 mm; a hexagonal bolt of 19 x 60 mm,
        its axis along x.

    Returns
    -------
    trimesh.Trimesh
        Watertight, in millimeters, centered on the origin. A new one at each call.

    Raises
    ------
    UsageError
        If there is no such part.
    MissingExtraError
        If trimesh is not installed.
    """
    if name not in BUILTIN:
        raise UsageError(f"name must be one of {', '.join(BUILTIN)}, got {name!r}")
    return _built(name).copy()


@lru_cache(maxsize=len(BUILTIN))
def _built(name: str):
    """Return the mesh of a part, each vertex once."""
    trimesh = import_trimesh()
    makers = {"plate": _plate, "ring": _ring, "bolt": _bolt}
    triangles = np.concatenate(makers[name]())
    vertices = triangles.reshape(-1, 3)
    faces = np.arange(len(vertices)).reshape(-1, 3)

    mesh = trimesh.Trimesh(vertices, faces)
    mesh.merge_vertices(digits_vertex=6)
    mesh.update_faces(mesh.nondegenerate_faces())
    mesh.remove_unreferenced_vertices()
    return mesh


def import_trimesh():
    """Return the package trimesh, or raise what says how to install it."""
    with needed_for("mesh"):
        import trimesh
    return trimesh


def _circle(radius, height: float) -> np.ndarray:
    """Return a loop around z, counter-clockwise: (SEGMENTS, 3); `radius` may change along it."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    columns = [
        radius * np.cos(angle),
        radius * np.sin(angle),
        np.full(SEGMENTS, height),
    ]
    return np.stack(columns, axis=1)


def _rectangle(x0, x1, y0, y1, height) -> np.ndarray:
    """Return the boundary of a cell as a loop, a quarter of its points on each side, (SEGMENTS, 3)."""
    share = np.arange(_SIDE) / _SIDE
    ones = np.ones(_SIDE)
    x = [
        x0 + (x1 - x0) * share,
        x1 * ones,
        x1 + (x0 - x1) * share,
        x0 * ones,
    ]
    y = [
        y0 * ones,
        y0 + (y1 - y0) * share,
        y1 * ones,
        y1 + (y0 - y1) * share,
    ]
    columns = [
        np.concatenate(x),
        np.concatenate(y),
        np.full(SEGMENTS, height),
    ]
    return np.stack(columns, axis=1)


def _loft(loops) -> np.ndarray:
    """Join each loop to the next by triangles, (n, 3, 3); outward where the loops run counter-clockwise and up."""
    here = np.stack(loops[:-1])
    there = np.stack(loops[1:])
    here_next = np.roll(here, -1, axis=1)
    there_next = np.roll(there, -1, axis=1)

    lower = np.stack([here, here_next, there_next], 2)
    upper = np.stack([here, there_next, there], 2)
    return np.concatenate([lower.reshape(-1, 3, 3), upper.reshape(-1, 3, 3)])


def _lid(loop: np.ndarray, up: bool) -> np.ndarray:
    """Close a loop by a fan around its center."""
    center = np.broadcast_to(loop.mean(axis=0), loop.shape)
    following = np.roll(loop, -1, axis=0)
    fan = np.stack([center, loop, following], axis=1)
    return fan if up else fan[:, ::-1]


def _ring() -> list[np.ndarray]:
    """Return a profile turned around z."""
    inner, outer = RING_RADII
    top = RING_HEIGHT / 2
    cut = RING_CHAMFER
    profile = (
        (outer - cut, -top),
        (outer, cut - top),
        (outer, top - cut),
        (outer - cut, top),
        (inner + cut, top),
        (inner, top - cut),
        (inner, cut - top),
        (inner + cut, -top),
        (outer - cut, -top),
    )
    loops = [_circle(radius, height) for radius, height in profile]
    return [_loft(loops)]


def _bolt() -> list[np.ndarray]:
    """Return a head whose corners a cone of 30 degrees cuts, a shaft, and a thread of V grooves."""
    end = HEAD_HEIGHT + SHAFT_LENGTH
    loops = _head() + _thread(end)
    loops.append(_circle(SHAFT_RADIUS, end - THREAD_DEPTH))
    loops.append(_circle(SHAFT_RADIUS - THREAD_DEPTH, end))
    parts = [
        _loft(loops),
        _lid(loops[0], up=False),
        _lid(loops[-1], up=True),
    ]

    # The axis turns from z to x, the part's middle comes to the origin.
    shift = [end / 2, 0, 0]
    return [part[..., [2, 0, 1]] - shift for part in parts]


def _head() -> list[np.ndarray]:
    """Return the loops of the head, up to the shaft."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    turn = (angle + 1e-12) % (np.pi / 3) - np.pi / 6
    hexagon = HEAD_FLATS / 2 / np.cos(turn)
    face = 0.95 * HEAD_FLATS / 2
    washer = HEAD_HEIGHT - _WASHER_HEIGHT
    return [
        _circle(face, 0.0),
        _circle(hexagon, HEAD_SLOPE * (hexagon - face)),
        _circle(hexagon, washer),
        _circle(face, washer),
        _circle(face, HEAD_HEIGHT),
        _circle(SHAFT_RADIUS, HEAD_HEIGHT),
    ]


def _thread(end: float) -> list[np.ndarray]:
    """Return the loops of the grooves, which go down and up within a pitch."""
    flat = THREAD_PITCH / 8
    bottom = SHAFT_RADIUS - THREAD_DEPTH
    loops = []
    for turn in np.arange(end - THREAD_LENGTH, end - THREAD_PITCH, THREAD_PITCH):
        middle = turn + THREAD_PITCH / 2
        loops += [
            _circle(SHAFT_RADIUS, turn + flat),
            _circle(bottom, middle - flat / 2),
            _circle(bottom, middle + flat / 2),
            _circle(SHAFT_RADIUS, turn + THREAD_PITCH - flat),
        ]
    return loops


def _plate() -> list[np.ndarray]:
    """Return cells with a hole each: neighbors share the points of their common side, so that the faces close."""
    xs, width = _cuts(PLATE_COLUMNS)
    ys, length = _cuts(PLATE_ROWS)
    top = PLATE_HEIGHT / 2
    parts = []
    for number, radius in enumerate(HOLES):
        row, column = divmod(number, len(PLATE_COLUMNS))
        cell = _rectangle(
            xs[column],
            xs[column + 1],
            ys[row],
            ys[row + 1],
            top,
        )
        parts += _cell_with_hole(cell, radius)

    parts.append(_outside(xs, ys, width, length))
    return parts


def _cuts(sizes) -> tuple[np.ndarray, float]:
    """Return where the cells of the plate begin and end, the outer ones at the chamfer, and half of the whole."""
    cuts = np.cumsum([0.0, *sizes]) - sum(sizes) / 2
    half = cuts[-1]
    cuts[0] = PLATE_CHAMFER - half
    cuts[-1] = half - PLATE_CHAMFER
    return cuts, half


def _cell_with_hole(cell: np.ndarray, radius: float) -> list[np.ndarray]:
    """Return the upper and the lower face of a cell, and the wall of its hole; a radius of 0 is no hole."""
    below = cell * [1, 1, -1]
    if not radius:
        return [_lid(cell, up=True), _lid(below, up=False)]

    corners = cell[::_SIDE, :2]
    center = np.append(corners.mean(axis=0), 0.0)
    spoke = cell - center
    angle = np.arctan2(spoke[:, 1], spoke[:, 0])
    unit = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)

    top = PLATE_HEIGHT / 2
    cut = PLATE_CHAMFER
    wall = (
        (radius + cut, top),
        (radius, top - cut),
        (radius, cut - top),
        (radius + cut, -top),
    )
    loops = [center + r * unit + [0, 0, z] for r, z in wall]
    return [_loft([cell, *loops, below])]


def _outside(xs, ys, width: float, length: float) -> np.ndarray:
    """Return the outer wall with its chamfers, from the sides of the outer cells."""
    sides = []
    for start, corners in _outline(xs, ys):
        loop = _rectangle(*corners, height=0.0)
        sides.append(loop[start : start + _SIDE])
    inset = np.concatenate(sides)
    full = inset * [width / xs[-1], length / ys[-1], 1]

    top = PLATE_HEIGHT / 2
    cut = PLATE_CHAMFER
    walls = ((inset, -top), (full, cut - top), (full, top - cut), (inset, top))
    loops = [np.add(loop, [0, 0, z]) for loop, z in walls]
    return _loft(loops)


def _outline(xs, ys) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    """Yield the outer sides of the cells counter-clockwise: where one starts in the cell's loop, and the cell."""
    columns = range(len(xs) - 1)
    rows = range(len(ys) - 1)
    for column in columns:
        yield 0, (xs[column], xs[column + 1], ys[0], ys[1])
    for row in rows:
        yield _SIDE, (xs[-2], xs[-1], ys[row], ys[row + 1])
    for column in reversed(columns):
        yield 2 * _SIDE, (xs[column], xs[column + 1], ys[-2], ys[-1])
    for row in reversed(rows):
        yield 3 * _SIDE, (xs[0], xs[1], ys[row], ys[row + 1])
