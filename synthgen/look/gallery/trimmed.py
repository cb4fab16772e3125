"""Parameters cut to what a person reads: long lists, long texts and many objects would fill a page."""

from collections import Counter

_MOST_TEXT = 300
_MOST_ITEMS = 16
_MOST_KEYS = 60
_MOST_DEPTH = 8
# Objects of a sample in the table, and those with their parameters.
_MOST_OBJECTS = 60
_MOST_FULL = 12


def trimmed(value, depth: int = 0):
    """Return a JSON-able value with its long parts cut; a mark says how much is left out.

    Examples
    --------
    >>> trimmed(list(range(20)))[-2:]
    [15, '.. 4 more']
    """
    if isinstance(value, str):
        return value if len(value) <= _MOST_TEXT else value[:_MOST_TEXT] + " .."
    if isinstance(value, dict | list) and depth >= _MOST_DEPTH:
        return ".."
    if isinstance(value, dict):
        items = list(value.items())
        kept = {key: trimmed(item, depth + 1) for key, item in items[:_MOST_KEYS]}
        return kept | _left_out(items, _MOST_KEYS)
    if isinstance(value, list):
        kept_items = [trimmed(item, depth + 1) for item in value[:_MOST_ITEMS]]
        return kept_items + list(_left_out(value, _MOST_ITEMS))
    return value


def _left_out(items: list, most: int) -> dict[str, str]:
    """Return the mark that says how many items are not shown."""
    more = len(items) - most
    return {f".. {more} more": ""} if more > 0 else {}


def object_table(objects: list[dict]) -> dict:
    """Return the objects of a sample for its page.

    Of many objects those of the rarest kinds are listed: a scratch among three hundred stains is.

    Returns
    -------
    dict
        ``kinds``: runs of [kind, number of objects], in the order of their ids. ``rows``: the objects that are
        listed, the rarest first, with ``params`` for some. ``count``: how many there are.
    """
    counts = Counter(_kind(thing) for thing in objects)
    by_rarity = sorted(range(len(objects)), key=lambda place: (counts[_kind(objects[place])], place))
    full = set(by_rarity[:_MOST_FULL])

    rows = []
    for place in by_rarity[:_MOST_OBJECTS]:
        thing = objects[place]
        row = {key: thing.get(key) for key in ("id", "kind", "box", "area", "visible_area", "center")}
        if place in full:
            row["params"] = trimmed(thing.get("params"))
        rows.append(row)
    return {"kinds": _runs(objects), "rows": rows, "count": len(objects)}


def _runs(objects: list[dict]) -> list[list]:
    runs: list[list] = []
    for thing in objects:
        kind = _kind(thing)
        if runs and runs[-1][0] == kind:
            runs[-1][1] += 1
        else:
            runs.append([kind, 1])
    return runs


def _kind(thing: dict) -> str:
    return str(thing.get("kind"))
