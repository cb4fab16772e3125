"""Dried water on a plate: rings, haze and specks of what the drops left behind.

A drop that dries carries what is dissolved in it to its pinned outline: a ring of about a tenth of a millimeter,
uneven and broken, often with a second one where the outline was pinned again as the drop shrank; a faint haze and
mineral specks lie inside. Drops that meet have one outline. Water that fell on an older stain dries over it, and
the older one shows.

Lengths are mm from the middle of the plate, x along the columns and y down the rows. The outline lies where a
smooth union of the drops, moved by several octaves of noise, is 0. Along the brushing the finer octaves are
stretched: the grooves pin the water.
"""

from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.splitmix import mix
from synthgen.surface.chance import BOUND
from synthgen.surface.perlin import perlin3_along
from synthgen.surface.stains.drops import Drops
from synthgen.surface.stains.rows import Near, near_rows, renumber, unite
from synthgen.threads import by_bands

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64

MOST_DROPS = 2**16 - 2
# Octaves of the outline: wavelength across the brushing, mm, and how much longer it is along it.
_OCTAVES = np.array([(3.2, 1.2), (1.6, 1.3), (0.8, 1.8), (0.4, 2.5), (0.2, 3.0), (0.1, 3.0)])
# The noise moves an outline by no more than this share of the radius.
_LARGEST_MOVE = 0.5
# Octaves of less than so many pixels are left out.
_FINEST = 3.0
# Drops whose edges are nearer to each other than this share of the smaller radius run together.
_MEET = 0.55
# Wavelengths, mm, of the noise by which rings and haze vary.
_WAVES = (2.3, 0.9, 0.5)
# The ring is no wider than this share of the radius.
_WIDEST = 0.34
# Cells of the specks, mm, each with one at most; and the smallest and the largest radius of a speck, as shares.
_SPECK_CELL = 0.28
_LEAST_SPECK = 0.08
_LARGEST_SPECK = 0.3
_MOST_COVER = 0.92
_FAR = 1e6


class Residue(NamedTuple):
    """How dried water looks.

    Attributes
    ----------
    ring : (float, float)
        Smallest and largest width of the ring, mm.
    contrast : float
        How much of the metal the ring hides, in [0, 1].
    haze : float
        How much of it the haze inside hides.
    specks : float
        Share of places, 0.28 mm apart, that have a speck.
    roughness : float
        Of the outline: the size of each octave of noise, as a share of its wavelength.
    glow : float
        Brightness of what lies on the metal, where 1 is white.
    shift : (float, float, float)
        Where in the noise the plate lies.
    seed : uint64
        Of the specks.
    """

    ring: tuple[float, float]
    contrast: float
    haze: float
    specks: float
    roughness: float
    glow: float
    shift: tuple[float, float, float]
    seed: np.uint64


class Frame(NamedTuple):
    """Where the pixels of a picture lie: x and y of the first one, its side, and the direction of the brushing."""

    left: float
    top: float
    pitch: float
    cosine: float
    sine: float


class Dried(NamedTuple):
    """The stains that dried at one time.

    Attributes
    ----------
    ids : ndarray of uint16, (H, W)
        0, or the number 1..n of the stain; no other pixel was changed.
    points : ndarray of float64, (n, 2)
        x and y of the largest drop of each stain, mm.
    """

    ids: np.ndarray
    points: np.ndarray


class _Line(NamedTuple):
    """A row of the picture while it is painted.

    `u` and `v` are the places along and across the brushing, mm. `out` is the distance to the smooth union of the
    drops, negative inside; `radius`, `strength`, `inner` and `haze` are those of the drops, mixed where they meet.
    `cover` is what the residue hides of the metal, `owner` the nearest drop.
    """

    u: np.ndarray
    v: np.ndarray
    out: np.ndarray
    radius: np.ndarray
    strength: np.ndarray
    inner: np.ndarray
    haze: np.ndarray
    cover: np.ndarray
    owner: np.ndarray


