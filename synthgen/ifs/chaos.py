"""The chaos game: many chains side by side, counted into pixels.

One chain is bound by the latency of its own arithmetic. Here `LANES` chains advance together, each with its own
xorshift generator, so that the compiler turns every loop into vector code. No fastmath and no ``prange``: the
same seed gives the same counts on every machine.
"""

import math
import threading

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
_kept = threading.local()
_AROUND_POINTS = np.full(4, np.nan)  # stands for no region in compiled code

f32, u32, i32, u64 = np.float32, np.uint32, np.int32, np.uint64


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
    counts = density(system, size, points, seed, patch=_patch_of(seed) if patch else 0, region=region)
    peak = counts.max()
    return counts.astype(np.float32) / np.float32(peak if peak > 0 else 1)


def _patch_of(seed: int) -> int:
    """Return nine random bits, at least one of them set."""
    return 1 + int(mix(u64(seed))) % FULL_PATCH


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
        multiplied by the scale, its centre moved by the shift times the extent.
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
    height, width = (size, size) if isinstance(size, int | np.integer) else size
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise UsageError(f"render: size must lie in 1..{MAX_SIZE}, got {size}")
    if not 1 <= points <= MAX_POINTS:
        raise UsageError(f"render: points must lie in 1..{MAX_POINTS}, got {points}")
    if region is not None:
        if not (np.shape(region) == (4,) and np.isfinite(region).all()):
            raise UsageError(f"render: region must be four finite numbers (x0, y0, x1, y1), got {region}")
        if region[0] >= region[2] or region[1] >= region[3]:
            raise UsageError(f"render: region must have x0 < x1 and y0 < y1, got {region}")
    if not 0 <= seed < 2**64:
        raise UsageError(f"render: seed must lie in 0..2**64-1, got {seed}")

    if not 0 <= patch <= FULL_PATCH:
        raise UsageError(f"render: patch must lie in 0..{FULL_PATCH}, got {patch}")
    frame = _AROUND_POINTS if region is None else np.array(region, dtype=np.float64)
    xs, ys = play(system, points, seed)
    counts = _counted(xs, ys, height, width, patch, frame, tuple(map(float, window)), orientation)
    if counts.size == 0:
        raise UsageError("render: the points of the system run to infinity; its maps do not contract")
    return counts


