"""Every public metric takes numbers of any type for what they are, leaves them alone, and refuses what is none."""

import inspect

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.layouts.truth import Truth
from synthgen.metrics import (
    auroc_interval,
    curves,
    defects,
    features,
    intervals,
    localisation,
    overlap,
    pixels,
    regions,
    signed_ranks,
)
from synthgen.metrics.part import Maps, Part
from synthgen.metrics.registry import METRICS, columns_of, measured

RNG = np.random.default_rng(5)  # test data only
LABELS = np.array([0.0, 0, 1, 1, 1, 0])
SCORES = np.array([0, 1, 3, 2, 0, 3]) / 0.7
MASKS = np.zeros((6, 12, 14))
MASKS[2:5, 1:6, 2:7] = 1
MASKS[4, 9:11, 8:13] = 1
MAPS = RNG.integers(0, 50, MASKS.shape) / 0.7 + 30 * MASKS
FOUND = (MAPS > 60) * 1.0
FEATURES = RNG.integers(0, 70, (12, 5)) / 0.7
CLASSES = np.repeat([2.0, 7, 9], 4)
WEIGHTS = 1.0 + RNG.integers(0, 3, (5, 6))
SAMPLES = RNG.integers(0, 9, 40) / 9
SHARES = RNG.integers(0, 9, 12) / 9
ENDS = np.stack([SHARES / 2, SHARES], axis=1)
TRUTHS = [Truth((mask,), (mask > 0,), (20.0,)) if mask.any() else None for mask in MASKS.astype(np.int32)]


def resampled(weights, scores, masks, maps):
    return intervals.resampled(intervals.count(LABELS, scores, masks, maps), weights)


def of_table(scores, maps):
    """Return all metrics of tables, at thresholds that no float of few bits can hold."""
    part = Part(LABELS, scores, TRUTHS, Maps(maps, range(6)))
    return measured(part.at(0.1 + float(scores.max()) / 2, 0.1 + float(maps.max()) / 2), columns_of(METRICS))


def spro(masks, maps, enough):
    return regions.spro(list(masks), maps, 7), regions.spros(list(masks), maps, enough, (0.1, 1.0))


def localised(masks, maps):
    return [localisation.proportions_localised(masks, maps, (0.1, 0.3), way) for way in ("exact", *SPACINGS)]


