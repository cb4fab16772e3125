"""The chaos game: many chains side by side, counted into pixels.

One chain is bound by the latency of its own arithmetic. Here `LANES` chains advance together, each with its own
xorshift generator, so that the compiler turns every loop into vector code. No fastmath and no ``prange``: the
same seed gives the same counts on every machine.
"""

import math

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.ifs.system import System

LANES = 256
# Chains start at a fixed point, which lies on the attractor; these steps spread them over it.
BURN_IN = 24
MAX_POINTS = 20_000_000
MAX_SIZE = 16_384
FULL_PATCH = 0b111_111_111

u32, i32, u64 = np.uint32, np.int32, np.uint64


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
    return 1 + int(_mix(u64(seed))) % FULL_PATCH


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
    if region is not None and not (np.shape(region) == (4,) and np.isfinite(region).all()):
        raise UsageError(f"render: region must be four finite numbers (x0, y0, x1, y1), got {region}")
    if not 0 <= seed < 2**64:
        raise UsageError(f"render: seed must lie in 0..2**64-1, got {seed}")

    xs, ys = _play(*_padded(system), u64(seed), points, _start(system.maps))
    box = _extent(xs), _extent(ys)
    if not all(map(math.isfinite, box[0] + box[1])):
        raise UsageError("render: the points of the system run to infinity; its maps do not contract")
    (x0, x1), (y0, y1) = box if region is None else ((region[0], region[2]), (region[1], region[3]))
    if region is None:
        x0, x1 = _windowed(x0, x1, window[0], window[2])
        y0, y1 = _windowed(y0, y1, window[1], window[3])

    along_x, along_y = (width, height) if orientation & 1 else (height, width)
    steps = _strides(width + 2, height, width, orientation)
    frame = np.array([x0, y0, _scale(x0, x1, along_x), _scale(y0, y1, along_y)], dtype=np.float32)
    counts = np.zeros((height + 2) * (width + 2), dtype=np.uint32)
    _count(xs, ys, frame, along_x, along_y, *steps, counts)
    counts = counts.reshape(height + 2, width + 2)
    return _spread(counts, patch) if patch else np.ascontiguousarray(counts[1:-1, 1:-1])


@numba.njit(cache=True)
def grey_levels(counts):
    """Return uint8 (H, W): 0 where nothing was counted, else 255 * counts / max, at least 1."""
    peak = u32(1)
    for value in counts.ravel():
        peak = max(peak, value)
    scale = np.float32(255) / np.float32(peak)
    levels = np.empty(counts.shape, np.uint8)
    flat, source = levels.ravel(), counts.ravel()
    for i in range(source.size):
        # counts fit into 31 bits, and a signed conversion is one instruction
        level = i32(np.float32(i32(source[i])) * scale + np.float32(0.5))
        flat[i] = max(level, i32(1)) if source[i] else i32(0)
    return levels


def _start(maps: np.ndarray) -> np.ndarray:
    """Return the fixed point of the first map, (2,) float32: it lies on the attractor if the map contracts."""
    (a, b, e), (c, d, f) = maps[0].tolist()
    det = (1 - a) * (1 - d) - b * c
    if abs(det) < 1e-9:
        return np.zeros(2, dtype=np.float32)
    return np.array([((1 - d) * e + b * f) / det, ((1 - a) * f + c * e) / det], dtype=np.float32)


def _windowed(low, high, scale, shift):
    extent = high - low
    centre = (low + high) / 2 + shift * extent
    return centre - scale * extent / 2, centre + scale * extent / 2


def _scale(low, high, pixels):
    return (pixels - 1) / (high - low) if high > low else 0.0


def _strides(pitch: int, height: int, width: int, orientation: int) -> tuple[int, int, int]:
    """Return offset and strides along x and y in the padded image, so that flips and transpose cost nothing."""
    base, row, column = pitch + 1, pitch, 1
    if orientation & 2:
        base, row = base + (height - 1) * pitch, -pitch
    if orientation & 4:
        base, column = base + width - 1, -1
    return (base, column, row) if orientation & 1 else (base, row, column)


@numba.njit(cache=True)
def _mix(z):
    """Scramble 64 bits (splitmix64)."""
    z = u64(z + u64(0x9E3779B97F4A7C15))
    z = u64((z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9))
    z = u64((z ^ (z >> u64(27))) * u64(0x94D049BB133111EB))
    return u64(z ^ (z >> u64(31)))


