"""Areas under ROC curves and the best F1: exact, ties included, on any scale."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from synthgen.errors import UsageError
from synthgen.metrics import aupro, average_precision, best_f1_threshold, fpr_at_recall, image_auroc, pixel_auroc

pytestmark = pytest.mark.filterwarnings("error")
RNG = np.random.default_rng(0)  # test data only


@st.composite
def labels_and_scores(draw):
    count = draw(st.integers(2, 40))
    labels = draw(arrays(bool, count).filter(lambda a: a.any() and not a.all()))
    # Few different values, so that ties are common; both signs, and outside of [0, 1].
    return labels, draw(arrays(np.int64, count, elements=st.integers(-6, 6)))


@settings(max_examples=40)
@given(labels_and_scores())
def test_image_auroc_is_that_of_scikit_learn(case):
    labels, scores = case
    assert image_auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(max_examples=40)
@given(labels_and_scores())
def test_average_precision_is_that_of_scikit_learn(case):
    labels, scores = case
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
    assert average_precision(labels[None, :, None], scores[None, :, None]) == average_precision(labels, scores)


@settings(max_examples=40)
@given(labels_and_scores(), st.sampled_from([0.3, 0.5, 0.95, 0.99, 1.0]))
def test_fpr_at_a_recall_is_read_off_the_roc_curve(case, recall):
    labels, scores = case
    fpr, found, _ = roc_curve(labels, scores, drop_intermediate=False)
    expected = fpr[found >= recall - 1e-12].min()
    assert fpr_at_recall(labels, scores, recall) == pytest.approx(expected, abs=1e-12)
    assert fpr_at_recall(labels[None, :, None], scores[None, :, None], recall) == pytest.approx(expected, abs=1e-12)


def test_what_has_nothing_to_find_has_no_rate():
    for metric in (average_precision, fpr_at_recall):
        assert math.isnan(metric([0, 0], [1, 2]))
    assert math.isnan(fpr_at_recall([1, 1], [1, 2]))
    with pytest.raises(UsageError, match=r"^recall must lie in \(0, 1\], got 0$"):
        fpr_at_recall([0, 1], [1, 2], recall=0)


@settings(max_examples=40)
@given(labels_and_scores())
def test_auroc_does_not_change_under_a_rising_transform_and_turns_round_under_a_falling_one(case):
    labels, scores = case
    area = image_auroc(labels, scores)
    assert 0 <= area <= 1
    assert image_auroc(labels, np.exp(scores / 2.0)) == area
    assert image_auroc(labels, scores.astype(np.float32) * 1000 - 7) == area
    assert image_auroc(labels, -scores) == pytest.approx(1 - area, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_pixel_auroc_is_that_of_scikit_learn_for_any_dtype_and_kind_of_mask(dtype):
    masks = RNG.random((4, 20, 30)) < 0.1
    maps = (100 * (masks * 0.4 + RNG.random(masks.shape))).astype(dtype)
    expected = roc_auc_score(masks.ravel(), maps.astype(float).ravel())
    for kind in (masks, masks.astype(np.uint8), masks.astype(np.uint8) * 255, masks * 1.0):
        assert pixel_auroc(kind, maps) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_map_gives_one_an_inverted_one_zero_and_a_constant_one_a_half():
    mask = np.zeros((2, 8, 8), bool)
    mask[0, 2:4, 3:7] = True
    assert pixel_auroc(mask, mask * 30.0 - 100) == 1
    assert pixel_auroc(mask, -1.0 * mask) == 0
    assert pixel_auroc(mask, np.full(mask.shape, 0.7)) == 0.5


def test_truth_of_one_kind_has_no_auroc():
    for labels in ([0, 0, 0], [1, 1, 1]):
        assert math.isnan(image_auroc(labels, [0.1, 0.2, 0.3]))
        assert math.isnan(pixel_auroc(np.full((2, 3, 3), labels[0]), np.zeros((2, 3, 3))))


def test_arrays_lists_batches_and_pairs_give_the_same():
    masks = RNG.random((6, 9, 9)) < 0.2
    maps = RNG.random(masks.shape)
    expected = pixel_auroc(masks, maps)
    assert pixel_auroc(list(masks), list(maps)) == expected
    assert pixel_auroc([masks[:4], masks[4:]], [maps[:4], maps[4:]]) == expected
    assert pixel_auroc(masks[:, None], maps[:, None]) == expected  # (N, 1, H, W): batches of one
    assert pixel_auroc([masks[:, None]], [maps[:, None]]) == expected  # a batch (B, 1, H, W)
    assert pixel_auroc(list(zip(masks, maps, strict=True))) == expected


def test_images_may_differ_in_size():
    masks = [np.eye(4), np.zeros((7, 3))]
    assert pixel_auroc(masks, [np.eye(4) + 1, np.ones((7, 3))]) == 1


@settings(max_examples=25)
@given(labels_and_scores())
def test_no_threshold_has_a_higher_f1_than_the_best(case):
    labels, scores = case
    threshold, f1 = best_f1_threshold(labels, scores)
    assert f1 == pytest.approx(f1_score(labels, scores >= threshold), abs=1e-12)
    every = [2 * (labels & (scores >= t)).sum() / (labels.sum() + (scores >= t).sum()) for t in np.unique(scores)]
    assert f1 == pytest.approx(max(every), abs=1e-12)


def test_best_f1_of_maps_is_that_of_their_pixels_and_the_threshold_holds_in_float32():
    masks = RNG.random((3, 10, 10)) < 0.2
    maps = (masks * 0.5 + RNG.random(masks.shape)).astype(np.float32)
    threshold, f1 = best_f1_threshold(masks, maps)
    assert (threshold, f1) == best_f1_threshold(masks.ravel(), maps.ravel())
    assert (threshold, f1) == best_f1_threshold(list(zip(masks, maps, strict=True)))
    assert f1 == pytest.approx(f1_score(masks.ravel(), (maps >= threshold).ravel()), abs=1e-12)


def test_best_f1_has_defined_values_for_truth_of_one_kind():
    assert all(math.isnan(value) for value in best_f1_threshold([0, 0], [1.0, 2.0]))
    assert best_f1_threshold([1, 1], [1.0, 2.0]) == (1.0, 1.0)


class Lazy:
    """Images that exist only while they are looked at."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        for number in range(self.count):
            mask = np.zeros((128, 128), bool)
            mask[number % 100 : number % 100 + 4, 5:9] = True
            yield mask, np.random.default_rng(number).random(mask.shape) + mask


