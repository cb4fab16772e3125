"""What matters when a backbone learns textures at every place: variants of the preset `surface-quick`, one table.

Each variant changes one thing: the kinds of texture, regions in an image, its size, the layers in the loss, the
temperature, the number of textures, augmentation, the network and its normalizing; other images under the same
objective; and the same images under the objective of classes. They are measured by PatchCore on drawn plates,
connectors and two textures (`pretraining.yaml`), as they are, and never on photographs: those are for the study of
textures alone. The preset itself is also measured calibrated, beside random weights and ImageNet's.

All variants see as many images. A training that was interrupted goes on, a finished one is not repeated.

    python studies/pretraining.py --out study                               # 60,000 images each, three seeds: days
    python studies/pretraining.py --out study --only surface-quick,mix-1 --images 12000
    python studies/pretraining.py --out study --only surface-quick --images 240000
    python studies/pretraining.py --out quick --quick                       # a few images, one variant of each kind
"""

import argparse
from pathlib import Path

import msgspec
import torch
from shared import (
    ARCH,
    as_script,
    configured,
    keep_imagenet,
    keep_random,
    run,
    some_of,
    summary,
    weights_of,
    working_in,
)

from synthgen.families.textures import KINDS
from synthgen.recipe import Recipe, load_recipe
from synthgen.torch.pretrain import pretrain
from synthgen.torch.pretrain.options import PRESETS

