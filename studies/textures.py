"""Which weights find defects in real surfaces? An honest small study that needs no download.

Photographs of scikit-image (brick, grass, gravel) with defects by cut-paste, drawn plates and connectors; PatchCore
on one architecture with different weights: random; ImageNet's; those of the presets `surface` and `surface-quick`,
which learn textures at every place; and those that learned the classes of images of one formula a class (Fractals,
Mandelbulbs), of five (MultiFractals, MultiMandelbulbs; Ugwu et al. 2024), or of one formula in all (1p-frac), for
the same time as `surface`. Each as it is, and with batch-norm statistics of the normal images; random ones,
ImageNet's and those of `surface` on the layers 1 and 2 too; beside them a floor without a network, and chance.

This script makes the photographs and the weights. The rest is `textures.yaml`, a configuration of `synthgen
benchmark`: an interrupted study goes on where it was.

    python studies/textures.py --out study                              # all: an hour of a core for each weights
    python studies/textures.py --out study --surface w0 --surface w1     # weights of the preset that are there
    python studies/textures.py --out study --only multifractals-1        # one pre-training, beside another process
    python studies/textures.py --out study --rows random,imagenet,surface
    python studies/textures.py --out study --rows fractals,surface-quick --epochs 6   # a quarter of an hour each
    python studies/textures.py --out quick --quick                       # drawn textures, tiny sets: two minutes
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import torch
from PIL import Image
from shared import (
    ARCH,
    LAST,
    as_script,
    configured,
    draw,
    keep_imagenet,
    keep_random,
    once,
    run,
    summary,
    weights_of,
    working_in,
)
from skimage import data

import synthgen
from synthgen.recipe import Recipe, load_recipe
from synthgen.torch.pretrain import pretrain

TEXTURES = ("brick", "grass", "gravel")
# Columns of a photograph that training images are cut from; test images are cut from the others.
TRAINING_COLUMNS = 288
FORMULAS = 5  # to a class of a multi-formula set
# Rows that learn classes: what draws the objects, formulas to a class, objects in an image.
CLASSES = {
    "fractals": ("fractals", 1, "1:1"),
    "multifractals": ("fractals", FORMULAS, "2:5"),
    "mandelbulbs": ("sets/variants", 1, "1:1"),
    "multimandelbulbs": ("sets/variants", FORMULAS, "2:5"),
}
ONE = "1p-frac"
SURFACE = "surface"
# The presets that learn textures at every place.
PLACES = (SURFACE, "surface-quick")
TRAINED = (*PLACES, *CLASSES, ONE)
FIRST = "random"
# Rows of the same weights on finer layers.
FINE = "-fine"
BASE = "random-calibrate=1"


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How large the study is.

    Attributes
    ----------
    is_drawn : bool
        Whether drawn textures stand for the photographs.
    textures : tuple of str
    side, crop : int
        Pixels of an image, and of the piece of a photograph that it is enlarged from.
    train, good, per_kind : int
        Images of a texture: for fitting, without defects for testing, and of each kind of defect.
    classes, per_class, pixels : int
        Of the sets that classes are learned from.
    epochs : int
        Of a row that learns classes, at 120 images a second and core: 20 take as long as the preset `surface`, 6 as
        long as `surface-quick`.
    batch : int
    surface : dict
        What is changed of the preset.
    recipe : dict
        What is changed of its recipe.
    benchmark : dict
        What is changed of the benchmark.
    """

    is_drawn: bool = False
    textures: tuple[str, ...] = TEXTURES
    side: int = 256
    crop: int = 128
    train: int = 40
    good: int = 105
    per_kind: int = 7
    classes: int = 100
    per_class: int = 200
    pixels: int = 64
    epochs: int = 20
    batch: int = 32
    surface: dict = {}
    recipe: dict = {}
    benchmark: dict = {}


WHOLE = Scale()
_QUICK_SET = {"draw": {"plates": {
    "normal": {"family": "stains", "field_of_view": 12.8, "per_class": 8, "size": 128},
    "test": {"family": "stains", "layout": "test", "seed": 1, "field_of_view": 12.8, "per_class": 3, "size": 128},
}}}  # fmt: skip
QUICK = Scale(
    is_drawn=True,
    textures=TEXTURES[:1],
    side=128,
    train=8,
    good=10,
    per_kind=1,
    classes=4,
    per_class=12,
    epochs=1,
    batch=16,
    surface={"epochs": 1, "epoch_images": 96, "warmup": 0, "batch_size": 24, "crop": 64, "val_images": 24},
    recipe={"classes": 12, "per_class": 4, "size": 128},
    benchmark={"size": 128, "sets.surfaces": _QUICK_SET},
)


