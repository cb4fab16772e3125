"""Parts with a shape: three built-in ones, and the user's own file.

The built-in parts are lofts (stacks of closed loops of equal length) in millimetres, centred on the origin; z
points to the camera in a pose without rotation. Their edges have chamfers, as machined edges have.
"""

import warnings
from functools import lru_cache
from math import cos, radians
from pathlib import Path

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for

BUILTIN = ("plate", "ring", "bolt")
SUFFIXES = (".stl", ".ply", ".obj", ".off")  # one file each, and nothing in it that names another
MAX_BYTES = 256 * 2**20
MAX_FACES = 2_000_000
EXTENT = 80.0  # mm, the longest side that a loaded part is scaled to
CREASE = 25.0  # degrees; faces that meet at a larger angle have an edge between them

SEGMENTS = 192  # around a circle; a multiple of 24, so that hexagons and rectangles have their corners
RING_RADII, RING_HEIGHT, RING_CHAMFER = (18.0, 30.0), 16.0, 1.0
PLATE_COLUMNS, PLATE_ROWS, PLATE_HEIGHT = (22.0, 36.0, 22.0), (17.0, 26.0, 17.0), 8.0
HOLES = (4.0, 0.0, 4.0, 0.0, 10.0, 0.0, 4.0, 0.0, 4.0)  # radius in each cell of the plate, row by row
PLATE_CHAMFER = 0.8
HEAD_FLATS, HEAD_HEIGHT = 19.0, 8.0  # across the flats
SHAFT_RADIUS, SHAFT_LENGTH = 6.0, 52.0
THREAD_LENGTH, THREAD_PITCH, THREAD_DEPTH = 30.0, 2.0, 1.1
HEAD_SLOPE = np.tan(np.radians(30.0))


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
        Watertight, in millimetres, centred on the origin. A new one at each call.

    Raises
    ------
    UsageError
        If there is no such part.
    MissingExtraError
        If trimesh is not installed.
    """
    if name not in BUILTIN:
        raise UsageError(f"mesh: must be one of {', '.join(BUILTIN)}, or a file, got {name!r}")
    return _built(name).copy()


@lru_cache(maxsize=len(BUILTIN))
def _built(name: str):
    trimesh = _trimesh()
    triangles = np.concatenate({"plate": _plate, "ring": _ring, "bolt": _bolt}[name]())
    mesh = trimesh.Trimesh(triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3))
    mesh.merge_vertices(digits_vertex=6)
    mesh.update_faces(mesh.nondegenerate_faces())
    mesh.remove_unreferenced_vertices()
    return mesh


def _trimesh():
    with needed_for("mesh"):
        import trimesh
    return trimesh


def _circle(radius, height: float) -> np.ndarray:
    """Return a loop around z, counter-clockwise: (SEGMENTS, 3); `radius` may change along it."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.broadcast_to(height, SEGMENTS)], axis=1)


def _loft(loops) -> np.ndarray:
    """Join each loop to the next by triangles, (n, 3, 3); outward where the loops run counter-clockwise and up."""
    here, there = np.stack(loops[:-1]), np.stack(loops[1:])
    here_next, there_next = np.roll(here, -1, axis=1), np.roll(there, -1, axis=1)
    halves = np.stack([here, here_next, there_next], 2), np.stack([here, there_next, there], 2)
    return np.concatenate([half.reshape(-1, 3, 3) for half in halves])


def _lid(loop: np.ndarray, up: bool) -> np.ndarray:
    """Close a loop by a fan around its centre."""
    centre = np.broadcast_to(loop.mean(axis=0), loop.shape)
    fan = np.stack([centre, loop, np.roll(loop, -1, axis=0)], axis=1)
    return fan if up else fan[:, ::-1]


def _ring() -> list[np.ndarray]:
    (inner, outer), top, cut = RING_RADII, RING_HEIGHT / 2, RING_CHAMFER
    profile = (
        (outer - cut, -top), (outer, cut - top), (outer, top - cut), (outer - cut, top),
        (inner + cut, top), (inner, top - cut), (inner, cut - top), (inner + cut, -top), (outer - cut, -top),
    )  # fmt: skip
    return [_loft([_circle(radius, height) for radius, height in profile])]


