"""Region overlap: every defect counts the same, however large it is."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.metrics.curves import area_under, rank
from synthgen.metrics.inputs import (
    Reader,
    finite,
    pairs,
    read_images,
    read_twice,
    refuse_iterator,
    scores_at,
    share,
)

EIGHT = np.ones((3, 3), int)  # neighbors of a pixel, itself included


def aupro(masks: Iterable, maps: Iterable | None = None, max_fpr: float = 0.3) -> float:
    """Return the area under the per-region overlap curve up to a false positive rate, divided by that rate.

    The overlap of a threshold is the share of a region's pixels that reach it, averaged over all regions of all
    images (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021). Regions are 8-connected and the false
    positive rate is that of all pixels without a defect, as in MVTec's script. The curve is cut at exactly
    `max_fpr`, by linear interpolation.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches
        Truth (nonzero = defect) and finite scores; see the package for streams.
    max_fpr : float
        In (0, 1].

    Returns
    -------
    float
        In [0, 1], exact; ``nan`` without a defect or without a normal pixel; ``max_fpr / 2`` if all score the same.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, a score is not finite, or `max_fpr` is out of range.

    Examples
    --------
    >>> mask = np.zeros((1, 4, 4)); mask[0, 0, 0] = mask[0, 2:, 2:] = 1
    >>> aupro(mask, mask)
    1.0
    """
    (area,) = aupros(masks, maps, (max_fpr,))
    return area


def aupros(masks: Iterable, maps: Iterable | None, max_fprs: Sequence[float]) -> list[float]:
    """Return `aupro` at several limits of the false positive rate, for the price of one.

    Parameters
    ----------
    masks, maps
        As for `aupro`.
    max_fprs : sequence of float
    """
    limits = _limits(max_fprs)
    read = read_twice(masks, maps)
    return _overlap_areas(_whole_regions(read), read, limits)


def _limits(max_fprs: Sequence[float]) -> list[float]:
    """Return checked limits as plain numbers."""
    return [share(limit, "max_fpr", low_included=False) for limit in max_fprs]


def _whole_regions(read: Reader) -> Iterator[tuple[np.ndarray, float]]:
    """Yield the scores in each region of each mask; none of its pixels is too many."""
    for mask, scores in read():
        for region in by_region(mask, scores_at(mask, scores)):
            yield region, np.inf


def spro(masks: Iterable, maps: Iterable, saturation: Iterable | float, max_fpr: float = 0.05) -> float:
    """Return the area under the saturated per-region overlap curve of MVTec LOCO, divided by `max_fpr`.

    A region is one mask, connected or not; its overlap is ``min(pixels found / saturation, 1)``, since of a missing
    object any part of the place where it could lie will do (Bergmann et al., Beyond Dents and Scratches, IJCV
    2022). The false positive rate is that of the pixels outside all masks of their image.

    Parameters
    ----------
    masks : list of N arrays, (M, H, W) or (H, W)
        The masks of each image, one a region; an empty mask is none. M may differ, and be 0.
    maps : array (N, H, W), or an iterable of images (H, W)
        Finite scores.
    saturation : float, or a list of N lists of M
        Pixels that are enough, > 0; more than a region has means all of it. One number holds for every region.
    max_fpr : float
        In (0, 1]. LOCO's tables are at 0.05.

    Returns
    -------
    float
        In [0, 1], exact; ``nan`` without a region or without a normal pixel.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, a score is not finite, or a number is out of range.
    """
    (area,) = spros(masks, maps, saturation, (max_fpr,))
    return area


def spros(masks: Iterable, maps: Iterable, saturation: Iterable | float, max_fprs: Sequence[float]) -> list[float]:
    """Return `spro` at several limits of the false positive rate, for the price of one.

    Parameters
    ----------
    masks, maps, saturation
        As for `spro`.
    max_fprs : sequence of float
    """
    limits = _limits(max_fprs)
    refuse_iterator(masks, "masks")
    refuse_iterator(maps, "maps")
    of_all = list(saturation) if isinstance(saturation, Iterable) else saturation

    def unions():
        for stack, scores in pairs(masks, maps):
            yield _stack(stack).any(axis=0), scores

    def read():
        return read_images(unions(), None)

    regions = _saturated(masks, read(), of_all)
    return _overlap_areas(regions, read, limits)


def _saturated(masks: Iterable, images: Iterable, saturation: list | float) -> Iterator[tuple[np.ndarray, float]]:
    """Yield for each mask of each image the scores in it and its saturation, checked."""
    count = 0
    for masks_of_one, (_, scores) in zip(masks, images, strict=True):
        stack = _stack(masks_of_one)
        enough = _enough(saturation, count, len(stack))
        for region, pixels in zip(stack, enough, strict=True):
            yield scores_at(region, scores), pixels
        count += 1

    if isinstance(saturation, list) and len(saturation) != count:
        raise UsageError(f"saturation must have an entry for each of {count} images, got {len(saturation)}")


def _enough(saturation: list | float, number: int, count: int) -> np.ndarray:
    """Return the checked saturation of each of the `count` masks of an image."""
    place = f"saturation[{number}]"
    if not isinstance(saturation, list):
        enough = np.full(count, saturation)
    elif number < len(saturation):
        enough = np.atleast_1d(saturation[number])
    else:
        raise UsageError(f"saturation must have an entry for each image, got only {len(saturation)}")

    if len(enough) != count:
        raise UsageError(f"{place} must have a number for each of {count} masks, got {len(enough)}")
    if not np.all(enough > 0):
        raise UsageError(f"{place} must be pixels > 0, got {enough.tolist()}")
    return enough


def _stack(masks: np.ndarray) -> np.ndarray:
    """Return the masks of an image, (M, H, W) or one (H, W), as bool (M, H, W)."""
    given = np.asarray(masks)
    stack = finite(given, "masks", "values") != 0
    return stack[None] if stack.ndim == 2 else stack


def _overlap_areas(
    regions: Iterable[tuple[np.ndarray, float]], read: Reader, max_fprs: Sequence[float]
) -> list[float]:
    """Return the areas for regions given as (scores of its pixels, pixels that are enough)."""
    nothing = [np.nan] * len(max_fprs)
    found = []
    shares = []
    for scores, enough in regions:
        if len(scores):
            highest, share = _counting(scores, enough)
            found.append(highest)
            shares.append(share)

    if not found:
        return nothing
    ranks, of_each = rank(np.concatenate(found), read)
    if ranks.normal == 0:
        return nothing

    summed = np.bincount(of_each, np.concatenate(shares))
    weights = summed / len(found)
    return [area_under(ranks, weights, limit) for limit in max_fprs]


def _counting(scores: np.ndarray, enough: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of a region that count, and by how much: the highest, as many as are enough.

    Where `enough` is no whole number, the lowest of them counts for a part.
    """
    count = len(scores)
    enough = min(float(enough), count)
    kept = int(np.ceil(enough))

    share = np.full(kept, 1 / enough)
    surplus = kept - enough
    share[0] -= surplus / enough

    rising = np.sort(scores)
    highest = rising[count - kept :]
    return highest, share


def by_region(mask: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Return the `values` (P, ...) of the P pixels of a bool mask (H, W), split into its 8-connected regions."""
    with needed_for("regions"):
        from scipy import ndimage

    regions, _ = ndimage.label(mask, EIGHT)
    region_of = regions[mask]
    if len(region_of) == 0:
        return []

    order = np.argsort(region_of, kind="stable")
    areas = np.bincount(region_of)
    ends = np.cumsum(areas[1:])
    return np.split(values[order], ends[:-1])
