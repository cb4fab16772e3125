"""What the members of a score ensemble say of normal images, and of the same images with drawn defects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from synthgen.torch.ensembles.blocks import resized
from synthgen.torch.ensembles.fused import at_size
from synthgen.torch.ensembles.synthetic import Quality, quality_of, with_defects
from synthgen.torch.models.batches import as_images, size_of

if TYPE_CHECKING:
    from synthgen.torch.models.base import AnomalyModel
    from synthgen.torch.models.score_ensemble import ScoreEnsemble

# Images that get a defect.
DRAWN = 64


class Said(NamedTuple):
    """Scores of members, as they are.

    Attributes
    ----------
    images, defect_images : Tensor, (M, N) and (M, K)
        Of normal images, and of images with a defect, for each member.
    pixels, defect_pixels : Tensor, (M', n) and (M', k)
        Of pixels of normal images, and of pixels of drawn defects, for each member with maps.
    qualities : list of Quality
        How well each member finds the drawn defects.
    """

    images: torch.Tensor
    defect_images: torch.Tensor
    pixels: torch.Tensor
    defect_pixels: torch.Tensor
    qualities: list[Quality]


def asked(members: Sequence[AnomalyModel], images: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the scores (N,) of each member, and the maps (N, H, W) of those that have maps, on the CPU."""
    images = as_images(images)
    size = size_of(images)
    scores = []
    maps = []
    for member in members:
        found, found_maps = member.predict(at_size(images, member._need_fit()))
        scores.append(torch.from_numpy(found))
        if found_maps is not None:
            whole = torch.from_numpy(found_maps).unsqueeze(1)
            maps.append(resized(whole, size).squeeze(1))
    return scores, maps


class Thinned:
    """Columns of tables (M, n) that come one by one: each so many, such that at most so many are kept.

    Which columns are kept does not depend on how they are divided into tables.

    Parameters
    ----------
    expected : int
        Columns of all tables, as far as it is known; 0 where it is not.
    most : int
        Columns to keep.
    """

    def __init__(self, expected: int, most: int):
        step = math.ceil(expected / most)
        self._step = max(1, step)
        self._most = most
        self._seen = 0
        self._kept: list[torch.Tensor] = []

    def add(self, table: torch.Tensor) -> None:
        """Take those of the columns that are wanted."""
        first = -self._seen % self._step
        self._seen += table.shape[1]
        wanted = table[:, first :: self._step]
        self._kept.append(wanted.clone())  # not a view, which would hold on to the whole table

        # there are more than were expected: every second is enough
        while self._seen > self._step * self._most:
            every_second = self.table()[:, ::2]
            self._kept = [every_second.clone()]
            self._step *= 2

    def table(self) -> torch.Tensor:
        """Return the columns that were kept, (M, n); (0, 0) where there was no table."""
        if not self._kept:
            return torch.zeros(0, 0)
        return torch.cat(self._kept, dim=1)


class Gathered:
    """Scores of members, gathered batch by batch.

    Parameters
    ----------
    ensemble : ScoreEnsemble
    expected : int
        Pixels of all images; 0 where it is not known.
    most : int
        Pixels to keep: of more, every second, third and so on.
    """

    def __init__(self, ensemble: ScoreEnsemble, expected: int, most: int):
        self._members = ensemble.members
        self._seed = ensemble.settings.seed
        self._images: list[torch.Tensor] = []
        self._defect_images: list[torch.Tensor] = []
        self._pixels = Thinned(expected, most)
        self._defect_maps: list[torch.Tensor] = []
        self._masks: list[torch.Tensor] = []
        self._drawn = 0

    def add(self, images: torch.Tensor) -> None:
        """Take what the members say of a batch of normal images."""
        scores, maps = asked(self._members, images)
        self._images.append(torch.stack(scores))
        if maps:
            self._pixels.add(torch.stack(maps).flatten(1))

        wanted = max(0, DRAWN - self._drawn)
        if wanted:
            self._add_defects(images[:wanted])

    def _add_defects(self, images: torch.Tensor) -> None:
        drawn = with_defects(images, self._seed, self._drawn)
        scores, maps = asked(self._members, drawn.images)
        self._defect_images.append(torch.stack(scores))
        self._masks.append(drawn.masks.cpu())
        if maps:
            self._defect_maps.append(torch.stack(maps))
        self._drawn += len(images)

    def said(self) -> Said:
        """Return all scores."""
        images = torch.cat(self._images, dim=1)
        defect_images = torch.cat(self._defect_images, dim=1)
        masks = torch.cat(self._masks)
        pixels = self._pixels.table()
        if not self._defect_maps:
            qualities = self._qualities(images, defect_images, None, masks)
            return Said(images, defect_images, pixels, pixels, qualities)

        maps = torch.cat(self._defect_maps, dim=1)
        qualities = self._qualities(images, defect_images, maps, masks)
        return Said(images, defect_images, pixels, maps[:, masks], qualities)

    def _qualities(self, images, defect_images, maps, masks) -> list[Quality]:
        """Return how well each member finds the defects."""
        truth: np.ndarray = masks.numpy()
        found = []
        mapped = iter(()) if maps is None else iter(maps)
        for number, member in enumerate(self._members):
            own = next(mapped).numpy() if member.localises else None
            normal = images[number].numpy()
            defects = defect_images[number].numpy()
            found.append(quality_of(normal, defects, own, truth))
        return found
