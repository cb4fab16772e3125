"""The fields of synthgen.texture once more, point by point, in plain Python: slow, and easy to read."""

import math

import numpy as np

ALL = 2**64 - 1


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & ALL
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
    return z ^ (z >> 31)


def derived(seed, number):
    return mix((seed + number * 0x9E3779B97F4A7C15) & ALL)


def hashed(seed, row, column):
    return mix((seed + row * 0xD6E8FEB86659FD93 + column * 0xC2B2AE3D27D4EB4F) & ALL)


def shares(bits):
    """Three numbers in [0, 1)."""
    return (bits >> 40) / 2**24, ((bits >> 16) % 2**24) / 2**24, (bits % 2**16) / 2**16


def ramp(distance, softness):
    return min(max(0.5 + distance / softness, 0), 1)


def fade(t):
    return 6 * t**5 - 15 * t**4 + 10 * t**3


def noise(y, x, seed, turn, frequency):
    """One octave of gradient noise: the four corners of a cell, each with a gradient."""
    cosine, sine = turn
    y, x = frequency * (cosine * y + sine * x), frequency * (cosine * x - sine * y)
    row, column = math.floor(y), math.floor(x)
    total = 0
    for r in (row, row + 1):
        for c in (column, column + 1):
            down, right, _ = shares(hashed(seed, r, c))
            slope = (2 * down - 1) * (y - r) + (2 * right - 1) * (x - c)
            total += slope * fade(1 - abs(y - r)) * fade(1 - abs(x - c))
    return total


def turn_of(octave):
    return math.cos(0.6 + 2.4 * octave), math.sin(0.6 + 2.4 * octave)


def smooth_noise(y, x, seed, period):
    octaves = ((0, 0.9), (1, 0.43))
    parts = [gain * noise(y, x, derived(seed, k), turn_of(k), 2**k / period) for k, gain in octaves]
    return sum(parts) / 0.176


def spectral(shape, y, x, softness):
    exponent, count = shape.form
    ratio = 2 if shape.variant == "power" else 1.37
    total = 0
    for k in range(round(count)):
        frequency = ratio**k
        visible = min(max(2 - 2.5 * frequency * softness, 0), 1)
        gain = visible * frequency**-exponent / 0.176
        total += gain * noise(y, x, derived(shape.seed, k), turn_of(k), frequency)
    return total


def cellular(shape, y, x, softness):
    """Distances to all nine centers around, sorted."""
    jitter, width = shape.form
    seed = derived(shape.seed, 0)
    row, column = math.floor(y), math.floor(x)
    centers = []
    for r in (row - 1, row, row + 1):
        for c in (column - 1, column, column + 1):
            down, right, value = shares(hashed(seed, r, c))
            place = np.array([r + 0.5 + jitter * (down - 0.5), c + 0.5 + jitter * (right - 0.5)])
            centers.append((math.dist(place, (y, x)), tuple(place), value))
    (first, one, value), (second, other, _) = sorted(centers)[:2]

    border = (second**2 - first**2) / (2 * math.dist(one, other))
    dome = min(border / (2 * width + 0.1), 1)
    return {
        "distance": first,
        "walls": border,
        "cracks": ramp(border - width / 2, max(softness, width / 2)),
        "values": 0.5 + (value - 0.5) * ramp(border, softness),
        "pebbles": (0.5 + 0.5 * value) * math.sqrt(dome * (2 - dome)),
    }[shape.variant]


def things(levels, habit, y, x):
    """All that is scattered near a point, those in front first: a dict for each."""
    found = []
    for level in levels:
        reach = math.ceil(1.5 * level.most * habit.length / level.cell) + 1
        for row in range(math.floor(y / level.cell) - reach, math.floor(y / level.cell) + reach + 1):
            for column in range(math.floor(x / level.cell) - reach, math.floor(x / level.cell) + reach + 1):
                found += in_cell(level, habit, row, column)
    return sorted(found, key=lambda thing: thing["depth"])


def in_cell(level, habit, row, column):
    bits = hashed(int(level.seed), row, column)
    for _ in range(level.number):
        bits = mix(bits)
        down, right, depth = shares(bits)
        bits = mix(bits)
        size, long, value = shares(bits)
        bits = mix(bits)
        radius = level.least + (level.most - level.least) * size
        yield {
            "row": level.cell * (row + down),
            "column": level.cell * (column + right),
            "depth": int(65536 * depth),
            "radius": radius,
            "length": radius * (1 + (habit.length - 1) * long),
            "value": value,
            "angle": math.pi * habit.spread * (shares(bits)[0] - 0.5),
        }


