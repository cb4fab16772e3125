"""Parts from files of the user's, and the one place that finds a part by its name."""

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
# Triangles smaller than this, as a share of the part's squared side, have no area.
_LEAST_AREA = 1e-9


def part_mesh(name: str):
    """Return a built-in part by its name, or one from a file, which is read once.

    Parameters
    ----------
    name : str
        As `builtin` and `load_mesh` take it.

    Returns
    -------
    trimesh.Trimesh
    """
    if name in BUILTIN:
        return builtin(name)

    path = Path(name)
    if not path.is_file():
        return load_mesh(path)
    facts = path.stat()
    return _loaded(path, (facts.st_mtime_ns, facts.st_size))


@lru_cache(maxsize=1)
def _loaded(path: Path, stamp: tuple[int, int]):
    """Return the part of a file as it was at a time."""
    return load_mesh(path)


def load_mesh(path, extent: float | None = EXTENT):
    """Read a part from a file of the user's.

    Parameters
    ----------
    path : str or Path
        An STL, PLY, OBJ or OFF file. Colors, textures and materials are not read.
    extent : float, optional
        The longest side that the part is scaled to, in mm; None keeps the file's units as millimeters.

    Returns
    -------
    trimesh.Trimesh
        Centered on the origin.

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
    longest = (high - low).max()
    scale = 1.0 if extent is None else extent / longest
    middle = (low + high) / 2
    centered = vertices - middle
    # Makes one vertex of those in one place: STL files repeat them, and normals are smoothed over shared ones.
    return trimesh.Trimesh(centered * scale, faces)


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
    options = {"process": False}
    if kind == "obj":
        options["skip_materials"] = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = trimesh.util.wrap_as_stream(path.read_bytes())
            scene = trimesh.load_scene(data, file_type=kind, resolver=None, **options)
            mesh = scene.to_mesh()
        vertices = np.asarray(mesh.vertices, np.float64)
        faces = np.asarray(mesh.faces, np.int64)
    except Exception as error:  # a damaged file makes its parser raise anything
        reason = one_line(error, 80)
        raise UsageError(f"{path}: a mesh must be readable by trimesh, got: {reason}") from error
    return vertices, faces
