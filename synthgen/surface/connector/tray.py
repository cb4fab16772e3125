"""The tray of screws and washers: the rules that hold for it, and how each is broken.

Six compartments, three in a row. What holds for a normal tray:

count
    Two screws lie in each upper compartment, two washers in each lower one.
place
    Screws lie above, washers below.
size and order
    All in a compartment are of one size, and sizes rise from left to right.
pairing
    Below each screw there is a washer of its size.

A tray is measured in mm from its middle, u to the right and v down.
"""

import math
from typing import Any

import numpy as np

from synthgen.surface.chance import between

# Half of what the compartments cover, the walls between them, and where the lower row begins.
HALF_U = 42.0
HALF_V = 39.0
WALL = 2.4
_LOWER = 6.0
COLUMNS = 3
_NORMAL_COUNT = 2
# Of each size, mm: a screw's length, radius of the shank, radius and height of the head; a washer's two radii.
SCREWS = ((19.0, 1.4, 2.7, 2.1), (24.0, 1.7, 3.3, 2.5), (29.0, 2.0, 3.9, 3.0))
WASHERS = ((3.3, 1.6), (4.3, 2.1), (5.4, 2.6))
# Between two items, and between an item and a wall.
_GAP = 0.5
_TRIES = 150
# Degrees by which a screw is turned from upright at most.
_TURN = 24.0


def compartment(column: int, row: int) -> tuple[float, float, float, float]:
    """Return the floor of a compartment, (u0, v0, u1, v1)."""
    width = (2 * HALF_U - (COLUMNS - 1) * WALL) / COLUMNS
    left = -HALF_U + column * (width + WALL)
    top, bottom = (-HALF_V, _LOWER - WALL) if row == 0 else (_LOWER, HALF_V)
    return left, top, left + width, bottom


def sample_tray(rng: np.random.Generator) -> dict:
    """Draw a normal tray.

    Returns
    -------
    dict
        ``items``, each with its ``kind`` (screw or washer), ``size`` (0 to 2), ``at`` (u, v), ``angle`` from head
        to tip in degrees, ``cell`` (column, row), ``shade`` of its metal, ``left``, the share of its length that is
        there, and ``bites``, discs (u, v, radius) that are broken out.
    """
    items: list[dict] = []
    for row, kind in enumerate(("screw", "washer")):
        for column in range(COLUMNS):
            for _ in range(_NORMAL_COUNT):
                items.append(_drop(rng, items, kind, column, [column, row]))
    return {"items": items}


def _drop(rng, items: list[dict], kind: str, size: int, cell: list[int]) -> dict:
    """Let an item fall into a compartment, where there is room."""
    shade = round(between(rng, 0.88, 1.1), 3)
    left, top, right, bottom = compartment(*cell)
    there = [item for item in items if item["cell"] == cell]
    shares = rng.random((_TRIES, 2))
    turns = rng.random(_TRIES)
    best = None
    most = -math.inf

    for (along, down), turn in zip(shares.tolist(), turns.tolist(), strict=True):
        item = {
            "kind": kind,
            "size": size,
            "at": [round(left + along * (right - left), 4), round(top + down * (bottom - top), 4)],
            "angle": _angle(kind, turn, cell),
            "cell": cell,
            "shade": shade,
            "left": 1.0,
            "bites": [],
        }
        room = _room(item, there)
        if room > most:
            most = room
            best = item
        if room >= _GAP:
            break
    assert best is not None
    return best


def _angle(kind: str, turn: float, cell: list[int]) -> float:
    """Return how an item is turned, degrees: screws lie upright, and anyhow among the washers."""
    if kind == "washer":
        return 0.0
    if cell[1] == 1:
        return round(360 * turn, 3)
    half = 90.0 if turn < 0.5 else 270.0
    return round(half + _TURN * (4 * (turn % 0.5) - 1), 3)


