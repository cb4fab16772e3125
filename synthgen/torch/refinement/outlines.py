"""From a coarse mask to the outline of the defect, and to the normal image behind it (Tao et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from msgspec.structs import replace

from synthgen.errors import UsageError
from synthgen.look.heatmaps import outline
from synthgen.torch.refinement.autoencoder import autoencoder_of
from synthgen.torch.refinement.inpaint import inpainted, most_similar
from synthgen.torch.refinement.options import RefineOptions
from synthgen.torch.refinement.prior import PIXELS, PixelPrior
from synthgen.torch.refinement.region import cleaned, dilated, otsu, seen, smoothed
from synthgen.torch.refinement.search import Found, Search, Task

# Of what the image scores above the usual, the normal one may keep this share, or else nothing was won: on
# validation images refining helped below it, and did harm above.
_MOST_SCORE = 0.6
# Of the penalty on differences, in a second search: too large a one gives the image itself back.
_WEAKER = 0.25
# On validation images, masks of which more lay outside of the coarse ones were wrong.
_MOST_OUTSIDE = 0.5
# A mask of which more lies at the rim of the region was cut off there.
_MOST_AT_RIM = 0.02
_CUT_OFF = "the defect may go on beyond the region: a lower threshold or a larger dilation would show"
# A region of more than this share leaves too little to start from.
_LARGEST_REGION = 0.75


class Refined(NamedTuple):
    """What a refinement gives.

    Attributes
    ----------
    mask : ndarray of bool, (H, W)
        The defect; the coarse mask where the refinement did not help.
    normal : ndarray of uint8, (H, W, 3)
        What the image would show without the defect; equal to the image outside of the mask.
    difference : ndarray of float32, (H, W)
        How much the two differ: the sum over the channels, in deviations of the backbone's colors.
    notes : tuple of str
        Why the coarse mask is there, or that the defect may go on beyond the region; empty where all went well.
    iterations : int
    helped : bool
        False where the coarse mask came back.
    """

    mask: np.ndarray
    normal: np.ndarray
    difference: np.ndarray
    notes: tuple[str, ...]
    iterations: int = 0
    helped: bool = True


class _Job(NamedTuple):
    """A refinement that is worth a search."""

    number: int
    picture: np.ndarray
    coarse: np.ndarray
    visible: np.ndarray
    task: Task


def refine(
    model,
    image,
    mask=None,
    prior: PixelPrior | None = None,
    options: RefineOptions | None = None,
    *,
    threshold: float | None = None,
    normal=None,
) -> Refined:
    """Return the outline of a defect, and the normal image behind it, from a model's coarse mask.

    The search is for an image of normal features that equals the given one at as many pixels as possible
    (Tao et al. 2024, equation 12). The defect is where the two differ.

    Parameters
    ----------
    model : AnomalyModel
        Fitted, and with a differentiable score: PatchCore, SequentialPatchCore, PaDiM, Cflow.
    image : ndarray of uint8, (H, W, 3) or (H, W); or Tensor of uint8, (C, H, W)
        Of the size that the model was fitted to.
    mask : ndarray of bool, (H, W), optional
        The coarse mask; nonzero is defective. By default the pixels whose score reaches `threshold`.
    prior : PixelPrior, optional
        By default the one that ``synthgen fit`` left in the notes of the model.
    options : RefineOptions, optional
    threshold : float, optional
        By default the one that ``synthgen fit`` or ``evaluate --keep-thresholds`` left in the notes of the model.
    normal : ndarray of uint8, (N, H, W, 3), optional
        Normal images, for ``inpaint="nearest"``.

    Returns
    -------
    Refined

    Raises
    ------
    UsageError
        If the model has no differentiable score, or image, mask or options cannot be used.
    """
    masks = None if mask is None else [mask]
    found = refine_all(model, [image], masks, prior, options, threshold=threshold, normal=normal)
    return found[0]


def refine_all(
    model,
    images: Sequence,
    masks: Sequence | None = None,
    prior: PixelPrior | None = None,
    options: RefineOptions | None = None,
    *,
    threshold: float | None = None,
    normal=None,
) -> list[Refined]:
    """Return what `refine` does of several images of one size, which are searched at once: for a GPU.

    Parameters
    ----------
    images, masks : sequences
        As for `refine`.
    """
    options = options or RefineOptions()
    pictures = [_as_picture(image, number) for number, image in enumerate(images)]
    _check(model, pictures)
    if masks is None:
        masks = coarse_masks(model, pictures, threshold)
    if prior is None and PIXELS in model.notes:
        prior = PixelPrior.of_notes(model.notes[PIXELS])

    work = _Work(model, prior, options, normal)
    results: dict[int, Refined] = {}
    jobs = []
    for number, (picture, given) in enumerate(zip(pictures, masks, strict=True)):
        mask = _as_mask(given, picture, number)
        job = work.job(number, picture, mask)
        if isinstance(job, str):
            results[number] = _unchanged(picture, mask, job)
        else:
            jobs.append(job)

    results |= work.results(jobs)
    failed = [job for job in jobs if not results[job.number].helped]
    results |= work.results(failed, weaker=True)

    if options.recover:
        results = {number: work.recovered(pictures[number], result) for number, result in results.items()}
    return [results[number] for number in range(len(pictures))]


def coarse_masks(model, images: Sequence[np.ndarray], threshold: float | None = None) -> list[np.ndarray]:
    """Return the pixels of images whose score reaches a threshold, by default the one in the model's notes."""
    if threshold is None:
        threshold = kept_threshold(model)
    masks = []
    for image in images:
        _, maps = model.predict(as_batch([image]))
        masks.append(maps[0] >= threshold)
    return masks


