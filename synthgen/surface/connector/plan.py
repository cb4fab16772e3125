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
    for row, (count, v) in enumerate(zip(rows, _ROWS_AT[len(rows)], strict=True)):
        for place, u in enumerate(_spread(count)):
            is_large = place in (0, count - 1)
            drilled.append(_drill(rng, u, v, row, is_large))
    return {"holes": drilled, "bites": [], "cut": None, "marks": []}


def _spread(count: int) -> list[float]:
    """Return evenly spaced places of a row."""
    step = 2 * _END / (count - 1)
    return [-_END + step * place for place in range(count)]


def _drill(rng, u: float, v: float, row: int, is_large: bool) -> dict:
    """Draw a hole within the tolerances of a normal one."""
    radius = LARGE if is_large else SMALL
    off_u, off_v, larger = (2 * x - 1 for x in rng.random(3).tolist())
    return {
        "at": [
            round(u + _PLACE_TOLERANCE * off_u, 4),
            round(v + _PLACE_TOLERANCE * off_v, 4),
        ],
        "radius": round(radius * (1 + _SIZE_TOLERANCE * larger), 4),
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
    holes = plate["holes"]
    gone = int(rng.integers(len(holes)))
    left = holes[:gone] + holes[gone + 1 :]
    return {**plate, "holes": left}, _finding([_disc(holes[gone])])


def _additional(rng, plate: dict) -> tuple[dict, dict]:
    """Drill one hole more, where there is room."""
    radius = SMALL if rng.random() < 0.7 else LARGE
    low = (-HALF_LENGTH, -HALF_WIDTH)
    high = (HALF_LENGTH, HALF_WIDTH)
    tries = rng.uniform(low, high, (_TRIES, 2)).round(4).tolist()
    extra = _fitting(plate["holes"], tries, radius)
    holes = [*plate["holes"], extra]
    return {**plate, "holes": holes}, _finding([_disc(extra)])


def _misplaced(rng, plate: dict) -> tuple[dict, dict]:
    """Drill a hole at a wrong place, some mm off."""
    holes = plate["holes"]
    small = [number for number, hole in enumerate(holes) if not hole["large"]]
    moved = small[int(rng.integers(len(small)))]
    old = holes[moved]
    others = holes[:moved] + holes[moved + 1 :]

    u, v = old["at"]
    angles = 2 * math.pi * rng.random(_TRIES)
    far = 3.5 + 3 * rng.random(_TRIES)
    along = u + far * np.cos(angles)
    across = v + far * np.sin(angles)
    tries = np.stack([along, across], axis=1).round(4).tolist()
    new = {**old, "at": _fitting(others, tries, old["radius"])["at"]}

    # either place will do
    enough = _area(old["radius"])
    return {**plate, "holes": [*others, new]}, _finding([_disc(old), _disc(new)], enough)


def _wrong_size(rng, plate: dict) -> tuple[dict, dict]:
    """Drill a small hole where a large one belongs, or a large one where a small one does."""
    holes = plate["holes"]
    number = int(rng.integers(len(holes)))
    old = holes[number]
    wrong = SMALL if old["large"] else LARGE
    new = {**old, "radius": round(wrong * between(rng, 0.92, 1.08), 4)}

    larger = max(old, new, key=lambda hole: hole["radius"])
    enough = _area(new["radius"])
    return {**plate, "holes": _replaced(holes, {number: new})}, _finding([_disc(larger)], enough)


def _swapped(rng, plate: dict) -> tuple[dict, dict]:
    """Let a large hole and its small neighbor change places."""
    holes = plate["holes"]
    pairs = [
        (one, other)
        for one, first in enumerate(holes)
        for other, second in enumerate(holes)
        if first["large"] and not second["large"] and first["row"] == second["row"]
    ]
    one, other = pairs[int(rng.integers(len(pairs)))]
    first = {**holes[one], "radius": holes[other]["radius"]}
    second = {**holes[other], "radius": holes[one]["radius"]}

    regions = [_disc(holes[one]), _disc(second)]
    enough = _area(first["radius"]) + _area(second["radius"])
    changed = _replaced(holes, {one: first, other: second})
    return {**plate, "holes": changed}, _finding(regions, enough)


def _count(rng, plate: dict) -> tuple[dict, dict]:
    """Give a row one small hole more or less, evenly spaced: no place is the wrong one."""
    holes = plate["holes"]
    row = int(rng.integers(1 + max(hole["row"] for hole in holes)))
    of_row = [hole for hole in holes if hole["row"] == row]
    others = [hole for hole in holes if hole["row"] != row]
    fewer = len(of_row) > 3 and rng.random() < 0.5
    count = len(of_row) + (-1 if fewer else 1)

    ends = [hole for hole in of_row if hole["large"]]
    v = _ROWS_AT[1 + max(hole["row"] for hole in holes)][row]
    inner = [_drill(rng, u, v, row, False) for u in _spread(count)[1:-1]]

    # the missing or additional hole may be any of the row
    half = SMALL + RIM
    reach = _END - LARGE - RIM
    strip = [-reach, v - half, reach, v + half]
    return {**plate, "holes": [*others, *ends, *inner]}, _finding([strip], _area(SMALL))


def _damaged_edge(rng, plate: dict) -> tuple[dict, dict]:
    """Break pieces out of the edge and bend it."""
    along = bool(rng.random() < 0.7)
    side = 1 if rng.random() < 0.5 else -1
    half, other_half = (HALF_WIDTH, HALF_LENGTH) if along else (HALF_LENGTH, HALF_WIDTH)
    middle = between(rng, -0.75, 0.75) * other_half

    bites = []
    for _ in range(int(rng.integers(4, 8))):
        radius = between(rng, 0.7, 1.9)
        place = middle + between(rng, -3.5, 3.5)
        depth = side * (half + between(rng, -0.1, 0.6) * radius)
        u, v = (place, depth) if along else (depth, place)
        bites.append([round(u, 4), round(v, 4), radius])

    dents = [_bent_edge(rng, along, middle, side * half) for _ in range(2)]
    return {**plate, "bites": bites, "marks": dents}, _finding([])


def _bent_edge(rng, along: bool, middle: float, edge: float) -> dict:
    """Draw a dent of the edge."""
    from synthgen.surface.marks.defects import sample_surface_defect

    place = middle + between(rng, -3.0, 3.0)
    inwards = math.copysign(between(rng, 0.6, 2.0), edge)
    depth = round(edge - inwards, 4)
    at = [round(place, 4), depth] if along else [depth, round(place, 4)]
    dent = sample_surface_defect(rng, "dent")
    steeper = round(2.5 * dent["height"], 5)
    angle = between(rng, 0, 360)
    return _mark({**dent, "height": steeper}, at, angle)


def _cut_corner(rng, plate: dict) -> tuple[dict, dict]:
    """Cut a corner off."""
    side_u, side_v = ((1, -1)[int(x)] for x in rng.integers(0, 2, 2))
    leg_u = between(rng, 5.5, 9.5)
    leg_v = between(rng, 5.5, 9.5)

    # through the ends of both legs
    length = math.hypot(leg_u, leg_v)
    a = side_u * leg_v / length
    b = side_v * leg_u / length
    c = abs(a) * (HALF_LENGTH - leg_u) + abs(b) * HALF_WIDTH
    cut = [round(x, 6) for x in (a, b, c)]
    return {**plate, "cut": cut}, _finding([])


def _scratch(rng, plate: dict) -> tuple[dict, dict]:
    """Scratch the plate deeply."""
    from synthgen.surface.marks.defects import sample_surface_defect

    scratch = sample_surface_defect(rng, "scratch")
    vertices = np.array(scratch["vertices"])
    reach = float(np.abs(vertices).max())
    longer = between(rng, 8, 20) / reach
    depths = np.array(scratch["depths"])
    pressed = depths / depths.max()
    width = between(rng, 0.18, 0.3)
    deepest = width * between(rng, 0.3, 0.6)
    deep = {
        **scratch,
        "vertices": (longer * vertices).round(4).tolist(),
        "depths": (deepest * pressed).round(6).tolist(),
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


def _finding(regions: list, enough: float | None = None) -> dict:
    return {"regions": regions, "enough": None if enough is None else round(enough, 4)}


def _mark(shape: dict, at: list[float], angle: float) -> dict:
    """Return a defect of the surface with its place; it has the same keys whatever its kind."""
    keys = ("kind", "vertices", "depths", "width", "radii", "height", "bend", "rim")
    return {"at": at, "angle": angle, **{key: shape.get(key) for key in keys}}


def _disc(hole: dict) -> list[float]:
    u, v = hole["at"]
    return [u, v, hole["radius"]]


def _area(radius: float) -> float:
    return math.pi * radius * radius


def _replaced(holes: list[dict], changes: dict[int, dict]) -> list[dict]:
    return [changes.get(number, hole) for number, hole in enumerate(holes)]


def _fitting(holes: list[dict], tries: list, radius: float) -> dict:
    """Return a hole at the first of some places that leaves enough metal around it, or at the roomiest of them."""
    best = max(tries, key=lambda at: min(_LEAST_METAL, _metal_left(holes, at, radius)))
    return {"at": best, "radius": radius, "row": -1, "large": radius > SMALL}


def _metal_left(holes: list[dict], at, radius: float) -> float:
    """Return how much metal would be left around a hole, mm."""
    u, v = at
    to_edge = min(HALF_LENGTH - abs(u), HALF_WIDTH - abs(v)) - radius
    gaps = [math.dist(hole["at"], at) - hole["radius"] - radius for hole in holes]
    return min(to_edge, *gaps)