def discs_of(item: dict) -> np.ndarray:
    """Return discs that cover an item, (n, 3): u, v and radius."""
    u, v = item["at"]
    if item["kind"] == "washer":
        radius, _ = WASHERS[item["size"]]
        return np.array([[u, v, radius]])

    length, shank, head, height = SCREWS[item["size"]]
    along = np.linspace(-length / 2, length / 2, 12)
    radii = np.where(along < -length / 2 + height, head, shank)
    angle = math.radians(item["angle"])
    places = [u + along * math.cos(angle), v + along * math.sin(angle), radii]
    return np.stack(places, axis=1)


def _room(item: dict, others: list[dict]) -> float:
    """Return the gap between an item and what is nearest to it, mm; below 0 where they overlap."""
    discs = discs_of(item)
    left, top, right, bottom = compartment(*item["cell"])
    u, v, radius = discs.T
    gaps = [u - left, right - u, v - top, bottom - v]
    least = float((np.min(gaps, axis=0) - radius).min())
    for other in others:
        theirs = discs_of(other)
        between_middles = np.hypot(u[:, None] - theirs[:, 0], v[:, None] - theirs[:, 1])
        gap = between_middles - radius[:, None] - theirs[:, 2]
        least = min(least, float(gap.min()))
    return least


def break_rule(rng: np.random.Generator, tray: dict, kind: str) -> tuple[dict, dict]:
    """Draw an anomaly of a tray; see `synthgen.surface.connector.plan.break_rule`.

    Regions are discs (u, v, radius), strips (u0, v0, u1, v1), and capsules (u0, v0, u1, v1, radius).
    """
    return _BREAKERS[kind](rng, tray["items"])


def _missing(rng, items: list[dict]) -> tuple[dict, dict]:
    """Leave one item out: it may have been anywhere in its compartment."""
    gone = int(rng.integers(len(items)))
    item = items[gone]
    strip = list(compartment(*item["cell"]))
    return _made(items[:gone] + items[gone + 1 :]), _finding([strip], area_of(item))


def _additional(rng, items: list[dict]) -> tuple[dict, dict]:
    """Add one item more: any of those in its compartment is the one too many."""
    like = items[int(rng.integers(len(items)))]
    extra = _drop(rng, items, like["kind"], like["size"], like["cell"])
    there = [item for item in items if item["cell"] == like["cell"]]
    return _made([*items, extra]), _finding(_shapes([*there, extra]), area_of(extra))


