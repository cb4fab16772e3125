"""The published picture, written as plainly as NumPy allows: the truth that all engines are compared with.

Float64, trigonometry in place of complex powers, no bounds, no shortcuts. Slow: for pictures of 32 x 32.
"""

import numpy as np

LIGHT = np.array([-10.0, 10.0, 10.0])


def apply_variant(z, power, rule):
    """r^n (..) for points (N, 3): per axis cos or sin, of phi or theta, plus or minus."""
    r = np.linalg.norm(z, axis=1)
    theta = power * np.arccos(z[:, 2] / np.maximum(r, 1e-30))
    phi = power * np.arctan2(z[:, 1], z[:, 0])
    axes = []
    for bits in (rule >> 6 & 7, rule >> 3 & 7, rule & 7):
        angle = theta if bits & 2 else phi
        value = np.sin(angle) if bits & 4 else np.cos(angle)
        axes.append(-value if bits & 1 else value)
    return r[:, None] ** power * np.stack(axes, axis=1)


def distance_and_traps(c, variants, iterations=100):
    """Distance estimate (N,) and traps (N, 3) of points (N, 3); variants are applied in turn."""
    z = c.copy()
    derivative = np.ones(len(c))
    traps = np.full((len(c), 3), 1e10)
    live = np.arange(len(c))
    for _ in range(iterations):
        for power, rule in variants:
            r = np.linalg.norm(z[live], axis=1)
            inside = r <= 4
            live = live[inside]
            if not len(live):
                break

            grown = power * r[inside] ** power
            derivative[live] = grown * derivative[live] + 1
            moved = apply_variant(z[live], power, rule) + c[live]
            z[live] = moved
            traps[live] = np.minimum(traps[live], traps_of(moved))

    r = np.maximum(np.linalg.norm(z, axis=1), 1e-300)
    return 0.5 * np.log(r) * r / derivative, traps


def traps_of(z):
    """The three orbit traps of points (N, 3)."""
    size = np.abs(z)
    height = size[:, 2] ** 0.1
    length = size.sum(axis=1) / 1.5
    return np.stack([height, length, np.linalg.norm(z, axis=1)], axis=1)


def march(start, direction, variants, threshold, steps):
    """Distance along each ray (N,), infinite where nothing is hit."""
    t = np.zeros(len(start))
    answer = np.full(len(start), np.inf)
    live = np.arange(len(start))
    for _ in range(steps):
        distance, _ = distance_and_traps(start[live] + t[live, None] * direction[live], variants)
        hit = distance < threshold
        answer[live[hit]] = t[live[hit]]
        live = live[~hit]
        t[live] += distance[~hit]
        live = live[t[live] < 10]
        if not len(live):
            break
    return answer


def gradient(p, variants, step=0.001):
    """Central differences of the distance estimate, normalised."""
    columns = []
    for axis in np.eye(3):
        above, _ = distance_and_traps(p + step * axis, variants)
        below, _ = distance_and_traps(p - step * axis, variants)
        columns.append(above - below)
    g = np.stack(columns, axis=1)
    return g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-300)


def rotation(angle, first, second):
    """The matrix (3, 3) that turns one axis towards another."""
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second] = -np.sin(angle)
    matrix[second, first] = np.sin(angle)
    return matrix


def towards_light(p):
    """Unit vectors (N, 3) from points to the light."""
    away = LIGHT - p
    return away / np.linalg.norm(away, axis=1, keepdims=True)


def camera(latitude, longitude, size):
    """Camera position (3,) and ray directions (size * size, 3), one through the middle of each pixel."""

    def turned(v):
        return rotation(longitude, 0, 1) @ rotation(latitude, 1, 2) @ v

    forward = turned(np.array([0.0, -1.0, 0.0]))
    up = turned(np.array([0.0, 0.0, 1.0]))
    side = np.cross(forward, up)

    rows, columns = np.mgrid[:size, :size]
    u = ((columns + 0.5) / size - 0.5).ravel()
    v = (0.5 - (rows + 0.5) / size).ravel()
    rays = u[:, None] * side + v[:, None] * up + forward
    return -2.5 * forward, rays / np.linalg.norm(rays, axis=1, keepdims=True)


def draw(variants, latitude, longitude, colors, size):
    """Image in [0, 1] on white, depth and normal, (size, size, ...), with one sample a pixel."""
    eye, rays = camera(latitude, longitude, size)
    depth = march(np.repeat(eye[None], len(rays), 0), rays, variants, 0.001, 1000)
    hit = np.isfinite(depth)
    p = eye + depth[hit, None] * rays[hit]
    normal = gradient(p, variants)
    _, traps = distance_and_traps(p, variants)
    facing = np.maximum(np.sum(towards_light(p) * -normal, axis=1), 0)
    weights = np.clip(traps**10, 0, 1)
    bright = (0.3 + 0.9 * facing) * np.sum(p * p, axis=1)

    start = p + 1e-5 * normal
    shadow = march(start, towards_light(start), variants, 0.0001, 10000)
    lit = 0.2 * np.isinf(shadow)
    color = weights @ np.asarray(colors) * bright[:, None] + lit[:, None]

    image = np.ones((len(rays), 3))
    normals = np.zeros((len(rays), 3))
    image[hit] = np.clip(color, 0, 1)
    normals[hit] = normal
    return image.reshape(size, size, 3), depth.reshape(size, size), normals.reshape(size, size, 3)
