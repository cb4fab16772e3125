"""A texture: one field, or two mixed, with colors, a relief and a finish."""

import numpy as np

from synthgen.texture.field import evaluate, mean_and_deviation, sample_field
from synthgen.texture.view import View, places

MIXES = ("single", "sum", "product", "most", "inlay")
# Where the mixture is measured: points a side, and how far they lie apart.
_POINTS = 28
_STEP = 7.0


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
    count, how, share, *finish = rng.random(9).tolist()
    fields = [sample_field(rng, kinds, warps)]
    mix = "single"
    if count < mixtures:
        fields.append(sample_field(rng, kinds, warps))
        # sums are half of all mixtures
        mix = MIXES[1 + int(how * 6) // 2] if how >= 0.5 else "sum"

    is_gray, tone, contrast, relief, grain, _ = finish
    texture = {
        "kind": fields[0]["kind"],
        "fields": fields,
        "mix": mix,
        "weight": round(0.2 + 0.8 * share, 4),
        "level": [0.0, 1.0],
        "tone": [round(60 + 130 * tone, 2), round(12 + 38 * contrast, 2)],
        "colors": _sample_colors(rng, is_gray < gray),
        "relief": round(2.5 * max(0.0, relief - 0.4), 4),
        "grain": round(4 * grain, 3),
    }
    return _measured(texture)


def _sample_colors(rng: np.random.Generator, is_gray: bool) -> list[list[float]]:
    """Return the color of the middle, in gray levels, and two directions, as factors of the contrast."""
    middle = rng.normal(0, 22, 3)
    first = rng.normal(0, 0.25, 3)
    second = rng.normal(0, 1, 3) * rng.uniform(0.15, 0.9)
    if is_gray:
        return [[0.0] * 3, [1.0] * 3, [0.0] * 3]
    rounded = [middle.round(2), (1 + first).round(4), second.round(4)]
    return [color.tolist() for color in rounded]


def _measured(texture: dict) -> dict:
    """Return a texture with mean and deviation of its mixture."""
    if texture["mix"] == "single":
        return texture
    side = np.arange(_POINTS) * _STEP
    rows = np.repeat(side, _POINTS)
    columns = np.tile(side, _POINTS)
    values = [evaluate(field, rows, columns, 1.0) for field in texture["fields"]]
    mixed = _mixed(texture, values)
    return {**texture, "level": mean_and_deviation(mixed)}


def _mixed(texture: dict, values: list[np.ndarray]) -> np.ndarray:
    """Return the mixture of the values of two fields."""
    first, second = values
    weight = texture["weight"]
    if texture["mix"] == "sum":
        return first + weight * second
    if texture["mix"] == "product":
        return first * second
    if texture["mix"] == "most":
        return np.maximum(first, second + weight)
    # an inlay: the second field shows where it is high, with a narrow rim
    share = np.clip(4 * (second - weight), 0, 1)
    return first + share * (second - first)


def heights(
    texture: dict, view: View, size: tuple[int, int], box: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mixture and the last field under the pixels of a box, float64 (h, w), mean 0 and deviation 1."""
    top, left, bottom, right = box
    shape = bottom - top, right - left
    rows, columns = places(view, size, box)
    values = [evaluate(field, rows, columns, view.scale) for field in texture["fields"]]
    last = values[-1]
    if texture["mix"] == "single":
        return last.reshape(shape), last.reshape(shape)

    mean, deviation = texture["level"]
    mixed = (_mixed(texture, values) - mean) / deviation
    return mixed.reshape(shape), last.reshape(shape)