def photograph(name: str, is_drawn: bool) -> np.ndarray:
    """Return a photograph of scikit-image, uint8 (512, 512); or a drawn texture that stands for it."""
    if not is_drawn:
        return getattr(data, name)()
    number = 1 + TEXTURES.index(name)
    recipe = {"family": "textures", "texture": number, "classes": 1, "per_class": 1, "size": 512}
    drawn = synthgen.render(Recipe.from_dict(recipe), 0, 0)
    return np.asarray(Image.fromarray(drawn.image).convert("L"))


def crops(pixels: np.ndarray, count: int, columns: tuple[int, int], scale: Scale, rng) -> list[np.ndarray]:
    """Return square pieces of a photograph from some of its columns, enlarged."""
    first, last = columns
    size = (scale.side, scale.side)
    pieces = []
    for _ in range(count):
        top = rng.integers(0, pixels.shape[0] - scale.crop + 1)
        left = rng.integers(first, last - scale.crop + 1)
        bottom = top + scale.crop
        right = left + scale.crop
        piece = Image.fromarray(pixels[top:bottom, left:right])
        enlarged = piece.resize(size, Image.Resampling.BICUBIC)
        pieces.append(np.asarray(enlarged))
    return pieces


def make_photographs(folder: Path, scale: Scale) -> None:
    """Write each texture as a category in the layout of MVTec AD."""
    for name in scale.textures:
        rng = np.random.default_rng(list(name.encode()))
        pixels = photograph(name, scale.is_drawn)
        category = folder / name
        left = (0, TRAINING_COLUMNS)
        right = (TRAINING_COLUMNS, pixels.shape[1])

        write_images(category / "train" / "good", crops(pixels, scale.train, left, scale, rng))
        write_images(category / "test" / "good", crops(pixels, scale.good, right, scale, rng))
        write_defects(category, crops(pixels, scale.good, right, scale, rng), scale)


def write_defects(category: Path, normal: list[np.ndarray], scale: Scale) -> None:
    """Write images with defects, and their masks, a folder for each kind; pieces come from the other textures."""
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "normal"
        others = Path(place) / "others"
        write_images(given, normal)
        write_images(others, [photograph(name, scale.is_drawn) for name in TEXTURES if name != category.name])
        recipe = Recipe.from_dict({
            "family": "cutpaste", "name": category.name, "normal": str(given), "source_dir": str(others),
            "per_class": scale.per_kind, "size": scale.side, "objects": "1:2", "severity": "0.6:1.0",
            "area": "0.005:0.05",
        })  # fmt: skip
        draw(recipe, Path(place) / "defects")

        dataset = synthgen.open(Path(place) / "defects")
        for label, row in enumerate(dataset.classes):
            samples = [dataset[dataset.find(label, index)] for index in range(scale.per_kind)]
            masks = [sample.fields["mask"] for sample in samples]
            write_images(category / "test" / row["name"], [sample.image for sample in samples])
            write_images(category / "ground_truth" / row["name"], masks, "_mask")