def kept_threshold(model) -> float:
    """Return the threshold of pixels in a model's notes: of ``synthgen fit``, or ``evaluate --keep-thresholds``."""
    threshold = model.notes.get("thresholds", {}).get("pixel")
    if threshold is None:
        raise UsageError(
            "threshold must be given for a model that keeps none; `synthgen evaluate --keep-thresholds` finds one"
        )
    return threshold


def as_batch(images: Sequence[np.ndarray]) -> torch.Tensor:
    """Return images (H, W, 3) as one uint8 tensor (B, 3, H, W)."""
    stacked = np.stack(images).transpose(0, 3, 1, 2)
    return torch.from_numpy(stacked.copy())


class _Work:
    """What all images of a refinement share."""

    def __init__(self, model, prior: PixelPrior | None, options: RefineOptions, normal):
        self._model = model
        self._prior = prior
        self._options = options
        self._normal = None
        self._autoencoder = None
        if options.inpaint == "mae":
            if options.autoencoder is None:
                raise UsageError("autoencoder must be a folder to start from with inpaint mae, got none")
            self._autoencoder = autoencoder_of(options.autoencoder)
        if options.inpaint == "nearest":
            if normal is None:
                raise UsageError("normal must be images to start from with inpaint nearest, got none")
            pictures = [_as_picture(each, i) for i, each in enumerate(normal)]
            self._normal = np.stack([self._in_units(picture) for picture in pictures])

    def _in_units(self, picture: np.ndarray) -> np.ndarray:
        """Return an image in the backbone's units, float32 (H, W, 3)."""
        batch = self._model.features.normalise(as_batch([picture]))
        channels_last = batch[0].permute(1, 2, 0)
        return channels_last.cpu().numpy()

    def _as_pixels(self, normal: np.ndarray, gray: bool) -> np.ndarray:
        """Return an image in the backbone's units as uint8; that of a gray one is gray."""
        config = self._model.features.config
        std = np.float32(config["std"])
        mean = np.float32(config["mean"])
        values = normal * std + mean
        if gray:
            shades = values.mean(axis=2, keepdims=True)
            values = np.repeat(shades, 3, axis=2)

        levels = 255 * values.clip(0, 1)
        return np.rint(levels).astype(np.uint8)

    def job(self, number: int, picture: np.ndarray, mask: np.ndarray) -> _Job | str:
        """Return the search that an image needs, or why there is nothing to search."""
        if not mask.any():
            return "the mask is empty"
        region = dilated(mask, self._options.dilation)
        visible = seen(region.shape, self._model.grids(region.shape))
        if not (region & visible).any():
            return "the mask lies in the border, where the model scores nothing"
        region &= visible
        share = region.mean()
        if share > _LARGEST_REGION:
            return f"the region covers {share:.0%} of the image: too little is left to go by"

        image = self._in_units(picture)
        start = self._start(image, picture, region)
        area = int(np.count_nonzero(mask))
        task = Task(image, start, region, area)
        return _Job(number, picture, mask, visible, task)

    def _start(self, image: np.ndarray, picture: np.ndarray, region: np.ndarray) -> np.ndarray:
        if self._normal is not None:
            return most_similar(image, region, self._normal)
        if self._autoencoder is not None:
            filled = self._autoencoder.filled(picture, region)
            if filled is not None:
                return np.where(region[..., None], self._in_units(filled), image)
        return inpainted(image, region)

    def results(self, jobs: list[_Job], weaker: bool = False) -> dict[int, Refined]:
        """Return what searches give for their images; `weaker` lowers the penalty on differences."""
        if not jobs:
            return {}
        options = self._options
        if weaker:
            options = replace(options, sparsity=_WEAKER * options.sparsity)

        tasks = [job.task for job in jobs]
        found = Search(self._model, tasks, self._prior, options).run()
        return {job.number: self._result(job, of_job) for job, of_job in zip(jobs, found, strict=True)}

    def _result(self, job: _Job, found: Found) -> Refined:
        """Return the mask of what a search found, or the coarse one where it did not help."""
        options = self._options
        offsets = job.task.image - found.normal
        difference = np.abs(offsets).sum(axis=2)
        smooth = smoothed(difference, job.task.region, job.task.image)
        limit = options.difference or otsu(smooth[job.task.region])
        mask = cleaned(smooth >= limit, options.smallest, options.opening)

        count = len(found.objective)
        reason = _no_help(mask, job.coarse, found)
        if reason:
            return _unchanged(job.picture, job.coarse, reason, difference, count)

        notes = (_CUT_OFF,) if _is_cut_off(mask, job.task.region) else ()
        mask |= job.coarse & ~job.visible
        normal = self._merged(job.picture, found.normal, mask)
        return Refined(mask, normal, difference, notes, count)

    def _merged(self, picture: np.ndarray, normal: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return an image that is a normal one, in the backbone's units, inside of a mask."""
        pixels = self._as_pixels(normal, _is_gray(picture))
        return np.where(mask[..., None], pixels, picture)

    def recovered(self, picture: np.ndarray, result: Refined) -> Refined:
        """Return a result whose normal image is estimated anew, without the penalty, inside the mask alone."""
        region = result.mask
        if not result.helped or region.mean() > _LARGEST_REGION:
            return result

        image = self._in_units(picture)
        start = self._in_units(result.normal)
        area = int(np.count_nonzero(region))
        task = Task(image, start, region, area)
        options = replace(self._options, sparsity=0.0)
        (found,) = Search(self._model, [task], self._prior, options).run()
        normal = self._merged(picture, found.normal, region)
        return result._replace(normal=normal)


def _is_cut_off(mask: np.ndarray, region: np.ndarray) -> bool:
    """Return whether a mask reaches the rim of the region: the defect may go on beyond it."""
    rim = outline(region)
    reached = int(np.count_nonzero(mask & rim))
    return reached > _MOST_AT_RIM * int(np.count_nonzero(mask))


def _no_help(mask: np.ndarray, coarse: np.ndarray, found: Found) -> str:
    """Return why what was found is no better than the coarse mask; empty if it is."""
    if not mask.any():
        return "no difference was found"
    most = _MOST_SCORE * max(found.score_of_image, 0.0)
    if found.score_of_normal > most:
        return "no image was found that the model takes for more normal"
    found_outside = np.count_nonzero(mask & ~coarse)
    if found_outside > _MOST_OUTSIDE * np.count_nonzero(mask):
        return "most differences were found outside of the coarse mask"
    return ""


def _unchanged(picture, mask, reason: str, difference=None, iterations: int = 0) -> Refined:
    """Return the coarse mask as the result, with the reason."""
    if difference is None:
        difference = np.zeros(mask.shape, np.float32)
    return Refined(mask, picture, difference, (f"not refined: {reason}",), iterations, helped=False)


def _is_gray(picture: np.ndarray) -> bool:
    return bool((picture == picture[..., :1]).all())


def _check(model, pictures: list[np.ndarray]) -> None:
    """Refuse a model without gradients, and images of another size."""
    if not model.differentiable:
        model.local_scores(None, [])
    size = model._need_fit()
    for number, picture in enumerate(pictures):
        if picture.shape[:2] != tuple(size):
            wanted = " x ".join(map(str, size))
            got = " x ".join(map(str, picture.shape[:2]))
            raise UsageError(f"images must be {wanted} as the model's, got {got} for number {number}")


def _as_picture(image, number: int) -> np.ndarray:
    """Return an image as uint8 (H, W, 3)."""
    if isinstance(image, torch.Tensor):  # channels first
        image = image.movedim(0, -1) if image.ndim == 3 else image
        image = image.cpu().numpy()

    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.dtype != np.uint8:
        got = f"{image.dtype} {image.shape}"
        raise UsageError(f"images must be uint8 (H, W, 3) or (H, W), got {got} for number {number}")

    repeats = 3 // image.shape[2]
    return np.repeat(image, repeats, axis=2)


def _as_mask(mask, picture: np.ndarray, number: int) -> np.ndarray:
    """Return a mask as bool (H, W)."""
    mask = np.asarray(mask)
    if mask.shape != picture.shape[:2]:
        wanted = picture.shape[:2]
        raise UsageError(f"mask must have the shape {wanted} of its image, got {mask.shape} for number {number}")
    if mask.dtype.kind == "f" and not np.isfinite(mask).all():
        raise UsageError(f"mask must be finite, got NaN or infinity for number {number}")
    return mask != 0