class _Noise(NamedTuple):
    """Room for the noise of a row: the places where it is looked up, and what is found for each of `_WAVES`."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    found: np.ndarray
    waves: np.ndarray


class _Room(NamedTuple):
    """Room for the chords of a row, (n, 2), and for the spans of some rows, (m, 3)."""

    chords: np.ndarray
    spans: np.ndarray


class _Canvas(NamedTuple):
    """What is painted on: the brightness, float32 (H, W), and one more than the drop of each pixel, uint16."""

    picture: np.ndarray
    ids: np.ndarray


def paint_dried(picture: np.ndarray, frame: Frame, drops: Drops, residue: Residue) -> list[Dried]:
    """Paint dried water into a picture of a plate.

    Parameters
    ----------
    picture : ndarray of float32, (H, W)
        Brightness, 1 is white; changed in place.
    frame : Frame
    drops : Drops
    residue : Residue

    Returns
    -------
    list of Dried
        The older stains, and those that fell over them.

    Raises
    ------
    UsageError
        If there are more than 65,534 drops of an age.
    """
    layers = []
    for older in (1.0, 0.0):
        chosen = drops.older == older
        columns = [values[chosen] for values in drops]
        of_age = Drops(*columns)
        layer = _paint_layer(picture, frame, of_age, residue)
        layers.append(layer)
    return layers


def _paint_layer(picture: np.ndarray, frame: Frame, drops: Drops, residue: Residue) -> Dried:
    """Paint the drops that dried at one time."""
    count = len(drops.x)
    if count > MOST_DROPS:
        raise UsageError(f"a plate may have at most {MOST_DROPS} drops, got {count}; take larger cells")

    height, _ = picture.shape
    ids = np.zeros(picture.shape, np.uint16)
    canvas = _Canvas(picture, ids)
    extents = _extents(frame, residue, drops, height)
    near = near_rows(extents, height)

    paint_rows = partial(_paint_rows, canvas, frame, residue, drops, near)
    looked_at = np.concatenate(by_bands(paint_rows, picture.shape))
    parents = np.arange(count, dtype=i32)
    seen = np.zeros(count, bool)
    _join(ids, looked_at, parents, seen)

    points, numbers = _joined(drops, parents, seen)
    renumber(ids, numbers, looked_at)
    return Dried(ids, points)


def _paint_rows(
    canvas: _Canvas, frame: Frame, residue: Residue, drops: Drops, near: Near, first: int, end: int
) -> np.ndarray:
    """Paint some rows, and return the spans of them that were looked at, (row, begin, end)."""
    starts = near.starts[first : end + 1]
    in_a_row = np.diff(starts)
    most = int(in_a_row.max(initial=0))
    room = _Room(
        chords=np.empty((most, 2), np.int64),
        spans=np.empty((starts[-1] - starts[0], 3), np.int64),
    )
    filled = _paint(canvas, frame, residue, drops, near, room, (first, end))
    return room.spans[:filled]


def _extents(frame: Frame, residue: Residue, drops: Drops, height: int) -> np.ndarray:
    """Return the first row that each drop can reach and the one after its last, (n, 2); equal if none."""
    reach = reach_of(drops.radius, residue.roughness) + frame.pitch
    below = drops.y - frame.top
    first = np.floor((below - reach) / frame.pitch)
    last = np.ceil((below + reach) / frame.pitch) + 1
    extents = np.stack([first, last], axis=1)
    bounded = np.clip(extents, 0, height)
    return bounded.astype(np.int64)


def _joined(drops: Drops, parents: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of the largest drop of each stain that is seen, and the stain of each drop, 0 for none."""
    roots = _roots_of(parents)
    stained = np.zeros(len(roots), bool)
    stained[roots[seen]] = True
    stains = np.cumsum(stained) * stained
    of_drop = stains[roots]
    numbers = np.zeros(len(roots) + 1, np.uint16)
    numbers[1:] = of_drop

    # from small to large: the last one written is the largest
    order = np.argsort(drops.radius, kind="stable")
    count = int(stained.sum())
    points = np.zeros((count + 1, 2))
    owners = of_drop[order]
    points[owners, 0] = drops.x[order]
    points[owners, 1] = drops.y[order]
    return points[1:], numbers


