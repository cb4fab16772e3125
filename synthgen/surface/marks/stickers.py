"""Stickers: printed paper on metal, which the real plates of Mao et al. 2025 have (figure 1 and V-A)."""

import math
from itertools import pairwise

import numpy as np

from synthgen.surface.chance import between, place, smooth_step
from synthgen.surface.perlin import pnoise3

_EDGE = 0.05  # mm over which the border of a sticker and its print fade: a pixel of the paper's camera
SHADOW = 0.5  # mm, the width of the shadow beside a sticker
# Digits: width, distance of one to the next, and half the width of a stroke, for a height of 1.
_DIGIT_WIDTH = 0.6
_DIGIT_PITCH = 0.82
_STROKE = 0.07
_MARGIN = 0.15  # beyond this no stroke of a digit reaches


def sample_sticker(rng: np.random.Generator, area: tuple[float, float, float, float]) -> dict:
    """Draw a sticker with a printed number.

    Parameters
    ----------
    rng : numpy.random.Generator
    area : (u0, v0, u1, v1)
        Where its center may lie, in mm.

    Returns
    -------
    dict
        JSON-able: ``kind``, ``center`` (u, v), ``angle``, ``size`` (width, height), ``corner`` radius, ``paper``
        and ``ink`` reflectance, ``number`` (digits), ``digit`` (height of a digit in mm), ``light`` (where bright
        sides face, in radians from its right), ``shadow``, ``relief`` (strength of edge, bubbles and wrinkles),
        ``bubbles`` (x, y, radius) and ``wrinkles`` (x0, y0, x1, y1, width), ``seed`` of the paper's grain.
    """
    width = rng.uniform(11, 20)
    height = rng.uniform(8, min(14, width))
    number = str(int(rng.integers(1, 100)))
    highest = rng.uniform(0.5, 0.7) * height
    widest = 0.75 * width / (0.75 * len(number))
    digit = min(highest, widest)

    bubble_count = int(rng.integers(0, 5))
    bubbles = [_sample_bubble(rng, width, height) for _ in range(bubble_count)]
    wrinkle_count = int(rng.integers(0, 3))
    wrinkles = [_sample_wrinkle(rng, width, height) for _ in range(wrinkle_count)]

    return {
        "kind": "sticker",
        "center": place(rng, area),
        "angle": between(rng, -math.pi, math.pi),
        "size": [round(width, 4), round(height, 4)],
        "corner": between(rng, 0.6, 2.0),
        "paper": between(rng, 0.78, 0.92),
        "ink": between(rng, 0.05, 0.2),
        "number": number,
        "digit": round(digit, 4),
        "light": between(rng, -math.pi, math.pi),
        "shadow": between(rng, 0.25, 0.5),
        "relief": between(rng, 0.08, 0.18),
        "bubbles": bubbles,
        "wrinkles": wrinkles,
        "seed": int(rng.integers(2**63)),
    }


def _sample_bubble(rng, width: float, height: float) -> list[float]:
    """Draw a bubble under the paper: x, y and radius, mm."""
    radius = rng.uniform(0.4, 1.4)
    farthest_x = width / 2 - radius
    farthest_y = height / 2 - radius
    x = rng.uniform(-1, 1) * farthest_x
    y = rng.uniform(-1, 1) * farthest_y
    return [
        round(x, 4),
        round(y, 4),
        round(radius, 4),
    ]


def _sample_wrinkle(rng, width: float, height: float) -> list[float]:
    """Draw a wrinkle: both ends, x and y each, and width, mm."""
    start = rng.uniform(-0.5, 0.5, 2)
    turn = rng.uniform(0, 2 * math.pi)
    length = rng.uniform(3, 9)
    x, y = start * (width, height)
    end_x = x + length * math.cos(turn)
    end_y = y + length * math.sin(turn)
    breadth = rng.uniform(0.15, 0.35)

    values = (x, y, end_x, end_y, breadth)
    return [round(float(value), 4) for value in values]


