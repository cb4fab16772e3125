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

from synthgen.torch.memory import freed_memory_kept
from synthgen.torch.refinement.descent import Adan, as_tensor, sharing_weights
from synthgen.torch.refinement.objective import color_term, feature_term, sparsity_term, variation_term
from synthgen.torch.refinement.options import RefineOptions
from synthgen.torch.refinement.prior import PixelPrior
from synthgen.torch.refinement.region import affected, neighbors

_WINDOW = 10  # steps over which the decrease is judged
_SAMPLED_PLACES = 256  # beyond the region, that tell what scores are usual
_LEAST_SCALE = 1e-3  # of the scores in the region
_TINY = 1e-12
_LAST_STEP = 0.1  # of the first
_WARM_UP = 5  # steps: Adan's first ones are as long for small gradients as for large ones


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
        By how much the scores of the places that the region affects lie above what is usual: their sum, in units of
        the usual score.
    """

    normal: np.ndarray
    objective: np.ndarray
    score_of_image: float
    score_of_normal: float


class _Places(NamedTuple):
    """The affected places of one grid: their images, and the usual score of each."""

    images: torch.Tensor
    scales: torch.Tensor


class _Term(NamedTuple):
    """Values whose sum is a term of the objective, and the image that each belongs to."""

    values: torch.Tensor
    images: torch.Tensor


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
        self._config = model.features.config
        self._count = len(tasks)
        self._size = tasks[0].region.shape

        self._values = self._stacked([task.image for task in tasks])
        start = self._stacked([task.start for task in tasks])
        inside = [np.flatnonzero(task.region) for task in tasks]
        self._pixels = self._numbers(inside)
        self._owners = self._image_of(self._pixels)
        self._first = start[self._pixels]
        self._own = self._values[self._pixels]

        self._prepare_scores(start)
        self._prepare_pixels(prior)
        self._low, self._high = self._bounds()

    def _stacked(self, images: list[np.ndarray]) -> torch.Tensor:
        """Return the pixels of images as rows, (N, 3)."""
        stacked = np.stack(images)
        rows = torch.from_numpy(stacked.reshape(-1, 3))
        return rows.to(self._device)

    def _numbers(self, by_image: list[np.ndarray]) -> torch.Tensor:
        """Return flat numbers of pixels in their images as numbers in the whole batch."""
        pixels = math.prod(self._size)
        shifted = [numbers + i * pixels for i, numbers in enumerate(by_image)]
        joined = np.concatenate(shifted)
        return torch.from_numpy(joined).to(self._device)

    def _image_of(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the image that each pixel of the batch belongs to."""
        return pixels // math.prod(self._size)

    def _images(self, values: torch.Tensor) -> torch.Tensor:
        """Return rows of pixels as images (B, 3, H, W)."""
        channels_last = values.view(self._count, *self._size, 3)
        return channels_last.permute(0, 3, 1, 2)

    def _prepare_scores(self, start: torch.Tensor) -> None:
        """Find the affected places, and what scores are usual elsewhere."""
        inside = []
        outside = []
        for grid in self._model.grids(self._size):
            places = np.stack([affected(task.region, grid) for task in self._tasks])
            beyond = _some_outside(places)
            inside.append(torch.from_numpy(places).to(self._device))
            outside.append(torch.from_numpy(beyond).to(self._device))

        given = self._images(self._values)
        self._scores: Callable = self._model.local_scores(self._images(start), inside)
        with torch.no_grad():
            here = self._scores(given)
            elsewhere = self._model.local_scores(given, outside)(given)

        self._places = []
        for number, scores in enumerate(here):
            images = _owners(inside[number])
            beside = _owners(outside[number])
            scales = []
            for i in range(self._count):
                usual = _usual(elsewhere[number][beside == i], scores[images == i])
                scales.append(usual)
            scale = torch.stack(scales)
            self._places.append(_Places(images, scale[images]))

    def _prepare_pixels(self, prior: PixelPrior | None) -> None:
        """Prepare what the terms of single pixels need."""
        options = self._options
        config = self._config
        self._prior = None
        if prior is not None and options.colors:
            self._prior = prior.normalized(config["mean"], config["std"], self._device)

        pairs = [neighbors(task.region) for task in self._tasks]
        self._pairs = self._numbers(pairs)
        self._pair_owners = self._image_of(self._pairs[:, 0])

        areas = torch.tensor([task.area for task in self._tasks], device=self._device)
        weights = options.sparsity / areas
        self._sparsity = weights[self._owners]

        self._sharing = None
        if options.sharing:
            blocks = [sharing_weights(task.region, task.image) for task in self._tasks]
            whole = csr_array(block_diag(blocks, format="csr"))
            self._sharing = as_tensor(whole, self._device)

    def _bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return black and white in the backbone's units."""
        mean = torch.tensor(self._config["mean"], device=self._device)
        std = torch.tensor(self._config["std"], device=self._device)
        black = -mean / std
        white = (1 - mean) / std
        return black, white

    @freed_memory_kept()
    def run(self) -> list[Found]:
        """Return what was found for each image, in order."""
        pixels = self._first.clone()
        adan = Adan()
        active = torch.ones(self._count, dtype=torch.bool, device=self._device)
        history: list[list[float]] = [[] for _ in self._tasks]

        for number in range(self._options.iterations):
            gradient, objective = self._gradient(pixels)
            if self._sharing is not None:
                gradient = self._sharing @ gradient

            step = self._step(number)
            moved = pixels - step * adan.direction(gradient)
            bounded = torch.clamp(moved, self._low, self._high)
            moves = active[self._owners]
            pixels = torch.where(moves.unsqueeze(1), bounded, pixels)

            self._note(objective, history, active)
            if not active.any():
                break
        return self._found(pixels, history)

    def _step(self, number: int) -> float:
        """Return the length of a step: they grow at first, and become shorter along a cosine."""
        grown = min(1.0, (number + 1) / _WARM_UP)
        share = number / self._options.iterations
        wave = 0.5 + 0.5 * math.cos(math.pi * share)
        of_first = _LAST_STEP + (1 - _LAST_STEP) * wave
        return self._options.step * grown * of_first

    def _note(self, objective: torch.Tensor, history: list[list[float]], active: torch.Tensor) -> None:
        """Note the objective of each image that is still searched, and end the searches that bring little."""
        for i, value in enumerate(objective.tolist()):
            if active[i]:
                history[i].append(value)
                active[i] = not self._has_ended(history[i])

    def _has_ended(self, objective: list[float]) -> bool:
        """Return whether the last steps brought little of all that was won."""
        tolerance = self._options.tolerance
        if len(objective) <= 2 * _WINDOW or tolerance == 0:
            return False
        last = objective[-1]
        won = objective[0] - last
        of_late = objective[-1 - _WINDOW] - last
        return of_late < tolerance * won

    def _gradient(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradient of the objective, and the objective of each image."""
        pixels = pixels.detach().requires_grad_()
        values = self._with(pixels)
        terms = [*self._feature_terms(values), *self._pixel_terms(pixels, values)]

        sums = [term.values.sum() for term in terms]
        total = torch.stack(sums).sum()
        (gradient,) = torch.autograd.grad(total, pixels)
        return gradient, self._by_image(terms)

    def _with(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return all pixels of all images, with others in the regions."""
        return self._values.index_put((self._pixels,), pixels)

    def _feature_terms(self, values: torch.Tensor) -> list[_Term]:
        terms = []
        scores = self._scores(self._images(values))
        for of_grid, places in zip(scores, self._places, strict=True):
            scaled = feature_term(of_grid, places.scales)
            terms.append(_Term(scaled, places.images))
        return terms

    def _pixel_terms(self, pixels: torch.Tensor, values: torch.Tensor) -> list[_Term]:
        options = self._options
        terms = []
        if self._prior is not None:
            unusual = color_term(pixels, *self._prior)
            terms.append(_Term(options.colors * unusual, self._owners))
        if options.smoothness:
            changes = variation_term(values, self._pairs)
            terms.append(_Term(options.smoothness * changes, self._pair_owners))
        if options.sparsity:
            penalties = sparsity_term(self._own - pixels)
            terms.append(_Term(self._sparsity * penalties, self._owners))
        return terms

    def _by_image(self, terms: list[_Term]) -> torch.Tensor:
        """Return the sums of terms for each image, (B,)."""
        sums = torch.zeros(self._count, device=self._device)
        for term in terms:
            sums.index_add_(0, term.images, term.values.detach())
        return sums

    def _found(self, pixels: torch.Tensor, history: list[list[float]]) -> list[Found]:
        values = self._with(pixels)
        given = self._score(self._values).tolist()
        normal = self._score(values).tolist()
        images = values.view(self._count, *self._size, 3)

        found = []
        for i, image in enumerate(images.cpu().numpy()):
            objective = np.array(history[i], np.float32)
            found.append(Found(image, objective, given[i], normal[i]))
        return found

    def _score(self, values: torch.Tensor) -> torch.Tensor:
        """Return by how much the scores of each image lie above what is usual, (B,)."""
        with torch.no_grad():
            terms = self._feature_terms(values)
        above = [_Term(term.values - 1, term.images) for term in terms]
        return self._by_image(above)


def _owners(places: torch.Tensor) -> torch.Tensor:
    """Return the image of each of the places (B, h, w) that are wanted."""
    return places.nonzero()[:, 0]


def _some_outside(inside: np.ndarray) -> np.ndarray:
    """Return some of the places (B, h, w) that are not affected, evenly chosen; of all where there are none."""
    chosen = np.zeros_like(inside)
    for places, of_image in zip(inside, chosen, strict=True):
        free = np.flatnonzero(~places)
        if not len(free):
            free = np.arange(places.size)
        step = max(1, len(free) // _SAMPLED_PLACES)
        of_image.flat[free[::step]] = True
    return chosen


def _usual(beyond: torch.Tensor, here: torch.Tensor) -> torch.Tensor:
    """Return the median of scores beyond the region, and never next to nothing beside those in it."""
    least = beyond.new_tensor(_TINY)
    if len(here):
        share = _LEAST_SCALE * here.mean()
        least = torch.maximum(least, share)
    return torch.maximum(beyond.median(), least)
