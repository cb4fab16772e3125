"""AUPRO over all thresholds, exactly, against the plain way: a sweep of 200 thresholds, every region at each.

python benchmarks/metrics.py
"""

import numpy as np
from scipy import ndimage
from timing import compare, on_one_core, seconds_of

from synthgen.metrics import aupro, pixel_auroc, proportion_localised

IMAGES, SIZE, THRESHOLDS = 40, 256, 200


def images_to_judge() -> tuple[np.ndarray, np.ndarray]:
    """Return masks with three defects in every other image, and smooth maps that half know them."""
    rng = np.random.default_rng(0)
    masks = np.zeros((IMAGES, SIZE, SIZE), bool)
    for mask in masks[::2]:
        for row, column in rng.integers(0, SIZE - 30, (3, 2)):
            mask[row : row + rng.integers(3, 30), column : column + rng.integers(3, 30)] = True
    noise = rng.normal(size=masks.shape)
    maps = [ndimage.gaussian_filter(m + 2.0 * n, 4) for m, n in zip(masks, noise, strict=True)]
    return masks, np.array(maps, np.float32)


def plain_aupro(masks: np.ndarray, maps: np.ndarray, max_fpr: float = 0.3) -> float:
    labels = [ndimage.label(mask, np.ones((3, 3)))[0] for mask in masks]
    normal = maps[~masks]
    fpr, overlap = [], []
    for threshold in np.linspace(maps.max(), maps.min(), THRESHOLDS):
        fpr.append(np.mean(normal >= threshold))
        found = zip(labels, maps, strict=True)
        overlap.append(np.mean([np.mean(m[l == i] >= threshold) for l, m in found for i in range(1, l.max() + 1)]))  # noqa: E741
    rates = np.linspace(0, max_fpr, 1001)
    return float(np.trapezoid(np.interp(rates, fpr, overlap), rates) / max_fpr)


def main() -> None:
    on_one_core()
    masks, maps = images_to_judge()
    plain, ours = plain_aupro(masks, maps), aupro(masks, maps)
    print(f"AUPRO of {IMAGES} images of {SIZE} x {SIZE}: plain {plain:.4f}, ours {ours:.4f}")
    works = {
        f"plain, {THRESHOLDS} thresholds": (lambda: plain_aupro(masks, maps), IMAGES),
        "synthgen, all thresholds": (lambda: aupro(masks, maps), IMAGES),
    }
    compare(works, "images", rounds=3)
    for metric in (pixel_auroc, proportion_localised):
        spent = seconds_of(lambda metric=metric: metric(masks, maps))
        print(f"  {metric.__name__:44s} {IMAGES / spent:10,.1f} images/s")


if __name__ == "__main__":
    main()
