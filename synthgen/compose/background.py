"""The diamond-square texture that Anderson and Farrell (WACV 2022) put behind fractals."""

import numba
import numpy as np

from synthgen.seeding import noise_generator

f32 = np.float32

_QUARTER = f32(0.25)
_ZERO = f32(0)
_ONE = f32(1)
_TWO = f32(2)
# A full turn of a hue, and what a sixth of it is in these units.
_TURN = f32(256)
_SIXTHS = f32(6)
_SIXTHS_PER_LEVEL = f32(6 / 256)
_WHITE = f32(255)
_SHARE_PER_LEVEL = f32(1 / 255)
# Where red, green and blue begin to rise, in sixths of a turn.
_CHANNELS = (f32(5), f32(3), f32(1))


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

    lines = [params[name] for name in ("hue", "saturation", "value")]
    rgb = np.empty((height, width, 3), np.uint8)
    _color(heights, np.array(lines, f32), rgb)
    return rgb


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
    """Return a height field of twice as many steps."""
    steps = len(field) - 1
    centers = rng.random((steps, steps), dtype=f32)
    rows = rng.random((steps + 1, steps), dtype=f32)
    columns = rng.random((steps, steps + 1), dtype=f32)

    fine = np.empty((2 * steps + 1, 2 * steps + 1), f32)
    fine[::2, ::2] = field
    _diamond_step(field, centers, amplitude, fine)
    _square_step(rows, columns, amplitude, fine)
    return fine


@numba.njit(cache=True, nogil=True)
def _moved(total, uniform, amplitude):
    """Return the mean of four heights, moved by even noise in [-amplitude, amplitude)."""
    mean = total * _QUARTER
    spread = _TWO * uniform - _ONE
    return mean + spread * amplitude


@numba.njit(cache=True, nogil=True)
def _diamond_step(field, uniform, amplitude, fine):
    """Write the middles of four corners each; `uniform` are numbers of [0, 1)."""
    steps = len(uniform)
    for r in range(steps):
        upper = field[r]
        lower = field[r + 1]
        line = fine[2 * r + 1]
        for c in range(steps):
            above = upper[c] + upper[c + 1]
            below = lower[c] + lower[c + 1]
            total = above + below
            line[2 * c + 1] = _moved(total, uniform[r, c], amplitude)


@numba.njit(cache=True, nogil=True)
def _square_step(rows, columns, amplitude, fine):
    """Write the middles of edges, each of two corners and the centers on either side, mirrored at the border.

    `rows` and `columns` are numbers of [0, 1) for the edges along either.
    """
    steps = rows.shape[1]
    last_odd = 2 * steps - 1
    for k in range(steps + 1):
        r = 2 * k
        line = fine[r]
        above = fine[max(r - 1, 1)]
        below = fine[min(r + 1, last_odd)]
        for n in range(steps):
            c = 2 * n + 1
            total = line[c - 1] + line[c + 1]
            total += above[c]
            total += below[c]
            line[c] = _moved(total, rows[k, n], amplitude)

    for k in range(steps):
        r = 2 * k + 1
        line = fine[r]
        above = fine[r - 1]
        below = fine[r + 1]
        for n in range(steps + 1):
            c = 2 * n
            left = max(c - 1, 1)
            right = min(c + 1, last_odd)
            total = above[c] + below[c]
            total += line[left]
            total += line[right]
            line[c] = _moved(total, columns[k, n], amplitude)


@numba.njit(cache=True, nogil=True)
def _color(heights, lines, out):
    """Write the colors of heights: hue, saturation and value are each a height times a scale plus a shift."""
    rows, columns = heights.shape
    of_hue = lines[0]
    of_saturation = lines[1]
    of_value = lines[2]
    for r in range(rows):
        for c in range(columns):
            height = heights[r, c]
            hue = _on_line(of_hue, height)
            saturation = _on_line(of_saturation, height)
            value = _on_line(of_value, height)
            # most lie within the first turn, and a remainder takes long
            if hue < _ZERO or hue >= _TURN:
                hue = hue % _TURN

            sixths = hue * _SIXTHS_PER_LEVEL
            share = _bounded(saturation, _WHITE) * _SHARE_PER_LEVEL
            level = _bounded(value, _WHITE)
            for channel in range(3):
                place = sixths + _CHANNELS[channel]
                if place >= _SIXTHS:
                    place -= _SIXTHS
                nearness = min(place, f32(4) - place)
                part = _bounded(nearness, _ONE)
                left = _ONE - share * part
                out[r, c, channel] = np.rint(level * left)


@numba.njit(cache=True, nogil=True)
def _on_line(line, height):
    return height * line[0] + line[1]


@numba.njit(cache=True, nogil=True)
def _bounded(value, most):
    return min(max(value, _ZERO), most)
