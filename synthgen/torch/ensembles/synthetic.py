"""Defects drawn on normal images, and how well a model finds them: no label and no test image is needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.seeding import generator
from synthgen.torch.data.cutpaste import CutPaste
from synthgen.torch.models.batches import as_images

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


def with_defects(images: torch.Tensor, seed: int, number: int) -> Drawn:
    """Return a batch of images with a piece of each pasted elsewhere in it (CutPaste).

    Parameters
    ----------
    images : Tensor, (N, C, H, W)
        uint8, or floats in [0, 1]; smaller ones than 16 pixels stay as they are.
    seed : int
    number : int
        Of the batch: each draws its own defects.
    """
    plain = as_images(images)
    if plain.dtype != torch.uint8:
        plain = (plain * 255).round().to(torch.uint8)
    if min(plain.shape[-2:]) < _SMALLEST:
        return Drawn(plain, torch.zeros(len(plain), *plain.shape[-2:], dtype=torch.bool))

    own = generator(seed, 0, number, "ensembles.defects")
    draw = CutPaste("normal", area=_AREA, seed=int(own.integers(2**31)))
    changed = draw(plain)
    return Drawn(changed, (changed != plain).any(1))


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
        return Quality(pixel_auroc(masks, maps), aupro(masks, maps))

    labels = np.repeat([0, 1], [len(normal), len(defects)])
    area = image_auroc(labels, np.concatenate([normal, defects]))
    return Quality(area, area)


def places_found(member, images: torch.Tensor, seed: int) -> float:
    """Return how well an extractor's features find drawn defects: the AUROC of its places.

    Half of the images are the normal ones, the other half gets the defects; a place is scored by its distance to
    the nearest place of the first half. nan where no image, or no defect, is left.
    """
    from synthgen.torch.coreset.greedy import nearest_points
    from synthgen.torch.ensembles.blocks import resized
    from synthgen.torch.features import as_vectors, size_of

    half = (len(images) + 1) // 2
    if half == len(images):
        return float("nan")
    drawn = with_defects(images[half:], seed, 0)
    bank = as_vectors(member(images[:half]))
    maps = member(drawn.images)

    distances, _ = nearest_points(as_vectors(maps), bank)
    cover = resized(drawn.masks[:, None].float(), size_of(maps))
    truth = (cover > 0.5).flatten().numpy()
    return image_auroc(truth, distances.flatten().cpu().numpy())