@numba.njit(cache=True)
def _root(parents, drop):
    """Return the drop that stands for all that one has run together with."""
    above = parents[drop]
    while above != drop:
        parents[drop] = parents[above]
        drop = parents[drop]
        above = parents[drop]
    return drop


@numba.njit(cache=True)
def _roots_of(parents):
    roots = np.empty(len(parents), np.int64)
    for drop in range(len(parents)):
        roots[drop] = _root(parents, drop)
    return roots


@numba.njit(cache=True)
def reach_of(radii, roughness):
    """Return how far from its middle each drop can wet the plate or change how another one does, mm."""
    reaches = np.empty(len(radii))
    for n in range(len(radii)):
        radius = radii[n]
        noise = 0.0
        for octave in range(len(_OCTAVES)):
            wave = _OCTAVES[octave, 0]
            noise += BOUND * min(wave, radius)

        most = _LARGEST_MOVE * radius
        move = min(roughness * noise, most)
        bridge = 0.25 * _MEET * radius
        reaches[n] = radius + move + bridge
    return reaches


@numba.njit(cache=True, nogil=True)
def _paint(canvas, frame, residue, drops, near, room, rows):
    """Paint some rows, one by one; return how many spans were looked at."""
    picture, ids = canvas
    chords, spans = room
    top, bottom = rows
    width = picture.shape[1]
    most = f32(_LARGEST_MOVE)
    none = f32(0)
    line = _new_line(width)
    noise = _new_noise(width)
    starts = near.starts
    things = near.things
    reaches = reach_of(drops.radius, residue.roughness)
    count = 0

    for r in range(top, bottom):
        begin = starts[r]
        end = starts[r + 1]
        reaching = things[begin:end]
        y = frame.top + r * frame.pitch
        _fill_chords(frame, drops, reaches, reaching, y, chords, width)
        first = count
        count = unite(chords, len(reaching), r, spans, count)
        for n in range(first, count):
            start = spans[n, 1]
            stop = spans[n, 2]
            _lay_out(frame, y, start, stop, line)
        for n in range(len(reaching)):
            _wet(frame, drops, reaching[n], y, chords[n], line)

        for n in range(first, count):
            start = spans[n, 1]
            stop = spans[n, 2]
            reached = _wet_part(frame, line, (start, stop), most)
            _roughen(frame, residue, line, noise, reached)
            span = _wet_part(frame, line, reached, none)
            _leave_residue(frame, residue, line, noise, span)
            _sprinkle(frame, residue, y, line, noise, span)
            _put(picture[r], ids[r], frame, residue.glow, line, span)
    return count


@numba.njit(cache=True)
def _new_line(width):
    return _Line(
        u=np.empty(width, f32),
        v=np.empty(width, f32),
        out=np.empty(width, f32),
        radius=np.empty(width, f32),
        strength=np.empty(width, f32),
        inner=np.empty(width, f32),
        haze=np.empty(width, f32),
        cover=np.empty(width, f32),
        owner=np.empty(width, i32),
    )


@numba.njit(cache=True)
def _new_noise(width):
    return _Noise(
        x=np.empty(width, f32),
        y=np.empty(width, f32),
        z=np.empty(width, f32),
        found=np.empty(width, f32),
        waves=np.empty((len(_WAVES), width), f32),
    )


