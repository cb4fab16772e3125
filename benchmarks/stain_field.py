"""A stain field over a plate of 120 x 100 mm in 2448 x 2050 pixels, on one core, against the plain way.

The baseline is Algorithm 1 of Mao et al. 2025 over all pixels in NumPy, row by row so that memory stays small:
nearest of the 27 centers, Perlin noise at every pixel (ours, compiled: NumPy alone would be slower still), the
decay inside.
Centers come ready-made. It takes every 25th row, and its time is given for all of them. Published tools
do less: `defect-synthesis` was seen to take 137 ms for one stain at this size.

    python benchmarks/stain_field.py
"""

import itertools

import numpy as np
from timing import on_one_core, seconds_of

from synthgen.seeding import generator
from synthgen.surface import StainField, pnoise3
from synthgen.surface.plate.water import residue_of, splashes_of
from synthgen.surface.stains.dried import Frame, paint_dried
from synthgen.surface.stains.drops import drops_in
from synthgen.surface.stains.sampled import Wanted, sample_dried

HEIGHT, WIDTH, ROUNDS, EVERY = 2050, 2448, 9, 25
FIELD = {
    "cell_size": 5,
    "radius": (1.25, 2.25),
    "frequency": 0.4,
    "amplitude": 0.3,
    "decay": 3.0,
    "intensity": -0.3,
}
ORIGIN, ROW_STEP, COLUMN_STEP = (-60.0, -50.0, 12.2), (0.0, 100 / HEIGHT, 0.0), (120 / WIDTH, 0.0, 0.0)


def plain(field: StainField, radius: float) -> np.ndarray:
    size = FIELD["cell_size"]
    neighbors = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    out = np.full((len(range(0, HEIGHT, EVERY)), WIDTH), 0.6, np.float32)
    for line, r in zip(out, range(0, HEIGHT, EVERY), strict=True):
        points = np.add(ORIGIN, np.multiply(r, ROW_STEP)) + np.arange(WIDTH)[:, None] * np.array(COLUMN_STEP)
        cells = np.floor(points / size).astype(int)
        firsts, of_pixel = np.unique(cells, axis=0, return_inverse=True)
        centers = field.centers(firsts[:, None] + neighbors)[of_pixel.ravel()]
        distance = np.sqrt(((points[:, None] - centers) ** 2).sum(-1)).min(-1)
        reach = radius + FIELD["amplitude"] * pnoise3(FIELD["frequency"] * points)
        inside = distance <= reach
        line[inside] += (distance[inside] / reach[inside]) ** FIELD["decay"] * FIELD["intensity"]
    return out


def time_dried(plain_seconds: float) -> None:
    """Time dried water at the default density, from the seed to the numbered stains."""
    params = sample_dried(generator(0, 0, 0, "stains"), Wanted(5.0))
    splashes = splashes_of(params)
    look = residue_of(params)
    pitch = 120 / WIDTH
    frame = Frame(left=-60.0, top=-50.0, pitch=pitch, cosine=1.0, sine=0.0)
    picture = np.ones((HEIGHT, WIDTH), np.float32)

    def dry():
        drops = drops_in(splashes, (-60.0, -50.0, 60.0, 50.0))
        return paint_dried(picture, frame, drops, look)

    layers = dry()
    times = sorted(seconds_of(dry) for _ in range(ROUNDS))
    median = times[ROUNDS // 2]
    stains = sum(len(layer.points) for layer in layers)
    cover = np.mean([(layer.ids > 0).mean() for layer in layers]) * len(layers)
    print(
        f"  {'synthgen, dried water':44s} {median * 1e3:10,.1f} ms   x{plain_seconds / median:6.0f}   "
        f"(best {times[0] * 1e3:.1f} ms; {stains} stains, {cover:.0%} of the pixels)"
    )


def main() -> None:
    on_one_core()
    one_radius = StainField(**{**FIELD, "radius": 1.75})
    image = np.full((HEIGHT, WIDTH), 0.6, np.float32)
    one_radius.paint(image, ORIGIN, ROW_STEP, COLUMN_STEP)
    print(f"  largest difference to the plain way {np.abs(image[::EVERY] - plain(one_radius, 1.75)).max():.1e}")
    seconds = seconds_of(lambda: plain(one_radius, 1.75)) * HEIGHT / len(range(0, HEIGHT, EVERY))
    print(f"  {'plain NumPy, all pixels':44s} {seconds * 1e3:10,.1f} ms")
    fields = {
        "synthgen, one radius": one_radius,
        "synthgen, a radius for each stain": StainField(**FIELD),
        "the same with grain and ring": StainField(**FIELD, heterogeneity=0.4, ring=0.1),
    }
    time_dried(seconds)
    for name, field in fields.items():
        times = sorted(
            seconds_of(lambda field=field: field.paint(image, ORIGIN, ROW_STEP, COLUMN_STEP)) for _ in range(ROUNDS)
        )
        painted = field.paint(image, ORIGIN, ROW_STEP, COLUMN_STEP)
        print(
            f"  {name:44s} {times[ROUNDS // 2] * 1e3:10,.1f} ms   x{seconds / times[ROUNDS // 2]:6.0f}   "
            f"(best {times[0] * 1e3:.1f} ms; {len(painted.cells)} stains, {painted.mask.mean():.0%} of the pixels)"
        )


if __name__ == "__main__":
    main()