def offset(thing, y, x):
    """Where a point lies along a thing and across it."""
    down, right = y - thing["row"], x - thing["column"]
    cosine, sine = math.cos(thing["angle"]), math.sin(thing["angle"])
    return cosine * right + sine * down, cosine * down - sine * right


def leaf(variant, thing, along, across):
    """How far inside a leaf a place lies."""
    if variant == "sheared":
        along += 0.5 * across
    if variant == "discs":
        return thing["radius"] - math.hypot(along * thing["radius"] / thing["length"], across)
    return 0.886 * min(thing["length"] - abs(along) / 0.886, thing["radius"] - abs(across) / 0.886)


def over(layers):
    """Layers of (share, level), from the front: what is left of the pixel takes the next one."""
    left, total = 1.0, 0.0
    for share, level in layers:
        total += left * share * level
        left *= 1 - share
        if left < 0.01:
            break
    return total


def leaves(shape, levels, habit, y, x, softness):
    return over(
        (ramp(leaf(shape.variant, thing, *offset(thing, y, x)), softness), thing["value"])
        for thing in things(levels, habit, y, x)
    )


def fibers(shape, levels, habit, y, x, softness):
    layers = []
    for thing in things(levels, habit, y, x):
        along, across = np.abs(offset(thing, y, x))
        radius = thing["radius"]
        share = ramp(radius - across, softness) * ramp(thing["length"] - 2 * radius - along, 4 * radius)
        round_shade = 0.5 * thing["value"] + 1 - 0.6 * min(across / radius, 1) ** 2
        layers.append((share, thing["value"] if shape.variant == "scratches" else round_shade))
    return over(layers)


def stamps(shape, levels, habit, y, x, stamp):
    levels_here = [0.0]
    middle = len(stamp) / 2 - 0.5
    for thing in things(levels, habit, y, x):
        along, across = offset(thing, y, x)
        # down the rows of the stamp, and along its columns
        zoom = (len(stamp) - 2) / 2 / thing["radius"]
        row, column = middle + zoom * across, middle + zoom * along
        if 0 <= row < len(stamp) - 1 and 0 <= column < len(stamp) - 1:
            levels_here.append(between(stamp, row, column) * (0.5 + 0.5 * thing["value"]))
    return sum(levels_here) if shape.variant == "sum" else max(levels_here)


def between(stamp, row, column):
    r, c = int(row), int(column)
    y, x = row - r, column - c
    corners = stamp[r : r + 2, c : c + 2]
    return np.array([1 - y, y]) @ corners @ np.array([1 - x, x])


def thread(across, along, gap):
    side = abs(2 * across - 1) / (1 - gap)
    return 0 if side >= 1 else math.sqrt(1 - side**2) * (1 - 0.55 * (2 * along - 1) ** 2)


def clipped(value):
    return min(max(value, -1), 1)


def periodic(shape, y, x, softness):
    return globals()[shape.variant](derived(shape.seed, 0), shape.form, y, x, softness)


def grating(seed, form, y, x, softness):
    level = (1 + 5 * form[1] ** 2) * math.sin(2 * math.pi * y)
    return clipped(level) + form[3] * (shares(hashed(seed, math.floor(y + 0.25), 0))[0] - 0.5)


def checks(seed, form, y, x, softness):
    x /= form[0]
    level = (1 + 5 * form[1] ** 2) ** 2 * math.sin(2 * math.pi * y) * math.sin(2 * math.pi * x)
    return clipped(level) + form[3] * (shares(hashed(seed, math.floor(2 * y), math.floor(2 * x)))[0] - 0.5)


def weave(seed, form, y, x, softness, over=1):
    x /= form[0]
    row, column = math.floor(y), math.floor(x)
    gap = 0.05 + 0.3 * form[1]
    place = (column - row) % (2 * over)
    if place < over:
        height = thread(y - row, (place + x - column) / over, gap)
        own = hashed(seed, row, 2**40)
    else:
        height = thread(x - column, ((row - column - 1) % (2 * over) + y - row) / over, gap)
        own = hashed(seed, 2**40, column)
    return height * (1 + form[3] * (shares(own)[0] - 0.5))


def twill(seed, form, y, x, softness):
    return weave(seed, form, y, x, softness, over=2)