SURFACE = "surface-quick"
BASE = f"{SURFACE}-calibrate=0"
IMAGES = 60_000
# The epochs of a long training; shorter ones have fewer, of so many images at least.
EPOCHS, LEAST_EPOCH = 15, 960
# What the objective of classes has not.
_OF_PLACES = ("objective", "layers", "until", "epoch_images", "class_images", "mix")
# Objects of several formulas, whose places are told apart by their formula: an image is one of the data set.
_OBJECTS = {
    "family": "multiformula", "classes": 200, "per_class": 100, "groups": 200, "size": 128, "objects": "4:10",
    "scale": "0.15:0.6",
}  # fmt: skip
_WHOLE_IMAGES = {"mix": (1, 1), "scale": (1.0, 1.0), "class_images": 0}


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant changes.

    Parameters
    ----------
    data : dict
        Of the recipe `textures`, or a whole recipe, with its family.
    training : dict
        Of the preset.
    arch : str
    layers : tuple of int
        What PatchCore takes.
    classes : bool
        Whether the classes of images are learned, not places.
    """

    data: dict = {}
    training: dict = {}
    arch: str = ARCH
    layers: tuple[int, ...] = (1, 2)
    classes: bool = False


def without(kind: str) -> Variant:
    """Return the variant that never sees a kind of texture."""
    others = [other for other in KINDS if other != kind]
    return Variant(data={"kinds": others})


VARIANTS = {
    SURFACE: Variant(),
    # the data: kinds of texture, their number
    **{f"without-{kind}": without(kind) for kind in KINDS},
    "stamps-alone": Variant(data={"kinds": ["stamps"]}),
    "unmixed": Variant(data={"mixtures": 0, "warps": 0}),
    "textures-500": Variant(data={"classes": 500}),
    "textures-2000": Variant(data={"classes": 2000}),
    "textures-10000": Variant(data={"classes": 10_000}),
    # nearly endless: a texture comes twice in a training of 60,000 images
    "textures-60000": Variant(data={"classes": 60_000}),
    # the image: regions, side at equal magnification, augmentation
    "mix-1": Variant(training={"mix": (1, 1)}),
    "mix-2": Variant(training={"mix": (2, 2)}),
    "mix-2-4": Variant(training={"mix": (2, 4)}),
    "size-64": Variant(training={"crop": 64, "scale": (0.044, 0.107)}),
    "size-128": Variant(training={"crop": 128, "scale": (0.178, 0.427)}),
    "one-scale": Variant(data={"scale": (1.0, 1.0)}, training={"scale": (0.16, 0.16)}),
    "unlit": Variant(data={"light": 0}, training={"jitter": 0.0}),
    "unjittered": Variant(training={"jitter": 0.0}),
    "jitter-doubled": Variant(training={"jitter": 0.3}),
    "blurred": Variant(training={"blur": True}),
    "unturned": Variant(data={"rotation": 0, "flips": False}, training={"flip": False}),
    "unchanged": Variant(
        data={"scale": (1.0, 1.0), "rotation": 0, "flips": False},
        training={"scale": (0.16, 0.16), "flip": False, "jitter": 0.0},
    ),
    "gray": Variant(training={"gray": True}),
    # the loss
    "layer-1": Variant(training={"layers": (1,), "until": 1}, layers=(1,)),
    "layer-2": Variant(training={"layers": (2,)}),
    "layers-2-3": Variant(training={"layers": (2, 3), "until": 3}),
    "layers-1-2-3": Variant(training={"layers": (1, 2, 3), "until": 3}),
    "temperature-halved": Variant(training={"temperature": 0.05}),
    "temperature-doubled": Variant(training={"temperature": 0.2}),
    "with-classes": Variant(training={"class_weight": 1.0}),
    # is it the data or the loss?
    "multifractals": Variant(data={**_OBJECTS, "source": "fractals"}, training=_WHOLE_IMAGES),
    "multimandelbulbs": Variant(data={**_OBJECTS, "source": "mandelbulb"}, training=_WHOLE_IMAGES),
    "classes": Variant(classes=True),
    # the network: batch norm, and group norm in its place
    "resnet18": Variant(arch="resnet18"),
    "vit-tiny": Variant(arch="vit_tiny_patch16_224", training={"layers": (3, 4), "until": 4}, layers=(3, 4)),
    "b0": Variant(arch="efficientnet_b0"),
    "b0-group-norm": Variant(arch="efficientnet_b0_gn"),
}
# One of each kind, and a probe of a few small images.
QUICK = (SURFACE, "classes", "multifractals", "resnet18")
_QUICK_PROBE = {"draw": {"plates": {
    "normal": {"family": "stains", "seed": 20, "field_of_view": 12.8, "per_class": 8, "size": 128},
    "test": {"family": "stains", "layout": "test", "seed": 21, "field_of_view": 12.8, "per_class": 3, "size": 128},
}}}  # fmt: skip
_QUICK_DATA = {"classes": 12, "per_class": 8}
_QUICK_TRAINING = {"batch_size": 24}


def epochs_of(images: int) -> int:
    """Return the epochs of a training that sees so many images."""
    return max(1, min(EPOCHS, images // LEAST_EPOCH))


def recipe_of(variant: Variant, images: int, is_quick: bool) -> Recipe:
    """Return the recipe that a variant is trained on, drawn as it is needed."""
    values = dict(variant.data)
    if is_quick:
        values |= _QUICK_DATA
    if "family" in values:
        return Recipe.from_dict({**values, "groups": values["classes"]})
    if not variant.classes:
        return load_recipe("textures", values)

    # an epoch is the whole data set, which must not have more images than the epochs of the others
    recipe = load_recipe("textures", values)
    of_epoch = images // epochs_of(images)
    return load_recipe("textures", {**values, "per_class": max(1, of_epoch // recipe.classes)})


def options_of(variant: Variant, images: int, is_quick: bool) -> dict:
    """Return the options of a training that sees so many images."""
    epochs = epochs_of(images)
    of_epoch = images // epochs
    values = dict(PRESETS[SURFACE])
    # an accuracy chooses nothing here: it is measured at the end alone
    values |= {
        "epochs": epochs,
        "warmup": 1 if epochs > 1 else 0,
        "val_images": min(960, of_epoch),
        "val_every": epochs,
    }
    if is_quick:
        values |= _QUICK_TRAINING
    values |= variant.training
    if variant.classes:
        return {name: value for name, value in values.items() if name not in _OF_PLACES}
    return {**values, "epoch_images": of_epoch}


def learn(name: str, seed: int, images: int, threads: int | None, is_quick: bool) -> None:
    """Train a variant; a finished training is not repeated."""
    variant = VARIANTS[name]
    recipe = recipe_of(variant, images, is_quick)
    options = options_of(variant, images, is_quick)
    pretrain(recipe, weights_of(name, seed), variant.arch, threads=threads, seed=seed, **options)


def model_of(name: str) -> dict:
    """Return the model of the benchmark that has the weights of a variant, of the seed of the job."""
    layers = list(VARIANTS[name].layers)
    values = {
        "kind": "patchcore",
        # as many places of layer 1 as of the others
        "coreset": 0.025 if 1 in layers else 0.1,
        "layers": layers,
        "backbone": f"weights/{name}-{{seed}}/last.safetensors",
    }
    if name == SURFACE:
        values["grid"] = {"calibrate": [0, 1]}
    return values


def main(arguments: list[str] | None = None) -> None:
    """Train the variants that are left, measure them, and print the table."""
    given = parsed(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    names = given.only or (QUICK if given.quick else list(VARIANTS))
    changes = {f"models.{name}": model_of(name) for name in names}
    if given.quick:
        changes |= {"sets.probe": _QUICK_PROBE, "size": 128}

    with working_in(given.out):
        keep_imagenet()
        benchmark = configured("pretraining", changes, None, tuple(range(given.seeds)))
        for seed in benchmark.seeds:
            keep_random(seed)
            for name in names:
                learn(name, seed, given.images, given.threads, given.quick)
        results = run(benchmark, given.workers)
        print(summary(results, "probe", BASE))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("pretraining-study"))
    parser.add_argument("--quick", action="store_true", help="a few images, one variant of each kind, one seed")
    parser.add_argument("--only", type=some_of(VARIANTS), metavar="A,B,..", help=f"variants: {', '.join(VARIANTS)}")
    parser.add_argument("--images", type=int, help=f"that each training sees  [default: {IMAGES}; quick: 96]")
    parser.add_argument("--seeds", type=int, help="number of seeds  [default: 3; quick: 1]")
    parser.add_argument("--threads", type=int, help="of torch in a training  [default: all cores]")
    parser.add_argument("--workers", type=int, default=1, help="of the benchmark")
    given = parser.parse_args(arguments)
    given.images = given.images or (96 if given.quick else IMAGES)
    given.seeds = given.seeds or (1 if given.quick else 3)
    return given


if __name__ == "__main__":
    as_script(main)
