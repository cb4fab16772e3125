"""How well a gallery tells which classes look alike, without a network and with some.

Of each class eight images are split into halves. A half has found its class if the other half is the nearest of all
79 halves. Seconds are those of one core for all 320 images.

    python benchmarks/nearness.py [WEIGHTS ..]
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import synthgen
from synthgen.look.gallery.nearness import Parts, class_map, features_of
from synthgen.recipe import Recipe
from synthgen.torch.looking import BackboneViewer

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from imagenet_lite0 import ARCH, imagenet_lite0

CLASSES, OF_CLASS = 40, 8
HALF = OF_CLASS // 2
CELL = 128  # the small pictures of a gallery
FAMILIES = {"textures": {}, "radial": {}, "fractals": {"systems": 1}}


def images_of(family: str, options: dict, folder: Path) -> list[list[np.ndarray]]:
    """Return the images of each class of a small data set."""
    values = {"family": family, "classes": CLASSES, "per_class": OF_CLASS, "size": 256, **options}
    recipe = Recipe.from_dict(values)
    synthgen.generate(recipe, folder, workers=0, progress=False)

    dataset = synthgen.open(folder)
    classes = []
    for label in range(CLASSES):
        places = [dataset.find(label, index) for index in range(OF_CLASS)]
        images = [dataset.field(place, "image") for place in places]
        classes.append(images)
    return classes


def without_network(images: Sequence[np.ndarray]) -> Parts:
    """Return what a gallery compares a class by when it has no network."""
    small = []
    for image in images:
        picture = Image.fromarray(image)
        thumb = picture.resize((CELL, CELL), Image.Resampling.BOX)
        small.append(thumb)
    return features_of(small)


def by_network(viewer: BackboneViewer) -> Callable[[Sequence[np.ndarray]], Parts]:
    """Return a function that does so by the features of a network."""

    def look(images: Sequence[np.ndarray]) -> Parts:
        features = viewer(images).astype(np.float64)
        return (features.mean(axis=0),)

    return look


def share_found(classes: list[list[np.ndarray]], look: Callable[[Sequence[np.ndarray]], Parts]) -> float:
    """Return the share of the halves whose nearest is the other half of their class."""
    halves = []
    for images in classes:
        halves.append(look(images[:HALF]))
        halves.append(look(images[HALF:]))

    found = 0
    for place, nearest in enumerate(class_map(halves).nearest):
        found += nearest[0] == place ^ 1
    return found / len(halves)


def published_weights() -> BackboneViewer:
    """Return ImageNet's weights, which are no file of ours."""
    viewer = BackboneViewer(f"random:{ARCH}")
    viewer.name = f"ImageNet {ARCH}"
    viewer._model = imagenet_lite0()
    return viewer


def main() -> None:
    torch.set_num_threads(1)
    files = [BackboneViewer(weights) for weights in ("random:resnet18", f"random:{ARCH}", *sys.argv[1:])]
    looks = {"no network": without_network}
    for viewer in (*files, published_weights()):
        looks[viewer.name] = by_network(viewer)

    with tempfile.TemporaryDirectory() as name:
        for family, options in FAMILIES.items():
            classes = images_of(family, options, Path(name) / family)
            for title, look in looks.items():
                start = time.process_time()
                share = share_found(classes, look)
                seconds = time.process_time() - start
                print(f"{family:10s} {title:44s} {share:6.1%} {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