@numba.njit(cache=True)
def _fill_chords(frame, drops, reaches, reaching, y, chords, width):
    """Write the first column of a row that each drop can reach and the one after its last, (n, 2)."""
    xs = drops.x
    ys = drops.y
    for n in range(len(reaching)):
        drop = reaching[n]
        reach = reaches[drop] + frame.pitch
        down = y - ys[drop]
        left = reach * reach - down * down
        half = np.sqrt(max(left, 0.0))

        right = xs[drop] - frame.left
        nearest = right - half
        farthest = right + half
        begin = np.floor(nearest / frame.pitch)
        end = np.ceil(farthest / frame.pitch) + 1
        chords[n, 0] = min(max(begin, 0), width)
        chords[n, 1] = min(max(end, 0), width)


@numba.njit(cache=True)
def _lay_out(frame, y, begin, end, line):
    """Write the places of a span of a row, which no drop has wet yet."""
    u = line.u[begin:end]
    v = line.v[begin:end]
    cosine = frame.cosine
    sine = frame.sine
    for n in range(len(u)):
        column = begin + n
        x = frame.left + column * frame.pitch
        along = cosine * x + sine * y
        across = cosine * y - sine * x
        u[n] = f32(along)
        v[n] = f32(across)

    line.out[begin:end] = f32(_FAR)
    line.owner[begin:end] = -1
    for values in (line.radius, line.strength, line.inner, line.haze):
        values[begin:end] = 0


@numba.njit(cache=True)
def _wet(frame, drops, drop, y, chord, line):
    """Unite a drop with those before it, along a row: smoothly, where they meet."""
    begin, end = chord
    x = drops.x[drop]
    size = f32(drops.radius[drop])
    strength = f32(drops.strength[drop])
    second = f32(drops.inner[drop])
    film = f32(drops.haze[drop])
    down = y - drops.y[drop]
    start = frame.left + begin * frame.pitch - x

    out = line.out[begin:end]
    radius = line.radius[begin:end]
    strengths = line.strength[begin:end]
    inner = line.inner[begin:end]
    haze = line.haze[begin:end]
    owner = line.owner[begin:end]
    for n in range(len(out)):
        right = start + n * frame.pitch
        away = np.sqrt(right * right + down * down)
        distance = f32(away) - size
        before = out[n]

        # the polynomial smooth minimum; `share` is that of this drop
        smaller = min(size, radius[n])
        width = max(f32(_MEET) * smaller, f32(1e-4))
        gap = abs(distance - before) / width
        close = max(f32(1) - gap, f32(0))
        bridge = close * close
        half = f32(0.5) * bridge
        nearer = distance < before
        share = f32(1) - half if nearer else half
        out[n] = min(distance, before) - f32(0.5) * width * half
        owner[n] = drop if nearer else owner[n]

        radius[n] += share * (size - radius[n])
        strengths[n] += share * (strength - strengths[n])
        inner[n] += share * (second - inner[n])
        haze[n] += share * (film - haze[n])


@numba.njit(cache=True)
def _fill_noise(line, noise, span, wave, stretch, shift):
    """Write noise of a wavelength, mm, across the brushing and of a longer one along it."""
    begin, end = span
    u = line.u[begin:end]
    v = line.v[begin:end]
    x = noise.x[begin:end]
    y = noise.y[begin:end]
    z = noise.z[begin:end]
    across = f32(1 / wave)
    along = f32(1 / (wave * stretch))
    right = f32(shift[0])
    down = f32(shift[1])
    for n in range(len(u)):
        x[n] = along * u[n] + right
        y[n] = across * v[n] + down
    z[:] = f32(shift[2])
    perlin3_along(x, y, z, noise.found[begin:end])


