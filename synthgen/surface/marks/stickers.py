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
    widest = 0.75 * width / (0.75 * len(number))
    digit = min(rng.uniform(0.5, 0.7) * height, widest)
    bubbles = [_sample_bubble(rng, width, height) for _ in range(int(rng.integers(0, 5)))]
    wrinkles = [_sample_wrinkle(rng, width, height) for _ in range(int(rng.integers(0, 3)))]

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
    x = rng.uniform(-1, 1) * (width / 2 - radius)
    y = rng.uniform(-1, 1) * (height / 2 - radius)
    return [round(value, 4) for value in (x, y, radius)]


def _sample_wrinkle(rng, width: float, height: float) -> list[float]:
    """Draw a wrinkle: both ends, x and y each, and width, mm."""
    start = rng.uniform(-0.5, 0.5, 2)
    turn = rng.uniform(0, 2 * math.pi)
    length = rng.uniform(3, 9)
    x, y = start * (width, height)

    values = (
        x,
        y,
        x + length * math.cos(turn),
        y + length * math.sin(turn),
        rng.uniform(0.15, 0.35),
    )
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
    light = (math.cos(params["light"]), math.sin(params["light"]))
    distance, facing = _border(params, x, y, light)
    paper = smooth_step(_EDGE / 2, -_EDGE / 2, distance)

    rim = facing * np.exp(-((distance / 0.12) ** 2))
    shade = rim + _bubbles(params, x, y, light) + _wrinkles(params, x, y, light)
    level = params["seed"] % 89 + 0.5
    places = np.stack([x * 3.1, y * 3.1, np.full_like(x, level)], -1)
    value = params["paper"] * (1 + params["relief"] * shade + 0.02 * pnoise3(places))

    ink = _print(params, x, y)
    value = np.clip(value * (1 - ink) + params["ink"] * ink, 0, 1)

    turned_away = 0.35 + 0.65 * np.clip(-facing, 0, 1)
    shadow = params["shadow"] * (1 - smooth_step(0, SHADOW, distance)) * turned_away
    shadow *= 1 - paper
    return paper + shadow, paper * value, paper


def _border(params: dict, x: np.ndarray, y: np.ndarray, light) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed distance to the border, positive outside, and how much it faces the light, -1 to 1."""
    width, height = params["size"]
    corner = params["corner"]
    beyond_x = np.abs(x) - width / 2 + corner
    beyond_y = np.abs(y) - height / 2 + corner
    right = beyond_x.clip(0)
    up = beyond_y.clip(0)

    larger = np.maximum(beyond_x, beyond_y)
    distance = np.hypot(right, up) + np.minimum(larger, 0) - corner
    flat = larger <= 0
    away_x = np.where(flat, beyond_x >= beyond_y, right) * np.sign(x)
    away_y = np.where(flat, beyond_x < beyond_y, up) * np.sign(y)
    length = np.maximum(np.hypot(away_x, away_y), 1e-9)
    facing = (away_x * light[0] + away_y * light[1]) / length
    return distance, facing


def _bubbles(params: dict, x: np.ndarray, y: np.ndarray, light) -> np.ndarray:
    """Return the shading of bubbles: bright where they face the light."""
    shade = np.zeros_like(x)
    for center_x, center_y, radius in params["bubbles"]:
        right = (x - center_x) / radius
        up = (y - center_y) / radius
        square = right * right + up * up

        facing = right * light[0] + up * light[1]
        height = np.clip(1 - square, 0, 1) ** 1.5
        shade += 2.2 * facing * height
    return shade


def _wrinkles(params: dict, x: np.ndarray, y: np.ndarray, light) -> np.ndarray:
    """Return the shading of wrinkles: one flank faces the light."""
    shade = np.zeros_like(x)
    for x0, y0, x1, y1, width in params["wrinkles"]:
        length = math.hypot(x1 - x0, y1 - y0)
        along_x = (x1 - x0) / length
        along_y = (y1 - y0) / length
        along = (x - x0) * along_x + (y - y0) * along_y
        across = (y - y0) * along_x - (x - x0) * along_y

        # Bent a little, and lower to both ends
        bent = across + 0.05 * length * np.sin(math.pi * along / length)
        off = bent / width
        crest = np.clip(4 * along * (length - along) / length**2, 0, 1)
        slope = off * np.exp(0.5 - off * off / 2)
        facing = along_x * light[1] - along_y * light[0]
        shade += 1.4 * slope * crest * facing
    return shade


def _arc(x, y, radius_x, radius_y, start, end, steps=14) -> list[tuple[float, float]]:
    """Return points of an elliptic arc around (x, y); degrees, counter-clockwise from the right."""
    angles = np.radians(np.linspace(start, end, steps))
    return [(x + radius_x * math.cos(a), y + radius_y * math.sin(a)) for a in angles]


# Strokes of the digits in a box 0.6 wide and 1 high, y upwards: no font file, and the same at any size
_DIGITS = {
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
    whole = _DIGIT_PITCH * len(digits) - (_DIGIT_PITCH - _DIGIT_WIDTH)
    right = x / height
    up = y / height + 0.5

    nearest = np.full(x.shape, np.inf)
    for column, digit in enumerate(digits):
        left = -whole / 2 + column * _DIGIT_PITCH
        beside = (right > left - _MARGIN) & (right < left + _DIGIT_WIDTH + _MARGIN)
        inside = np.flatnonzero(beside & (up > -_MARGIN) & (up < 1 + _MARGIN))
        distance = _distance_to_digit(digit, right[inside] - left, up[inside])
        nearest[inside] = np.minimum(nearest[inside], distance)

    beyond = (nearest - _STROKE) * height
    return 1 - smooth_step(-_EDGE / 2, _EDGE / 2, beyond)


def _distance_to_digit(digit: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance of points to the nearest stroke of a digit of height 1."""
    least = np.full(len(x), np.inf)
    for stroke in _DIGITS[digit]:
        for (x0, y0), (x1, y1) in pairwise(stroke):
            dx = x1 - x0
            dy = y1 - y0
            along = (x - x0) * dx + (y - y0) * dy
            share = np.clip(along / (dx * dx + dy * dy + 1e-12), 0, 1)
            distance = np.hypot(x - x0 - share * dx, y - y0 - share * dy)
            least = np.minimum(least, distance)
    return least
