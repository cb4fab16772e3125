"""Parts from files of the user's, and the one place that finds a part by its name."""

import re
import struct
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError, one_line
from synthgen.surface.mesh.builtin import BUILTIN, builtin, import_trimesh

SUFFIXES = (".stl", ".ply", ".obj", ".off")  # one file each, and nothing in it that names another
MAX_BYTES = 256 * 2**20
MAX_FACES = 2_000_000
EXTENT = 80.0  # mm, the longest side that a loaded part is scaled to
# Millimeters in a unit of the file; `fit` scales the part to EXTENT.
UNITS = {"fit": None, "mm": 1.0, "m": 1000.0}
# Where the header of a file, in its first bytes, says how many faces there are.
_HEADER_BYTES = 65_536
_FACES = {
    "ply": re.compile(rb"element\s+face\s+(\d{1,18})"),
    "off": re.compile(rb"OFF\s+(?:#[^\n]*\s+)*\d{1,18}\s+(\d{1,18})"),
}
# Bytes of a binary STL file: before the triangles, and of each. Text comes to its first triangle in so many bytes.
_STL_HEADER = 84
_STL_TRIANGLE = 50
_STL_START = 1024
# Triangles smaller than this, as a share of the part's squared side, have no area.
_LEAST_AREA = 1e-9
# A body whose volume is a smaller share of those between its triangles and its middle is a sheet: it has no inside.
_LEAST_VOLUME = 1e-6


def part_mesh(name: str, scale: str = "fit"):
    """Return a built-in part by its name, or one from a file, which is read once.

    Parameters
    ----------
    name : str
        As `builtin` and `load_mesh` take it.
    scale : {"fit", "mm", "m"}
        As for `load_mesh`; built-in parts have their own size.

    Returns
    -------
    trimesh.Trimesh
    """
    if name in BUILTIN:
        return builtin(name)

    path = Path(name)
    if not path.is_file():
        return load_mesh(path, scale)
    facts = path.stat()
    return _loaded(path, scale, (facts.st_mtime_ns, facts.st_size))


@lru_cache(maxsize=1)
def _loaded(path: Path, scale: str, stamp: tuple[int, int]):
    """Return the part of a file as it was at a time."""
    return load_mesh(path, scale)


def load_mesh(path, scale: str = "fit"):
    """Read a part from a file of the user's.

    Parameters
    ----------
    path : str or Path
        An STL, PLY, OBJ or OFF file. Colors, textures and materials are not read.
    scale : {"fit", "mm", "m"}
        ``fit`` makes the longest side 80 mm; ``mm`` and ``m`` keep the part's own size, in that unit of the file.

    Returns
    -------
    trimesh.Trimesh
        Centered on the origin, in millimeters. The triangles of a part that is wound inwards are turned around:
        normals point out of the material.

    Raises
    ------
    UsageError
        If the file is missing, of another kind, too large, damaged, or holds no surface.
    MissingExtraError
        If trimesh is not installed.
    """
    path = Path(path)
    _check_file(path)
    vertices, faces = _parse(path)
    low, high = _checked_bounds(path, vertices, faces)

    trimesh = import_trimesh()
    sides = high - low
    millimeters = UNITS[scale] or EXTENT / sides.max()
    middle = (low + high) / 2
    centered = vertices - middle
    # Makes one vertex of those in one place: STL files repeat them, and normals are smoothed over shared ones.
    mesh = trimesh.Trimesh(centered * millimeters, faces)
    return _wound_outwards(mesh)


def _wound_outwards(mesh):
    """Return a mesh whose triangles run counterclockwise as seen from outside, body by body."""
    trimesh = import_trimesh()
    if not mesh.is_winding_consistent:
        trimesh.repair.fix_winding(mesh)

    faces = mesh.faces.copy()
    volumes = _volumes_of_bodies(mesh)
    inwards = volumes < 0
    wrong = faces[inwards]
    faces[inwards] = wrong[:, ::-1]
    return trimesh.Trimesh(mesh.vertices, faces, process=False)


