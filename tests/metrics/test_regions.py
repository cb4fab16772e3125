"""Region overlap against the plain curve: every threshold, every region, trapezoids."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from sklearn.metrics import auc

from synthgen.errors import UsageError
from synthgen.metrics import aupro, pixel_auroc, spro


def plain_area(regions, normal, max_fpr):
    """Area under the mean overlap of regions, given as (scores of their pixels, saturation)."""
    every = np.unique(np.concatenate([normal, *(scores for scores, _ in regions)]))[::-1]
    fpr, overlap = [0.0], [0.0]
    for threshold in every:
        fpr.append(np.mean(normal >= threshold))
        overlap.append(np.mean([min(np.sum(scores >= threshold) / full, 1) for scores, full in regions]))
    inside = [i for i, rate in enumerate(fpr) if rate <= max_fpr]
    xs, ys = [fpr[i] for i in inside], [overlap[i] for i in inside]
    if xs[-1] < max_fpr:  # cut the next segment at max_fpr
        i = inside[-1]
        part = (max_fpr - fpr[i]) / (fpr[i + 1] - fpr[i])
        xs.append(max_fpr)
        ys.append(overlap[i] + part * (overlap[i + 1] - overlap[i]))
    return auc(xs, ys) / max_fpr


def plain_aupro(masks, maps, max_fpr):
    regions = []
    for mask, scores in zip(masks, maps, strict=True):
        labels = label(mask, connectivity=2)
        regions += [(scores[labels == i], np.sum(labels == i)) for i in range(1, labels.max() + 1)]
    return plain_area(regions, maps[~masks], max_fpr)


def example(seed, size=18, images=3):
    """Some blobs and specks, an image without any, and maps that half know them."""
    rng = np.random.default_rng(seed)
    masks = rng.random((images, size, size)) < 0.01
    masks[0, 3:9, 4:15] = masks[1, 10:13, 1:3] = True
    masks[-1] = False
    return masks, masks * 0.7 + rng.random(masks.shape)


cases = st.tuples(
    arrays(bool, (2, 5, 6)).filter(lambda a: a.any() and not a.all()),
    arrays(np.int64, (2, 5, 6), elements=st.integers(-4, 4)),
    st.sampled_from([0.05, 0.3, 1.0]),
)


@pytest.mark.parametrize("max_fpr", [0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_aupro_is_that_of_the_plain_way(seed, max_fpr):
    masks, maps = example(seed)
    assert aupro(masks, maps, max_fpr) == pytest.approx(plain_aupro(masks, maps, max_fpr), abs=1e-9)
    coarse = np.round(maps, 1).astype(np.float32)  # many ties
    assert aupro(masks, coarse, max_fpr) == pytest.approx(plain_aupro(masks, coarse, max_fpr), abs=1e-9)


@settings(max_examples=30)
@given(cases)
def test_aupro_with_ties_everywhere_is_that_of_the_plain_way(case):
    masks, maps, max_fpr = case
    area = aupro(masks, maps, max_fpr)
    assert 0 <= area <= 1
    assert area == pytest.approx(plain_aupro(masks, maps, max_fpr), abs=1e-9)


@settings(max_examples=30)
@given(cases)
def test_aupro_does_not_change_under_a_rising_transform(case):
    masks, maps, max_fpr = case
    area = aupro(masks, maps, max_fpr)
    assert aupro(masks, np.exp(maps / 3.0), max_fpr) == area
    assert aupro(masks, maps * 1e6 + 5, max_fpr) == area


@settings(max_examples=30)
@given(cases)
def test_spro_saturated_by_whole_masks_is_aupro_of_undivided_regions(case):
    masks, maps, max_fpr = case
    whole = [(scores[mask], mask.sum()) for mask, scores in zip(masks, maps, strict=True) if mask.any()]
    expected = plain_area(whole, maps[~masks], max_fpr)
    assert spro(masks, maps, 1e9, max_fpr) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("max_fpr", [0.05, 0.3])
def test_spro_of_several_masks_an_image_is_that_of_the_plain_way(max_fpr):
    rng = np.random.default_rng(3)
    stacks = [rng.random((count, 16, 16)) < 0.08 for count in (2, 0, 1, 3)]
    stacks[2] = stacks[2][0]  # a single mask may come as (H, W)
    saturation = [[4, 9.5], [], [1000], [1, 2.25, 12]]
    maps = np.round(rng.random((4, 16, 16)) + [np.atleast_3d(s.T).any(axis=-1).T * 0.5 for s in stacks], 2)
    regions, normal = [], []
    for stack, scores, enough in zip(stacks, maps, saturation, strict=True):
        stack = stack.reshape(-1, 16, 16)
        normal.append(scores[~stack.any(axis=0)])
        regions += [(scores[m], min(full, m.sum())) for m, full in zip(stack, enough, strict=True)]
    expected = plain_area(regions, np.concatenate(normal), max_fpr)
    assert spro(stacks, maps, saturation, max_fpr) == pytest.approx(expected, abs=1e-9)
    assert spro([s * np.uint8(255) for s in stacks], list(maps), saturation, max_fpr) == pytest.approx(expected)


def test_a_region_saturates_once_enough_of_it_is_found():
    mask = np.zeros((1, 10, 10), bool)
    mask[0, :4] = True
    maps = np.zeros(mask.shape)
    maps[0, 0] = 1
    assert spro(mask, maps, 10) == 1
    assert spro(mask, maps, 20) == pytest.approx(
        0.5 + 0.5 * 0.05 / 2
    )  # the rest comes by the tie with normal pixels


def test_regions_count_the_same_whatever_their_size_and_touch_at_corners():
    mask = np.zeros((1, 12, 12), bool)
    mask[0, :6, :6] = True
    mask[0, 10, 10] = mask[0, 11, 11] = True  # 8-connected: one region
    maps = np.zeros(mask.shape)
    maps[0, :6, :6] = 1
    assert aupro(mask, maps) == pytest.approx(0.5 + 0.5 * 0.15)
    maps[0, 10, 10] = 1
    assert aupro(mask, maps) == pytest.approx(0.75 + 0.25 * 0.15)


def test_a_perfect_map_gives_one_an_inverted_one_nothing_and_a_constant_one_half_the_limit():
    masks, _ = example(5)
    assert aupro(masks, masks * 12.0 - 50) == pytest.approx(1, abs=1e-12)
    assert aupro(masks, masks * 12.0 - 50) <= 1
    assert aupro(masks, -1.0 * masks) == 0
    assert aupro(masks, np.full(masks.shape, 3.0)) == pytest.approx(0.15)
    assert spro(masks, np.full(masks.shape, 3.0), 5) == pytest.approx(0.025)


def test_truth_of_one_kind_has_no_area():
    maps = np.random.default_rng(0).random((2, 4, 4))
    for masks in (np.zeros(maps.shape), np.ones(maps.shape)):
        assert math.isnan(aupro(masks, maps))
        assert math.isnan(spro(masks, maps, 3))


def test_one_region_and_no_limit_is_the_area_under_the_roc_curve():
    masks, maps = example(6)
    masks[:] = False
    masks[0, 4:9, 4:9] = True
    assert aupro(masks, maps, 1.0) == pytest.approx(pixel_auroc(masks, maps), abs=1e-12)


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.1, math.nan])
def test_a_limit_out_of_range_is_refused(max_fpr):
    masks, maps = example(0)
    for call in (lambda: aupro(masks, maps, max_fpr), lambda: spro(masks, maps, 5, max_fpr)):
        with pytest.raises(UsageError, match=r"^max_fpr must lie in \(0, 1\], got"):
            call()


@pytest.mark.parametrize(
    ("saturation", "message"),
    [
        ([[1]], "^saturation must have an entry for each image, got only 1$"),
        ([[1]] * 3, "^saturation must have an entry for each of 2 images, got 3$"),
        ([[1, 2], [1]], r"^saturation\[0\] must have a number for each of 1 masks, got 2$"),
        ([[1], [0]], r"^saturation\[1\] must be pixels > 0, got \[0\]$"),
        (math.nan, r"^saturation\[0\] must be pixels > 0"),
    ],
)
def test_a_saturation_that_does_not_fit_is_refused(saturation, message):
    masks = np.ones((2, 1, 3, 3))
    with pytest.raises(UsageError, match=message):
        spro(masks, np.ones((2, 3, 3)), saturation)


def test_masks_of_another_shape_than_their_map_are_refused():
    with pytest.raises(UsageError, match=r"^maps\[0\] must have its mask's shape"):
        spro(np.ones((1, 2, 3, 3)), np.ones((1, 3, 4)), 5)
