"""What share of new normal images reaches the threshold of a score ensemble, where the promise is 1 / (n + 1).

No network is asked: scores of members are drawn at random, with what makes an image hard for all of them in common.
An ensemble is calibrated on n normal images, and the threshold is taken from the same ones

- as they score in it (``same``),
- as each scores in an ensemble that was calibrated without it (``left out``), as `synthgen fit` does.

    python benchmarks/ensemble_thresholds.py [--sets 100] [--images 10 20 40]
"""

import argparse
from itertools import product

import numpy as np
import torch

from synthgen.torch.ensembles.combining import combined
from synthgen.torch.ensembles.crossed import folds
from synthgen.torch.ensembles.said import Said
from synthgen.torch.ensembles.synthetic import Quality
from synthgen.torch.evaluation.limits import limits_of
from synthgen.torch.models import ScoreEnsemble

MEMBERS = 3
NEW = 400  # normal images that are still to come
COMBINE = ("mean", "max", "median", "weights", "vote", "logistic")
CALIBRATION = ("z", "tail", "synthetic")


class Member:
    """A fitted model of whole images, as far as an ensemble asks before it learns."""

    kind = "drawn"
    localises = False
    features = None
    notes: dict = {}  # noqa: RUF012

    def _need_fit(self):
        return (8, 8)


def drawn(rng: np.random.Generator, images: int, shift: float = 0.0) -> torch.Tensor:
    """Return skewed scores of members, (M, images), whose scales differ; defects are shifted."""
    hard = rng.normal(size=images)
    own = rng.normal(size=(MEMBERS, images))
    scale = np.array([[1.0], [20.0], [0.3]])
    return torch.from_numpy(scale * np.exp(0.4 * (hard + own + shift))).float()


def learned(normal: torch.Tensor, defects: torch.Tensor, **options) -> ScoreEnsemble:
    """Return an ensemble that is calibrated on scores (M, n) of normal images and (M, k) of defects."""
    model = ScoreEnsemble([Member() for _ in range(MEMBERS)], **options)
    nothing = torch.zeros(0, 0)
    model._learn(Said(normal, defects, nothing, nothing, [Quality(0.8, 0.5)] * MEMBERS), None)
    return model


def judged(model: ScoreEnsemble, scores: torch.Tensor) -> np.ndarray:
    """Return the scores of images in an ensemble, from those of its members."""
    calibrated = model._calibrated(scores, model.of_images)
    return combined(calibrated, model.settings.combine, model.weights_of_images).numpy()


def shares(seed: int, images: int, **options) -> tuple[float, float]:
    """Return the share of new normal images that reach the threshold: of the same images, and of those left out."""
    rng = np.random.default_rng(seed)
    normal = drawn(rng, images)
    defects = normal * torch.from_numpy(np.exp(0.4 * rng.normal(1.5, 1, (MEMBERS, images)))).float()
    model = learned(normal, defects, **options)

    apart = np.empty(images, np.float32)
    for own, others in folds(images):
        without = learned(normal[:, others], defects[:, others], **options)
        apart[own] = judged(without, normal[:, own])

    new = judged(model, drawn(rng, NEW))
    found = []
    for scores in (judged(model, normal), apart):
        threshold = limits_of(scores, None, 0.01).image
        found.append(float((new >= threshold).mean()))
    return found[0], found[1]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 20, 40])
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'images':>6s}  {'calibration':11s}  {'combine':8s}  promised   same  left out")
    for images, calibration, combine in product(given.images, CALIBRATION, COMBINE):
        found = [shares(seed, images, calibration=calibration, combine=combine) for seed in range(given.sets)]
        same, apart = np.mean(found, axis=0)
        promised = 1 / (images + 1)
        print(f"{images:6d}  {calibration:11s}  {combine:8s}  {promised:8.1%} {same:6.1%} {apart:9.1%}", flush=True)


if __name__ == "__main__":
    main()