def paint_sticker(params: dict, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cover, paint and matte of a sticker: paper lit from the side, its print, and a shadow beside it.

    Parameters
    ----------
    params : dict
        From `sample_sticker`.
    x, y : ndarray, (n,)
        Points in mm from its center, x to its right and y to its top.
    """
    angle = params["light"]
    light = (math.cos(angle), math.sin(angle))
    distance, facing = _border(params, x, y, light)
    paper = smooth_step(_EDGE / 2, -_EDGE / 2, distance)

    # the paper with its relief and its print
    nearness = np.exp(-((distance / 0.12) ** 2))
    rim = facing * nearness
    shade = rim + _bubbles(params, x, y, light) + _wrinkles(params, x, y, light)
    grain = _paper_grain(params["seed"], x, y)
    bright = 1 + params["relief"] * shade + grain
    value = params["paper"] * bright
    ink = _print(params, x, y)
    printed = value * (1 - ink) + params["ink"] * ink
    value = np.clip(printed, 0, 1)

    # the shadow beside it
    averted = np.clip(-facing, 0, 1)
    strength = 0.35 + 0.65 * averted
    near = 1 - smooth_step(0, SHADOW, distance)
    shadow = params["shadow"] * near * strength
    shadow *= 1 - paper

    cover = paper + shadow
    return cover, paper * value, paper


def _paper_grain(seed: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how much brighter or darker the paper is at each point."""
    level = np.full_like(x, seed % 89 + 0.5)
    places = np.stack([x * 3.1, y * 3.1, level], -1)
    return 0.02 * pnoise3(places)


def _border(params: dict, x: np.ndarray, y: np.ndarray, light) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed distance to the border, positive outside, and how much it faces the light, -1 to 1."""
    width, height = params["size"]
    corner = params["corner"]
    beyond_x = np.abs(x) - width / 2 + corner
    beyond_y = np.abs(y) - height / 2 + corner
    right = beyond_x.clip(0)
    up = beyond_y.clip(0)

    # from the box without its corners, the rounded ones lie at an even distance
    larger = np.maximum(beyond_x, beyond_y)
    outside = np.hypot(right, up)
    inside = np.minimum(larger, 0)
    distance = outside + inside - corner

    # the direction away from the border's nearest point
    flat = larger <= 0
    away_x = np.where(flat, beyond_x >= beyond_y, right)
    away_y = np.where(flat, beyond_x < beyond_y, up)
    away_x = away_x * np.sign(x)
    away_y = away_y * np.sign(y)
    length = np.hypot(away_x, away_y)
    towards = away_x * light[0] + away_y * light[1]
    facing = towards / np.maximum(length, 1e-9)
    return distance, facing


def _bubbles(params: dict, x: np.ndarray, y: np.ndarray, light) -> np.ndarray:
    """Return the shading of bubbles: bright where they face the light."""
    shade = np.zeros_like(x)
    for center_x, center_y, radius in params["bubbles"]:
        right = (x - center_x) / radius
        up = (y - center_y) / radius
        square = right * right + up * up

        inward = np.clip(1 - square, 0, 1)
        height = inward**1.5
        facing = right * light[0] + up * light[1]
        shade += 2.2 * facing * height
    return shade


def _wrinkles(params: dict, x: np.ndarray, y: np.ndarray, light) -> np.ndarray:
    """Return the shading of wrinkles: one flank faces the light."""
    shade = np.zeros_like(x)
    for x0, y0, x1, y1, width in params["wrinkles"]:
        step_x = x1 - x0
        step_y = y1 - y0
        length = math.hypot(step_x, step_y)
        along_x = step_x / length
        along_y = step_y / length

        right = x - x0
        up = y - y0
        along = right * along_x + up * along_y
        across = up * along_x - right * along_y

        # Bent a little, and lower to both ends
        bow = np.sin(math.pi * along / length)
        bent = across + 0.05 * length * bow
        off = bent / width
        arch = 4 * along * (length - along) / length**2
        crest = np.clip(arch, 0, 1)

        slope = off * np.exp(0.5 - off * off / 2)
        facing = along_x * light[1] - along_y * light[0]
        shade += 1.4 * slope * crest * facing
    return shade


def _arc(x, y, radius_x, radius_y, start, end, steps=14) -> list[tuple[float, float]]:
    """Return points of an elliptic arc around (x, y); degrees, counter-clockwise from the right."""
    degrees = np.linspace(start, end, steps)
    points = []
    for angle in np.radians(degrees):
        right = radius_x * math.cos(angle)
        up = radius_y * math.sin(angle)
        points.append((x + right, y + up))
    return points


# Strokes of the digits in a box 0.6 wide and 1 high, y upwards: no font file, and the same at any size
_DIGITS: dict[str, list[list[tuple[float, float]]]] = {
    "0": [_arc(0.3, 0.5, 0.3, 0.5, 0, 360, 28)],
    "1": [[(0.08, 0.8), (0.34, 1), (0.34, 0)]],
    "2": [[*_arc(0.3, 0.7, 0.29, 0.3, 165, -35), (0, 0), (0.6, 0)]],
    "3": [_arc(0.28, 0.74, 0.26, 0.26, 150, -90), _arc(0.28, 0.25, 0.31, 0.25, 90, -150)],
    "4": [[(0.46, 0), (0.46, 1), (0, 0.3), (0.62, 0.3)]],
    "5": [[(0.54, 1), (0.1, 1), (0.06, 0.55), *_arc(0.28, 0.33, 0.3, 0.33, 125, -150)]],
    "6": [[(0.46, 1), *_arc(0.3, 0.31, 0.29, 0.31, 150, 180, 3), *_arc(0.3, 0.31, 0.29, 0.31, 180, 510, 26)]],
    "7": [[(0, 1), (0.6, 1), (0.2, 0)]],
    "8": [_arc(0.3, 0.75, 0.25, 0.25, -90, 270, 24), _arc(0.3, 0.25, 0.3, 0.25, -90, 270, 24)],
    "9": [[(0.14, 0), *_arc(0.3, 0.69, 0.29, 0.31, -30, 0, 3), *_arc(0.3, 0.69, 0.29, 0.31, 0, 330, 26)]],
}


def _print(params: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the share of ink at each point: strokes of even width with round ends."""
    height = params["digit"]
    digits = params["number"]
    gap = _DIGIT_PITCH - _DIGIT_WIDTH
    whole = _DIGIT_PITCH * len(digits) - gap
    right = x / height
    up = y / height + 0.5
    level = (up > -_MARGIN) & (up < 1 + _MARGIN)

    nearest = np.full(x.shape, np.inf)
    for column, digit in enumerate(digits):
        left = -whole / 2 + column * _DIGIT_PITCH
        begin = left - _MARGIN
        end = left + _DIGIT_WIDTH + _MARGIN
        beside = (right > begin) & (right < end)
        inside = np.flatnonzero(beside & level)

        distance = _distance_to_digit(digit, right[inside] - left, up[inside])
        nearest[inside] = np.minimum(nearest[inside], distance)

    beyond = (nearest - _STROKE) * height
    return 1 - smooth_step(-_EDGE / 2, _EDGE / 2, beyond)


def _distance_to_digit(digit: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance of points to the nearest stroke of a digit of height 1."""
    least = np.full(len(x), np.inf)
    for stroke in _DIGITS[digit]:
        for start, stop in pairwise(stroke):
            distance = _distance_to_line(start, stop, x, y)
            least = np.minimum(least, distance)
    return least


def _distance_to_line(start, stop, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance of points to a straight line from a point to another, (x, y) each."""
    x0, y0 = start
    x1, y1 = stop
    step_x = x1 - x0
    step_y = y1 - y0
    right = x - x0
    up = y - y0

    square = step_x * step_x + step_y * step_y
    along = right * step_x + up * step_y
    share = np.clip(along / (square + 1e-12), 0, 1)

    off_x = right - share * step_x
    off_y = up - share * step_y
    return np.hypot(off_x, off_y)
