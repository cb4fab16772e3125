"""Metrics of anomaly detection: the truth first, then the scores; NumPy in and out, and no torch.

Masks may be ``{0, 1}``, ``{0, 255}`` or bool: nonzero is a defect. Labels are 0, 1 or bool. Scores may have any
scale, and higher is more anomalous. There is no sigmoid and no normalising: only the order of scores counts, and
for `proportion_localised` at linear thresholds their spacing. A rate without anything to count is ``nan``,
without a warning, so that it cannot pass for a result. A constant score gives what chance gives (AUROC 0.5, AUPRO
``max_fpr / 2``).

Pixel metrics read one image at a time, so `masks` and `maps` may be arrays (N, H, W), or lists or other objects
that give images (H, W) or batches (B, H, W) each time they are iterated. With ``maps=None``, `masks` gives the
pairs ``(mask, map)``. Those that sweep a threshold read everything twice and keep the scores of the defect pixels
alone; they are exact, ties included.

Pixels that are not inspected count in no metric: give maps as masked arrays (`numpy.ma`) that mask them.

`synthgen.metrics.registry` has the metrics of tables by name; `synthgen.metrics.intervals` says how far a number
can be believed.
"""

from synthgen.metrics.curves import average_precision, best_f1_threshold, fpr_at_recall, image_auroc, pixel_auroc
from synthgen.metrics.defects import defect_wise_recall
from synthgen.metrics.localisation import pl_details, proportion_localised
from synthgen.metrics.overlap import mean_overlap
from synthgen.metrics.pixels import pixel_scores
from synthgen.metrics.regions import aupro, spro

__all__ = [
    "aupro",
    "average_precision",
    "best_f1_threshold",
    "defect_wise_recall",
    "fpr_at_recall",
    "image_auroc",
    "mean_overlap",
    "pixel_auroc",
    "pixel_scores",
    "pl_details",
    "proportion_localised",
    "spro",
]