SPACINGS = tuple(localisation.SPACINGS)
IMAGES = (LABELS, SCORES)
PIXELS = (MASKS, MAPS)
DECIDED = (MASKS, FOUND)
# name -> the function, and the arrays that it takes
TABLE = {
    "image_auroc": (curves.image_auroc, IMAGES),
    "pixel_auroc": (curves.pixel_auroc, PIXELS),
    "best_f1_threshold": (curves.best_f1_threshold, IMAGES),
    "average_precision": (curves.average_precision, IMAGES),
    "average_precision of pixels": (curves.average_precision, PIXELS),
    "fpr_at_recall": (curves.fpr_at_recall, IMAGES),
    "aupro": (regions.aupro, PIXELS),
    "aupros": (lambda masks, maps: regions.aupros(masks, maps, (0.05, 1.0)), PIXELS),
    "spro, spros": (spro, (*PIXELS, LABELS + 7)),
    "proportion_localised": (localisation.proportion_localised, PIXELS),
    "proportions_localised": (localised, PIXELS),
    "pl_details": (lambda masks, maps: localisation.pl_details(masks, maps)[:2], PIXELS),
    "pixel_scores": (pixels.pixel_scores, DECIDED),
    "defect_wise_recall": (defects.defect_wise_recall, DECIDED),
    "covered_shares": (defects.covered_shares, DECIDED),
    "recall_curve": (defects.recall_curve, DECIDED),
    "overlaps": (overlap.overlaps, DECIDED),
    "mean_overlap": (overlap.mean_overlap, DECIDED),
    "knn_accuracy": (lambda rows, labels: features.knn_accuracy(rows, labels, 2), (FEATURES, CLASSES)),
    "effective_dimensions": (features.effective_dimensions, (FEATURES,)),
    "intraclass_compactness": (features.intraclass_compactness, (FEATURES, CLASSES)),
    "count": (lambda *given: intervals.count(*given)[2:], (*IMAGES, *PIXELS)),
    "draws": (lambda labels: intervals.draws(labels, 3), (LABELS,)),
    "resampled": (resampled, (WEIGHTS, SCORES, *PIXELS)),
    "interval": (intervals.interval, (SAMPLES,)),
    "interval around a value": (lambda samples: intervals.interval(samples, 0.3), (SAMPLES,)),
    "pooled": (lambda one, other: intervals.pooled([one, other]), (SAMPLES, SAMPLES[::-1])),
    "is_tied": (intervals.is_tied, (SAMPLES, SAMPLES[::-1])),
    "ranks": (intervals.ranks, (SCORES,)),
    "mean_ranks": (intervals.mean_ranks, (SCORES.reshape(2, 3),)),
    "auroc_interval": (
        lambda value, images: auroc_interval.auroc_interval(*value, *images),
        (SHARES[:1], LABELS[2:4] * 100),
    ),
    "mean_interval": (auroc_interval.mean_interval, (SHARES, ENDS)),
    "signed_ranks": (signed_ranks.signed_ranks, (SCORES,)),
    "holm": (signed_ranks.holm, (SHARES,)),
    "the metrics of tables": (of_table, (SCORES, MAPS)),
}
# What stands for another type of number, or another order of them in memory.
FORMS = {
    "bool": lambda array: array.astype(bool),
    "uint8": lambda array: array.astype(np.uint8),
    "int8": lambda array: array.astype(np.int8),
    "int64": lambda array: array.astype(np.int64),
    "float16": lambda array: array.astype(np.float16),
    "float32": lambda array: array.astype(np.float32),
    "big-endian int16": lambda array: array.astype(">i2"),
    "big-endian float32": lambda array: array.astype(">f4"),
    "big-endian float64": lambda array: array.astype(">f8"),
    "every second": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
    "columns first": np.asfortranarray,
}
# Products of float32 tables are as exact as these are.
TOLERANCE = {"resampled": 1e-6}
# What a resample has no value for is NaN, and an infinite saturation is all of a region.
ALLOWED = {
    ("interval", 0),
    ("interval around a value", 0),
    ("pooled", 0),
    ("pooled", 1),
    ("is_tied", 0),
    ("is_tied", 1),
}
# Parts of metrics, and what takes no numbers of a user's.
HELPERS = {
    "anomaly_boxes", "anomaly_ious", "area_under", "by_region", "by_size", "count_part", "counted",
    "deviations_of", "localised_spans", "rank", "ratio", "read_predictions",
}  # fmt: skip
MODULES = (
    auroc_interval,
    curves,
    defects,
    features,
    intervals,
    localisation,
    overlap,
    pixels,
    regions,
    signed_ranks,
)


def values_of(found):
    """Yield what a metric returned, piece by piece."""
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, tuple | list):
        for each in found:
            yield from values_of(each)
    elif found is not None:
        yield np.asarray(found, float)


def test_the_table_holds_every_public_metric():
    names = set()
    for module in MODULES:
        own = inspect.getmembers(module, inspect.isfunction)
        names |= {name for name, value in own if value.__module__ == module.__name__ and name[0] != "_"}
    listed = {word for name in TABLE for word in name.split(", ")}
    assert names - listed == HELPERS


@pytest.mark.parametrize("name", TABLE)
def test_numbers_count_whatever_their_type(name):
    measure, arrays = TABLE[name]
    for form, made in FORMS.items():
        given = [made(array) for array in arrays]
        plain = [array.astype(np.float64) for array in given]
        kept = [array.copy() for array in given]
        for array in given:
            array.flags.writeable = False

        found = list(values_of(measure(*given)))
        expected = list(values_of(measure(*plain)))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=TOLERANCE.get(name, 1e-12), atol=0, err_msg=form)
        for array, copy in zip(given, kept, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", TABLE)
def test_what_is_no_finite_number_is_refused_in_one_line(name, bad):
    measure, arrays = TABLE[name]
    for place in range(len(arrays)):
        if (name, place) in ALLOWED or (name, place, bad) == ("spro, spros", 2, np.inf):
            continue
        given = [array.copy() for array in arrays]
        given[place].flat[given[place].size // 2] = bad
        with pytest.raises(UsageError) as caught:
            measure(*given)
        assert "\n" not in str(caught.value)
