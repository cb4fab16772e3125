"""Sequential PatchCore beside the bank of MH-PatchCore (arXiv:2605.27748), over the same features.

MH-PatchCore turns features by their principal components (99 % of the variance), whitens them with a covariance
that is drawn towards a ball by 0.07, and keeps a bank of fixed size: 256 points of each block, thinned together.
Here are both of its ideas alone and together: our way of building the bank over whitened features, and its way. The
last row is what `synthgen fit feature-ensemble --whiten --components 0.99 --scorer sequential-patchcore` does with
one member, without that drawing towards a ball.

    python benchmarks/mahalanobis.py [--images 30] [--points 500]

Three drawn textures of 128 x 128, 30 images to fit to, ImageNet weights. Figures are in docs/detection.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import on_one_core

import synthgen
from synthgen.layouts import open_normal, open_test_set
from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.recipe import Recipe
from synthgen.torch.coreset.greedy import k_center
from synthgen.torch.evaluation.inspection import as_batch
from synthgen.torch.features import FeatureExtractor, as_vectors
from synthgen.torch.models import FeatureEnsemble, PatchCore, SequentialPatchCore

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from imagenet_lite0 import imagenet_lite0

TEXTURES = {"noise": 0, "weave": 7, "cells": 9}
KEPT = 0.99
SHRINKAGE = 0.07
BLOCK = 256
BATCH = 8


class Whitened:
    """Features turned, cut to their main components and whitened: an `Extractor`."""

    border = 0

    def __init__(self, features: FeatureExtractor, images: torch.Tensor):
        self.features = features
        self.device = features.device
        rows = torch.cat([as_vectors(features(batch)) for batch in images.split(BATCH)]).double()
        self.mean = rows.mean(0)
        covariance = torch.cov((rows - self.mean).T)

        values, vectors = torch.linalg.eigh(covariance)
        order = values.argsort(descending=True)
        shares = values[order].cumsum(0) / values.sum()
        count = int((shares < KEPT).sum()) + 1
        kept = values[order[:count]]
        shrunken = (1 - SHRINKAGE) * kept + SHRINKAGE * kept.mean()
        self.turn = vectors[:, order[:count]] / shrunken.sqrt()

    def shape(self, size) -> tuple[int, int, int]:
        """Return channels, height and width of the features of an image."""
        _, height, width = self.features.shape(size)
        return self.turn.shape[1], height, width

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (N, D, h, w) of images."""
        maps = self.features(images).double().movedim(1, 3)
        return ((maps - self.mean) @ self.turn).movedim(3, 1).float()


def merged(features, images: torch.Tensor, points: int) -> torch.Tensor:
    """Return a bank as MH-PatchCore builds it: points of each block of images, thinned out at the end."""
    blocks = []
    for batch in images.split(BATCH):
        rows = as_vectors(features(batch))
        blocks.append(rows[k_center(rows, min(BLOCK, len(rows)))])
    everything = torch.cat(blocks)
    return everything[k_center(everything, min(points, len(everything)))]


def models(features, train: torch.Tensor, points: int) -> dict:
    """Return the models that are compared, fitted."""
    whitened = Whitened(features, train)
    batches = train.split(BATCH)
    found = {
        "Sequential PatchCore": SequentialPatchCore(features, points=points).fit(batches, progress="none"),
        "the same, whitened": SequentialPatchCore(whitened, points=points).fit(batches, progress="none"),
    }
    for name, given in (("merged blocks", features), ("MH-PatchCore", whitened)):
        model = PatchCore(given, coreset=2).fit(batches[:1], progress="none")
        model.bank = merged(given, train, points)
        found[name] = model

    options = {"components": KEPT, "whiten": True, "scorer": "sequential-patchcore", "set": {"points": points}}
    found["feature-ensemble"] = FeatureEnsemble([features], **options).fit(batches, progress="none")
    return found


def measured(model, images) -> list[float]:
    """Return image AUROC, pixel AUROC and AUPRO on a test set."""
    items = list(images)
    batch = as_batch([item.image for item in items])
    found = [model.predict(part) for part in batch.split(BATCH)]
    scores = np.concatenate([each for each, _ in found])
    maps = np.concatenate([each for _, each in found])
    masks = np.stack([item.mask for item in items])
    labels = np.array([item.label for item in items])
    return [image_auroc(labels, scores), pixel_auroc(masks, maps), aupro(masks, maps)]


def drawn(folder: Path, texture: int, images: int) -> tuple[torch.Tensor, object]:
    """Return the images to fit to, and the test set, of a texture."""
    common = {"family": "textures", "texture": texture, "size": 128, "rotation": 3}
    normal = Recipe.from_dict({**common, "classes": 1, "per_class": images})
    test = Recipe.from_dict({**common, "layout": "test", "per_class": 10})
    synthgen.generate(normal, folder / "normal", progress=False)
    synthgen.generate(test, folder / "test", progress=False)
    good = open_normal(folder / "normal")
    return as_batch([item.image for item in good]), open_test_set(folder / "test")


def main() -> None:
    """Print a line for each model and texture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--textures", default=",".join(TEXTURES))
    given = parser.parse_args()
    on_one_core()
    torch.set_num_threads(1)

    print(f"{'texture':10s}{'bank':24s}image AUROC  pixel AUROC  AUPRO")
    for name in given.textures.split(","):
        with tempfile.TemporaryDirectory() as folder:
            train, test = drawn(Path(folder), TEXTURES[name], given.images)
            features = FeatureExtractor(imagenet_lite0(), (2, 3), 3)
            for label, model in models(features, train, given.points).items():
                cells = [f"{value:11.3f}" for value in measured(model, test)]
                print(f"{name:10s}{label:24s}", *cells, flush=True)


if __name__ == "__main__":
    main()