@numba.njit(cache=True)
def _roughen(frame, residue, line, noise, span):
    """Move the outline by octaves of noise, the finest left out."""
    begin, end = span
    out = line.out[begin:end]
    radius = line.radius[begin:end]
    found = noise.found[begin:end]
    move = noise.waves[0, begin:end]
    move[:] = 0
    x, y, z = residue.shift
    finest = _FINEST * frame.pitch
    for octave in range(len(_OCTAVES)):
        wave, stretch = _OCTAVES[octave]
        if wave < finest:
            continue
        of_octave = z + 7.3 * octave
        _fill_noise(line, noise, span, wave, stretch, (x, y, of_octave))
        longest = f32(wave)
        for n in range(len(out)):
            move[n] += min(longest, radius[n]) * found[n]

    roughness = f32(residue.roughness)
    for n in range(len(out)):
        most = f32(_LARGEST_MOVE) * radius[n]
        wanted = roughness * move[n]
        out[n] -= min(max(wanted, -most), most)


@numba.njit(cache=True)
def _wet_part(frame, line, span, move):
    """Return the part of a span from the first pixel that is wet, or may be after a move, to the last one.

    `move` is that of the outline, as a share of the radius. Empty where all is dry.
    """
    begin, end = span
    out = line.out
    radius = line.radius
    edge = f32(0.5 * frame.pitch)
    while begin < end:
        reach = edge + move * radius[begin]
        if out[begin] < reach:
            break
        begin += 1

    while begin < end:
        last = end - 1
        reach = edge + move * radius[last]
        if out[last] < reach:
            break
        end = last
    return begin, end


@numba.njit(cache=True)
def _leave_residue(frame, residue, line, noise, span):
    """Write how much of the metal ring, second ring and haze hide, pixel by pixel."""
    begin, end = span
    x, y, z = residue.shift
    for wave in range(len(_WAVES)):
        of_wave = z - 5.7 * (wave + 1)
        _fill_noise(line, noise, span, _WAVES[wave], 1.2, (x, y, of_wave))
        noise.waves[wave, begin:end] = noise.found[begin:end]

    longs = noise.waves[0, begin:end]
    middles = noise.waves[1, begin:end]
    shorts = noise.waves[2, begin:end]
    out = line.out[begin:end]
    radii = line.radius[begin:end]
    strengths = line.strength[begin:end]
    inners = line.inner[begin:end]
    hazes = line.haze[begin:end]
    cover = line.cover[begin:end]

    least, most = residue.ring
    pitch = frame.pitch
    for n in range(len(out)):
        depth = -out[n]
        radius = radii[n]
        long = longs[n]
        middle = middles[n]
        short = shorts[n]
        share = _clipped(0.42 + 0.9 * middle - 0.5 * long)
        wanted = least + (most - least) * share
        width = min(wanted, _WIDEST * radius)

        # the ring, broken where little was left
        left = _clipped(0.66 + 1.2 * long + 0.7 * short)
        kept = max(left, 0.04)
        hidden = kept * _ring(depth, width, pitch)

        # the second one, where the outline was pinned again
        inner = inners[n]
        there = _clipped(4.0 * inner)
        pinned = _clipped(0.55 + 1.5 * short - 0.9 * long)
        drawn_in = inner + 0.16 * middle + 0.12 * long
        place = depth - radius * drawn_in
        again = _ring(place, 0.8 * width, pitch)
        hidden += 0.62 * there * pinned * again

        # the haze, thicker towards the outline
        away = depth / (0.28 * radius + 1e-6)
        thick = 0.4 + 0.9 / (1.0 + away * away)
        film = thick * max(0.75 + 1.1 * middle, 0.1)
        ring = residue.contrast * hidden
        haze = residue.haze * hazes[n] * film
        cover[n] = strengths[n] * (ring + haze)


@numba.njit(cache=True)
def _clipped(value):
    return min(max(value, 0.0), 1.0)


@numba.njit(cache=True)
def _ring(depth, width, pitch):
    """Return the profile of a ring: steep outside, running out inwards; no finer than a pixel shows."""
    seen = width + 0.7 * pitch
    place = depth / seen
    rise = _clipped(4.0 * place + 0.3)
    fall = _clipped(1.1 - 0.85 * place)
    sharp = width / seen
    return sharp * rise * fall * fall


