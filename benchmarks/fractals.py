"""Drawing fractals end to end on one core: 256 x 256, 100,000 points, RGB PNG in HDF5, against the plain way.

The baseline is what the published generators do: one chain in Numba, the 3 x 3 patch drawn point by point,
color by HSV, a PNG by Pillow, appended to an HDF5 file. It has no mask; ours stores one with every image.

    python benchmarks/fractals.py
"""

import io
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import h5py
import numba
import numpy as np
from PIL import Image
from timing import compare, on_one_core, seconds_of

import synthgen
from synthgen.compose import hue_palette
from synthgen.families import fractals
from synthgen.ifs import chaos
from synthgen.recipe import Recipe
from synthgen.run import make_plan
from synthgen.run.shard import write_shard
from synthgen.shards.codecs import encode

# Ours writes a shard of some size, since what a shard costs by itself is spread over its images.
PLAIN_IMAGES, IMAGES, POINTS, SIZE = 100, 2000, 100_000, 256
SMALL_IMAGES = 4000


@numba.njit(cache=True)
def chain(maps, cumulated, points):
    out = np.empty((points, 2))
    x = y = 0.0
    for i in range(points):
        r = np.random.rand()
        k = 0
        while k < len(cumulated) - 1 and r >= cumulated[k]:
            k += 1
        a, b, e, c, d, f = maps[k].ravel()
        new_x = a * x + b * y + e
        new_y = c * x + d * y + f
        x = new_x
        y = new_y
        out[i, 0] = x
        out[i, 1] = y
    return out


@numba.njit(cache=True)
def draw(points, size, patch):
    xs = points[:, 0]
    ys = points[:, 1]
    low_x = xs.min()
    low_y = ys.min()
    scale_x = (size - 1) / (xs.max() - low_x)
    scale_y = (size - 1) / (ys.max() - low_y)

    image = np.zeros((size, size))
    for i in range(len(points)):
        row = int((xs[i] - low_x) * scale_x)
        column = int((ys[i] - low_y) * scale_y)
        for j in range(len(patch)):
            r = row + patch[j, 0] - 1
            c = column + patch[j, 1] - 1
            if 0 <= r < size and 0 <= c < size:
                image[r, c] += 1
    return image / image.max()


@numba.njit(cache=True)
def colorize(gray, hue, saturation, value):
    hsv = np.zeros((*gray.shape, 3), np.uint8)
    for r in range(gray.shape[0]):
        for c in range(gray.shape[1]):
            if gray[r, c] > 0:
                shifted = int(gray[r, c] * 255 + hue)
                hsv[r, c, 0] = np.uint8(shifted % 256)
                hsv[r, c, 1] = saturation
                hsv[r, c, 2] = value
    return hsv


def plain_images(folder: Path, images: int = PLAIN_IMAGES) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(folder / "plain.h5", "w") as file:
        stored = file.create_dataset("image", (images,), dtype=h5py.vlen_dtype(np.uint8))
        for i in range(images):
            system = synthgen.ifs.sample_system(rng, (2, 4))
            patch = np.argwhere(rng.integers(0, 2, (3, 3)) > 0)
            gray = draw(chain(system.maps, np.cumsum(system.probabilities), POINTS), SIZE, patch)
            hsv = colorize(gray, rng.integers(256), rng.integers(76, 256), rng.integers(128, 256))
            out = io.BytesIO()
            Image.fromarray(hsv, "HSV").convert("RGB").save(out, "PNG")
            stored[i] = np.frombuffer(out.getvalue(), np.uint8)


def our_images(folder: Path, images: int = IMAGES) -> None:
    recipe = Recipe.from_dict(
        {"family": "fractals", "classes": images, "per_class": 1, "storage": {"shard_size": images}}
    )
    (folder / "shards").mkdir(exist_ok=True)
    write_shard(make_plan(recipe), folder, 0, lambda samples: None)


def two_workers(folder: Path) -> None:
    """Print what a second worker gains, on a longer run that makes start-up small."""
    times = {1: [], 2: []}
    recipe = Recipe.from_dict({"family": "fractals", "classes": 300, "per_class": 100})
    for workers in (1, 2, 1, 2):
        run = partial(synthgen.generate, recipe, folder / "run", workers=workers, progress=False)
        times[workers].append(seconds_of(run))
        shutil.rmtree(folder / "run")
    one = min(times[1])
    two = min(times[2])
    print(f"  {recipe.count:,} images: 1 worker {one:.1f} s, 2 workers {two:.1f} s, x{one / two:.2f}")


def small_images(folder: Path) -> None:
    """Print what images of small machines cost, in CPU time: points in proportion to their pixels."""
    (folder / "shards").mkdir(exist_ok=True)
    for side in (32, 64):
        storage = {"shard_size": SMALL_IMAGES}
        values = {"family": "fractals", "size": side, "points": "auto", "classes": SMALL_IMAGES, "per_class": 1}
        plan = make_plan(Recipe.from_dict({**values, "storage": storage}))
        spent = []
        for _ in range(5):
            start = time.process_time()
            write_shard(plan, folder, 0, lambda samples: None)
            spent.append(time.process_time() - start)

        rate = SMALL_IMAGES / min(spent)
        print(f"  {side} x {side}: {rate:,.0f} images in a CPU second")


def stages() -> None:
    """Print where the time of an image goes: each stage alone, over the same images."""
    recipe = make_plan(Recipe.from_dict({"family": "fractals"})).recipe
    options, size = recipe.options, recipe.size
    params = [fractals.sample(options, 0, label, 0) for label in range(300)]
    systems = [synthgen.ifs.System(p["maps"]) for p in params]

    def count(i):
        return synthgen.ifs.density(systems[i], size, POINTS, 0, patch=params[i]["patch"])

    counts = [count(i) for i in range(len(params))]
    drawn = [fractals.draw(p, size) for p in params]
    work = {
        "sampling the parameters": lambda i: fractals.sample(options, 0, i, 0),
        "chaos game": lambda i: chaos.play(systems[i], POINTS, 0),
        "counting, frame, patch": None,
        "gray levels": lambda i: synthgen.ifs.gray_levels(counts[i]),
        "palette": lambda i: hue_palette(7, 0.5, 0.5),
        "encoding the image": lambda i: encode(drawn[i][0], "png"),
        "encoding the mask": lambda i: encode(drawn[i][1]["mask"], "png"),
    }
    times = {name: each(run) for name, run in work.items() if run}
    times["counting, frame, patch"] = each(count) - times["chaos game"]

    total = sum(times.values())
    for name in work:
        print(f"  {name:24s} {times[name]:6.3f} ms  {times[name] / total:5.1%}")
    print(f"  {'sum':24s} {total:6.3f} ms; writing, hashing and syncing the shard come on top")


def each(run, images: int = 300) -> float:
    """Return the milliseconds an image of one stage, the best of five rounds."""
    return min(seconds_of(lambda: [run(i) for i in range(images)]) for _ in range(5)) / images * 1e3


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        print("two workers against one")
        two_workers(folder)
        on_one_core()
        print("end to end on one core")
        works = {
            "one chain, Pillow PNG, HDF5": (lambda: plain_images(folder), PLAIN_IMAGES),
            "synthgen, image and mask": (lambda: our_images(folder), IMAGES),
        }
        compare(works, "images")
        print("small images on one core")
        small_images(folder)
        print("where the time goes")
        stages()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
