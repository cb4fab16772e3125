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

# Half of what the compartments cover, the walls between them, and from where to where the rows go.
HALF_U = 42.0
HALF_V = 39.0
WALL = 2.4
_UPPER = (-HALF_V, 3.6)
_LOWER = (6.0, HALF_V)
COLUMNS = 3
# Pairs of columns.
_PAIRS = ((0, 1), (1, 2), (0, 2))
# What lies in each row, and how many of it in a compartment.
_KINDS = ("screw", "washer")
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
    walls = (COLUMNS - 1) * WALL
    width = (2 * HALF_U - walls) / COLUMNS
    left = -HALF_U + column * (width + WALL)
    top, bottom = _UPPER if row == 0 else _LOWER
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
    for row, kind in enumerate(_KINDS):
        for column in range(COLUMNS):
            cell = [column, row]
            for _ in range(_NORMAL_COUNT):
                item = _drop(rng, items, kind, column, cell)
                items.append(item)
    return {"items": items}


def _drop(rng, items: list[dict], kind: str, size: int, cell: list[int]) -> dict:
    """Let an item fall into a compartment: at the first place that has room, or at the roomiest of all tried."""
    shade = round(between(rng, 0.88, 1.1), 3)
    there = _within(items, cell)
    shares = rng.random((_TRIES, 2)).tolist()
    turns = rng.random(_TRIES).tolist()

    best: dict = {}
    most = -math.inf
    for share, turn in zip(shares, turns, strict=True):
        item = {
            "kind": kind,
            "size": size,
            "at": _place_at(cell, share),
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
    return best


def _within(items: list[dict], cell: list[int]) -> list[dict]:
    """Return the items of a compartment."""
    return [item for item in items if item["cell"] == cell]


def _place_at(cell: list[int], share: list[float]) -> list[float]:
    """Return the place (u, v) at a share of a floor."""
    left, top, right, bottom = compartment(*cell)
    along, down = share
    u = left + along * (right - left)
    v = top + down * (bottom - top)
    return [round(u, 4), round(v, 4)]


def _angle(kind: str, turn: float, cell: list[int]) -> float:
    """Return how an item is turned, degrees: screws lie upright, and anyhow among the washers."""
    if kind == "washer":
        return 0.0
    if cell[1] == 1:
        return round(360 * turn, 3)
    half = 90.0 if turn < 0.5 else 270.0
    lean = 4 * (turn % 0.5) - 1
    return round(half + _TURN * lean, 3)


def discs_of(item: dict) -> np.ndarray:
    """Return discs that cover an item, (n, 3): u, v and radius."""
    u, v = item["at"]
    if item["kind"] == "washer":
        radius, _ = WASHERS[item["size"]]
        return np.array([[u, v, radius]])

    length, shank, head, height = SCREWS[item["size"]]
    half = length / 2
    along = np.linspace(-half, half, 12)
    is_head = along < height - half
    radii = np.where(is_head, head, shank)
    angle = math.radians(item["angle"])
    places = [
        u + along * math.cos(angle),
        v + along * math.sin(angle),
        radii,
    ]
    return np.stack(places, axis=1)


def _room(item: dict, others: list[dict]) -> float:
    """Return the gap between an item and what is nearest to it, mm; below 0 where they overlap."""
    left, top, right, bottom = compartment(*item["cell"])
    u, v, radius = discs_of(item).T
    to_walls = np.min([u - left, right - u, v - top, bottom - v], axis=0)
    gaps = [to_walls - radius]

    for other in others:
        their_u, their_v, their_radius = discs_of(other).T
        along = u[:, None] - their_u
        across = v[:, None] - their_v
        apart = np.hypot(along, across) - their_radius
        gaps.append(apart.min(axis=1) - radius)
    return float(np.min(gaps))


def break_rule(rng: np.random.Generator, tray: dict, kind: str) -> tuple[dict, dict]:
    """Draw an anomaly of a tray; see `synthgen.surface.connector.plan.break_rule`.

    Regions are discs (u, v, radius), strips (u0, v0, u1, v1), and capsules (u0, v0, u1, v1, radius).
    """
    return _BREAKERS[kind](rng, tray["items"])


def _missing(rng, items: list[dict]) -> tuple[dict, dict]:
    """Leave one item out: it may have been anywhere in its compartment."""
    item, others = _one_and_others(rng, items)
    floor = list(compartment(*item["cell"]))
    finding = _finding([floor], area_of(item))
    return _made(others), finding


def _additional(rng, items: list[dict]) -> tuple[dict, dict]:
    """Add one item more: any of those in its compartment is the one too many."""
    like, _ = _one_and_others(rng, items)
    extra = _one_more(rng, items, like)
    there = _within(items, like["cell"])
    regions = _shapes([*there, extra])
    finding = _finding(regions, area_of(extra))
    return _made([*items, extra]), finding


def _one_more(rng, items: list[dict], like: dict) -> dict:
    """Let one item more fall to one of its kind and size."""
    return _drop(rng, items, like["kind"], like["size"], like["cell"])


def _misplaced(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let an item lie in the row of the other kind."""
    item, others = _one_and_others(rng, items)
    column, row = item["cell"]
    wrong = [column, 1 - row]
    moved = _drop(rng, others, item["kind"], item["size"], wrong)

    floor = list(compartment(column, row))
    regions = [floor, *_shapes([moved])]
    finding = _finding(regions, area_of(item))
    return _made([*others, moved]), finding


def _wrong_size(rng, items: list[dict]) -> tuple[dict, dict]:
    """Put an item of another size in the place of one."""
    old, others = _one_and_others(rng, items)
    other_sizes = [size for size in range(COLUMNS) if size != old["size"]]
    wrong = other_sizes[int(rng.integers(len(other_sizes)))]

    new = {**old, "size": wrong}
    there = _within(others, old["cell"])
    if _room(new, there) < 0:
        new = _drop(rng, others, old["kind"], wrong, old["cell"])
    finding = _finding(_shapes([new]), area_of(new))
    return _made([*others, new]), finding


def _swapped(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let two compartments of a row change their contents."""
    row = int(rng.integers(2))
    one, other = _PAIRS[int(rng.integers(len(_PAIRS)))]
    stay = [item for item in items if item["cell"] not in ([one, row], [other, row])]
    there = _moved(_within(items, [one, row]), [other, row])
    back = _moved(_within(items, [other, row]), [one, row])

    moved = [*there, *back]
    enough = sum(area_of(item) for item in moved)
    finding = _finding(_shapes(moved), enough)
    return _made([*stay, *moved]), finding


def _moved(items: list[dict], cell: list[int]) -> list[dict]:
    """Return items at the same places of another compartment of the row."""
    left, _, _, _ = compartment(*cell)
    moved = []
    for item in items:
        own_left, _, _, _ = compartment(*item["cell"])
        u, v = item["at"]
        place = [round(u + left - own_left, 4), v]
        moved.append({**item, "at": place, "cell": cell})
    return moved


def _count(rng, items: list[dict]) -> tuple[dict, dict]:
    """Let a column have one pair, a screw and its washer, more or less: the pairs are right, their count is not."""
    column = int(rng.integers(COLUMNS))
    screws = _within(items, [column, 0])
    washers = _within(items, [column, 1])
    enough = area_of(screws[0]) + area_of(washers[0])

    if rng.random() < 0.5:
        gone = [there[int(rng.integers(len(there)))] for there in (screws, washers)]
        left = [item for item in items if item not in gone]
        floors = [list(compartment(column, row)) for row in (0, 1)]
        finding = _finding(floors, enough)
        return _made(left), finding

    extra = [_one_more(rng, items, there[0]) for there in (screws, washers)]
    regions = _shapes([*screws, *washers, *extra])
    finding = _finding(regions, enough)
    return _made([*items, *extra]), finding


def _damaged_edge(rng, items: list[dict]) -> tuple[dict, dict]:
    """Break pieces out of the edge of a washer."""
    washer, _ = _one_and_others(rng, items, "washer")
    radius, inner = WASHERS[washer["size"]]
    turn = between(rng, 0, 360)
    u, v = washer["at"]

    bites = []
    regions = []
    for _ in range(int(rng.integers(2, 5))):
        angle = math.radians(turn + between(rng, -22, 22))
        far = radius + between(rng, -0.2, 0.4)
        share = between(rng, 0.35, 0.8)
        size = round(share * (radius - inner), 4)
        right = round(far * math.cos(angle), 4)
        down = round(far * math.sin(angle), 4)
        bites.append([right, down, size])
        regions.append([round(u + right, 4), round(v + down, 4), size])

    chipped = {**washer, "bites": bites}
    finding = _finding(regions)
    return _made(_replaced(items, washer, chipped)), finding


def _broken(rng, items: list[dict]) -> tuple[dict, dict]:
    """Break the tip of a screw off."""
    screw, _ = _one_and_others(rng, items, "screw")
    length, shank, _, _ = SCREWS[screw["size"]]
    left = between(rng, 0.45, 0.75)
    angle = math.radians(screw["angle"])
    u, v = screw["at"]

    tip = []
    for place in (left * length - length / 2, length / 2):
        tip.append(round(u + place * math.cos(angle), 4))
        tip.append(round(v + place * math.sin(angle), 4))

    short = {**screw, "left": left}
    finding = _finding([[*tip, shank]])
    return _made(_replaced(items, screw, short)), finding


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


def _one_and_others(rng, items: list[dict], kind: str | None = None) -> tuple[dict, list[dict]]:
    """Draw an item, of a kind if one is given; return it and all others."""
    numbers = [number for number, item in enumerate(items) if kind in (None, item["kind"])]
    number = numbers[int(rng.integers(len(numbers)))]
    others = items[:number] + items[number + 1 :]
    return items[number], others


def _replaced(items: list[dict], old: dict, new: dict) -> list[dict]:
    """Return items with one for another at its place in the order, which decides whose shadow falls on whom."""
    return [new if item is old else item for item in items]


def _made(items: list[dict]) -> dict:
    return {"items": items}


def _finding(regions: list, enough: float | None = None) -> dict:
    return {"regions": regions, "enough": None if enough is None else round(enough, 4)}


def is_same(one: dict, other: dict) -> bool:
    """Return whether two records are of one item at one place, whole or damaged."""
    return all(one[name] == other[name] for name in ("kind", "size", "at", "angle"))


def area_of(item: dict) -> float:
    """Return the area that an item covers, mm2."""
    if item["kind"] == "washer":
        radius, inner = WASHERS[item["size"]]
        return math.pi * (radius * radius - inner * inner)

    length, shank, head, height = SCREWS[item["size"]]
    of_shank = 2 * shank * (length - height)
    of_head = 0.5 * math.pi * head * height
    return of_shank + of_head


def _shapes(items: list[dict]) -> list[list[float]]:
    """Return regions that cover some items: a disc for a washer or a head, a capsule for a shank."""
    shapes = []
    for item in items:
        discs = discs_of(item).round(4).tolist()
        first = discs[0]
        shapes.append(first)
        if item["kind"] == "screw":
            last_u, last_v, shank = discs[-1]
            shapes.append([first[0], first[1], last_u, last_v, shank])
    return shapes