def _misplaced(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let an item lie in the row of the other kind."""
    gone = int(rng.integers(len(items)))
    item = items[gone]
    others = items[:gone] + items[gone + 1 :]
    column, row = item["cell"]
    moved = _drop(rng, others, item["kind"], item["size"], [column, 1 - row])

    strip = list(compartment(column, row))
    return _made([*others, moved]), _finding([strip, *_shapes([moved])], area_of(item))


def _wrong_size(rng, items: list[dict]) -> tuple[dict, dict]:
    """Put an item of another size in the place of one."""
    number = int(rng.integers(len(items)))
    old = items[number]
    others = items[:number] + items[number + 1 :]
    wrong = (0, 2)[int(rng.integers(2))] if old["size"] == 1 else 2 - old["size"]
    new = {**old, "size": wrong}
    if _room(new, [item for item in others if item["cell"] == old["cell"]]) < 0:
        new = _drop(rng, others, old["kind"], wrong, old["cell"])
    return _made([*others, new]), _finding(_shapes([new]), area_of(new))


def _swapped(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let two compartments of a row change their contents."""
    row = int(rng.integers(2))
    one, other = ((0, 1), (1, 2), (0, 2))[int(rng.integers(3))]
    step = compartment(other, row)[0] - compartment(one, row)[0]
    moves = {one: (other, step), other: (one, -step)}

    changed = []
    moved = []
    for item in items:
        column, own_row = item["cell"]
        if own_row != row or column not in moves:
            changed.append(item)
            continue
        target, shift = moves[column]
        u, v = item["at"]
        moved.append({**item, "at": [round(u + shift, 4), v], "cell": [target, row]})
    enough = sum(area_of(item) for item in moved)
    return _made([*changed, *moved]), _finding(_shapes(moved), enough)


def _count(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let a column have one pair, a screw and its washer, more or less: the pairs are right, their count is not."""
    column = int(rng.integers(COLUMNS))
    pairs = [[item for item in items if item["cell"] == [column, row]] for row in (0, 1)]
    enough = sum(area_of(there[0]) for there in pairs)
    if rng.random() < 0.5:
        gone = [there[int(rng.integers(len(there)))] for there in pairs]
        strips = [list(compartment(column, row)) for row in (0, 1)]
        left = [item for item in items if item not in gone]
        return _made(left), _finding(strips, enough)

    extra = [_drop(rng, items, there[0]["kind"], there[0]["size"], there[0]["cell"]) for there in pairs]
    return _made([*items, *extra]), _finding(_shapes([*pairs[0], *pairs[1], *extra]), enough)


def _damaged_edge(rng, items: list[dict]) -> tuple[dict, dict]:
    """Break pieces out of the edge of a washer."""
    number = _one_of(rng, items, "washer")
    washer = items[number]
    radius, inner = WASHERS[washer["size"]]
    turn = between(rng, 0, 360)

    bites = []
    for _ in range(int(rng.integers(2, 5))):
        angle = math.radians(turn + between(rng, -22, 22))
        far = radius + between(rng, -0.2, 0.4)
        size = (radius - inner) * between(rng, 0.35, 0.8)
        bites.append([round(far * math.cos(angle), 4), round(far * math.sin(angle), 4), round(size, 4)])

    u, v = washer["at"]
    regions = [[round(u + du, 4), round(v + dv, 4), size] for du, dv, size in bites]
    changed = {**washer, "bites": bites}
    return _made(_replaced(items, number, changed)), _finding(regions)


def _broken(rng, items: list[dict]) -> tuple[dict, dict]:
    """Break the tip of a screw off."""
    number = _one_of(rng, items, "screw")
    screw = items[number]
    length, shank, _, _ = SCREWS[screw["size"]]
    # the shadow of the tip falls farther than the tip
    left = between(rng, 0.45, 0.75)

    u, v = screw["at"]
    angle = math.radians(screw["angle"])
    ends = []
    for place in (left * length - length / 2, length / 2):
        ends += [round(u + place * math.cos(angle), 4), round(v + place * math.sin(angle), 4)]
    changed = {**screw, "left": left}
    return _made(_replaced(items, number, changed)), _finding([[*ends, round(2.2 * shank + 1, 4)]])


_BREAKERS: dict[str, Any] = {
    "missing": _missing,
    "additional": _additional,
    "misplaced": _misplaced,
    "wrong_size": _wrong_size,
    "swapped": _swapped,
    "count": _count,
    "damaged_edge": _damaged_edge,
    "broken": _broken,
}


def _one_of(rng, items: list[dict], kind: str) -> int:
    numbers = [number for number, item in enumerate(items) if item["kind"] == kind]
    return numbers[int(rng.integers(len(numbers)))]


def _made(items: list[dict]) -> dict:
    return {"items": items}


def _finding(regions: list, enough: float | None = None) -> dict:
    return {"regions": regions, "enough": None if enough is None else round(enough, 4)}


def _replaced(items: list[dict], number: int, changed: dict) -> list[dict]:
    return [*items[:number], changed, *items[number + 1 :]]


def is_same(one: dict, other: dict) -> bool:
    """Return whether two records are of one item at one place, whole or damaged."""
    return all(one[name] == other[name] for name in ("kind", "size", "at", "angle"))


def area_of(item: dict) -> float:
    """Return the area that an item covers, mm2."""
    if item["kind"] == "washer":
        radius, inner = WASHERS[item["size"]]
        return math.pi * (radius * radius - inner * inner)
    length, shank, head, height = SCREWS[item["size"]]
    return 2 * shank * (length - height) + 0.5 * math.pi * head * height


def _shapes(items: list[dict]) -> list[list[float]]:
    """Return regions that cover some items."""
    shapes = []
    for item in items:
        discs = discs_of(item).round(4).tolist()
        if item["kind"] == "washer":
            shapes += discs
            continue
        shapes.append([*discs[0][:2], *discs[-1][:2], discs[-1][2]])
        shapes.append(discs[0])
    return shapes