def _volumes_of_bodies(mesh) -> np.ndarray:
    """Return for each triangle the volume of the body that it belongs to; 0 where that is lost in rounding."""
    graph = import_trimesh().graph
    bodies = graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    corners = mesh.vertices[mesh.faces]
    count = np.bincount(bodies)

    # around the middle of each body, so that open ones have a sign too
    of_faces = corners.mean(axis=1)
    middles = np.empty((len(count), 3))
    for axis in range(3):
        total = np.bincount(bodies, of_faces[:, axis])
        middles[:, axis] = total / count
    own_middles = middles[bodies]
    first = corners[:, 0] - own_middles
    second = corners[:, 1] - own_middles
    third = corners[:, 2] - own_middles

    # six times the volume of the tetrahedron between a triangle and the middle
    across = np.cross(second, third)
    shares = np.einsum("nk,nk->n", first, across)

    volumes = np.bincount(bodies, shares)
    unsigned = np.abs(shares)
    sizes = np.bincount(bodies, unsigned)
    least = _LEAST_VOLUME * sizes
    certain = np.abs(volumes) > least
    volumes = np.where(certain, volumes, 0)
    return volumes[bodies]


def _check_file(path: Path) -> None:
    """Refuse what is no mesh file, before it is read."""
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        given = path.suffix or "no suffix"
        raise UsageError(f"{path}: a mesh must be one of {known}, got {given}")

    if not path.is_file():
        given = "a folder" if path.is_dir() else "nothing there"
        raise UsageError(f"{path}: a mesh must be a file, got {given}")

    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(f"{path}: a mesh must have at most {MAX_BYTES} bytes, got {size}")


def _checked_bounds(path: Path, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest coordinates of a mesh; refuse one without a surface."""
    count = len(faces)
    if not 0 < count <= MAX_FACES:
        raise UsageError(f"{path}: a mesh must have 1..{MAX_FACES} triangles, got {count}")

    used = vertices[faces]
    finite = np.isfinite(used)
    if not finite.all():
        wrong = used[~finite]
        raise UsageError(f"{path}: a mesh must have finite vertices, got {wrong[0]}")

    low = used.min(axis=(0, 1))
    high = used.max(axis=(0, 1))
    side = (high - low).max()
    scaled = (used - low) / max(side, 1e-300)
    start = scaled[:, 0]
    first = scaled[:, 1] - start
    second = scaled[:, 2] - start

    across = np.cross(first, second)
    areas = np.linalg.norm(across, axis=1)
    if not (np.isfinite(side) and areas.max() > _LEAST_AREA):
        raise UsageError(f"{path}: a mesh must have a triangle with an area, got none among {count}")
    return low, high


def _parse(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces as trimesh reads them from one file, and no other: no materials, no web."""
    trimesh = import_trimesh()
    kind = path.suffix.lower()[1:]
    content = path.read_bytes()
    if kind == "stl":
        _check_stl(path, content)

    options = {"process": False}
    if kind == "obj":
        options["skip_materials"] = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = trimesh.util.wrap_as_stream(content)
            scene = trimesh.load_scene(data, file_type=kind, resolver=None, **options)
            mesh = scene.to_mesh()
        vertices = np.asarray(mesh.vertices, np.float64)
        faces = np.asarray(mesh.faces, np.int64)
    except Exception as error:  # a damaged file makes its parser raise anything
        reason = one_line(error, 80)
        raise UsageError(f"{path}: a mesh must be readable by trimesh, got: {reason}") from error

    promised = _promised_faces(kind, content)
    if len(faces) < promised:
        raise UsageError(f"{path}: a mesh must be whole, got {len(faces)} of {promised} faces: truncated")
    return vertices, faces


def _promised_faces(kind: str, content: bytes) -> int:
    """Return how many faces the header of a file says that there are; 0 where it does not say."""
    pattern = _FACES.get(kind)
    found = pattern.search(content[:_HEADER_BYTES]) if pattern else None
    return int(found[1]) if found else 0


def _check_stl(path: Path, content: bytes) -> None:
    """Refuse an STL file that was cut off: a binary one says how many triangles it has, text ends in a word."""
    size = len(content)
    lower = content.lower()
    start = lower[:_STL_START].lstrip()
    is_text = start.startswith(b"solid") and b"facet" in start
    if is_text:
        _, _, ending = lower.rpartition(b"facet")
        if b"endsolid" not in ending:
            raise UsageError(f"{path}: a mesh must be whole, got {size} bytes of text without endsolid: truncated")
        return

    wanted = _STL_HEADER
    if size >= _STL_HEADER:
        (count,) = struct.unpack_from("<I", content, _STL_HEADER - 4)
        wanted += _STL_TRIANGLE * count
    if size < wanted:
        raise UsageError(
            f"{path}: a mesh must be whole, got {size} bytes where STL needs {wanted}: truncated, or no STL file"
        )
