"""What is measured of the samples of a gallery, and how it is distributed.

Every bar of a distribution knows its samples, so that it filters the gallery.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Value = float | str
_BARS = 12
_MOST_WORDS = 20
# Numbers that grow over more than this are put into bars by their logarithms.
_WIDE = 30

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


def measured(sample, stored: int) -> dict[str, list[Value]]:
    """Return the measures of a sample: name -> values, one for each object where it is a measure of objects.

    Parameters
    ----------
    sample : Sample
    stored : int
        Bytes of the encoded image.
    """
    image = sample.image
    values: dict[str, list[Value]] = {"brightness": [float(image.mean())], "bytes": [stored]}
    objects = sample.params.get("objects")
    has_objects = isinstance(objects, list)
    if has_objects:
        height, width = image.shape[:2]
        values |= _of_objects(objects, height * width)

    mask = sample.fields.get("mask")
    if mask is not None:
        covered = float((mask > 0).mean())
        name = "covered" if has_objects else "empty"
        values[name] = [covered if has_objects else 1 - covered]
    return values


def _of_objects(objects: list[dict], pixels: int) -> dict[str, list[Value]]:
    """Return the measures of objects; one that a record lacks is left out."""
    values: dict[str, list[Value]] = {
        "objects": [len(objects)],
        "kind": [],
        "area": [],
        "aspect": [],
        "visible": [],
    }
    for thing in objects:
        values["kind"].append(str(thing.get("kind")))
        area = thing.get("area")
        seen = thing.get("visible_area")
        if seen:
            values["area"].append(seen / pixels)
        if area and seen is not None:
            values["visible"].append(seen / area)

        top, left, bottom, right = thing.get("box") or (0, 0, 0, 0)
        if bottom > top and right > left:
            values["aspect"].append((right - left) / (bottom - top))
    return values


def distributions(measures: Sequence[dict[str, list[Value]]]) -> list[Distribution]:
    """Return the distributions of what was measured of some samples, in the order of `TITLES`."""
    found = []
    for name, title in TITLES.items():
        columns = [of_sample.get(name, []) for of_sample in measures]
        values = [value for column in columns for value in column]
        if values:
            bars = _words(columns) if isinstance(values[0], str) else _numbers(columns, values)
            found.append(Distribution(name, title, bars))
    return found


def _words(columns: list[list[Value]]) -> list[dict]:
    """Return a bar for each of the commonest words."""
    counts = Counter(word for column in columns for word in column)
    common = sorted(counts, key=lambda word: (-counts[word], word))
    return [_bar(str(word), columns, lambda value, word=word: value == word) for word in common[:_MOST_WORDS]]


def _numbers(columns: list[list[Value]], values: list) -> list[dict]:
    """Return bars of numbers: one for each where there are few whole ones, else ranges of equal width."""
    distinct = sorted(set(values))
    if len(distinct) <= _BARS and all(isinstance(value, int) for value in distinct):
        return [_bar(str(number), columns, lambda value, number=number: value == number) for number in distinct]

    edges = _edges(distinct[0], distinct[-1])
    bars = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        is_last = high == edges[-1]
        inside = _between(low, math.inf if is_last else high)
        bars.append(_bar(f"{_short(low)} .. {_short(high)}", columns, inside))
    return bars


def _between(low: float, high: float):
    return lambda value: low <= value < high


def _bar(text: str, columns: list[list[Value]], belongs) -> dict:
    """Return a bar with the values that belong to it."""
    counts = [sum(map(belongs, column)) for column in columns]
    samples = [number for number, count in enumerate(counts) if count]
    return {"text": text, "count": sum(counts), "samples": samples}


def _edges(least: float, greatest: float) -> list[float]:
    """Return the edges of bars between two numbers."""
    if least == greatest:
        return [least, greatest]
    if least > 0 and greatest / least > _WIDE:
        return np.geomspace(least, greatest, _BARS + 1).tolist()
    return np.linspace(least, greatest, _BARS + 1).tolist()


def _short(number: float) -> str:
    """Return a number of a scale: three digits are enough there.

    Examples
    --------
    >>> _short(0.012345), _short(48211.7)
    ('0.0123', '48,200')
    """
    if number == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(number)))
    rounded = round(number, digits)
    return f"{rounded:,.0f}" if digits <= 0 else f"{rounded:.{min(digits, 6)}f}"
