"""Drawing cut-paste anomalies with masks on one core, 256 x 256, against a Perlin anomaly generator.

The baseline is anomalib's, where it is installed. Otherwise it is what that generator does, written plainly in
NumPy: two-dimensional Perlin noise over the whole image with a random power of two of cells along each side, turned
by a random angle (Pillow, bilinear), thresholded, and the image blended with another one where the noise is high.

    python benchmarks/cutpaste.py
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from timing import compare, on_one_core

from synthgen.compose import pictures, shapes
from synthgen.compose.background import diamond_square, sample_diamond_square
from synthgen.families import cutpaste
from synthgen.families.cutpaste import Options
from synthgen.shards.codecs import encode

SIZE, IMAGES, PLAIN_IMAGES = (256, 256), 300, 10


def perlin(rng, size: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Return two-dimensional Perlin noise over `size` with so many cells."""
    angles = rng.random((cells[0] + 1, cells[1] + 1)) * 2 * np.pi
    gradients = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    places = [np.arange(side) * count / side for side, count in zip(size, cells, strict=True)]
    y, x = np.meshgrid(*places, indexing="ij")
    i = y.astype(int)
    j = x.astype(int)
    y = y - i
    x = x - j

    def corner(di, dj):
        g = gradients[i + di, j + dj]
        return g[..., 0] * (y - di) + g[..., 1] * (x - dj)

    def fade(t):
        return t**3 * (t * (t * 6 - 15) + 10)

    upper = corner(0, 0) * (1 - fade(x)) + corner(0, 1) * fade(x)
    lower = corner(1, 0) * (1 - fade(x)) + corner(1, 1) * fade(x)
    return np.sqrt(2) * (upper * (1 - fade(y)) + lower * fade(y))


def plain_image(rng, image: np.ndarray, source: np.ndarray):
    """Return an image with a Perlin anomaly, and its mask."""
    cells = tuple(int(n) for n in 2 ** rng.integers(0, 6, 2))
    noise = Image.fromarray(perlin(rng, image.shape[:2], cells).astype(np.float32))
    noise = np.asarray(noise.rotate(rng.uniform(-90, 90), Image.Resampling.BILINEAR))
    mask = (noise > 0.5).astype(np.float32)[..., None]
    beta = rng.uniform(0.01, 0.2)
    mixed = image * (1 - mask) + beta * image * mask + (1 - beta) * source * mask
    return mixed.astype(np.uint8), mask[..., 0] > 0


def baseline(normal: np.ndarray, source: np.ndarray):
    """Return name and function of the baseline."""
    try:
        import torch
        from anomalib.data.utils.generators import PerlinAnomalyGenerator
    except ImportError:
        rng = np.random.default_rng(0)
        return "Perlin anomalies, plain NumPy", lambda: plain_image(rng, normal, source)
    torch.set_num_threads(1)
    make = PerlinAnomalyGenerator()
    tensor = torch.from_numpy(normal).permute(2, 0, 1) / 255
    return "Perlin anomalies, anomalib", lambda: make(tensor)


def stages(options: Options, params: list[dict]) -> None:
    """Print the CPU time of an image, by stage and by kind of defect."""
    clean = pictures.read_picture(params[0]["image"]["sha256"], SIZE, False)
    masks = [thing["params"]["mask"] for p in params for thing in p["objects"]]
    drawn = [cutpaste.draw(p, SIZE) for p in params]
    work = {
        "sampling the parameters": lambda: [cutpaste.sample(options, 0, 0, i) for i in range(IMAGES)],
        "shapes": lambda: [shapes.draw_shape(m, SIZE) for m in masks],
        "drawing, shapes included": lambda: [cutpaste.draw(p, SIZE) for p in params],
        "copy of the image": lambda: [clean.copy() for _ in params],
        "encoding the image": lambda: [encode(d[0], "png") for d in drawn],
        "encoding mask and ids": lambda: [[encode(f, "png") for f in d[1].values()] for d in drawn],
    }
    for name, run in work.items():
        print(f"  {name:28s} {milliseconds(run):6.3f} ms")
    for label, kind in enumerate(cutpaste.kinds(options)):
        own = [p for p in params if p["class"] == label]
        spent = milliseconds(lambda own=own: [cutpaste.draw(p, SIZE) for p in own], len(own))
        print(f"  {'drawing ' + '-'.join(kind):28s} {spent:6.3f} ms")


def milliseconds(run, images: int = IMAGES) -> float:
    """Return the CPU time of an image, the best of five rounds."""
    times = []
    for _ in range(5):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times) / images * 1e3


def main() -> None:
    on_one_core()
    folder = Path(tempfile.mkdtemp())
    try:
        rng = np.random.default_rng(0)
        normal = [diamond_square(sample_diamond_square(rng), SIZE) for _ in range(8)]
        for i, image in enumerate(normal):
            Image.fromarray(image).save(folder / f"{i}.png")
        name, plain = baseline(*normal[:2])
        for soft in (False, True):
            options = Options(normal=str(folder), soft=soft)
            count = len(cutpaste.kinds(options))
            params = [cutpaste.sample(options, 0, i % count, i) for i in range(IMAGES)]
            print(f"{'soft' if soft else 'hard'} edges, all kinds of defects, one to three in an image, with masks")

            def ours(params=params):
                for p in params:
                    cutpaste.draw(p, SIZE)

            def stored(params=params):
                for p in params:
                    image, fields, _ = cutpaste.draw(p, SIZE)
                    for values in (image, *fields.values()):
                        encode(values, "png")

            compare(
                {
                    name: (lambda: [plain() for _ in range(PLAIN_IMAGES)], PLAIN_IMAGES),
                    "synthgen, drawing": (ours, IMAGES),
                    "synthgen, drawing and encoding": (stored, IMAGES),
                },
                "images",
            )
            each = milliseconds(lambda: [plain() for _ in range(PLAIN_IMAGES)], PLAIN_IMAGES)
            print(f"  {'CPU time of the baseline':28s} {each:6.3f} ms")
            stages(options, params)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
