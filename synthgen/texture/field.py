"""One field: a kind at a scale, stretched, turned and warped, and shaped by a curve. A pure function of the place.

A kind is a module with ``NAME``, ``VARIANTS`` and two functions. ``sample(rng)`` returns a ``variant``, a ``scale``
in units of the texture, and a list of numbers, ``form``. ``evaluate(shape, rows, columns, softness)`` returns the
field at points in units of that scale, where `softness` is the size of a pixel.
"""

import math
from types import ModuleType

import numba
import numpy as np

from synthgen.texture import (
    cellular,
    craters,
    fibers,
    flat,
    gabor,
    leaves,
    periodic,
    reaction,
    spectral,
    stamps,
    wood,
)
from synthgen.texture.curves import CURVES, bend, standardize
from synthgen.texture.lattice import derived
from synthgen.texture.noise import smooth_noise
from synthgen.texture.shape import Shape

_MODULES = (spectral, periodic, cellular, leaves, stamps, fibers, wood, gabor, craters, reaction, flat)
KINDS: dict[str, ModuleType] = {module.NAME: module for module in _MODULES}
# How often each kind is drawn.
SHARES = {
    "spectral": 0.22,
    "periodic": 0.18,
    "cellular": 0.14,
    "leaves": 0.12,
    "stamps": 0.1,
    "fibers": 0.09,
    "wood": 0.04,
    "gabor": 0.05,
    "craters": 0.04,
    "reaction": 0.02,
}
# Kinds that may be stretched by more than a little, as grain is.
_STRETCHED = ("spectral", "cellular")
# Mean and deviation are measured at so many places a side, so far apart, in units of the field's scale.
_PLACES = 28
_STEP = 0.23


def sample_field(rng: np.random.Generator, kinds: tuple[str, ...], warps: float) -> tuple[dict, np.ndarray]:
    """Return random parameters of a field, and its values at some places.

    Parameters
    ----------
    rng : numpy.random.Generator
    kinds : tuple of str
        Kinds that it may be of.
    warps : float
        Share of the fields that are warped, 0..1.

    Returns
    -------
    field : dict
        ``kind``, ``variant``, ``seed``; ``scale``, units of the texture; ``stretch``, along the columns, and
        ``angle``, degrees; ``form``, see the kind; ``warp``, how far places are moved, in units of the texture, and
        the width of the bumps; ``curve``, ``gain`` and ``shift``; ``raw`` and ``shaped``, mean and deviation before
        the curve and after.
    values : ndarray of float64, (N,)
        Values that the field takes, mean 0 and deviation 1.
    """
    weights = np.array([SHARES[kind] for kind in kinds])
    shares = weights / weights.sum()
    kind = kinds[rng.choice(len(kinds), p=shares)]
    seed = int(rng.integers(2**62))
    drawn = KINDS[kind].sample(rng)
    form = [float(number) for number in drawn["form"]]
    field = {
        "kind": kind,
        "variant": drawn["variant"],
        "seed": seed,
        "scale": round(drawn["scale"], 4),
        "stretch": _sample_stretch(rng, kind),
        "angle": round(rng.uniform(0, 180), 3),
        "form": [round(number, 6) for number in form],
        "warp": _sample_warp(rng, warps, drawn["scale"]),
        **_sample_curve(rng),
        "raw": [0.0, 1.0],
        "shaped": [0.0, 1.0],
    }
    return measured(field)


def _sample_stretch(rng: np.random.Generator, kind: str) -> float:
    """Return by how much a field is stretched, which is 1 for most."""
    is_stretched, amount = rng.random(2).tolist()
    if kind in _STRETCHED and is_stretched < 0.4:
        return round(math.exp(2.2 * amount), 4)
    return 1.0


def _sample_warp(rng: np.random.Generator, warps: float, scale: float) -> list[float]:
    """Return how far places are moved, 0 for none, and how wide the bumps of the motion are."""
    is_warped, amount, width = rng.random(3).tolist()
    period = scale * 4**width + 10
    moved = 0.04 * period * 8**amount
    if is_warped >= warps:
        moved = 0.0
    return [round(moved, 4), round(period, 4)]