def write_images(folder: Path, images: list[np.ndarray], suffix: str = "") -> None:
    """Write images as numbered files."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}{suffix}.png")


def classes_recipe(name: str, scale: Scale) -> Recipe:
    """Return the recipe of a set whose classes are learned; all have as many images."""
    images = scale.classes * scale.per_class
    if name == ONE:
        return load_recipe(ONE, {"size": scale.pixels, "classes": min(1000, images)})
    source, formulas, objects = CLASSES[name]
    return Recipe.from_dict({
        "family": "multiformula", "source": source, "source_classes": formulas * scale.classes,
        "groups": scale.classes, "classes": scale.classes, "per_class": scale.per_class, "size": scale.pixels,
        "systems": 1, "objects": objects, "scale": "0.5:1.0",
    })  # fmt: skip


def draw_set(name: str, scale: Scale) -> Path:
    """Return the folder of the set whose classes a row learns, drawn unless it is there.

    Mandelbulbs are drawn once, and then pasted from their shards.
    """
    if "mandelbulbs" in name:
        variants = Recipe.from_dict({
            "family": "mandelbulb", "classes": FORMULAS * scale.classes, "per_class": min(16, scale.per_class),
            "size": scale.pixels, "background": "black", "filter": "box", "fields": "coverage",
        })  # fmt: skip
        draw(variants, Path("sets/variants"))

    recipe = classes_recipe(name, scale)
    folder = Path("sets") / name
    draw(recipe, folder)
    return folder


def learn_classes(name: str, seed: int, scale: Scale, threads: int | None) -> None:
    """Pre-train on the classes of a set, as many images as for every other; a finished training is not repeated."""
    folder = draw_set(name, scale)
    images = len(synthgen.open(folder))
    seen = scale.classes * scale.per_class * scale.epochs
    changes = {
        "epochs": seen // images, "batch_size": scale.batch, "optimizer": "adamw", "lr": 2e-3,
        "weight_decay": 0.05, "schedule": "cosine", "flip": True, "jitter": 0.2, "mean": (0.2,), "std": (0.5,),
        "seed": seed, "val_images": min(500, images),
    }  # fmt: skip
    pretrain(folder, weights_of(name, seed), ARCH, threads=threads, **changes)


def learn_places(preset: str, seed: int, scale: Scale, threads: int | None) -> None:
    """Pre-train by a preset for surfaces."""
    recipe = load_recipe("textures", scale.recipe)
    pretrain(recipe, weights_of(preset, seed), preset=preset, threads=threads, seed=seed, **scale.surface)


def copy_weights(path: Path, seed: int) -> None:
    """Take weights of the preset `surface`: a folder of `synthgen pretrain`, or a file with its card."""
    file = path / LAST if path.is_dir() else path
    folder = weights_of(SURFACE, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(file.with_suffix(suffix), (folder / LAST).with_suffix(suffix))


def prepare(row: str, seed: int, scale: Scale, threads: int | None) -> None:
    """Make the weights of a row of the table for a seed."""
    name = row.removesuffix(FINE)
    if name == FIRST:
        keep_random(seed)
    elif name == "imagenet":
        keep_imagenet()
    elif name in PLACES and not (weights_of(name, seed) / LAST).exists():
        learn_places(name, seed, scale, threads)
    elif name in (*CLASSES, ONE):
        learn_classes(name, seed, scale, threads)


def main(arguments: list[str] | None = None) -> None:
    """Run the study, or the rest of it, and print its tables."""
    given = parsed(arguments)
    scale = QUICK if given.quick else WHOLE
    if given.epochs:
        scale = msgspec.structs.replace(scale, epochs=given.epochs)
    if given.threads:
        torch.set_num_threads(given.threads)
    surface = [path.resolve() for path in given.surface]
    seeds = tuple(range(len(surface) or given.seeds))

    with working_in(given.out):
        for seed, path in enumerate(surface):
            copy_weights(path, seed)
        if given.only:
            row, seed = given.only
            prepare(row, seed, scale, given.threads)
            return

        benchmark = configured("textures", scale.benchmark, given.rows, seeds)
        once(Path("photographs"), lambda folder: make_photographs(folder, scale))
        for seed in seeds:
            for row in benchmark.models:
                prepare(row, seed, scale, given.threads)
        results = run(benchmark, given.workers)
        for pool in benchmark.sets:
            print(f"\n{pool}\n\n{summary(results, pool, BASE)}")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("textures-study"))
    parser.add_argument("--quick", action="store_true", help="drawn textures, tiny sets, minutes of training")
    parser.add_argument(
        "--surface", type=Path, action="append", default=[], metavar="PATH",
        help="weights of the preset `surface`, one for each seed, which sets the number of seeds  [default: train]",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, help="number of seeds  [default: 3; quick: 1]")
    parser.add_argument("--epochs", type=int, help="of the rows that learn classes  [default: 20; quick: 1]")
    parser.add_argument("--rows", type=lambda text: text.split(","), help="some of the models of textures.yaml")
    parser.add_argument(
        "--only", type=_row_and_seed, metavar="ROW-SEED", help="only this pre-training, such as multifractals-1"
    )
    parser.add_argument("--threads", type=int, help="of torch in a pre-training  [default: all cores]")
    parser.add_argument("--workers", type=int, default=1, help="of the benchmark")
    given = parser.parse_args(arguments)
    given.seeds = given.seeds or (1 if given.quick else 3)
    return given


def _row_and_seed(text: str) -> tuple[str, int]:
    row, _, seed = text.rpartition("-")
    if row not in TRAINED or not seed.isdecimal():
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(TRAINED)}, and -SEED, got {text}")
    return row, int(seed)


if __name__ == "__main__":
    as_script(main)
