"""Which split a sample belongs to.

Its index within its class alone says so: more images, or other classes, leave the others where they are.
"""

import math
import re

import numpy as np

from synthgen.errors import UsageError

# Steps of this share of the whole fill an interval evenly, however many they are: Weyl's sequence of the golden
# ratio.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_WHOLE = 2.0**64
_NAME = re.compile(r"[A-Za-z0-9_-]+")

Splits = tuple[tuple[str, float], ...]


def parse_splits(text: str) -> Splits:
    """Return the splits that a text names.

    Examples
    --------
    >>> parse_splits("train=0.8,test=0.2")
    (('train', 0.8), ('test', 0.2))
    >>> parse_splits("train")
    (('train', 1.0),)

    Raises
    ------
    UsageError
        If it is not a list of names with shares that add up to 1.
    """
    splits = tuple(_split_of(part, text) for part in text.split(","))
    names = {name for name, _ in splits}
    total = sum(share for _, share in splits)

    is_whole = math.isclose(total, 1, abs_tol=1e-6)
    if len(names) < len(splits) or not is_whole:
        raise UsageError(f"split must have different names and shares that add up to 1, got {text}")
    return splits


def _split_of(part: str, text: str) -> tuple[str, float]:
    name, sign, share = part.strip().partition("=")
    try:
        number = float(share) if sign else 1.0
    except ValueError:
        number = math.nan

    if not _NAME.fullmatch(name) or not 0 < number <= 1:
        rule = "a name of letters, digits, - and _, and a share in (0, 1] each, such as train=0.8,test=0.2"
        raise UsageError(f"split must have {rule}, got {text}")
    return name, number


def split_numbers(indices: np.ndarray, splits: Splits) -> np.ndarray:
    """Return for each index within a class the number of its split.

    Of any first n indices of a class each split gets its share to within one or two images.

    Examples
    --------
    >>> split_numbers(np.arange(10), (("train", 0.8), ("test", 0.2))).tolist()
    [0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    """
    places = np.asarray(indices, np.uint64) * _STEP
    shares = np.array([share for _, share in splits])
    ends = np.cumsum(shares)[:-1] * _WHOLE
    return np.searchsorted(ends.astype(np.uint64), places, side="right")
