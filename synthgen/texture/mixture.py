"""A texture: one field, or two mixed, with colors, a relief and a finish."""

import numba
import numpy as np

from synthgen.texture.curves import MIXES, mix_into, standardize
from synthgen.texture.field import evaluate, mean_and_deviation, sample_field
from synthgen.texture.view import View, places


def sample_texture(
    rng: np.random.Generator, kinds: tuple[str, ...], warps: float = 0.3, mixtures: float = 0.6, gray: float = 0.5
) -> dict:
    """Return random parameters of a texture.

    Parameters
    ----------
    rng : numpy.random.Generator
    kinds : tuple of str
        Kinds that its fields may be of, see `synthgen.texture.field`.
    warps, mixtures, gray : float
        Shares, 0..1, of fields that are warped, of textures made of two fields, and of textures without colors.

    Returns
    -------
    dict
        ``kind``, of the first field; ``fields``, one or two; ``mix`` and ``weight``, how they are put together,
        and ``level``, mean and deviation of that; ``tone``, the mean gray level and the contrast; ``colors``, three
        colors: that of the middle, and the directions that the mixture and the last field add; ``relief``, the
        height of one deviation, in units; ``grain``, the deviation of white noise in gray levels.
    """
    count, how, share, is_gray, tone, contrast, relief, grain = rng.random(8).tolist()
    field, values = sample_field(rng, kinds, warps)
    texture = {
        "kind": field["kind"],
        "fields": [field],
        "mix": "single",
        "weight": round(0.2 + 0.8 * share, 4),
        "level": [0.0, 1.0],
        "tone": [round(60 + 130 * tone, 2), round(12 + 38 * contrast, 2)],
        "colors": _sample_colors(rng, is_gray < gray),
        "relief": round(2.5 * max(0.0, relief - 0.4), 4),
        "grain": round(4 * grain, 3),
    }
    if count >= mixtures:
        return texture

    # sums are half of all mixtures
    mix = MIXES[max(0, int(6 * how) - 2)]
    other, others = sample_field(rng, kinds, warps)
    mix_into(values, others, MIXES.index(mix), texture["weight"])
    return {**texture, "fields": [field, other], "mix": mix, "level": mean_and_deviation(values)}


def _sample_colors(rng: np.random.Generator, is_gray: bool) -> list[list[float]]:
    """Return the color of the middle, in gray levels, and two directions, as factors of the contrast."""
    middle = rng.normal(0, 16, 3)
    first = rng.normal(0, 0.2, 3)
    second = rng.normal(0, 1, 3) * rng.uniform(0.1, 0.6)
    if is_gray:
        return [[0.0] * 3, [1.0] * 3, [0.0] * 3]
    rounded = [middle.round(2), (1 + first).round(4), second.round(4)]
    return [color.tolist() for color in rounded]


def heights(
    texture: dict, view: View, size: tuple[int, int], box: tuple[int, int, int, int], wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mixture and the last field of a texture under pixels of an image: mean 0 and deviation 1.

    Parameters
    ----------
    texture : dict
        As returned by `sample_texture`.
    view, size, box, wanted
        As for `synthgen.texture.view.places`.

    Returns
    -------
    mixture, last : ndarray of float64, (h, w)
        In the box; 0 at pixels that are not wanted.
    """
    rows, columns = places(view, size, box, wanted)
    values = [evaluate(field, rows, columns, view.scale) for field in texture["fields"]]
    first = values[0]
    last = values[-1]
    if texture["mix"] != "single":
        how = MIXES.index(texture["mix"])
        mix_into(first, last, how, texture["weight"])
        standardize(first, tuple(texture["level"]))
    return _plane(first, box, wanted), _plane(last, box, wanted)


def _plane(values: np.ndarray, box: tuple[int, int, int, int], wanted: np.ndarray) -> np.ndarray:
    """Return values at their pixels of a box."""
    top, left, bottom, right = box
    plane = np.zeros((bottom - top, right - left))
    _put(plane.ravel(), wanted, values)
    return plane


@numba.njit(cache=True)
def _put(flat, places, values):
    for i in range(len(places)):
        flat[places[i]] = values[i]
