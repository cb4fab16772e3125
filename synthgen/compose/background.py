"""The diamond-square texture that Anderson and Farrell (WACV 2022) put behind fractals."""

import numpy as np

from synthgen.seeding import noise_generator

_QUARTER = np.float32(0.25)


def sample_diamond_square(rng: np.random.Generator) -> dict:
    """Return random parameters of a diamond-square background.

    Returns
    -------
    dict
        ``seed`` of the noise, ``decay`` of its amplitude from level to level, and for hue, saturation and
        value the (scale, shift) that a height in [0, 1] is mapped by, in 1/255 (hue: 256 is a full turn).
    """
    decay, *shares = rng.random(7).tolist()
    lows = (0.25, 0.0, 0.1, 0.4, 0.3, 0.4)
    widths = (0.75, 1.0, 0.2, 0.2, 0.3, 0.2)

    numbers = []
    for low, width, share in zip(lows, widths, shares, strict=True):
        number = low + width * share
        numbers.append(round(255 * number, 3))

    return {
        "seed": int(rng.integers(2**63)),
        "decay": round(0.4 + 0.4 * decay, 6),
        "hue": numbers[0:2],
        "saturation": numbers[2:4],
        "value": numbers[4:6],
    }


def diamond_square(params: dict, size: tuple[int, int]) -> np.ndarray:
    """Return a diamond-square background.

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
    height, width = size
    steps = max(size) - 1
    levels = max(1, steps.bit_length())
    rng = noise_generator(params["seed"])
    field = _heights(rng, levels, params["decay"])
    heights = field[:height, :width]

    hue = _mapped(heights, params["hue"])
    saturation = _mapped(heights, params["saturation"])
    value = _mapped(heights, params["value"])
    hue %= 256
    saturation = np.clip(saturation, 0, 255)
    value = np.clip(value, 0, 255)
    return _hsv_to_rgb(hue, saturation, value)


def _mapped(heights: np.ndarray, line: list[float]) -> np.ndarray:
    """Return heights times a scale plus a shift, float32."""
    scale, shift = line
    return heights * np.float32(scale) + np.float32(shift)


def _heights(rng: np.random.Generator, levels: int, decay: float) -> np.ndarray:
    """Return a height field of side 2**levels + 1, float32: midpoint displacement, mirrored at the border."""
    field = rng.random((2, 2), dtype=np.float32)
    # a rounded ratio: the last bits of exp differ between CPUs
    exact = float(np.exp(-decay))
    ratio = np.float32(round(exact, 6))
    amplitude = np.float32(0.5)

    for _ in range(levels):
        field = _refined(rng, field, amplitude)
        amplitude *= ratio

    return field


def _refined(rng: np.random.Generator, field: np.ndarray, amplitude: np.float32) -> np.ndarray:
    """Return a height field of twice as many steps: the diamond step, then the square step."""
    side = 2 * len(field) - 1
    fine = np.zeros((side, side), dtype=np.float32)
    fine[::2, ::2] = field

    # diamonds: the middle of four corners
    sides = field[:, :-1] + field[:, 1:]
    corners = _sums_of_neighbors(sides)
    centers = corners * _QUARTER
    _add_noise(rng, centers, amplitude)
    fine[1::2, 1::2] = centers

    # squares: edge midpoints, between two corners along the edge and the centers on either side of it
    rows = _midpoints(field.T, centers.T).T
    _add_noise(rng, rows, amplitude)
    fine[::2, 1::2] = rows
    columns = _midpoints(field, centers)
    _add_noise(rng, columns, amplitude)
    fine[1::2, ::2] = columns

    return fine


def _midpoints(field: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the mean of each corner, the one below it, and the centers left and right, mirrored at the border."""
    first = centers[:, :1]
    last = centers[:, -1:]
    mirrored = np.concatenate([first, centers, last], axis=1)
    left = mirrored[:, :-1]
    right = mirrored[:, 1:]

    corners = _sums_of_neighbors(field)
    total = corners + left + right
    return total * _QUARTER


def _sums_of_neighbors(rows: np.ndarray) -> np.ndarray:
    """Return for all rows but the last the sum of the row and the next."""
    above = rows[:-1]
    below = rows[1:]
    return above + below


def _add_noise(rng: np.random.Generator, heights: np.ndarray, amplitude: np.float32) -> None:
    """Add even noise in [-amplitude, amplitude) to heights, in place."""
    uniform = rng.random(heights.shape, dtype=np.float32)
    doubled = uniform * np.float32(2)
    spread = doubled - np.float32(1)
    heights += spread * amplitude


def _hsv_to_rgb(hue, saturation, value) -> np.ndarray:
    """Return uint8 (H, W, 3) of three (H, W) arrays in 0..255 (hue: 256 is a full turn)."""
    per_level = np.float32(6 / 256)
    sixths = hue * per_level
    share_taken = saturation * np.float32(1 / 255)
    shape = *hue.shape, 3
    rgb = np.empty(shape, dtype=np.uint8)

    for channel, offset in enumerate((5, 3, 1)):
        moved = sixths + np.float32(offset)
        place = moved % np.float32(6)
        from_end = 4 - place
        nearness = np.minimum(place, from_end)
        part = np.clip(nearness, 0, 1)
        left = 1 - share_taken * part
        levels = np.rint(value * left)
        rgb[..., channel] = levels

    return rgb
