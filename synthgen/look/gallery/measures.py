"""What is measured of the samples of a gallery, and how it is distributed.

Every bar of a distribution knows its samples, so that it filters the gallery.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

Value = float | str
Measures = dict[str, list[Value]]
_BARS = 12
_MOST_WORDS = 20
# Numbers that grow over more than this are put into bars by their logarithms.
_WIDE = 30
_MOST_DIGITS = 6

# name -> title. The order is that of the page.
TITLES = {
    "objects": "Objects in an image",
    "kind": "Kinds of objects",
    "area": "Area of an object, share of the image",
    "aspect": "Aspect of an object, width / height of its box",
    "visible": "Visible share of an object",
    "covered": "Share of the image under the mask",
    "empty": "Empty share of the image",
    "brightness": "Mean brightness of an image, 0 to 255",
    "bytes": "Size of the stored image, bytes",
}


class Distribution(NamedTuple):
    """A histogram.

    Attributes
    ----------
    name, title : str
    bars : list of dict
        ``text``, ``count`` of values, and ``samples``: the numbers of those that have such a value.
    """

    name: str
    title: str
    bars: list[dict]


def measured(sample, stored: int) -> Measures:
    """Return the measures of a sample: name -> values, one for each object where it is a measure of objects.

    Parameters
    ----------
    sample : Sample
    stored : int
        Bytes of the encoded image.
    """
    image = sample.image
    brightness = float(image.mean())
    values: Measures = {"brightness": [brightness], "bytes": [stored]}

    objects = sample.params.get("objects")
    has_objects = isinstance(objects, list)
    if has_objects:
        height, width = image.shape[:2]
        values |= _of_objects(objects, height * width)

    mask = sample.fields.get("mask")
    if mask is not None:
        marked = mask > 0
        covered = float(marked.mean())
        values |= {"covered": [covered]} if has_objects else {"empty": [1 - covered]}
    return values


def _of_objects(objects: list[dict], pixels: int) -> Measures:
    """Return the measures of objects; one that a record lacks is left out."""
    values: Measures = {"objects": [len(objects)]}
    for name in ("kind", "area", "aspect", "visible"):
        values[name] = []

    for thing in objects:
        for name, value in _of_object(thing, pixels).items():
            values[name].append(value)
    return values


def _of_object(thing: dict, pixels: int) -> dict[str, Value]:
    kind = thing.get("kind")
    values: dict[str, Value] = {"kind": str(kind)}
    area = thing.get("area")
    seen = thing.get("visible_area")
    if seen:
        values["area"] = seen / pixels
    if area and seen is not None:
        values["visible"] = seen / area

    box = thing.get("box") or (0, 0, 0, 0)
    top, left, bottom, right = box
    if bottom > top and right > left:
        height = bottom - top
        values["aspect"] = (right - left) / height
    return values


def distributions(measures: Sequence[Measures]) -> list[Distribution]:
    """Return the distributions of what was measured of some samples, in the order of `TITLES`."""
    found = []
    for name, title in TITLES.items():
        columns = [of_sample.get(name, []) for of_sample in measures]
        bars = _bars(columns)
        if bars:
            found.append(Distribution(name, title, bars))
    return found


def _bars(columns: list[list[Value]]) -> list[dict]:
    """Return the bars of the values of some samples; none where there are no values."""
    values = set(chain.from_iterable(columns))
    if not values:
        return []
    are_words = any(isinstance(value, str) for value in values)
    return _words(columns) if are_words else _numbers(columns, sorted(values))


def _words(columns: list[list[Value]]) -> list[dict]:
    """Return a bar for each of the commonest words."""
    words = map(str, chain.from_iterable(columns))
    counts = Counter(sorted(words))
    common = counts.most_common(_MOST_WORDS)
    return [_bar(word, columns, word.__eq__) for word, _ in common]


def _numbers(columns: list[list[Value]], distinct: list) -> list[dict]:
    """Return bars of numbers: one for each where there are few whole ones, else ranges."""
    are_whole = all(isinstance(value, int) for value in distinct)
    if are_whole and len(distinct) <= _BARS:
        return [_bar(str(number), columns, number.__eq__) for number in distinct]

    edges = _edges(distinct[0], distinct[-1])
    bars = []
    for low, high in pairwise(edges):
        text = f"{_short(low)} .. {_short(high)}"
        end = math.inf if high == edges[-1] else high
        bars.append(_bar(text, columns, _between(low, end)))
    return bars


def _between(low: float, end: float) -> Callable:
    return lambda value: low <= value < end


def _bar(text: str, columns: list[list[Value]], belongs: Callable) -> dict:
    """Return a bar with the values that belong to it."""
    counts = [sum(map(belongs, column)) for column in columns]
    samples = [number for number, count in enumerate(counts) if count]
    return {"text": text, "count": sum(counts), "samples": samples}


def _edges(least: float, greatest: float) -> list[float]:
    """Return the edges of bars between two numbers: of equal width, or of equal ratio where they grow much."""
    if least == greatest:
        return [least, greatest]
    is_wide = least > 0 and greatest / least > _WIDE
    space = np.geomspace if is_wide else np.linspace
    inner = space(least, greatest, _BARS + 1)[1:-1]
    return [least, *inner.tolist(), greatest]


def _short(number: float) -> str:
    """Return a number of a scale: three digits are enough there.

    Examples
    --------
    >>> _short(0.012345), _short(48211.7)
    ('0.0123', '48,200')
    """
    if number == 0:
        return "0"
    size = math.floor(math.log10(abs(number)))
    digits = 2 - size
    if digits <= 0:
        rounded = round(number, digits)
        return f"{rounded:,.0f}"
    shown = min(digits, _MOST_DIGITS)
    return f"{number:.{shown}f}"