def _bolt() -> list[np.ndarray]:
    """Make a head whose corners a cone of 30 degrees cuts, a shaft, and a thread of V grooves."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    hexagon = HEAD_FLATS / 2 / np.cos((angle + 1e-12) % (np.pi / 3) - np.pi / 6)
    face = 0.95 * HEAD_FLATS / 2
    loops = [
        _circle(face, 0.0),
        _circle(hexagon, HEAD_SLOPE * (hexagon - face)),
        _circle(hexagon, HEAD_HEIGHT - 0.5),
        _circle(face, HEAD_HEIGHT - 0.5),
        _circle(face, HEAD_HEIGHT),  # the washer face
        _circle(SHAFT_RADIUS, HEAD_HEIGHT),
    ]
    end = HEAD_HEIGHT + SHAFT_LENGTH
    flat = THREAD_PITCH / 8
    for turn in np.arange(end - THREAD_LENGTH, end - THREAD_PITCH, THREAD_PITCH):
        groove = turn + flat, turn + THREAD_PITCH / 2 - flat / 2, turn + THREAD_PITCH / 2 + flat / 2
        loops += [_circle(SHAFT_RADIUS - cut * THREAD_DEPTH, z) for cut, z in zip((0, 1, 1), groove, strict=True)]
        loops.append(_circle(SHAFT_RADIUS, turn + THREAD_PITCH - flat))
    loops += [_circle(SHAFT_RADIUS, end - THREAD_DEPTH), _circle(SHAFT_RADIUS - THREAD_DEPTH, end)]
    parts = [_loft(loops), _lid(loops[0], up=False), _lid(loops[-1], up=True)]
    # The axis turns from z to x, the part's middle comes to the origin.
    return [part[..., [2, 0, 1]] - [end / 2, 0, 0] for part in parts]


def _rectangle(x0, x1, y0, y1, height) -> np.ndarray:
    """Return the boundary of a cell as a loop, a quarter of its points on each side, (SEGMENTS, 3)."""
    t = np.arange(SEGMENTS // 4) / (SEGMENTS // 4)
    x = np.concatenate([x0 + (x1 - x0) * t, np.full_like(t, x1), x1 + (x0 - x1) * t, np.full_like(t, x0)])
    y = np.concatenate([np.full_like(t, y0), y0 + (y1 - y0) * t, np.full_like(t, y1), y1 + (y0 - y1) * t])
    return np.stack([x, y, np.full(SEGMENTS, height)], axis=1)


def _plate() -> list[np.ndarray]:
    """Cells with a hole each: neighbours share the points of their common side, so that the faces close."""
    top, cut = PLATE_HEIGHT / 2, PLATE_CHAMFER
    xs, ys = (np.cumsum([0.0, *sizes]) - sum(sizes) / 2 for sizes in (PLATE_COLUMNS, PLATE_ROWS))
    wide, long = xs[-1], ys[-1]
    xs[[0, -1]], ys[[0, -1]] = (cut - wide, wide - cut), (cut - long, long - cut)
    parts = []
    for number, radius in enumerate(HOLES):
        row, column = divmod(number, len(PLATE_COLUMNS))
        cell = _rectangle(*xs[column : column + 2], *ys[row : row + 2], top)
        below = cell * [1, 1, -1]
        if not radius:
            parts += [_lid(cell, up=True), _lid(below, up=False)]
            continue
        centre = np.append(cell[:: SEGMENTS // 4, :2].mean(axis=0), 0.0)
        spoke = cell - centre
        angle = np.arctan2(spoke[:, 1], spoke[:, 0])
        unit = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
        wall = ((radius + cut, top), (radius, top - cut), (radius, cut - top), (radius + cut, -top))
        parts.append(_loft([cell, *(centre + r * unit + [0, 0, z] for r, z in wall), below]))
    # The outside, from the sides of the outer cells.
    sides = []
    for start, (x0, x1, y0, y1) in _outline(xs, ys):
        side = _rectangle(x0, x1, y0, y1, 0.0)[start : start + SEGMENTS // 4]
        sides.append(side)
    inset = np.concatenate(sides)
    full = inset * [wide / xs[-1], long / ys[-1], 1]
    walls = ((inset, -top), (full, cut - top), (full, top - cut), (inset, top))
    parts.append(_loft([np.add(loop, [0, 0, z]) for loop, z in walls]))
    return parts


def _outline(xs, ys):
    """Yield the outer sides of the cells counter-clockwise: where one starts in the cell's loop, and the cell."""
    quarter = SEGMENTS // 4
    columns, rows = range(len(xs) - 1), range(len(ys) - 1)
    for column in columns:
        yield 0, (xs[column], xs[column + 1], ys[0], ys[1])
    for row in rows:
        yield quarter, (xs[-2], xs[-1], ys[row], ys[row + 1])
    for column in reversed(columns):
        yield 2 * quarter, (xs[column], xs[column + 1], ys[-2], ys[-1])
    for row in reversed(rows):
        yield 3 * quarter, (xs[0], xs[1], ys[row], ys[row + 1])


