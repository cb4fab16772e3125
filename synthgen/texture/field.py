"""One field: a kind at a scale, stretched, turned and warped, and shaped by a curve. A pure function of the place.

A kind is a module with ``NAME``, ``VARIANTS`` and two functions. ``sample(rng)`` returns a ``variant``, a ``scale``
in units of the texture, and a list of numbers, ``form``. ``evaluate(shape, rows, columns, softness)`` returns the
field at points in units of that scale, where `softness` is the size of a pixel.
"""

import math
from types import ModuleType

import numpy as np

from synthgen.texture import cellular, leaves, periodic, spectral, stamps
from synthgen.texture.curves import bent
from synthgen.texture.lattice import derived
from synthgen.texture.noise import smooth_noise
from synthgen.texture.shape import Shape

KINDS: dict[str, ModuleType] = {module.NAME: module for module in (spectral, periodic, cellular, leaves, stamps)}
# How often each kind is drawn.
SHARES = {"spectral": 0.3, "periodic": 0.2, "cellular": 0.17, "leaves": 0.2, "stamps": 0.13}
# Kinds that may be stretched by more than a little, as grain is.
_STRETCHED = ("spectral", "cellular")
CURVES = ("plain", "wave", "fold", "step")
# Means and deviations are measured on so many points a side, so far apart.
_POINTS = 28
_STEP = 7.0


def sample_field(rng: np.random.Generator, kinds: tuple[str, ...], warps: float) -> dict:
    """Return random parameters of a field.

    Parameters
    ----------
    rng : numpy.random.Generator
    kinds : tuple of str
        Kinds that it may be of.
    warps : float
        Share of the fields that are warped, 0..1.

    Returns
    -------
    dict
        ``kind``, ``variant``, ``seed``; ``scale``, units of the texture; ``stretch``, along the columns, and
        ``angle``, degrees; ``form``, see the kind; ``warp``, how far places are moved, in units of the texture, and
        the width of the bumps; ``curve``, ``gain`` and ``shift``; ``raw`` and ``shaped``, mean and deviation before the
        curve and after.
    """
    shares = np.array([SHARES[kind] for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
    seed = int(rng.integers(2**62))
    drawn = KINDS[kind].sample(rng)
    field = {
        "kind": kind,
        "variant": drawn["variant"],
        "seed": seed,
        "scale": round(drawn["scale"], 4),
        "stretch": _sample_stretch(rng, kind),
        "angle": round(rng.uniform(0, 180), 3),
        "form": [round(float(number), 6) for number in drawn["form"]],
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
    if is_warped >= warps:
        return [0.0, round(period, 4)]
    return [round(0.04 * period * 8**amount, 4), round(period, 4)]


def _sample_curve(rng: np.random.Generator) -> dict:
    """Return the curve through which a field goes: none for more than half of them."""
    which, gain, shift = rng.random(3).tolist()
    if which >= 0.45:
        return {"curve": "plain", "gain": 1.0, "shift": 0.0}
    number = 1 + int(which / 0.15)
    return {"curve": CURVES[number], "gain": round(1 + 3 * gain, 4), "shift": round(1.4 * shift - 0.7, 4)}


def measured(field: dict) -> dict:
    """Return a field with its mean and deviation, measured at fixed places before its curve and after."""
    side = np.arange(_POINTS) * _STEP
    rows = np.repeat(side, _POINTS)
    columns = np.tile(side, _POINTS)
    raw = _evaluate_raw(field, rows, columns, 1.0)
    field = {**field, "raw": mean_and_deviation(raw)}
    shaped = _shaped(field, raw)
    return {**field, "shaped": mean_and_deviation(shaped)}


def mean_and_deviation(values: np.ndarray) -> list[float]:
    """Return mean and standard deviation, rounded; a deviation of 0 becomes 1."""
    deviation = round(float(values.std()), 4)
    return [round(float(values.mean()), 4) + 0.0, deviation or 1.0]


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
    raw = _evaluate_raw(field, rows, columns, pixel)
    shaped = _shaped(field, raw)
    mean, deviation = field["shaped"]
    shaped -= mean
    shaped *= 1 / deviation
    return shaped


def _evaluate_raw(field: dict, rows: np.ndarray, columns: np.ndarray, pixel: float) -> np.ndarray:
    amount, period = field["warp"]
    if amount:
        seed = field["seed"]
        rows = rows + amount * smooth_noise(rows, columns, derived(seed, 101), period)
        columns = columns + amount * smooth_noise(rows, columns, derived(seed, 102), period)

    turn = math.radians(field["angle"])
    root = math.sqrt(field["stretch"])
    across = round(root / field["scale"], 12)
    along = round(1 / (root * field["scale"]), 12)
    cosine = round(math.cos(turn), 9)
    sine = round(math.sin(turn), 9)
    ys = (across * cosine) * rows + (-across * sine) * columns
    xs = (along * sine) * rows + (along * cosine) * columns

    shape = Shape(field["variant"], field["seed"], tuple(field["form"]))
    return KINDS[field["kind"]].evaluate(shape, ys, xs, pixel * across)


def _shaped(field: dict, raw: np.ndarray) -> np.ndarray:
    """Return the standardized values after the curve."""
    mean, deviation = field["raw"]
    number = CURVES.index(field["curve"])
    return bent(raw, (mean, deviation), number, field["gain"], field["shift"])
