"""Parameters cut to what a person reads: long lists, long texts and many objects would fill a page."""

from collections import Counter
from collections.abc import Callable
from itertools import groupby, islice

_MOST_TEXT = 300
_MOST_ITEMS = 16
_MOST_KEYS = 60
_MOST_DEPTH = 8
_MOST_WHOLE = 2**53 - 1  # whole numbers that JavaScript keeps; larger ones, such as seeds, become text
# Objects of a sample in the table, and those with their parameters.
_MOST_OBJECTS = 60
_MOST_FULL = 12
_KEYS = ("id", "kind", "box", "area", "visible_area", "center")


def trimmed(value, depth: int = 0):
    """Return a JSON-able value with its long parts cut; a mark says how much is left out.

    Examples
    --------
    >>> trimmed(list(range(20)))[-2:]
    [15, '.. 4 more']
    """
    if isinstance(value, str):
        return _trimmed_text(value)
    if isinstance(value, int) and abs(value) > _MOST_WHOLE:
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= _MOST_DEPTH:
        return ".."
    cut: Callable = _trimmed_dict if isinstance(value, dict) else _trimmed_list
    return cut(value, depth + 1)


def _trimmed_text(text: str) -> str:
    if len(text) <= _MOST_TEXT:
        return text
    return text[:_MOST_TEXT] + " .."


def _trimmed_dict(value: dict, depth: int) -> dict:
    kept = {}
    for key in islice(value, _MOST_KEYS):
        kept[key] = trimmed(value[key], depth)

    more = len(value) - len(kept)
    if more:
        kept[_mark(more)] = ""
    return kept


def _trimmed_list(value: list, depth: int) -> list:
    kept = [trimmed(item, depth) for item in value[:_MOST_ITEMS]]
    more = len(value) - len(kept)
    return [*kept, _mark(more)] if more else kept


def _mark(more: int) -> str:
    return f".. {more} more"


def object_table(objects: list[dict]) -> dict:
    """Return the objects of a sample for its page.

    Of many objects those of the rarest kinds are listed: a scratch among three hundred stains is.

    Returns
    -------
    dict
        ``kinds``: runs of [kind, number of objects], in the order of their ids. ``rows``: the objects that are
        listed, the rarest first, with ``params`` for some. ``count``: how many there are.
    """
    kinds = [str(thing.get("kind")) for thing in objects]
    rarity = Counter(kinds)
    numbered = enumerate(kinds)
    by_rarity = sorted((rarity[kind], place) for place, kind in numbered)

    rows: list[dict] = []
    for _, place in by_rarity[:_MOST_OBJECTS]:
        thing = objects[place]
        row = {key: thing.get(key) for key in _KEYS}
        if len(rows) < _MOST_FULL:
            row["params"] = trimmed(thing.get("params"))
        rows.append(row)

    runs = []
    for kind, run in groupby(kinds):
        length = sum(1 for _ in run)
        runs.append([kind, length])
    return {"kinds": runs, "rows": rows, "count": len(objects)}
