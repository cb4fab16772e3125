"""What a metric of the registry measures: some images of a test set, their truth, and what a model says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from synthgen.errors import UsageError
from synthgen.metrics.curves import best_f1_threshold

if TYPE_CHECKING:
    from synthgen.layouts.truth import Truth


@dataclass(frozen=True)
class Part:
    """Some images, as the functions of `synthgen.metrics` take them: one kind of defect with all normal images.

    Parameters
    ----------
    labels, scores : ndarray, (n,)
    truths : list of Truth or None
        None for normal images, and for images whose defects are not marked.
    maps : iterable of ndarray of float32, (H, W), or None
        Can be iterated again and again; nothing is copied. None of a model without maps.
    threshold, pixel_threshold : float, optional
        From which score on an image is anomalous, and a pixel, by the rule of somebody who has not seen these
        images.
    whole : Part, optional
        All kinds of the category, where this is one of them.
    """

    labels: np.ndarray
    scores: np.ndarray
    truths: list[Truth | None]
    maps: Maps | None = None
    threshold: float | None = None
    pixel_threshold: float | None = None
    whole: Part | None = None

    def at(self, threshold: float | None, pixel_threshold: float | None) -> Part:
        """Return the same images with thresholds."""
        return replace(self, threshold=threshold, pixel_threshold=pixel_threshold)

    @property
    def anomalous(self) -> int:
        """How many images are anomalous."""
        return int(np.count_nonzero(self.labels))

    @property
    def has_masks(self) -> bool:
        """Whether the defects of every anomalous image are marked."""
        images = zip(self.truths, self.labels, strict=True)
        return all(truth is not None for truth, label in images if label)

    @property
    def is_measured_by_pixels(self) -> bool:
        """Whether there are maps, defects, and a mask of every defect."""
        return self.maps is not None and self.anomalous > 0 and self.has_masks

    @property
    def pixel_maps(self) -> Maps:
        """The maps of a model that has any."""
        if self.maps is None:
            raise UsageError("model must have maps to be measured by pixels, got none")
        return self.maps

    @property
    def instances(self) -> Instances:
        """An iterable of the numbered defects of each image, int32 (H, W)."""
        return Instances(self.truths, self.pixel_maps)

    def layers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield numbered defects and map of each image, both (H, W); several times where defects overlap."""
        for truth, scores in zip(self.truths, self.pixel_maps, strict=True):
            nothing = np.zeros(scores.shape, np.int32)
            layers = (nothing,) if truth is None else truth.layers
            for layer in layers:
                yield layer, scores

    @property
    def regions(self) -> list[np.ndarray | tuple[np.ndarray, ...]]:
        """The regions of each image that saturate, bool (H, W) each."""
        regions: list[np.ndarray | tuple[np.ndarray, ...]] = []
        for truth, scores in zip(self.truths, self.pixel_maps, strict=True):
            none = np.zeros((0, *scores.shape), np.bool_)
            of_image = () if truth is None else truth.regions
            regions.append(of_image or none)
        return regions

    @property
    def saturation(self) -> list[tuple[float, ...]]:
        """For each of the `regions` the pixels that are enough."""
        saturation = []
        for truth in self.truths:
            of_image = () if truth is None else truth.saturation
            saturation.append(of_image)
        return saturation

    @cached_property
    def best_threshold(self) -> tuple[float, float]:
        """The image score of the best F1 on these very images, and that F1."""
        return best_f1_threshold(self.labels, self.scores)

    @cached_property
    def best_pixel_threshold(self) -> tuple[float, float]:
        """The pixel score of the best F1 on these very images, and that F1."""
        return best_f1_threshold(self.instances, self.pixel_maps)


@dataclass(frozen=True)
class Maps(Iterable):
    """Some of many maps, at these places; masked arrays where a region is given, which alone counts."""

    maps: Sequence[np.ndarray] | np.ndarray
    places: Sequence[int]
    regions: Sequence[np.ndarray | None] | None = None

    def __iter__(self):
        for place in self.places:
            region = None if self.regions is None else self.regions[place]
            scores = self.maps[place]
            yield scores if region is None else np.ma.masked_array(scores, ~region)


@dataclass(frozen=True)
class Instances(Iterable):
    """The numbered defects of each image, int32 (H, W), of the size of its map."""

    truths: list[Truth | None]
    maps: Maps

    def __iter__(self):
        for truth, scores in zip(self.truths, self.maps, strict=True):
            yield np.zeros(scores.shape, np.int32) if truth is None else truth.instances