@numba.njit(cache=True)
def _sprinkle(frame, residue, y, line, noise, span):
    """Add mineral specks inside the outline: one in some cells of a fine grid."""
    if residue.specks <= 0.0 or frame.pitch > 0.5 * _SPECK_CELL:
        return

    begin, end = span
    row = np.floor(y / _SPECK_CELL)
    number = u64(i32(row))
    root = mix(residue.seed + number)
    column = -(2.0**30)
    speck = (0.0, 0.0, 0.0, 0.0, 0.0)
    for c in range(begin, end):
        depth = -line.out[c]
        if depth < 0.0:
            continue
        x = frame.left + c * frame.pitch
        of_pixel = np.floor(x / _SPECK_CELL)
        if of_pixel != column:
            column = of_pixel
            speck = _speck(root, column, row)

        middle_x, middle_y, radius, hidden, chance = speck
        thick = max(0.4 + 3.0 * noise.waves[1, c], 0.0)
        crowd = residue.specks * line.haze[c] * thick
        if chance >= crowd:
            continue
        right = x - middle_x
        down = y - middle_y
        square = right * right + down * down
        inwards = radius - np.sqrt(square)
        share = _clipped(inwards / frame.pitch + 0.5)
        line.cover[c] += f32(hidden * share)


@numba.njit(cache=True)
def _speck(root, column, row):
    """Return x, y, radius and cover of the speck of a cell, and the chance below which it is there."""
    number = u64(i32(column))
    first = mix(root + number)
    second = mix(first)
    third = mix(second)
    small = _part(third)
    span = _LARGEST_SPECK - _LEAST_SPECK
    share = _LEAST_SPECK + span * small * small
    radius = share * _SPECK_CELL

    # all of it lies in its cell
    free = _SPECK_CELL - 2.0 * radius
    half = u64(32)
    right = free * _part(first)
    down = free * _part(first >> half)
    left = column * _SPECK_CELL
    top = row * _SPECK_CELL
    x = left + radius + right
    y = top + radius + down
    hidden = 0.12 + 0.4 * _part(second)
    chance = _part(second >> half)
    return x, y, radius, hidden, chance


@numba.njit(cache=True)
def _part(bits):
    """Return a number in the open interval (0, 1) from the lower 32 bits."""
    lower = np.float64(u32(bits))
    middle = lower + 0.5
    return middle * 2.0**-32


@numba.njit(cache=True)
def _put(picture, ids, frame, glow, line, span):
    """Write a span into a row of the picture, where it lies in a stain."""
    begin, end = span
    owner = line.owner
    cover = line.cover
    out = line.out
    pitch = frame.pitch
    for c in range(begin, end):
        edge = _clipped(0.5 - out[c] / pitch)
        if edge <= 0.0:
            continue
        most = min(cover[c], _MOST_COVER)
        hidden = f32(edge * most)
        change = f32(glow) - picture[c]
        picture[c] += hidden * change
        ids[c] = owner[c] + 1


@numba.njit(cache=True, nogil=True)
def _join(ids, spans, parents, seen):
    """Join drops that own neighboring pixels of a row or of a column, and note which own any."""
    for n in range(len(spans)):
        row, begin, end = spans[n]
        line = ids[row]
        above = ids[max(row - 1, 0)]
        for c in range(begin, end):
            owner = line[c]
            if owner == 0:
                continue
            seen[owner - 1] = True
            before = line[max(c - 1, 0)]
            for other in (above[c], before):
                if other != owner and other != 0:
                    _unite_drops(parents, owner - 1, other - 1)


@numba.njit(cache=True)
def _unite_drops(parents, drop, other):
    """Join two drops, and all that they have run together with."""
    one = _root(parents, drop)
    two = _root(parents, other)
    parents[max(one, two)] = min(one, two)
