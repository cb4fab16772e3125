"""The flat connector: the rules that hold for it, and how each is broken.

A connector is a plate with rows of holes (Saghir 2024, section 4.2). What holds for a normal one:

count
    Each row has its number of holes.
place
    They lie in a line, evenly spaced from one end to the other.
size and order
    The holes at the ends are large, all others are small.
pairing
    Where there are two rows of equal length, the holes lie in pairs.

A plate is measured in mm from its middle, u along it and v across it.
"""

import math
from typing import Any

import numpy as np

from synthgen.surface.chance import between

# Half the length and the width of the plate, radius of its corners, and its thickness, mm.
HALF_LENGTH = 45.0
HALF_WIDTH = 17.0
CORNER = 4.0
THICKNESS = 3.0
# Width of the rounded rim of the plate and its holes, mm.
RIM = 0.5
LARGE = 3.7
SMALL = 2.2
# Where the rows lie, and where the holes at their ends do.
_ROWS_AT = {1: (0.0,), 2: (-8.0, 8.0)}
_END = 37.0
# How many holes each row has, for each number of holes.
_ROWS = {4: (4,), 5: (5,), 6: (3, 3), 7: (4, 3), 8: (4, 4)}
FEWEST, MOST = min(_ROWS), max(_ROWS)
# By how much a hole of a normal plate may be off its place, and off its radius as a share.
_PLACE_TOLERANCE = 0.12
_SIZE_TOLERANCE = 0.015
# Metal that is left between two holes, and between a hole and the edge.
_LEAST_METAL = 2.2
_TRIES = 400

# All defects of the surface have these keys.
_MARK_KEYS = ("kind", "vertices", "depths", "width", "radii", "height", "bend", "rim", "tip", "tilt")

LOGICAL = ("missing", "additional", "misplaced", "wrong_size", "swapped", "count")
STRUCTURAL = ("damaged_edge", "cut_corner", "scratch")


def sample_plate(rng: np.random.Generator, holes: int) -> dict:
    """Draw a normal plate.

    Parameters
    ----------
    rng : numpy.random.Generator
    holes : int
        From `FEWEST` to `MOST`.

    Returns
    -------
    dict
        ``holes``, each with ``at`` (u, v), ``radius``, ``row`` and whether it is ``large``; ``bites``, discs
        (u, v, radius) that are broken out of the edge; ``cut``, a corner that is cut off: (a, b, c), where
        a u + b v > c; ``marks``, scratches and dents, see `synthgen.surface.marks.defects`.
    """
    drilled = []
    rows = _ROWS[holes]
    across = _ROWS_AT[len(rows)]
    for row, count in enumerate(rows):
        for place, u in enumerate(_spread(count)):
            is_large = place in (0, count - 1)
            hole = _drill(rng, (u, across[row]), row, is_large)
            drilled.append(hole)
    return {"holes": drilled, "bites": [], "cut": None, "marks": []}


def _spread(count: int) -> list[float]:
    """Return evenly spaced places of a row."""
    step = 2 * _END / (count - 1)
    return [-_END + step * place for place in range(count)]


def _drill(rng, place: tuple[float, float], row: int, is_large: bool) -> dict:
    """Draw a hole within the tolerances of a normal one."""
    u, v = place
    off_u, off_v, larger = (2 * rng.random(3) - 1).tolist()
    radius = LARGE if is_large else SMALL
    radius *= 1 + _SIZE_TOLERANCE * larger
    at = [
        round(u + _PLACE_TOLERANCE * off_u, 4),
        round(v + _PLACE_TOLERANCE * off_v, 4),
    ]
    return {
        "at": at,
        "radius": round(radius, 4),
        "row": row,
        "large": is_large,
    }


def break_rule(rng: np.random.Generator, plate: dict, kind: str) -> tuple[dict, dict]:
    """Draw an anomaly of a plate.

    Parameters
    ----------
    rng : numpy.random.Generator
    plate : dict
        A normal one, as returned by `sample_plate`; it is not changed.
    kind : str
        Of `LOGICAL` or `STRUCTURAL`.

    Returns
    -------
    plate : dict
        As it is now.
    finding : dict
        ``regions``, where an inspector may find the anomaly: discs (u, v, radius) and strips (u0, v0, u1, v1);
        ``enough``, how many mm2 of them are enough, None for all: the saturation of MVTec LOCO (Bergmann et al.,
        IJCV 2022, section 4.3).
    """
    return _BREAKERS[kind](rng, plate)


def _missing(rng, plate: dict) -> tuple[dict, dict]:
    """Leave one hole out."""
    gone, others = _one_and_others(rng, plate["holes"])
    finding = _finding([_disc(gone)])
    return _drilled(plate, others), finding


