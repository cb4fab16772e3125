"""Textures of 256 x 256 on one core, kind by kind, against the usual way with NumPy and SciPy.

The usual way: noise by a Fourier transform of the whole tile, cells by a k-d tree over scattered points, dead
leaves painted disc by disc with a mask each. Each makes one gray field; ours is whole images, with colors, relief,
light and grain. Then the mixture that `synthgen textures` draws, images of several textures, and windows of
stored textures. Neither is encoded.

    python benchmarks/textures.py
"""

from functools import partial

import numpy as np
from scipy.spatial import cKDTree
from timing import compare, on_one_core

from synthgen.families import textures
from synthgen.families.textures import KINDS, Options
from synthgen.texture.stored import store, window
from synthgen.texture.view import View

SIDE = 256
SIZE = (SIDE, SIDE)
IMAGES = 24
WINDOWS = 200


def plain_spectral(rng: np.random.Generator) -> np.ndarray:
    """Return noise of a power law: white noise, filtered by a Fourier transform."""
    rows = np.fft.fftfreq(SIDE)[:, None]
    columns = np.fft.rfftfreq(SIDE)
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1
    white = np.fft.rfft2(rng.standard_normal(SIZE))
    return np.fft.irfft2(white * frequency**-1.5, s=SIZE)


def plain_cellular(rng: np.random.Generator) -> np.ndarray:
    """Return the distance to the border of the nearest two of 400 points."""
    centers = rng.uniform(0, SIDE, (400, 2))
    pixels = np.indices(SIZE).reshape(2, -1).T
    distances, _ = cKDTree(centers).query(pixels, k=2)
    return (distances[:, 1] - distances[:, 0]).reshape(SIZE)


def plain_leaves(rng: np.random.Generator) -> np.ndarray:
    """Return 3,000 discs painted over each other, the first at the bottom."""
    image = np.zeros(SIZE)
    for _ in range(3000):
        radius = 2 / rng.uniform(0.08, 1)
        row, column = rng.uniform(0, SIDE, 2)
        top = max(0, int(row - radius))
        left = max(0, int(column - radius))
        part = image[top : int(row + radius) + 2, left : int(column + radius) + 2]
        rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
        inside = (rows + top - row) ** 2 + (columns + left - column) ** 2 < radius**2
        part[inside] = rng.random()
    return image


def plainly(draw, images: int) -> None:
    """Draw images the usual way."""
    for number in range(images):
        draw(np.random.default_rng(number))


def ours(images: int = IMAGES, **options) -> None:
    """Draw images of different textures, parameters included."""
    resolved = textures.resolve(Options(**options), 10_000)
    for label in range(images):
        params = textures.sample(resolved, 0, label, 0)
        textures.draw(params, SIZE)


def windows(stored: np.ndarray) -> None:
    """Cut windows out of a stored texture."""
    rng = np.random.default_rng(0)
    for _ in range(WINDOWS):
        row, column = rng.uniform(250, 350, 2)
        view = View((row, column), 1.2, 20.0, mirrored=True)
        window(stored, view, SIZE, contrast=1.1)


if __name__ == "__main__":
    on_one_core()
    for name, plain in (("spectral", plain_spectral), ("cellular", plain_cellular), ("leaves", plain_leaves)):
        print(f"{name}:")
        works = {
            "usual way, one gray field": (partial(plainly, plain, 4), 4),
            "ours, whole images": (partial(ours, kinds=(name,), warps=0.0, mixtures=0.0), IMAGES),
        }
        compare(works, "images", rounds=3)

    print("other kinds:")
    others = [name for name in KINDS if name not in ("spectral", "cellular", "leaves")]
    works = {name: (partial(ours, kinds=(name,), warps=0.0, mixtures=0.0), IMAGES) for name in others}
    compare(works, "images", rounds=3)

    print("all kinds, warped and mixed as by default:")
    texture = textures.texture_of(Options(), 0, 0)
    works = {
        "one texture an image": (partial(ours, 2 * IMAGES), 2 * IMAGES),
        "one to four": (partial(ours, regions=(1, 4)), IMAGES),
        "windows of a stored texture": (partial(windows, store(texture, 600)), WINDOWS),
    }
    compare(works, "images", rounds=3)
