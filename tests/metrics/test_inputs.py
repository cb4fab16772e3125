"""Truth and scores as callers give them: the same images in any form, and each mistake in one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.errors import UsageError
from synthgen.metrics import inputs

shapes = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
images = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-9, 9, width=32)))


def in_batches(stack, size):
    return [stack[i : i + size] for i in range(0, len(stack), size)]


@given(images, st.integers(1, 5))
def test_images_are_the_same_as_an_array_a_list_and_batches(maps, size):
    masks = (maps > 0).astype(np.uint8)
    forms = [
        (masks, maps),
        (list(masks), list(maps)),
        (in_batches(masks, size), in_batches(maps, size)),
        (in_batches(masks[:, None], size), in_batches(maps[:, None], size)),
        (list(zip(masks, maps, strict=True)), None),
    ]
    for form in forms:
        read = list(inputs.read_images(*form))
        np.testing.assert_array_equal([mask for mask, _ in read], masks)
        np.testing.assert_array_equal([scores for _, scores in read], maps)


ONE = np.zeros((1, 4, 5))
HOLED = np.array([[[0.0, np.nan], [np.inf, 1.0]]])
WRONG_IMAGES = {
    "no images": (([], []), "maps must hold images, got none"),
    "other shapes": ((ONE, ONE[:, :3]), r"maps\[0\] must have its mask's shape \(4, 5\), got \(3, 5\)"),
    "not images": (([np.zeros(3)], [np.zeros(3)]), r"masks must give images \(H, W\).*got shape \(3,\)"),
    "not finite": ((HOLED > 0, HOLED), r"maps\[0\] must hold finite scores, got 2 that are NaN or infinite"),
    "no numbers": ((ONE, ONE.astype(str)), r"maps\[0\] must hold real numbers, got <U"),
    "fewer masks": ((ONE, np.zeros((2, 4, 5))), "masks must be as many as the maps, got only 1"),
    "fewer maps": ((np.zeros((3, 4, 5)), ONE), "maps must be as many as the masks, got only 1"),
    "no pairs": ((ONE, None), r"maps must be given, or pairs \(mask, map\), got ndarray"),
}


@pytest.mark.parametrize("case", WRONG_IMAGES)
def test_images_that_cannot_be_measured_are_refused(case):
    given, message = WRONG_IMAGES[case]
    with pytest.raises(UsageError, match=f"^{message}"):
        list(inputs.read_images(*given))


def test_a_name_of_the_caller_stands_in_the_message():
    with pytest.raises(UsageError, match=r"^predictions\[0\] must have"):
        list(inputs.read_images(ONE, ONE[:, :3], "predictions"))


def test_images_are_read_as_often_as_asked_with_bool_masks():
    masks = np.array([[[0, 2], [255, 0]]])
    read = inputs.read_twice(masks, ONE[:, :2, :2])
    for _ in range(2):
        ((mask, _),) = read()
        np.testing.assert_array_equal(mask, [[False, True], [True, False]])


@pytest.mark.parametrize("place", ["masks", "maps"])
def test_what_can_be_read_only_once_is_refused(place):
    sources = {"masks": ONE, "maps": ONE, place: iter(ONE)}
    with pytest.raises(UsageError, match=rf"^{place} must be readable twice"):
        inputs.read_twice(**sources)


WRONG_LABELS = {
    "another number of scores": (
        ([0, 1], [0.1]),
        r"scores must be \(N,\) like the labels, got \(1,\) for labels \(2,\)",
    ),
    "none": (([], []), "scores must hold an image, got none"),
    "a third label": (([0, 2, 1], [0.0, 0.1, 0.2]), r"labels must be 0 \(normal\) or 1 \(defective\), got 2"),
    "no finite score": (([0, 1], [np.nan, 0.0]), "scores must hold finite scores, got 1"),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_labels_that_cannot_be_measured_are_refused(case):
    given, message = WRONG_LABELS[case]
    with pytest.raises(UsageError, match=f"^{message}"):
        inputs.read_labels(*given)


def test_labels_are_read_as_one_image():
    read = inputs.read_labels([0, 1, 1], np.array([0.1, 0.2, 0.3]))
    for _ in range(2):
        ((defective, scores),) = read()
        assert defective.tolist() == [False, True, True]
        assert scores.tolist() == [0.1, 0.2, 0.3]


@given(st.floats(allow_nan=True))
def test_a_share_lies_in_the_unit_interval(value):
    if 0 <= value <= 1:
        assert inputs.share(value, "max_fpr") == value
    else:
        with pytest.raises(UsageError, match=r"^max_fpr must lie in \[0, 1\], got"):
            inputs.share(value, "max_fpr")


def test_zero_may_be_no_share():
    with pytest.raises(UsageError, match=r"^iou must lie in \(0, 1\], got 0"):
        inputs.share(0, "iou", low_included=False)