@numba.njit(cache=True)
def _play(maps, thresholds, seed, points, start):
    """Return x and y of `points` points, float32; `maps` and `thresholds` come from `_padded`."""
    rows = (points + LANES - 1) // LANES
    xs = np.empty((rows + 1, LANES), np.float32)
    ys = np.empty((rows + 1, LANES), np.float32)
    state = np.empty(LANES, np.uint32)
    choice = np.empty(LANES, np.int32)
    halves = np.empty((2, LANES), np.float32)
    for lane in range(LANES):
        state[lane] = u32(_mix(seed + u64(lane)) >> u64(32)) | u32(1)
        xs[0, lane], ys[0, lane] = start
        xs[1, lane], ys[1, lane] = start
    for t in range(-BURN_IN, rows):
        for lane in range(LANES):
            s = state[lane]
            s = u32(s ^ u32(s << u32(13)))
            s = u32(s ^ u32(s >> u32(17)))
            s = u32(s ^ u32(s << u32(5)))
            state[lane] = s
            choice[lane] = i32(s >> u32(8))
        # During the burn-in rows 0 and 1 take turns; it is even, so that row 0 is the last one written.
        old, new = (t, t + 1) if t >= 0 else (-t % 2, (t + 1) % 2)
        for axis, out in ((0, xs[new]), (1, ys[new])):
            if len(maps) == 4:
                _coordinate(maps[:, axis], thresholds, choice, xs[old], ys[old], out)
            else:
                _coordinate(maps[:4, axis], thresholds, choice, xs[old], ys[old], halves[0])
                _coordinate(maps[4:, axis], thresholds[4:], choice, xs[old], ys[old], halves[1])
                _pick(choice, thresholds[3], halves[0], halves[1], out)
    return xs.ravel()[LANES : LANES + points], ys.ravel()[LANES : LANES + points]


def _padded(system: System) -> tuple[np.ndarray, np.ndarray]:
    """Return maps, (4 or 8, 2, 3) float32, and the first choice of 0..2**24-1 beyond each, int32."""
    room = 4 if len(system.maps) <= 4 else 8
    maps = np.zeros((room, 2, 3), dtype=np.float32)
    maps[: len(system.maps)] = system.maps
    thresholds = np.full(room, 1 << 24, dtype=np.int32)
    thresholds[: len(system.maps) - 1] = np.cumsum(system.probabilities)[:-1] * 2.0**24
    return maps, thresholds


@numba.njit(cache=True)
def _coordinate(rows, thresholds, choice, x, y, out):
    """Write one coordinate of the image of each lane's point under its chosen map; `rows` is (4, 3)."""
    # The choice is made in registers, by comparisons: 1.5 ns a point for both coordinates. Looking the chosen
    # map up in a table takes 3.3 ns, since gathers do not vectorise.
    a0, b0, e0 = rows[0]
    a1, b1, e1 = rows[1]
    a2, b2, e2 = rows[2]
    a3, b3, e3 = rows[3]
    t0, t1, t2 = thresholds[0], thresholds[1], thresholds[2]
    for lane in range(LANES):
        after0, after1, after2 = choice[lane] >= t0, choice[lane] >= t1, choice[lane] >= t2
        a = a3 if after2 else (a2 if after1 else (a1 if after0 else a0))
        b = b3 if after2 else (b2 if after1 else (b1 if after0 else b0))
        e = e3 if after2 else (e2 if after1 else (e1 if after0 else e0))
        out[lane] = a * x[lane] + b * y[lane] + e


@numba.njit(cache=True)
def _pick(choice, threshold, below, above, out):
    for lane in range(LANES):
        low, high = below[lane], above[lane]
        out[lane] = high if choice[lane] >= threshold else low


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
def _count(xs, ys, frame, along_x, along_y, base, stride_x, stride_y, counts):
    """Count each point in its pixel of a padded image; points outside the frame go to pixel 0, the padding."""
    x0, y0, scale_x, scale_y = frame
    end_x, end_y = np.float32(along_x), np.float32(along_y)
    base, stride_x, stride_y = i32(base), i32(stride_x), i32(stride_y)
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
