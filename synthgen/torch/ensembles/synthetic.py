"""Defects drawn on normal images, and how well a model finds them: no label and no test image is needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.seeding import generator
from synthgen.torch.data.cutpaste import CutPaste
from synthgen.torch.models.batches import as_images, size_of

# Below this area under the curve a member finds little more than chance would.
WEAK = 0.6
_SMALLEST = 16
# Share of the image that a drawn defect takes.
_AREA = (0.005, 0.05)


class Drawn(NamedTuple):
    """Normal images with a defect each.

    Attributes
    ----------
    images : Tensor of uint8, (N, C, H, W)
    masks : Tensor of bool, (N, H, W)
        Where they were changed.
    """

    images: torch.Tensor
    masks: torch.Tensor


def with_defects(images: torch.Tensor, seed: int, first: int) -> Drawn:
    """Return a batch of images with a piece of each pasted elsewhere in it (CutPaste).

    Parameters
    ----------
    images : Tensor, (N, C, H, W)
        uint8, or floats in [0, 1]; smaller ones than 16 pixels stay as they are.
    seed : int
    first : int
        Number of the first image: each draws its own defect, in a batch of any size.
    """
    plain = as_images(images)
    if plain.dtype != torch.uint8:
        levels = plain * 255
        plain = levels.round().to(torch.uint8)

    changed = plain
    if min(size_of(plain)) >= _SMALLEST:
        drawn = [_with_defect(image, seed, number) for number, image in enumerate(plain, first)]
        changed = torch.stack(drawn)
    differs = changed != plain
    return Drawn(changed, differs.any(1))


def _with_defect(image: torch.Tensor, seed: int, number: int) -> torch.Tensor:
    """Return an image (C, H, W) with a piece of it pasted elsewhere."""
    rng = generator(seed, 0, number, "ensembles.defects")
    own_seed = int(rng.integers(2**31))
    draw = CutPaste("normal", area=_AREA, seed=own_seed)
    return draw(image)


class Quality(NamedTuple):
    """How well a member finds drawn defects.

    Attributes
    ----------
    auroc : float
        Of pixels; of images for a model without maps.
    aupro : float
        Of regions; for a model without maps as `auroc`.
    """

    auroc: float
    aupro: float


def quality_of(normal: np.ndarray, defects: np.ndarray, maps: np.ndarray | None, masks: np.ndarray) -> Quality:
    """Return how well a model finds drawn defects.

    Parameters
    ----------
    normal, defects : ndarray, (N,) and (K,)
        Scores of normal images, and of images with a defect.
    maps : ndarray, (K, H, W), or None
        Of the images with a defect.
    masks : ndarray of bool, (K, H, W)
    """
    if maps is not None and masks.any():
        of_pixels = pixel_auroc(masks, maps)
        return Quality(of_pixels, aupro(masks, maps))

    counts = [len(normal), len(defects)]
    labels = np.repeat([0, 1], counts)
    scores = np.concatenate([normal, defects])
    of_images = image_auroc(labels, scores)
    return Quality(of_images, of_images)


def places_found(member, images: torch.Tensor, seed: int) -> float:
    """Return how well an extractor's features find drawn defects: the AUROC of its places.

    Half of the images are the normal ones, the other half gets the defects; a place is scored by its distance to
    the nearest place of the first half. nan where no image, or no defect, is left.
    """
    from synthgen.torch.coreset.greedy import nearest_points
    from synthgen.torch.ensembles.blocks import resized
    from synthgen.torch.features import as_vectors

    half = len(images) - len(images) // 2
    if half == len(images):
        return float("nan")

    normal = member(images[:half])
    drawn = with_defects(images[half:], seed, 0)
    maps = member(drawn.images)
    distances, _ = nearest_points(as_vectors(maps), as_vectors(normal))

    masks = drawn.masks.unsqueeze(1)
    cover = resized(masks.float(), size_of(maps))
    truth = cover > 0.5
    return image_auroc(truth.flatten().cpu().numpy(), distances.flatten().cpu().numpy())