def bricks(seed, form, y, x, softness):
    ratio, width, shift, variety = form
    row = math.floor(y)
    x = x / ratio + shift * row
    column = math.floor(x)
    bright, joint, _ = shares(hashed(seed, row, column))
    to_edge = min(y - row, row + 1 - y, (x - column) * ratio, (column + 1 - x) * ratio)
    inside = to_edge - (0.03 + 0.12 * width) * (0.8 + 0.4 * joint)
    brick = 0.85 + 0.15 * ramp(inside, 0.3) + variety * (bright - 0.5)
    return brick * ramp(inside, max(softness, 0.02))


def dots(seed, form, y, x, softness):
    _, width, shift, variety = form
    row = math.floor(y)
    x += shift * row
    column = math.floor(x)
    down, right, _ = shares(hashed(seed, row, column))
    radius = 0.16 + 0.26 * width
    room = 0.6 * (0.5 - radius) * variety
    middle = row + 0.5 + room * (2 * down - 1), column + 0.5 + room * (2 * right - 1)
    own = radius * (1 - 0.5 * variety * down)
    return ramp(own - math.dist(middle, (y, x)), max(softness, 0.03 + 0.2 * (1 - width)))


def hexagons(seed, form, y, x, softness):
    """The nearest of all centers around, and the distance to the nearest of its six sides."""
    _, width, _, variety = form
    height = math.sqrt(3)
    centers = []
    for row in range(math.floor(2 * y / height) - 3, math.floor(2 * y / height) + 4):
        for column in range(math.floor(x) - 3, math.floor(x) + 4):
            place = row * height / 2, column + 0.5 * (row % 2)
            centers.append((math.dist(place, (y, x)), row, column, place))
    _, row, column, (middle_y, middle_x) = min(centers)
    sides = [
        (x - middle_x) * math.cos(angle) + (y - middle_y) * math.sin(angle) for angle in np.arange(6) * math.pi / 3
    ]
    inside = 0.5 - max(sides) - (0.04 + 0.12 * width)
    bright = shares(hashed(seed, row, column))[0]
    return ramp(inside, max(softness, 0.06)) * (1 + variety * (bright - 0.5))


def knit(seed, form, y, x, softness):
    ratio, width, _, variety = form
    x = 2 * x / ratio
    column = math.floor(x)
    x -= column
    y += 0.9 * (x if column % 2 else 1 - x)
    row = math.floor(y)
    bright = shares(hashed(seed, row, column // 2))[0]
    return thread(y - row, x, 0.05 + 0.25 * width) * (1 + variety * (bright - 0.5))


def wood(shape, y, x, softness):
    waver, sharpness, pores = shape.form
    seed = derived(shape.seed, 1)
    place = y + waver * smooth_noise(y, x / 10, derived(shape.seed, 0), 6)
    ring = math.floor(place)
    place -= ring
    late = place / (place + sharpness * (1 - place))
    level = 1 - late * min(place / max(0.06, 1.5 * softness), 1)
    level *= 0.7 + 0.6 * shares(hashed(seed, ring, 0))[0]

    row = math.floor(8 * y)
    column = math.floor(0.5 * x + 97 * shares(hashed(seed, row, 1))[1])
    pore = shares(hashed(seed, row, column + 2))[0]
    return level - pores * max(1 - pore / 0.12, 0)


def gabor(shape, levels, habit, y, x):
    total = 0.0
    for thing in things(levels, habit, y, x):
        along, across = offset(thing, y, x)
        bell = max(1 - along**2 - across**2, 0) ** 2
        total += (2 * thing["value"] - 1) * bell * math.cos(2 * math.pi * shape.form[0] * across)
    return total


def craters(levels, habit, y, x):
    depths = [0.0]
    for thing in things(levels, habit, y, x):
        square = sum(part**2 for part in offset(thing, y, x))
        depths.append(square / thing["radius"] - thing["radius"])
    return min(depths)


def reacted(food, eater, feed, kill, spreads, steps):
    """Gray and Scott's equations on a torus, by shifted arrays."""

    def laplacian(values):
        return sum(np.roll(values, shift, axis) for shift in (-1, 1) for axis in (0, 1)) - 4 * values

    for _ in range(steps):
        eaten = food * eater**2
        food, eater = (
            food + spreads[0] * laplacian(food) - eaten + feed * (1 - food),
            eater + spreads[1] * laplacian(eater) + eaten - (feed + kill) * eater,
        )
    return eater
