"""The search for the normal images behind the defects (Tao et al. 2024, equation 12 and algorithm 1).

Only the pixels of the regions move. All images of a batch are searched at once: every term is a value for each
pixel or place, which knows its image, so that no image changes what another becomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import block_diag, csr_array

from synthgen.torch.refine.descent import Adan, as_tensor, sharing_weights
from synthgen.torch.refine.objective import color_term, feature_term, sparsity_term, variation_term
from synthgen.torch.refine.options import RefineOptions
from synthgen.torch.refine.prior import PixelPrior
from synthgen.torch.refine.region import affected, neighbors

_WINDOW = 10  # steps over which the decrease is judged
_SAMPLED_PLACES = 256  # beyond the region, that tell what scores are usual
_LEAST_SCALE = 1e-3  # of the scores in the region
_LAST_STEP = 0.1  # of the first


class Task(NamedTuple):
    """An image whose normal twin is searched for.

    Attributes
    ----------
    image : ndarray of float32, (H, W, 3)
        In the backbone's units.
    start : ndarray of float32, (H, W, 3)
        Where the search starts; equal to the image beyond the region.
    region : ndarray of bool, (H, W)
        Pixels that may change.
    area : int
        Pixels of the coarse mask.
    """

    image: np.ndarray
    start: np.ndarray
    region: np.ndarray
    area: int


class Found(NamedTuple):
    """What a search found for one image.

    Attributes
    ----------
    normal : ndarray of float32, (H, W, 3)
        In the backbone's units.
    objective : ndarray of float32, (iterations,)
    score_of_image, score_of_normal : float
        Sum of the scores of the places that the region affects, in units of what is usual.
    """

    normal: np.ndarray
    objective: np.ndarray
    score_of_image: float
    score_of_normal: float


class _Places(NamedTuple):
    """The affected places of one grid: their images, and the usual score of each."""

    images: torch.Tensor
    scales: torch.Tensor


class Search:
    """A search for the normal images of a batch.

    Parameters
    ----------
    model : AnomalyModel
        Fitted, with `local_scores`.
    tasks : list of Task
        Of one size.
    prior : PixelPrior or None
    options : RefineOptions
    """

    def __init__(self, model, tasks: list[Task], prior: PixelPrior | None, options: RefineOptions):
        self._model = model
        self._tasks = tasks
        self._options = options
        self._device = model.device
        self._shape = (len(tasks), *tasks[0].region.shape)
        self._config = model.features.config

        self._values = self._stacked([task.image for task in tasks])
        start = self._stacked([task.start for task in tasks])
        self._pixels = self._numbers([np.flatnonzero(task.region) for task in tasks])
        self._owners = self._pixels // math.prod(self._shape[1:])
        self._first = start[self._pixels]
        self._own = self._values[self._pixels]

        self._prepare_scores(start)
        self._prepare_weights(prior)
        self._low, self._high = self._bounds()

    def _stacked(self, images: list[np.ndarray]) -> torch.Tensor:
        """Return the pixels of images as rows, (N, 3)."""
        stacked = np.stack(images).reshape(-1, 3)
        return torch.from_numpy(stacked).to(self._device)

    def _numbers(self, by_image: list[np.ndarray]) -> torch.Tensor:
        """Return flat numbers of pixels in their images as numbers in the whole batch."""
        pixels = math.prod(self._shape[1:])
        shifted = [numbers + i * pixels for i, numbers in enumerate(by_image)]
        return torch.from_numpy(np.concatenate(shifted)).to(self._device)

    def _images(self, values: torch.Tensor) -> torch.Tensor:
        """Return rows of pixels as images (B, 3, H, W)."""
        return values.view(*self._shape, 3).permute(0, 3, 1, 2)

    def _prepare_scores(self, start: torch.Tensor) -> None:
        """Find the affected places, and what scores are usual elsewhere."""
        grids = self._model.grids(self._shape[1:])
        inside = [np.stack([affected(task.region, grid) for task in self._tasks]) for grid in grids]
        outside = [_some_outside(each) for each in inside]
        given = self._images(self._values)

        self._scores: Callable = self._model.local_scores(self._images(start), self._on_device(inside))
        with torch.no_grad():
            beyond = self._model.local_scores(given, self._on_device(outside))(given)
            here = self._scores(given)

        self._places = []
        for there, near, usual, scores in zip(inside, outside, beyond, here, strict=True):
            images = torch.from_numpy(np.nonzero(there)[0]).to(self._device)
            beside = torch.from_numpy(np.nonzero(near)[0]).to(self._device)
            scales = [_usual(usual[beside == i], scores[images == i]) for i in range(self._shape[0])]
            self._places.append(_Places(images, torch.stack(scales)[images]))

    def _on_device(self, masks: list[np.ndarray]) -> list[torch.Tensor]:
        return [torch.from_numpy(each).to(self._device) for each in masks]

    def _prepare_weights(self, prior: PixelPrior | None) -> None:
        """Prepare what the terms of single pixels need."""
        config = self._config
        self._prior = None
        if prior is not None and self._options.colors:
            self._prior = prior.normalized(config["mean"], config["std"], self._device)
        self._pairs = self._numbers([neighbors(task.region).reshape(-1, 2) for task in self._tasks])

        areas = torch.tensor([task.area for task in self._tasks], dtype=torch.float32, device=self._device)
        self._sparsity = (self._options.sparsity / areas)[self._owners]
        self._sharing = None
        if self._options.sharing:
            blocks = [sharing_weights(task.region, task.image) for task in self._tasks]
            self._sharing = as_tensor(csr_array(block_diag(blocks, format="csr")), self._device)

    def _bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return black and white in the backbone's units."""
        mean = torch.tensor(self._config["mean"], device=self._device)
        std = torch.tensor(self._config["std"], device=self._device)
        return -mean / std, (1 - mean) / std

    def run(self) -> list[Found]:
        """Return what was found for each image, in order."""
        pixels = self._first.clone()
        adan = Adan()
        active = torch.ones(self._shape[0], dtype=torch.bool, device=self._device)
        history: list[list[float]] = [[] for _ in self._tasks]

        for step in range(self._options.iterations):
            gradient, objective = self._gradient(pixels)
            if self._sharing is not None:
                gradient = self._sharing @ gradient

            moved = pixels - self._step(step) * adan.direction(gradient)
            bounded = torch.maximum(torch.minimum(moved, self._high), self._low)
            pixels = torch.where(active[self._owners, None], bounded, pixels)

            for i, value in enumerate(objective.tolist()):
                if active[i]:
                    history[i].append(value)
                    active[i] = not self._has_ended(history[i])
            if not active.any():
                break
        return self._found(pixels, history)

    def _step(self, number: int) -> float:
        """Return the length of a step: they become shorter, along a cosine."""
        share = number / self._options.iterations
        wave = 0.5 + 0.5 * math.cos(math.pi * share)
        return self._options.step * (_LAST_STEP + (1 - _LAST_STEP) * wave)

    def _has_ended(self, objective: list[float]) -> bool:
        """Return whether the last steps brought little of all that was won."""
        if len(objective) <= 2 * _WINDOW:
            return False
        won = objective[0] - objective[-1]
        of_late = objective[-1 - _WINDOW] - objective[-1]
        return of_late < self._options.tolerance * won

    def _gradient(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradient of the objective, and the objective of each image."""
        pixels = pixels.detach().requires_grad_()
        values = self._values.index_put((self._pixels,), pixels)

        terms = []
        for scores, places in zip(self._scores(self._images(values)), self._places, strict=True):
            terms.append((feature_term(scores, places.scales), places.images))
        if self._prior is not None:
            terms.append((self._options.colors * color_term(pixels, *self._prior), self._owners))
        if self._options.smoothness:
            changes = self._options.smoothness * variation_term(values, self._pairs)
            terms.append((changes, self._pairs[:, 0] // math.prod(self._shape[1:])))
        if self._options.sparsity:
            terms.append((self._sparsity * sparsity_term(self._own - pixels), self._owners))

        total = torch.stack([value.sum() for value, _ in terms]).sum()
        (gradient,) = torch.autograd.grad(total, pixels)
        return gradient, self._by_image([(value.detach(), owner) for value, owner in terms])

    def _by_image(self, terms: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Return the sums of values for each image, (B,)."""
        sums = torch.zeros(self._shape[0], device=self._device)
        for value, owner in terms:
            sums.index_add_(0, owner, value)
        return sums

    def _found(self, pixels: torch.Tensor, history: list[list[float]]) -> list[Found]:
        values = self._values.index_put((self._pixels,), pixels)
        given = self._score(self._values)
        normal = self._score(values)
        images = values.view(*self._shape, 3).cpu().numpy()
        return [
            Found(images[i], np.array(history[i], np.float32), float(given[i]), float(normal[i]))
            for i in range(len(images))
        ]

    def _score(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of the scores of each image."""
        with torch.no_grad():
            scores = self._scores(self._images(values))
        terms = zip(scores, self._places, strict=True)
        return self._by_image([(feature_term(each, places.scales), places.images) for each, places in terms])


def _some_outside(inside: np.ndarray) -> np.ndarray:
    """Return some of the places (B, h, w) that are not affected, evenly chosen; all where there are none."""
    chosen = np.zeros_like(inside)
    for i, places in enumerate(inside):
        free = np.flatnonzero(~places)
        if not len(free):
            free = np.arange(places.size)
        step = max(1, len(free) // _SAMPLED_PLACES)
        chosen[i].ravel()[free[::step]] = True
    return chosen


def _usual(beyond: torch.Tensor, here: torch.Tensor) -> torch.Tensor:
    """Return the median of scores beyond the region, and never next to nothing beside those in it."""
    least = _LEAST_SCALE * here.mean() if len(here) else beyond.new_zeros(())
    return torch.maximum(beyond.median(), least).clamp_min(1e-12)
