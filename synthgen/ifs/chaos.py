"""The chaos game: many chains side by side, counted into pixels.

One chain is bound by the latency of its own arithmetic. Here `LANES` chains advance together, each with its own
xorshift generator, so that the compiler turns every loop into vector code. No fastmath and no ``prange``: the
same seed gives the same counts on every machine.
"""

import math
import threading
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.ifs.system import System
from synthgen.splitmix import mix

LANES = 256
# Chains start at a fixed point, which lies on the attractor; these steps spread them over it.
BURN_IN = 24
MAX_POINTS = 20_000_000
MAX_SIZE = 16_384
FULL_PATCH = 0b111_111_111
WANDERS = "system must have maps that contract: its points run to infinity"
_kept = threading.local()
_NO_SPACE = np.empty((0, LANES), np.float32)
_AROUND_POINTS = np.full(4, np.nan)  # stands for no region in compiled code

# Points that are counted at a time.
_BLOCK = 1024

f32 = np.float32
u32 = np.uint32
i32 = np.int32
u64 = np.uint64


class Frame(NamedTuple):
    """Where points of the plane go in a padded image: what `_count` needs.

    Attributes
    ----------
    corner : (float32, float32)
        x and y of the frame's corner.
    scales : (float32, float32)
        Pixels a unit along x and y.
    sides : (int, int)
        Pixels of the image along x and y.
    strides : (int, int, int)
        Index of the first pixel, and what a pixel along x and along y adds to it.
    """

    corner: tuple
    scales: tuple
    sides: tuple
    strides: tuple


def render(system: System, size=256, points=100_000, seed=0, patch=False, region=None) -> np.ndarray:
    """Draw the density of the attractor of a system.

    Parameters
    ----------
    system : System
        What to draw.
    size : int or (int, int)
        Side of the image, or its height and width, in pixels.
    points : int
        Points of the chaos game, 1..20,000,000.
    seed : int
        Seed of the point noise, 0 <= seed < 2**64; the same seed gives the same image.
    patch : bool
        Draw each point as a 3 x 3 pattern of pixels, drawn at random from the seed once an image
        (Anderson and Farrell 2022), instead of one pixel.
    region : (x0, y0, x1, y1), optional
        The part of the plane to draw, stretched to 0..size-1 on each axis; the default is the bounding
        box of the points. x runs down the rows, y along the columns.

    Returns
    -------
    ndarray of float32, (H, W)
        Counts divided by the largest count, in [0, 1].

    Raises
    ------
    UsageError
        If an argument is out of range, or the points of the system run to infinity.

    Examples
    --------
    >>> half = [[0.5, 0, 0], [0, 0.5, 0]], [[0.5, 0, 0.5], [0, 0.5, 0]], [[0.5, 0, 0], [0, 0.5, 0.5]]
    >>> image = render(System(half), size=64)
    >>> image.shape, float(image.max())
    ((64, 64), 1.0)
    """
    bits = _patch_of(seed) if patch else 0
    counts = density(system, size, points, seed, patch=bits, region=region)

    peak = max(counts.max(), 1)
    largest = np.float32(peak)
    levels = counts.astype(np.float32)
    return levels / largest


def _patch_of(seed: int) -> int:
    """Return nine random bits, at least one of them set."""
    drawn = int(mix(u64(seed)))
    return 1 + drawn % FULL_PATCH


def density(
    system: System, size, points, seed, patch=0, region=None, window=(1.0, 1.0, 0.0, 0.0), orientation=0
) -> np.ndarray:
    """Count the points of the chaos game in each pixel.

    Parameters
    ----------
    system, size, points, seed, region
        As in `render`.
    patch : int
        Nine bits, row by row: the pixels around a point that it counts for; 0 for its own pixel alone.
    window : (scale_x, scale_y, shift_x, shift_y)
        Frame relative to the bounding box of the points, used where `region` is not given: its extent is
        multiplied by the scale, its center moved by the shift times the extent.
    orientation : int
        Bit 0 swaps the axes, bit 1 flips the rows, bit 2 flips the columns.

    Returns
    -------
    ndarray of uint32, (H, W)

    Raises
    ------
    UsageError
        As in `render`.
    """
    shape = _checked_size(size)
    if not 1 <= points <= MAX_POINTS:
        raise UsageError(f"points must lie in 1..{MAX_POINTS}, got {points}")
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed must lie in 0..2**64-1, got {seed}")
    if not 0 <= patch <= FULL_PATCH:
        raise UsageError(f"patch must lie in 0..{FULL_PATCH}, got {patch}")
    frame = _checked_region(region)
    scales_and_shifts = tuple(map(float, window))

    xs, ys = play(system, points, seed)
    counts = _counted(xs, ys, shape, patch, frame, scales_and_shifts, orientation)
    if counts.size == 0:
        raise UsageError(WANDERS)
    return counts