def play(system: System, points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of points of the chaos game, float32 (points,), valid until the next call of this thread."""
    xs, ys = _workspace(points)
    _play(*_as_tuples(system), u64(seed), xs, ys)
    used = slice(LANES, LANES + points)
    return xs.ravel()[used], ys.ravel()[used]


def _workspace(points: int):
    """Return room for the coordinates of all points, kept from one image to the next.

    Given back to the system and faulted in again each time it would cost 0.3 ms an image.
    """
    rows = (points + LANES - 1) // LANES + 1
    if len(getattr(_kept, "space", "")) < 2 * rows:
        _kept.space = np.empty((2 * rows, LANES), np.float32)
    return _kept.space[:rows], _kept.space[rows : 2 * rows]


@numba.njit(cache=True)
def grey_levels(counts):
    """Return uint8 (H, W): 0 where nothing was counted, else 255 * counts / max, at least 1."""
    # counts fit into 31 bits, and signed numbers keep all of this vector code
    source = counts.ravel().view(np.int32)
    peak = i32(1)
    for i in range(source.size):
        peak = max(peak, source[i])
    scale = np.float32(255) / np.float32(peak)
    levels = np.empty(counts.shape, np.uint8)
    flat = levels.ravel()
    for i in range(source.size):
        level = i32(np.float32(source[i]) * scale + np.float32(0.5))
        least = i32(1) if source[i] > i32(0) else i32(0)
        flat[i] = np.uint8(max(level, least))
    return levels


@numba.njit(cache=True)
def _counted(xs, ys, height, width, patch, region, window, orientation):
    """Return the counts, uint32 (H, W), or an empty array if points run to infinity."""
    x0, x1 = _extent(xs)
    y0, y1 = _extent(ys)
    if not (math.isfinite(x0) and math.isfinite(x1) and math.isfinite(y0) and math.isfinite(y1)):
        return np.empty((0, 0), np.uint32)
    if math.isnan(region[0]):
        x0, x1 = _windowed(x0, x1, window[0], window[2])
        y0, y1 = _windowed(y0, y1, window[1], window[3])
    else:
        x0, y0, x1, y1 = region
    along_x, along_y = (width, height) if orientation & 1 else (height, width)
    padded = np.zeros((height + 2, width + 2), np.uint32)
    strides = _strides(width + 2, height, width, orientation)
    scales = _scale(x0, x1, along_x), _scale(y0, y1, along_y)
    _count(xs, ys, (np.float32(x0), np.float32(y0)), scales, (along_x, along_y), strides, padded.ravel())
    return _spread(padded, patch) if patch else padded[1:-1, 1:-1].copy()


@numba.njit(cache=True)
def _windowed(low, high, scale, shift):
    if scale == 1 and shift == 0:
        return low, high  # exactly: rounding must not push the outermost points over the edge
    extent = high - low
    centre = (low + high) / 2 + shift * extent
    return centre - scale * extent / 2, centre + scale * extent / 2


@numba.njit(cache=True)
def _scale(low, high, pixels):
    return np.float32((pixels - 1) / (high - low)) if high > low else np.float32(0)


@numba.njit(cache=True)
def _strides(pitch, height, width, orientation):
    """Return offset and strides along x and y in the padded image, so that flips and transpose cost nothing."""
    base, row, column = pitch + 1, pitch, 1
    if orientation & 2:
        base, row = base + (height - 1) * pitch, -pitch
    if orientation & 4:
        base, column = base + width - 1, -1
    return (base, column, row) if orientation & 1 else (base, row, column)


def _as_tuples(system: System):
    """Return rows (float32), thresholds and start of a system for `_play`, as tuples."""
    rows = tuple(map(tuple, system.maps.astype(np.float32).reshape(-1, 6)))
    # map k is chosen by random numbers of 24 bits from threshold k on
    thresholds = (0, *(np.cumsum(system.probabilities[:-1]) * 2.0**24).astype(int).tolist())
    a, b, e, c, d, f = map(float, rows[0])
    # A fixed point lies on the attractor, if its map contracts
    det = (1 - a) * (1 - d) - b * c
    start = (((1 - d) * e + b * f) / det, ((1 - a) * f + c * e) / det) if abs(det) > 1e-9 else (0.0, 0.0)
    return rows, thresholds, start


@numba.njit(cache=True)
def _play(rows, thresholds, start, seed, xs, ys):
    """Fill rows 1 and on of `xs` and `ys`, float32 (steps + 1, LANES), with points; row 0 is the state before."""
    # Maps come as tuples: their number is a constant for the compiler, which unrolls the choice into comparisons
    # of registers, 1 ns a point. Looking the chosen map up in a table takes 3.3 ns: gathers do not vectorise.
    state = np.empty(LANES, np.uint32)
    for lane in range(LANES):
        state[lane] = u32(mix(seed + u64(lane)) >> u64(32)) | u32(1)
        xs[0, lane], ys[0, lane] = start
    for t in range(-BURN_IN, len(xs) - 1):
        # During the burn-in rows 0 and 1 take turns; it is even, so that row 0 is the last one written.
        old, new = (t, t + 1) if t >= 0 else (-t % 2, (t + 1) % 2)
        x, y, new_x, new_y = xs[old], ys[old], xs[new], ys[new]
        for lane in range(LANES):
            s = state[lane]
            s = u32(s ^ u32(s << u32(13)))
            s = u32(s ^ u32(s >> u32(17)))
            s = u32(s ^ u32(s << u32(5)))
            state[lane] = s
            choice = i32(s >> u32(8))
            a, b, e, c, d, f = rows[0]
            for k in range(1, len(rows)):
                row, chosen = rows[k], choice >= i32(thresholds[k])
                a = row[0] if chosen else a
                b = row[1] if chosen else b
                e = row[2] if chosen else e
                c = row[3] if chosen else c
                d = row[4] if chosen else d
                f = row[5] if chosen else f
            new_x[lane] = a * x[lane] + b * y[lane] + e
            new_y[lane] = c * x[lane] + d * y[lane] + f


@numba.njit(cache=True)
def _extent(values):
    """Return (lowest, highest), each not finite if any value is not."""
    # On the bits as ordered integers: min and max of floats do not vectorise without fastmath (0.10 -> 0.02 ms)
    bits = values.view(np.int32)
    low, high = i32(2147483647), i32(-2147483648)
    for i in range(bits.size):
        ordered = i32(bits[i] ^ i32(i32(bits[i] >> 31) & i32(0x7FFFFFFF)))
        low, high = min(low, ordered), max(high, ordered)
    ends = np.empty(2, np.int32)
    ends[0] = low ^ i32(i32(low >> 31) & i32(0x7FFFFFFF))
    ends[1] = high ^ i32(i32(high >> 31) & i32(0x7FFFFFFF))
    low, high = ends.view(np.float32)
    return float(low), float(high)


@numba.njit(cache=True)
def _count(xs, ys, corner, scales, ends, strides, counts):
    """Count each point in its pixel of a padded image; points outside the frame go to pixel 0, the padding."""
    x0, y0 = corner
    scale_x, scale_y = scales
    end_x, end_y = np.float32(ends[0]), np.float32(ends[1])
    base, stride_x, stride_y = i32(strides[0]), i32(strides[1]), i32(strides[2])
    # In blocks, so that all but the increments is vector code: 0.24 -> 0.12 ms for 100,000 points
    block = 1024
    pixel = np.empty(block, np.int32)
    for begin in range(0, xs.size, block):
        x, y = xs[begin : begin + block], ys[begin : begin + block]
        for i in range(x.size):
            row, column = (x[i] - x0) * scale_x, (y[i] - y0) * scale_y
            inside = (row >= 0) & (row < end_x) & (column >= 0) & (column < end_y)
            pixel[i] = i32(base + i32(i32(row) * stride_x) + i32(i32(column) * stride_y)) if inside else i32(0)
        for i in range(x.size):
            counts[u32(pixel[i])] += u32(1)
    counts[0] = 0


@numba.njit(cache=True)
def _spread(padded, patch):
    """Return (H, W): for each pixel the counts of all points whose 3 x 3 pattern covers it."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    out = np.zeros((height, width), np.uint32)
    for r in range(height):
        line = out[r]
        for bit in range(9):
            if patch >> bit & 1:
                # the pattern reaches from the point to (dr, dc), so this pixel takes from (-dr, -dc)
                source = padded[r + 2 - bit // 3, 2 - bit % 3 : 2 - bit % 3 + width]
                for c in range(width):
                    line[c] = u32(line[c] + source[c])
    return out
