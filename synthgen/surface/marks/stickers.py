"""Stickers: printed paper on metal, which the real plates of paper 002 have (figure 1 and V-A)."""

import math
from itertools import pairwise

import numpy as np

from synthgen.surface.chance import between, place, smooth_step
from synthgen.surface.perlin import pnoise3

_EDGE = 0.05  # mm over which the border of a sticker and its print fade: a pixel of the paper's camera
SHADOW = 0.5  # mm, the width of the shadow beside a sticker


def sample_sticker(rng: np.random.Generator, area) -> dict:
    """Draw a sticker with a printed number.

    Parameters
    ----------
    rng : numpy.random.Generator
    area : (u0, v0, u1, v1)
        Where its centre may lie, in mm.

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
    digit = min(rng.uniform(0.5, 0.7) * height, 0.75 * width / (0.75 * len(number)))
    bubbles = []
    for _ in range(int(rng.integers(0, 5))):
        radius = rng.uniform(0.4, 1.4)
        spot = [rng.uniform(-1, 1) * (width / 2 - radius), rng.uniform(-1, 1) * (height / 2 - radius)]
        bubbles.append([round(x, 4) for x in (*spot, radius)])
    wrinkles = []
    for _ in range(int(rng.integers(0, 3))):
        start, turn, length = rng.uniform(-0.5, 0.5, 2), rng.uniform(0, 2 * math.pi), rng.uniform(3, 9)
        x, y = start * (width, height)
        end = (x + length * math.cos(turn), y + length * math.sin(turn))
        wrinkles.append([round(float(n), 4) for n in (x, y, *end, rng.uniform(0.15, 0.35))])
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


def paint_sticker(params, x, y):
    """Return cover, paint and matte: paper lit from the side, with its print, and a shadow beside it."""
    half, corner = np.array(params["size"]) / 2, params["corner"]
    beyond_x, beyond_y = np.abs(x) - half[0] + corner, np.abs(y) - half[1] + corner
    # Signed distance to the border, positive outside, and its direction
    distance = np.hypot(beyond_x.clip(0), beyond_y.clip(0)) + np.minimum(np.maximum(beyond_x, beyond_y), 0) - corner
    flat = np.maximum(beyond_x, beyond_y) <= 0
    away_x = np.where(flat, beyond_x >= beyond_y, beyond_x.clip(0)) * np.sign(x)
    away_y = np.where(flat, beyond_x < beyond_y, beyond_y.clip(0)) * np.sign(y)
    length = np.maximum(np.hypot(away_x, away_y), 1e-9)
    light = (math.cos(params["light"]), math.sin(params["light"]))
    facing = (away_x * light[0] + away_y * light[1]) / length

    paper = smooth_step(_EDGE / 2, -_EDGE / 2, distance)
    shade = (
        facing * np.exp(-((distance / 0.12) ** 2)) + _bubbles(params, x, y, light) + _wrinkles(params, x, y, light)
    )
    grain = pnoise3(np.stack([x * 3.1, y * 3.1, np.full_like(x, params["seed"] % 89 + 0.5)], -1))
    value = params["paper"] * (1 + params["relief"] * shade + 0.02 * grain)
    ink = _print(params, x, y)
    value = np.clip(value * (1 - ink) + params["ink"] * ink, 0, 1)
    shadow = params["shadow"] * (1 - smooth_step(0, SHADOW, distance)) * (0.35 + 0.65 * np.clip(-facing, 0, 1))
    shadow *= 1 - paper
    return paper + shadow, paper * value, paper


def _bubbles(params, x, y, light):
    shade = np.zeros_like(x)
    for a, b, radius in params["bubbles"]:
        right, up = (x - a) / radius, (y - b) / radius
        square = right * right + up * up
        shade += 2.2 * (right * light[0] + up * light[1]) * np.clip(1 - square, 0, 1) ** 1.5
    return shade


def _wrinkles(params, x, y, light):
    shade = np.zeros_like(x)
    for x0, y0, x1, y1, width in params["wrinkles"]:
        length = math.hypot(x1 - x0, y1 - y0)
        along_x, along_y = (x1 - x0) / length, (y1 - y0) / length
        along = (x - x0) * along_x + (y - y0) * along_y
        # Bent a little, and lower to both ends
        off = ((y - y0) * along_x - (x - x0) * along_y + 0.05 * length * np.sin(math.pi * along / length)) / width
        crest = np.clip(4 * along * (length - along) / length**2, 0, 1)
        slope = off * np.exp(0.5 - off * off / 2)
        shade += 1.4 * slope * crest * (along_x * light[1] - along_y * light[0])
    return shade


def _arc(cx, cy, rx, ry, start, end, steps=14):
    """Return points of an elliptic arc; degrees, anticlockwise from the right."""
    angles = np.radians(np.linspace(start, end, steps))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


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


def _print(params, x, y):
    """Return the share of ink at each point: strokes of even width with round ends."""
    height, digits = params["digit"], params["number"]
    pitch = 0.82
    begin = -(pitch * len(digits) - (pitch - 0.6)) / 2
    nearest = np.full(x.shape, np.inf)
    px, py = x / height, y / height + 0.5
    for column, digit in enumerate(digits):
        left = begin + column * pitch
        inside = np.flatnonzero((px > left - 0.15) & (px < left + 0.75) & (py > -0.15) & (py < 1.15))
        a, b, least = px[inside] - left, py[inside], np.full(len(inside), np.inf)
        for stroke in _DIGITS[digit]:
            for (x0, y0), (x1, y1) in pairwise(stroke):
                dx, dy = x1 - x0, y1 - y0
                t = np.clip(((a - x0) * dx + (b - y0) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
                least = np.minimum(least, np.hypot(a - x0 - t * dx, b - y0 - t * dy))
        nearest[inside] = np.minimum(nearest[inside], least)
    return 1 - smooth_step(-_EDGE / 2, _EDGE / 2, (nearest - 0.07) * height)
