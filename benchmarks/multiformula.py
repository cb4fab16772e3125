"""Multi-formula images of 224 x 224 with 4 to 10 objects, on one core, encoding included, against the plain way.

The baseline is what the published generator does: each object is a fractal of 100,000 points drawn at half the
image's side, resized by Pillow to the size in which it is pasted, pasted where it is not black; a PNG by Pillow,
appended to an HDF5 file. It has neither masks nor ids; ours stores both with every image. Then Mandelbulb objects:
drawn on the fly, on all cores, and taken from a stored data set.

    python benchmarks/multiformula.py
"""

import io
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
from fractals import chain, colorize, draw
from PIL import Image
from timing import compare, on_one_core, seconds_of

import synthgen
from synthgen.families import multiformula
from synthgen.recipe import Recipe
from synthgen.run import make_plan
from synthgen.run.shard import encode_sample, write_shard
from synthgen.sample import Sample

SIZE, POINTS, PLAIN_IMAGES, IMAGES = 224, 100_000, 20, 1000


def plain_images(folder: Path, images: int = PLAIN_IMAGES) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(folder / "plain.h5", "w") as file:
        stored = file.create_dataset("image", (images,), dtype=h5py.vlen_dtype(np.uint8))
        for i in range(images):
            scene = np.zeros((SIZE, SIZE, 3), np.uint8)
            for _ in range(rng.integers(4, 11)):
                paste_plainly(scene, plain_object(rng), rng)
            out = io.BytesIO()
            Image.fromarray(scene).save(out, "PNG")
            stored[i] = np.frombuffer(out.getvalue(), np.uint8)


def plain_object(rng) -> Image.Image:
    system = synthgen.ifs.sample_system(rng, (2, 4))
    patch = np.argwhere(rng.integers(0, 2, (3, 3)) > 0)
    gray = draw(chain(system.maps, np.cumsum(system.probabilities), POINTS), SIZE // 2, patch)
    hsv = colorize(gray, rng.integers(256), rng.integers(76, 256), rng.integers(128, 256))
    return Image.fromarray(hsv, "HSV").convert("RGB")


def paste_plainly(scene: np.ndarray, picture: Image.Image, rng) -> None:
    side = int(rng.uniform(0.15, 0.6) * SIZE)
    pixels = np.asarray(picture.resize((side, side)))
    top, left = rng.integers(-side // 2, SIZE - side // 2, 2)
    under = scene[max(top, 0) : top + side, max(left, 0) : left + side]
    pixels = pixels[max(-top, 0) :, max(-left, 0) :][: under.shape[0], : under.shape[1]]
    lit = pixels.any(axis=2)
    under[lit] = pixels[lit]


def our_images(folder: Path, images: int = IMAGES, **options) -> None:
    recipe = Recipe.from_dict(
        {"family": "multiformula", "classes": 200, "per_class": images // 200, "storage": {"shard_size": images}}
        | options
    )
    (folder / "shards").mkdir(exist_ok=True)
    write_shard(make_plan(recipe), folder, 0, lambda samples: None)


def stages(images: int = 200) -> None:
    """Print where the time of an image goes, each stage over the same images."""
    plan = make_plan(Recipe.from_dict({"family": "multiformula"}))
    options, size = plan.recipe.options, plan.recipe.size
    params = [multiformula.sample(options, 0, label % 200, 0) for label in range(images)]
    drawn = [multiformula.draw(p, size) for p in params]
    samples = [Sample("c000000-i00000000", pixels, 0, fields, p) for pixels, fields, p in drawn]
    works = {
        "sampling": lambda i: multiformula.sample(options, 0, i % 200, 0),
        "drawing and pasting": lambda i: multiformula.draw(params[i], size),
        "encoding image, mask, ids, params": lambda i: encode_sample(samples[i], plan.run.fields),
    }
    for name, work in works.items():
        spent = min(seconds_of(lambda work=work: [work(i) for i in range(images)]) for _ in range(3)) / images
        print(f"  {name:34s} {spent * 1e3:6.2f} ms")
    print(f"  {sum(len(p['objects']) for p in params) / images:.1f} objects an image")


def mandelbulbs(folder: Path) -> None:
    """Print the rates with Mandelbulb objects, drawn and taken from a data set of 512 x 512 renders."""
    recipe = {"family": "multiformula", "classes": 10, "per_class": 10, "source_classes": 50, "groups": 10}
    source = folder / "source"
    single = Recipe.from_dict({"family": "mandelbulb", "classes": 50, "per_class": 2, "size": 256})
    synthgen.generate(single, source, progress=False)
    for name, where in (("drawn on the fly", "mandelbulb"), ("from a data set", str(source))):
        out = folder / "multi"
        report = synthgen.generate(Recipe.from_dict({**recipe, "source": where}), out, progress=False)
        print(f"  {name:34s} {report.drawn / report.seconds:8.1f} images/s")
        shutil.rmtree(out)


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        print("MultiMandelbulbs, all cores, whole runs")
        mandelbulbs(folder)
        on_one_core()
        print("MultiFractals on one core")
        works = {
            "100,000 points an object, resized, Pillow PNG": (lambda: plain_images(folder), PLAIN_IMAGES),
            "synthgen, image, mask and ids": (lambda: our_images(folder), IMAGES),
            "the same on diamond-square": (lambda: our_images(folder, background="diamond-square"), IMAGES),
        }
        compare(works, "images")
        print("where the time goes")
        stages()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
