"""Backgrounds. For now the diamond-square texture that Anderson and Farrell (WACV 2022) put behind fractals."""

import numpy as np

from synthgen.seeding import noise_generator


def sample_diamond_square(rng: np.random.Generator) -> dict:
    """Draw the parameters of a diamond-square background.

    Returns
    -------
    dict
        ``seed`` of the noise, ``decay`` of its amplitude from level to level, and for hue, saturation and
        value the (scale, shift) that a height in [0, 1] is mapped by, in 1/255 (hue: 256 is a full turn).
    """
    u = rng.random(7).tolist()
    return {
        "seed": int(rng.integers(2**63)),
        "decay": round(0.4 + 0.4 * u[0], 6),
        "hue": [round(255 * (0.25 + 0.75 * u[1]), 3), round(255 * u[2], 3)],
        "saturation": [round(255 * (0.1 + 0.2 * u[3]), 3), round(255 * (0.4 + 0.2 * u[4]), 3)],
        "value": [round(255 * (0.3 + 0.3 * u[5]), 3), round(255 * (0.4 + 0.2 * u[6]), 3)],
    }


def diamond_square(params: dict, size: tuple[int, int]) -> np.ndarray:
    """Draw a diamond-square background.

    Parameters
    ----------
    params : dict
        As returned by `sample_diamond_square`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
    """
    levels = max(1, (max(size) - 1).bit_length())
    heights = _heights(noise_generator(params["seed"]), levels, params["decay"])[: size[0], : size[1]]
    hue, saturation, value = (
        heights * np.float32(scale) + np.float32(shift)
        for scale, shift in (params["hue"], params["saturation"], params["value"])
    )
    return _hsv_to_rgb(hue % 256, np.clip(saturation, 0, 255), np.clip(value, 0, 255))


def _heights(rng: np.random.Generator, levels: int, decay: float) -> np.ndarray:
    """Return a height field of side 2**levels + 1, float32: midpoint displacement, mirrored at the border."""
    field = rng.random((2, 2), dtype=np.float32)
    # a rounded ratio: the last bits of exp differ between CPUs
    ratio = np.float32(round(float(np.exp(-decay)), 6))
    amplitude = np.float32(0.5)
    for _ in range(levels):
        side = 2 * len(field) - 1
        fine = np.zeros((side, side), dtype=np.float32)
        fine[::2, ::2] = field
        corners = (field[:-1, :-1] + field[:-1, 1:]) + (field[1:, :-1] + field[1:, 1:])
        centres = corners * np.float32(0.25)
        centres += _noise(rng, centres.shape, amplitude)
        fine[1::2, 1::2] = centres
        # edge midpoints: two corners along the edge, the centres on either side of it
        across = np.concatenate([centres[:1], centres, centres[-1:]])
        rows = (field[:, :-1] + field[:, 1:] + across[:-1] + across[1:]) * np.float32(0.25)
        fine[::2, 1::2] = rows + _noise(rng, rows.shape, amplitude)
        along = np.concatenate([centres[:, :1], centres, centres[:, -1:]], axis=1)
        columns = (field[:-1] + field[1:] + along[:, :-1] + along[:, 1:]) * np.float32(0.25)
        fine[1::2, ::2] = columns + _noise(rng, columns.shape, amplitude)
        field = fine
        amplitude *= ratio
    return field


def _noise(rng, shape, amplitude):
    return (rng.random(shape, dtype=np.float32) * np.float32(2) - np.float32(1)) * amplitude


def _hsv_to_rgb(hue, saturation, value) -> np.ndarray:
    """Return uint8 (H, W, 3) of three (H, W) arrays in 0..255 (hue: 256 is a full turn)."""
    sixths = hue * np.float32(6 / 256)
    rgb = np.empty((*hue.shape, 3), dtype=np.uint8)
    for channel, offset in enumerate((5, 3, 1)):
        k = (sixths + np.float32(offset)) % np.float32(6)
        share = np.clip(np.minimum(k, 4 - k), 0, 1)
        rgb[..., channel] = np.rint(value * (1 - saturation * np.float32(1 / 255) * share))
    return rgb
