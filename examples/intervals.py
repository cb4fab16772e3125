"""Metrics of many resamples of a test set, from counts that are taken once an image."""

import numpy as np
from scipy.ndimage import label
from sklearn.metrics import auc

THRESHOLDS, MAX_FPR = 200, 0.3


def counts(maps: np.ndarray, masks: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the pixel metrics of any resample of the images follow from.

    Parameters
    ----------
    maps, masks : ndarray, (N, H, W)

    Returns
    -------
    dict
        At T thresholds, quantiles of the normal pixels: ``normal`` and ``defect`` (N, T), pixels above them;
        ``overlap`` (N, T), the sum over an image's regions of their share above them; ``regions`` (N,).
    """
    shares = np.concatenate([np.linspace(0, 0.6, 20), 1 - np.geomspace(0.4, 1e-5, THRESHOLDS - 20)])
    thresholds = np.quantile(maps[~masks][::7], shares)
    found = {key: np.zeros((len(maps), THRESHOLDS), np.float32) for key in ("normal", "defect", "overlap")}
    regions = np.zeros(len(maps), np.int32)
    for i, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        above = len(values[~mask]) - np.searchsorted(np.sort(values[~mask]), thresholds)
        found["normal"][i] = above
        parts, regions[i] = label(mask, np.ones((3, 3)))
        for number in range(1, regions[i] + 1):
            inside = np.sort(values[parts == number])
            hits = len(inside) - np.searchsorted(inside, thresholds)
            found["defect"][i] += hits
            found["overlap"][i] += hits / len(inside)
    return {**found, "regions": regions}


def resampled(result: dict, masks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return image AUROC, pixel AUROC and AUPRO of resamples, (R, 3); `weights` (R, N) counts images in each."""
    labels = masks.any(axis=(1, 2))
    areas = masks.sum(axis=(1, 2))
    ranks = result["scores"][labels][:, None] > result["scores"][~labels]
    pairs = weights[:, labels] @ ranks.astype(np.float32)
    image = (pairs * weights[:, ~labels]).sum(axis=1) / (weights[:, labels].sum(1) * weights[:, ~labels].sum(1))
    fpr = (weights @ result["normal"]) / (weights @ (masks[0].size - areas))[:, None]
    tpr = (weights @ result["defect"]) / (weights @ areas)[:, None]
    pro = (weights @ result["overlap"]) / (weights @ result["regions"])[:, None]
    rows = [(area_under(f, t, 1.0), area_under(f, p, MAX_FPR)) for f, t, p in zip(fpr, tpr, pro, strict=True)]
    return np.column_stack([image, rows])


def area_under(fpr: np.ndarray, rate: np.ndarray, limit: float) -> float:
    """Return the area under a curve up to a limit of the false positive rate, over the limit."""
    fpr, rate = np.r_[0, fpr[::-1], 1], np.r_[0, rate[::-1], 1]
    grid = np.r_[fpr[fpr < limit], limit]
    return auc(grid, np.interp(grid, fpr, rate)) / limit