def _additional(rng, plate: dict) -> tuple[dict, dict]:
    """Drill one hole more, where there is room."""
    radius = SMALL if rng.random() < 0.7 else LARGE
    corner = np.array([HALF_LENGTH, HALF_WIDTH])
    tries = rng.uniform(-corner, corner, (_TRIES, 2))
    extra = _fitting(plate["holes"], tries, radius)
    holes = [*plate["holes"], extra]
    finding = _finding([_disc(extra)])
    return _drilled(plate, holes), finding


def _misplaced(rng, plate: dict) -> tuple[dict, dict]:
    """Drill a small hole at a wrong place, some mm off."""
    old, others = _one_and_others(rng, plate["holes"], large=False)
    angles = 2 * math.pi * rng.random(_TRIES)
    far = 3.5 + 3 * rng.random(_TRIES)
    steps = [far * np.cos(angles), far * np.sin(angles)]
    tries = old["at"] + np.stack(steps, axis=1)
    wrong = _fitting(others, tries, old["radius"])
    new = {**old, "at": wrong["at"]}

    # either place will do
    regions = [_disc(old), _disc(new)]
    holes = [*others, new]
    finding = _finding(regions, _area(old["radius"]))
    return _drilled(plate, holes), finding


def _wrong_size(rng, plate: dict) -> tuple[dict, dict]:
    """Drill a small hole where a large one belongs, or a large one where a small one does."""
    old, others = _one_and_others(rng, plate["holes"])
    wrong = SMALL if old["large"] else LARGE
    radius = wrong * between(rng, 0.92, 1.08)
    new = {**old, "radius": round(radius, 4)}

    larger = max(old, new, key=lambda hole: hole["radius"])
    holes = [*others, new]
    finding = _finding([_disc(larger)], _area(new["radius"]))
    return _drilled(plate, holes), finding


def _swapped(rng, plate: dict) -> tuple[dict, dict]:
    """Let a large hole and a small one of its row change places."""
    large, others = _one_and_others(rng, plate["holes"], large=True)
    of_row = [hole for hole in others if hole["row"] == large["row"]]
    small, _ = _one_and_others(rng, of_row, large=False)
    rest = [hole for hole in others if hole is not small]

    now_small = {**large, "radius": small["radius"]}
    now_large = {**small, "radius": large["radius"]}
    regions = [_disc(large), _disc(now_large)]
    enough = _area(small["radius"]) + _area(large["radius"])
    holes = [*rest, now_small, now_large]
    finding = _finding(regions, enough)
    return _drilled(plate, holes), finding


def _count(rng, plate: dict) -> tuple[dict, dict]:
    """Give a row one small hole more or less, evenly spaced: no place is the wrong one."""
    holes = plate["holes"]
    rows = 1 + max(hole["row"] for hole in holes)
    row = int(rng.integers(rows))
    of_row = [hole for hole in holes if hole["row"] == row]
    others = [hole for hole in holes if hole["row"] != row]
    is_fewer = len(of_row) > 3 and rng.random() < 0.5
    count = len(of_row) - 1 if is_fewer else len(of_row) + 1

    v = _ROWS_AT[rows][row]
    ends = [hole for hole in of_row if hole["large"]]
    places = _spread(count)[1:-1]
    inner = [_drill(rng, (u, v), row, is_large=False) for u in places]

    # the missing or additional hole may be any of the row
    half = SMALL + RIM
    reach = _END - LARGE - RIM
    strip = [-reach, v - half, reach, v + half]
    changed = [*others, *ends, *inner]
    finding = _finding([strip], _area(SMALL))
    return _drilled(plate, changed), finding


def _damaged_edge(rng, plate: dict) -> tuple[dict, dict]:
    """Break pieces out of the edge and bend it."""
    is_long_side = bool(rng.random() < 0.7)
    half, length = (HALF_WIDTH, HALF_LENGTH) if is_long_side else (HALF_LENGTH, HALF_WIDTH)
    edge = half if rng.random() < 0.5 else -half
    middle = between(rng, -0.75, 0.75) * length

    bites = []
    for _ in range(int(rng.integers(4, 8))):
        radius = between(rng, 0.7, 1.9)
        place = middle + between(rng, -3.5, 3.5)
        off = math.copysign(between(rng, -0.1, 0.6) * radius, edge)
        at = _at_edge(place, edge + off, is_long_side)
        bites.append([*at, radius])

    dents = [_bent_edge(rng, middle, edge, is_long_side) for _ in range(2)]
    return {**plate, "bites": bites, "marks": dents}, _finding([])