def _checked_size(size) -> tuple[int, int]:
    """Return height and width of a size; raise `UsageError` if it is out of range."""
    one_side = isinstance(size, int | np.integer)
    height, width = (size, size) if one_side else size

    for side in (height, width):
        if not 1 <= side <= MAX_SIZE:
            raise UsageError(f"size must lie in 1..{MAX_SIZE}, got {size}")
    return height, width


def _checked_region(region) -> np.ndarray:
    """Return a region as float64 (4,), NaN for None; raise `UsageError` if it is none."""
    if region is None:
        return _AROUND_POINTS
    four = np.shape(region) == (4,)
    if not four or not np.isfinite(region).all():
        raise UsageError(f"region must be four finite numbers (x0, y0, x1, y1), got {region}")

    x0, y0, x1, y1 = region
    if x0 >= x1 or y0 >= y1:
        raise UsageError(f"region must have x0 < x1 and y0 < y1, got {region}")
    return np.array(region, dtype=np.float64)


def play(system: System, points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of points of the chaos game, float32 (points,), valid until the next call of this thread."""
    rows, thresholds, start = _as_tuples(system)
    xs, ys = _workspace(points)
    _play(rows, thresholds, start, u64(seed), xs, ys)

    # the first row is the state before the first point
    end = LANES + points
    used_xs = xs.ravel()[LANES:end]
    used_ys = ys.ravel()[LANES:end]
    return used_xs, used_ys


def _workspace(points: int):
    """Return room for the coordinates of all points, kept from one image to the next.

    Given back to the system and faulted in again each time it would cost 0.3 ms an image.
    """
    steps = math.ceil(points / LANES)
    rows = steps + 1
    both = 2 * rows
    space = getattr(_kept, "space", _NO_SPACE)

    if len(space) < both:
        space = np.empty((both, LANES), np.float32)
        _kept.space = space

    xs = space[:rows]
    ys = space[rows:both]
    return xs, ys


def gray_levels(counts: np.ndarray, least: int = 0) -> np.ndarray:
    """Return counts as gray levels: 0 where nothing was counted, else 255 * counts / max, at least 1.

    Parameters
    ----------
    counts : ndarray of uint32, (H, W)
        As returned by `density`.
    least : int
        Where half of the pixels that were counted would be darker than this level, dark levels are lifted until
        they are not, bright ones less, and the brightest stays 255: one pixel with most of the points would leave
        all others black.

    Returns
    -------
    ndarray of uint8, (H, W)
    """
    peak = max(int(counts.max(initial=0)), 1)
    gain = 255 / peak
    knee = 0.0

    # level = gain * count / (1 + knee * count) takes the median to `least` and the peak to 255
    middle = _median_count(counts) if least else peak
    if 255 * middle < least * peak:
        missing = least * peak - 255 * middle
        knee = missing / (middle * peak * (255 - least))
        gain = 255 / peak + 255 * knee
    return _levels(counts, gain, knee)


def _median_count(counts: np.ndarray) -> int:
    """Return the count that at least half of the counted pixels reach; 1 where there are none."""
    counted = counts[counts > 0]
    if counted.size == 0:
        return 1
    place = (counted.size - 1) // 2
    ordered = np.partition(counted, place)
    return int(ordered[place])


@numba.njit(cache=True)
def _levels(counts, gain, knee):
    """Return uint8 (H, W): gain * count / (1 + knee * count), at least 1 where there is a count."""
    # counts fit into 31 bits, and signed numbers keep all of this vector code
    source = counts.ravel().view(np.int32)
    scale = f32(gain)
    bend = f32(knee)
    levels = np.empty(counts.shape, np.uint8)
    flat = levels.ravel()

    for i in range(source.size):
        count = f32(source[i])
        scaled = count * scale / (f32(1) + count * bend)
        level = i32(scaled + f32(0.5))
        least = i32(1) if count > 0 else i32(0)
        level = max(level, least)
        flat[i] = np.uint8(level)

    return levels


@numba.njit(cache=True)
def _counted(xs, ys, size, patch, region, window, orientation):
    """Return the counts, uint32 (H, W), or an empty array if points run to infinity."""
    x0, x1 = _extent(xs)
    y0, y1 = _extent(ys)
    extent_x = x1 - x0
    extent_y = y1 - y0
    finite = math.isfinite(extent_x) and math.isfinite(extent_y)
    if not finite:
        return np.empty((0, 0), np.uint32)

    # the part of the plane
    if math.isnan(region[0]):
        stretch_x, stretch_y, shift_x, shift_y = window
        x0, x1 = _windowed(x0, x1, stretch_x, shift_x)
        y0, y1 = _windowed(y0, y1, stretch_y, shift_y)
    else:
        x0, y0, x1, y1 = region

    # from the plane to pixels
    height, width = size
    sides = (width, height) if orientation & 1 else (height, width)
    scale_x = _scale(x0, x1, sides[0])
    scale_y = _scale(y0, y1, sides[1])
    corner = f32(x0), f32(y0)
    scales = scale_x, scale_y
    strides = _strides(size, orientation)
    frame = Frame(corner, scales, sides, strides)

    shape = height + 2, width + 2
    padded = np.zeros(shape, np.uint32)
    _count(xs, ys, frame, padded.ravel())

    if patch:
        return _spread(padded, patch)
    inner = padded[1:-1, 1:-1]
    return inner.copy()


@numba.njit(cache=True)
def _windowed(low, high, scale, shift):
    if scale == 1 and shift == 0:
        return low, high  # exactly: rounding must not push the outermost points over the edge

    extent = high - low
    total = low + high
    middle = total / 2
    center = middle + shift * extent
    doubled_reach = scale * extent
    reach = doubled_reach / 2
    return center - reach, center + reach


@numba.njit(cache=True)
def _scale(low, high, pixels):
    if high <= low:
        return f32(0)
    steps = pixels - 1
    extent = high - low
    return f32(steps / extent)


@numba.njit(cache=True)
def _strides(size, orientation):
    """Return offset and strides along x and y in the padded image, so that flips and transpose cost nothing."""
    height, width = size
    row = width + 2
    column = 1
    base = row + column

    if orientation & 2:
        base += (height - 1) * row
        row = -row
    if orientation & 4:
        base += width - 1
        column = -1

    return (base, column, row) if orientation & 1 else (base, row, column)


def _as_tuples(system: System):
    """Return rows (float32), thresholds and start of a system for `_play`, as tuples."""
    maps = system.maps.astype(np.float32)
    flat = maps.reshape(-1, 6)
    rows = tuple(map(tuple, flat))

    # map k is chosen by random numbers of 24 bits from threshold k on
    chances = system.probabilities[:-1]
    shares = np.cumsum(chances)
    limits = shares * 2.0**24
    whole = limits.astype(int).tolist()
    thresholds = (0, *whole)

    return rows, thresholds, _fixed_point(rows[0])


@numba.njit(cache=True)
def _fixed_point(row):
    """Return the fixed point of a map, which lies on the attractor if the map contracts; else the origin."""
    a = float(row[0])
    b = float(row[1])
    e = float(row[2])
    c = float(row[3])
    d = float(row[4])
    f = float(row[5])

    # (1 - A) x = b, by Cramer's rule
    upper = 1 - a
    lower = 1 - d
    product = upper * lower
    determinant = product - b * c
    if abs(determinant) <= 1e-9:
        return 0.0, 0.0

    x = lower * e + b * f
    y = upper * f + c * e
    x /= determinant
    y /= determinant
    return x, y


@numba.njit(cache=True)
def _play(rows, thresholds, start, seed, xs, ys):
    """Fill rows 1 and on of `xs` and `ys`, float32 (steps + 1, LANES), with points; row 0 is the state before."""
    # Maps come as tuples: their number is a constant for the compiler, which unrolls the choice into comparisons
    # of registers, 1 ns a point. Looking the chosen map up in a table takes 3.3 ns: gathers do not vectorize.
    state = np.empty(LANES, np.uint32)
    xs[0] = start[0]
    ys[0] = start[1]
    for lane in range(LANES):
        own_seed = seed + u64(lane)
        mixed = mix(own_seed)
        upper_half = mixed >> u64(32)
        state[lane] = u32(upper_half) | u32(1)

    steps = len(xs) - 1
    for step in range(-BURN_IN, steps):
        old = step
        new = step + 1
        if step < 0:
            # During the burn-in rows 0 and 1 take turns; it is even, so that row 0 is the last one written.
            old = -step % 2
            new = 1 - old

        x = xs[old]
        y = ys[old]
        new_x = xs[new]
        new_y = ys[new]

        for lane in range(LANES):
            drawn = _next_state(state[lane])
            state[lane] = drawn
            choice = i32(drawn >> u32(8))

            a, b, e, c, d, f = rows[0]
            for k in range(1, len(rows)):
                row = rows[k]
                chosen = choice >= i32(thresholds[k])
                a = row[0] if chosen else a
                b = row[1] if chosen else b
                e = row[2] if chosen else e
                c = row[3] if chosen else c
                d = row[4] if chosen else d
                f = row[5] if chosen else f

            old_x = x[lane]
            old_y = y[lane]
            next_x = a * old_x + b * old_y + e
            next_y = c * old_x + d * old_y + f
            new_x[lane] = next_x
            new_y[lane] = next_y


@numba.njit(cache=True)
def _next_state(state):
    """Return the next state of a xorshift generator of 32 bits (Marsaglia 2003)."""
    shifted = u32(state << u32(13))
    state = u32(state ^ shifted)
    shifted = u32(state >> u32(17))
    state = u32(state ^ shifted)
    shifted = u32(state << u32(5))
    return u32(state ^ shifted)


@numba.njit(cache=True)
def _extent(values):
    """Return (lowest, highest), each not finite if any value is not."""
    # On the bits as ordered integers: min and max of floats do not vectorize without fastmath (0.10 -> 0.02 ms)
    bits = values.view(np.int32)
    low = i32(2147483647)
    high = i32(-2147483648)

    for i in range(bits.size):
        ordered = _ordered(bits[i])
        low = min(low, ordered)
        high = max(high, ordered)

    ends = np.empty(2, np.int32)
    ends[0] = _ordered(low)
    ends[1] = _ordered(high)
    lowest, highest = ends.view(np.float32)
    return float(lowest), float(highest)


@numba.njit(cache=True)
def _ordered(bits):
    """Return the bits of a float32 as an integer of the same order; the other way round it is the same."""
    sign = i32(bits >> 31)
    return i32(bits ^ i32(sign & i32(0x7FFFFFFF)))


@numba.njit(cache=True)
def _count(xs, ys, frame, counts):
    """Count each point in its pixel of a padded image; points outside the frame go to pixel 0, the padding."""
    x0, y0 = frame.corner
    scale_x, scale_y = frame.scales
    pixels_x, pixels_y = frame.sides
    end_x = f32(pixels_x)
    end_y = f32(pixels_y)

    # narrow numbers keep the loop below vector code
    offset_of_first, step_x, step_y = frame.strides
    base = i32(offset_of_first)
    stride_x = i32(step_x)
    stride_y = i32(step_y)

    # In blocks, so that all but the increments is vector code: 0.24 -> 0.12 ms for 100,000 points
    pixel = np.empty(_BLOCK, np.int32)
    for begin in range(0, xs.size, _BLOCK):
        end = begin + _BLOCK
        x = xs[begin:end]
        y = ys[begin:end]

        for i in range(x.size):
            along_x = (x[i] - x0) * scale_x
            along_y = (y[i] - y0) * scale_y
            inside_x = (along_x >= 0) & (along_x < end_x)
            inside_y = (along_y >= 0) & (along_y < end_y)
            inside = inside_x & inside_y

            column = i32(along_x)
            row = i32(along_y)
            offset_x = i32(column * stride_x)
            offset_y = i32(row * stride_y)
            offset = i32(base + offset_x + offset_y)
            pixel[i] = offset if inside else i32(0)

        for i in range(x.size):
            place = u32(pixel[i])
            counts[place] += u32(1)

    counts[0] = 0


@numba.njit(cache=True)
def _spread(padded, patch):
    """Return (H, W): for each pixel the counts of all points whose 3 x 3 pattern covers it."""
    height = padded.shape[0] - 2
    width = padded.shape[1] - 2
    spread = np.zeros((height, width), np.uint32)

    for r in range(height):
        line = spread[r]
        for bit in range(9):
            if patch >> bit & 1:
                # the pattern reaches from the point to (dr, dc), so this pixel takes from (-dr, -dc)
                down = bit // 3
                along = bit % 3
                row = r + 2 - down
                left = 2 - along
                right = left + width
                source = padded[row, left:right]
                for c in range(width):
                    total = line[c] + source[c]
                    line[c] = u32(total)

    return spread