def _sample_curve(rng: np.random.Generator) -> dict:
    """Return the curve through which a field goes: none for more than half of them."""
    which, gain, shift = rng.random(3).tolist()
    if which >= 0.45:
        return {"curve": "plain", "gain": 1.0, "shift": 0.0}
    number = 1 + int(which / 0.15)
    return {
        "curve": CURVES[number],
        "gain": round(1 + 3 * gain, 4),
        "shift": round(1.4 * shift - 0.7, 4),
    }


def measured(field: dict) -> tuple[dict, np.ndarray]:
    """Return a field with its mean and deviation, before its curve and after, and the values that were measured."""
    step = max(_STEP * field["scale"], 0.5)
    side = step * np.arange(_PLACES)
    rows = np.repeat(side, _PLACES)
    columns = np.tile(side, _PLACES)
    values = _evaluate_raw(field, rows, columns, 1.0)

    raw = mean_and_deviation(values)
    standardize(values, tuple(raw))
    _bend(field, values)
    shaped = mean_and_deviation(values)
    standardize(values, tuple(shaped))
    return {**field, "raw": raw, "shaped": shaped}, values


def mean_and_deviation(values: np.ndarray) -> list[float]:
    """Return mean and standard deviation, rounded; a deviation of 0 becomes 1."""
    mean = round(float(values.mean()), 4)
    deviation = round(float(values.std()), 4)
    return [mean + 0.0, deviation or 1.0]


def evaluate(field: dict, rows: np.ndarray, columns: np.ndarray, pixel: float) -> np.ndarray:
    """Return a field at places of the texture: mean about 0, deviation about 1.

    Parameters
    ----------
    field : dict
        As returned by `sample_field`.
    rows, columns : ndarray of float64, (N,)
    pixel : float
        Units of the texture in a pixel; finer detail is left out or softened.

    Returns
    -------
    ndarray of float64, (N,)
    """
    values = _evaluate_raw(field, rows, columns, pixel)
    standardize(values, tuple(field["raw"]))
    _bend(field, values)
    standardize(values, tuple(field["shaped"]))
    return values


def _bend(field: dict, values: np.ndarray) -> None:
    curve = CURVES.index(field["curve"])
    bend(values, curve, field["gain"], field["shift"])


def _evaluate_raw(field: dict, rows: np.ndarray, columns: np.ndarray, pixel: float) -> np.ndarray:
    rows, columns = warped(field, rows, columns)
    shape, ys, xs, softness = inner(field, rows, columns, pixel)
    return KINDS[field["kind"]].evaluate(shape, ys, xs, softness)


def warped(field: dict, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places, moved by the warp of a field."""
    amount, period = field["warp"]
    if amount == 0:
        return rows, columns
    seed = field["seed"]
    down = smooth_noise(rows, columns, derived(seed, 101), period)
    right = smooth_noise(rows, columns, derived(seed, 102), period)
    return rows + amount * down, columns + amount * right


def inner(field: dict, rows: np.ndarray, columns: np.ndarray, pixel: float):
    """Return what the kind of a field is asked: its `Shape`, places in units of its scale, and the softness."""
    turn = math.radians(field["angle"])
    root = math.sqrt(field["stretch"])
    across = round(root / field["scale"], 12)
    along = round(1 / (root * field["scale"]), 12)
    cosine = round(math.cos(turn), 9)
    sine = round(math.sin(turn), 9)
    ys, xs = turned(rows, columns, (cosine, sine), across, along)

    shape = Shape(field["variant"], field["seed"], tuple(field["form"]))
    return shape, ys, xs, pixel * across


@numba.njit(cache=True)
def turned(rows, columns, turn, across, along):
    """Return places, turned by a cosine and sine, their rows then times `across`, their columns times `along`."""
    cosine, sine = turn
    ys = np.empty(len(rows))
    xs = np.empty(len(rows))
    for i in range(len(rows)):
        ys[i] = across * (cosine * rows[i] - sine * columns[i])
        xs[i] = along * (sine * rows[i] + cosine * columns[i])
    return ys, xs