def _at_edge(place: float, depth: float, is_long_side: bool) -> list[float]:
    """Return the point (u, v) at a place along an edge and a coordinate across it."""
    along = round(place, 4)
    across = round(depth, 4)
    return [along, across] if is_long_side else [across, along]


def _bent_edge(rng, middle: float, edge: float, is_long_side: bool) -> dict:
    """Draw a dent of the edge."""
    from synthgen.surface.marks.defects import sample_surface_defect

    place = middle + between(rng, -3.0, 3.0)
    inwards = math.copysign(between(rng, 0.6, 2.0), edge)
    at = _at_edge(place, edge - inwards, is_long_side)
    dent = sample_surface_defect(rng, "dent")
    deeper = round(2.5 * dent["height"], 5)
    angle = between(rng, 0, 360)
    return _mark({**dent, "height": deeper}, at, angle)


def _cut_corner(rng, plate: dict) -> tuple[dict, dict]:
    """Cut a corner off."""
    side_u, side_v = (1 - 2 * rng.integers(0, 2, 2)).tolist()
    leg_u = between(rng, 5.5, 9.5)
    leg_v = between(rng, 5.5, 9.5)

    # through the ends of both legs
    length = math.hypot(leg_u, leg_v)
    steep = leg_v / length
    flat = leg_u / length
    level = steep * (HALF_LENGTH - leg_u) + flat * HALF_WIDTH
    line = (side_u * steep, side_v * flat, level)
    cut = [round(number, 6) for number in line]
    return {**plate, "cut": cut}, _finding([])


def _scratch(rng, plate: dict) -> tuple[dict, dict]:
    """Scratch the plate deeply."""
    from synthgen.surface.marks.defects import sample_surface_defect

    scratch = sample_surface_defect(rng, "scratch")
    vertices = np.array(scratch["vertices"])
    reach = float(np.abs(vertices).max())
    longer = between(rng, 8, 20) / reach
    vertices = longer * vertices

    width = between(rng, 0.18, 0.3)
    deepest = width * between(rng, 0.3, 0.6)
    depths = np.array(scratch["depths"])
    depths = deepest / depths.max() * depths
    deep = {
        **scratch,
        "vertices": vertices.round(4).tolist(),
        "depths": depths.round(6).tolist(),
        "width": width,
    }
    at = [between(rng, -22, 22), between(rng, -9, 9)]
    angle = between(rng, -70, 70)
    return {**plate, "marks": [_mark(deep, at, angle)]}, _finding([])


_BREAKERS: dict[str, Any] = {
    "missing": _missing,
    "additional": _additional,
    "misplaced": _misplaced,
    "wrong_size": _wrong_size,
    "swapped": _swapped,
    "count": _count,
    "damaged_edge": _damaged_edge,
    "cut_corner": _cut_corner,
    "scratch": _scratch,
}


def _drilled(plate: dict, holes: list[dict]) -> dict:
    return {**plate, "holes": holes}


def _finding(regions: list, enough: float | None = None) -> dict:
    return {"regions": regions, "enough": None if enough is None else round(enough, 4)}


def _mark(shape: dict, at: list[float], angle: float) -> dict:
    """Return a defect of the surface with its place; it has the same keys whatever its kind."""
    own = {key: shape.get(key) for key in _MARK_KEYS}
    return {"at": at, "angle": angle, **own}


def _one_and_others(rng, holes: list[dict], large: bool | None = None) -> tuple[dict, list[dict]]:
    """Draw a hole, a large or a small one if it is said; return it and all others."""
    numbers = [number for number, hole in enumerate(holes) if large in (None, hole["large"])]
    number = numbers[int(rng.integers(len(numbers)))]
    others = holes[:number] + holes[number + 1 :]
    return holes[number], others


def _disc(hole: dict) -> list[float]:
    u, v = hole["at"]
    return [u, v, hole["radius"]]


def _area(radius: float) -> float:
    return math.pi * radius * radius


def _fitting(holes: list[dict], tries: np.ndarray, radius: float) -> dict:
    """Return a hole at the first of some places that leaves enough metal around it, or at the roomiest of them."""
    best: list[float] = []
    most = -math.inf
    for at in tries.round(4).tolist():
        left = _metal_left(holes, at, radius)
        if left > most:
            most = left
            best = at
        if left >= _LEAST_METAL:
            break
    return {"at": best, "radius": radius, "row": -1, "large": radius > SMALL}


def _metal_left(holes: list[dict], at: list[float], radius: float) -> float:
    """Return how much metal would be left around a hole, mm."""
    u, v = at
    gaps = [HALF_LENGTH - abs(u), HALF_WIDTH - abs(v)]
    for hole in holes:
        apart = math.dist(hole["at"], at)
        gaps.append(apart - hole["radius"])
    return min(gaps) - radius