@pytest.mark.parametrize("metric", [pixel_auroc, aupro])
def test_memory_does_not_grow_with_normal_pixels(metric):
    def peak(count):
        tracemalloc.start()
        metric(Lazy(count))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)  # imports
    assert peak(100) - peak(10) < 0.05 * 90 * 128 * 128 * 8  # of the 90 more maps


@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        (
            np.zeros((2, 3, 3)),
            np.zeros((2, 3, 4)),
            r"^maps\[0\] must have its mask's shape \(3, 3\), got \(3, 4\)$",
        ),
        (np.zeros((2, 3, 3)), np.zeros((1, 3, 3)), "^maps must be as many as the masks, got only 1$"),
        (np.zeros((1, 3, 3)), np.zeros((2, 3, 3)), "^masks must be as many as the maps, got only 1$"),
        (np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), "^maps must hold images, got none$"),
        (np.zeros((3, 3)), np.zeros((3, 3)), r"^masks must give images \(H, W\)"),
        (
            np.zeros((3, 2, 2)),
            [np.zeros((2, 2)), np.full((2, 2), np.nan)] * 2,
            r"^maps\[1\] .*got 4 that are NaN",
        ),
        (np.zeros((1, 2, 2)), [[["a", "b"], ["c", "d"]]], r"^maps\[0\] must hold real numbers"),
        (np.zeros((1, 2, 2)), (m for m in np.zeros((1, 2, 2))), "^maps must be readable twice .*got a generator$"),
        (np.zeros((1, 2, 2)), None, r"^maps must be given, or pairs \(mask, map\), got ndarray$"),
    ],
)
def test_bad_images_are_refused_in_one_line(masks, maps, message):
    with pytest.raises(UsageError, match=message) as caught:
        pixel_auroc(masks, maps)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", [image_auroc, best_f1_threshold])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.1, np.inf], "^scores must hold finite scores, got 1"),
        ([0, 1], [0.1], r"^scores must be \(N,\)"),
        ([], [], "^scores must hold an image, got none$"),
    ],
)
def test_bad_scores_are_refused_in_one_line(metric, labels, scores, message):
    with pytest.raises(UsageError, match=message):
        metric(labels, scores)


@pytest.mark.parametrize("metric", [image_auroc, best_f1_threshold])
@pytest.mark.parametrize("wrong", [2, -1, 255, 0.5, math.nan])
def test_labels_other_than_0_and_1_are_refused(metric, wrong):
    with pytest.raises(UsageError, match=rf"^labels must be 0 \(normal\) or 1 \(defective\), got {wrong}"):
        metric([0, wrong, 1], [0.1, 0.2, 0.3])
    assert metric([False, True], [0.1, 0.2]) == metric([0, 1], [0.1, 0.2]) == metric([0.0, 1.0], [0.1, 0.2])