def load_mesh(path, extent: float | None = EXTENT):
    """Read a part from a file of the user's.

    Parameters
    ----------
    path : str or Path
        An STL, PLY, OBJ or OFF file. Colours, textures and materials are not read.
    extent : float, optional
        The longest side that the part is scaled to, in mm; None keeps the file's units as millimetres.

    Returns
    -------
    trimesh.Trimesh
        Centred on the origin.

    Raises
    ------
    UsageError
        If the file is missing, of another kind, too large, damaged, or holds no surface.
    MissingExtraError
        If trimesh is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a mesh must be one of {', '.join(SUFFIXES)}, got {path.suffix or 'no suffix'}")
    if not path.is_file():
        raise UsageError(f"{path}: a mesh must be a file, got {'a folder' if path.is_dir() else 'nothing there'}")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path}: a mesh must have at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    vertices, faces = _parse(path)
    if not 0 < len(faces) <= MAX_FACES:
        raise UsageError(f"{path}: a mesh must have 1..{MAX_FACES} triangles, got {len(faces)}")
    used = vertices[faces]
    if not np.isfinite(used).all():
        raise UsageError(f"{path}: a mesh must have finite vertices, got {used[~np.isfinite(used)][0]}")
    low, high = used.min(axis=(0, 1)), used.max(axis=(0, 1))
    side = (high - low).max()
    spans = (used - low) / max(side, 1e-300)
    area = np.linalg.norm(np.cross(spans[:, 1] - spans[:, 0], spans[:, 2] - spans[:, 0]), axis=1)
    if not (np.isfinite(side) and area.max() > 1e-9):
        raise UsageError(f"{path}: a mesh must have a triangle with an area, got none among {len(faces)}")
    scale = 1.0 if extent is None else extent / side
    # Makes one vertex of those in one place: STL files repeat them, and normals are smoothed over shared ones.
    return _trimesh().Trimesh((vertices - (low + high) / 2) * scale, faces)


def _parse(path: Path):
    """Let trimesh read one file, and no other: no resolver, no materials, no web."""
    trimesh = _trimesh()
    options = {"process": False} | ({"skip_materials": True} if path.suffix.lower() == ".obj" else {})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file:
                data = trimesh.util.wrap_as_stream(file.read())
            mesh = trimesh.load_scene(data, file_type=path.suffix.lower()[1:], resolver=None, **options).to_mesh()
            return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # a damaged file makes its parser raise anything
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise UsageError(f"{path}: a mesh must be readable by trimesh, got: {reason}") from error


def corner_normals(vertices: np.ndarray, faces: np.ndarray, crease: float = CREASE) -> np.ndarray:
    """Return a normal for each corner of each triangle.

    Parameters
    ----------
    vertices : ndarray of float64, (V, 3)
    faces : ndarray of int64, (F, 3)
    crease : float
        Angle in degrees; faces that meet at a larger one do not share their normals.

    Returns
    -------
    ndarray of float64, (F, 3, 3)
        Mean, weighted by their angles there, of the normals of the faces around a corner; face, corner, coordinate.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64)
    corners = vertices[faces]
    ahead, back = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    across = np.cross(ahead, back)
    length = np.linalg.norm(across, axis=2)
    angles = np.arctan2(length, (ahead * back).sum(axis=2))
    unit = across[:, 0] / np.maximum(length[:, :1], 1e-300)
    order = np.argsort(faces.ravel(), kind="stable")
    starts = np.searchsorted(faces.ravel()[order], np.arange(len(vertices) + 1))
    return _corner_normals(faces, unit, angles, order, starts, cos(radians(crease)))


@numba.njit(cache=True)
def _corner_normals(faces, unit, angles, order, starts, least):
    normals = np.empty((len(faces), 3, 3))
    for face in range(len(faces)):
        for corner in range(3):
            vertex = faces[face, corner]
            x = y = z = 0.0
            for i in range(starts[vertex], starts[vertex + 1]):
                other, weight = order[i] // 3, angles[order[i] // 3, order[i] % 3]
                alike = 0.0
                for axis in range(3):
                    alike += unit[face, axis] * unit[other, axis]
                if other == face or alike > least:
                    x, y, z = x + weight * unit[other, 0], y + weight * unit[other, 1], z + weight * unit[other, 2]
            length = max((x * x + y * y + z * z) ** 0.5, 1e-300)
            normals[face, corner, 0] = x / length
            normals[face, corner, 1] = y / length
            normals[face, corner, 2] = z / length
    return normals
