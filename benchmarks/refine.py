"""Time of a refinement on one core, at 128 and 224 pixels, for each model that has one.

python benchmarks/refine.py [--images N] [--models patchcore,padim,cflow]

The prototype that `synthgen.torch.refine` was specified by took 3.7 s of one core for an image of 128 pixels (120
iterations of 0.031 s), and about 12 s at 224 pixels. The baseline of the table is our own search with the
prototype's settings: 120 iterations without an early end, the whole image through the backbone.

CPU seconds of an image, on a core that was busy with other work, one image each (November 2026):

| model | pixels | baseline | ours | IoU, baseline and ours |
|---|---|---|---|---|
| patchcore | 128 | 4.31 | 1.40 | 0.93, 1.00 |
| patchcore | 224 | 10.54 | 2.14 | 0.67, 0.67 |
| padim | 128 | 4.79 | 1.46 | 0.96, 1.00 |
| padim | 224 | 11.44 | 2.27 | 0.84, 0.84 |
| cflow | 128 | 7.66 | 2.45 | 1.00, 1.00 |
| cflow | 224 | 13.62 | 5.22 | 1.00, 1.00 |

Images are photographs of gravel (scikit-image) with a pasted blob, the coarse mask is the truth grown by 4 % of the
side, and weights are those of EfficientNet-lite0 where its package is installed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from skimage import data
from timing import on_one_core

from synthgen.torch import Cflow, PaDiM, PatchCore
from synthgen.torch.models import local
from synthgen.torch.refinement import RefineOptions, Sampled, refine
from synthgen.torch.refinement.region import dilated

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from imagenet_lite0 import imagenet_lite0

SIZES = (128, 224)
TRAIN = 12
MODELS = {
    "patchcore": (PatchCore, {"coreset": 0.1}),
    "padim": (PaDiM, {"channels": 64}),
    "cflow": (Cflow, {"epochs": 1}),
}
BASELINE = RefineOptions(iterations=120, tolerance=0, step=0.05)


def pieces(count: int, size: int, seed: int) -> np.ndarray:
    """Return square pieces of a photograph, uint8 (N, size, size, 3)."""
    rng = np.random.default_rng(seed)
    photograph = data.gravel()
    out = []
    for _ in range(count):
        top, left = rng.integers(0, photograph.shape[0] - size + 1, 2)
        piece = photograph[top : top + size, left : left + size]
        out.append(np.repeat(piece[..., None], 3, axis=2))
    return np.stack(out)


def with_blob(image: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with an ellipse of one color, 1 to 4 % of it, and its mask."""
    size = len(image)
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:size, :size] / size
    center = rng.uniform(0.25, 0.75, 2)
    height, width = rng.uniform(0.05, 0.12, 2)
    mask = ((rows - center[0]) / height) ** 2 + ((columns - center[1]) / width) ** 2 < 1
    changed = image.copy()
    changed[mask] = rng.integers(0, 256, 3)
    return changed, mask


def fitted(kind: str, size: int):
    """Return a model for images of a size, and its prior of colors."""
    made, options = MODELS[kind]
    batch = torch.from_numpy(pieces(TRAIN, size, 0).transpose(0, 3, 1, 2).copy())
    loader = Sampled(list(batch.split(4)))
    model = made(imagenet_lite0(), layers=(1, 2), device="cpu", **options).fit(loader, progress="none")
    return model, loader.prior()


def measure(kind: str, size: int, count: int) -> None:
    """Print the CPU seconds of an image, ours and the baseline's, and their overlaps."""
    model, prior = fitted(kind, size)
    rows = []
    for number, image in enumerate(pieces(count, size, 1)):
        changed, truth = with_blob(image, number)
        coarse = dilated(truth, 0.04)
        rows.append(
            [
                *timed(model, changed, coarse, truth, prior, BASELINE, 0),
                *timed(model, changed, coarse, truth, prior),
            ]
        )

    theirs, their_iou, _, ours, our_iou, iterations = np.mean(rows, axis=0)
    baseline = f"baseline {theirs:6.2f} s (IoU {their_iou:.3f})"
    own = f"ours {ours:6.2f} s (IoU {our_iou:.3f}, {iterations:.0f} iterations)"
    print(f"{kind:10s} {size:4d} px  {baseline}  {own}  x{theirs / ours:.1f}", flush=True)


def timed(model, image, coarse, truth, prior, options=None, largest_window=local._LARGEST_WINDOW) -> tuple:
    """Return CPU seconds, IoU and iterations of a refinement."""
    kept = local._LARGEST_WINDOW
    local._LARGEST_WINDOW = largest_window
    try:
        start = time.process_time()
        found = refine(model, image, coarse, prior, options)
        seconds = time.process_time() - start
    finally:
        local._LARGEST_WINDOW = kept
    return seconds, (truth & found.mask).sum() / (truth | found.mask).sum(), found.iterations


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--models", default=",".join(MODELS))
    given = parser.parse_args()

    on_one_core()
    torch.set_num_threads(1)
    for kind in given.models.split(","):
        for size in SIZES:
            measure(kind, size, given.images)


if __name__ == "__main__":
    main()
