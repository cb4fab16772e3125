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
from imagenet_lite0 import imagenet_lite0

CLASSES, OF_CLASS = 40, 8
HALF = OF_CLASS // 2
CELL = 128  # the small pictures of a gallery
FAMILIES = {"textures": {}, "radial": {}, "fractals": {"systems": 1}}


def images_of(family: str, options: dict, folder: Path) -> list[list[np.ndarray]]:
    """Return the images of each class of a small data set."""
    values = {"family": family, "classes": CLASSES, "per_class": OF_CLASS, "size": 256, **options}
    synthgen.generate(Recipe.from_dict(values), folder, workers=0, progress=False)
    dataset = synthgen.open(folder)
    return [
        [dataset.field(dataset.find(label, index), "image") for index in range(OF_CLASS)]
        for label in range(CLASSES)
    ]


def without_network(images: Sequence[np.ndarray]) -> Parts:
    """Return what a gallery compares a class by when it has no network."""
    small = [Image.fromarray(image).resize((CELL, CELL), Image.Resampling.BOX) for image in images]
    return features_of(small)


def by_network(viewer: BackboneViewer) -> Callable[[Sequence[np.ndarray]], Parts]:
    """Return a function that does so by the features of a network."""
    return lambda images: (viewer(images).astype(np.float64).mean(axis=0),)


def share_found(classes: list[list[np.ndarray]], look: Callable[[Sequence[np.ndarray]], Parts]) -> float:
    """Return the share of the halves whose nearest is the other half of their class."""
    halves = [look(part) for images in classes for part in (images[:HALF], images[HALF:])]
    nearest = class_map(halves).nearest
    return float(np.mean([first == place ^ 1 for place, (first, *_) in enumerate(nearest)]))


def main() -> None:
    torch.set_num_threads(1)
    viewers = {"no network": without_network}
    published = BackboneViewer("random:tf_efficientnet_lite0")
    published._model = imagenet_lite0()
    for weights in ["random:resnet18", "random:tf_efficientnet_lite0", *sys.argv[1:]]:
        viewer = BackboneViewer(weights)
        viewers[viewer.name] = by_network(viewer)
    viewers["ImageNet tf_efficientnet_lite0"] = by_network(published)

    with tempfile.TemporaryDirectory() as name:
        for family, options in FAMILIES.items():
            classes = images_of(family, options, Path(name) / family)
            for title, look in viewers.items():
                start = time.process_time()
                share = share_found(classes, look)
                seconds = time.process_time() - start
                print(f"{family:10s} {title:44s} {share:6.1%} {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
