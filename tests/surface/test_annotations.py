import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.sample import id_dtype
from synthgen.surface.annotations import Annotations
from synthgen.surface.optics.camera import grown

SIZE = (20, 30)


def pixels(top, left, bottom, right):
    rows, columns = np.mgrid[top:bottom, left:right]
    return rows.ravel(), columns.ravel()


def test_later_objects_lie_over_earlier_ones_and_both_keep_their_masks():
    annotations = Annotations(SIZE, ["dent", "bump"])
    annotations.add("dent", *pixels(2, 3, 8, 10), center=(4.5, 6), params={})
    annotations.add("bump", *pixels(5, 5, 12, 9), center=(8, 6.5), params={})
    mask, (dent, bump) = annotations.finish()
    assert (dent["area"], dent["visible_area"]) == (42, 30)
    assert (bump["area"], bump["visible_area"]) == (28, 28)
    assert (dent["box"], bump["box"]) == ([2, 3, 8, 10], [5, 5, 12, 9])
    assert (annotations.masks["dent"] > 0).sum() == 42
    assert np.array_equal(mask > 0, annotations.ids > 0)
    assert np.array_equal(mask, np.maximum(annotations.masks["dent"], annotations.masks["bump"]))


def test_objects_without_pixels_are_left_out():
    annotations = Annotations(SIZE, ["dent"])
    annotations.add("dent", np.empty(0, int), np.empty(0, int), center=(-5, 3), params={})
    mask, objects = annotations.finish()
    assert objects == []
    assert not mask.any()


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_a_field_has_records_of_its_objects_the_largest_first(blur):
    numbers = np.zeros((6, 12), np.uint16)
    numbers[1:3, 1:3] = 1
    numbers[1:5, 7:10] = 2
    annotations = Annotations(SIZE, ["stain"], blur)
    window = (slice(4, 10), slice(10, 22))
    annotations.add_field("stain", window, numbers, np.array([[5.5, 11.5], [6.5, 18.0]]), [{"n": 1}, {"n": 2}])
    mask, objects = annotations.finish()
    whole = np.zeros(SIZE, np.uint16)
    whole[window] = numbers
    whole = grown(whole, blur)
    assert np.array_equal(mask > 0, whole > 0)
    assert [o["params"]["n"] for o in objects] == [2, 1]
    assert [o["center"] for o in objects] == [[6.5, 18.0], [5.5, 11.5]]
    for entry in objects:
        here = whole == entry["params"]["n"]
        rows, columns = np.nonzero(here)
        assert entry["area"] == entry["visible_area"] == here.sum()
        assert entry["box"] == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        assert np.array_equal(annotations.ids == entry["id"], here)


def test_a_stain_wholly_under_the_blur_of_another_has_no_id():
    numbers = np.zeros((9, 9), np.uint16)
    numbers[4, 4] = 1
    numbers[4, 5] = 2
    annotations = Annotations((9, 9), ["stain"], blur=2.0)
    whole = (slice(0, 9), slice(0, 9))
    numbers[4, 3] = 2
    annotations.add_field("stain", whole, numbers, np.zeros((2, 2)), [{"n": 1}, {"n": 2}])
    _, objects = annotations.finish()
    assert [(o["id"], o["params"]["n"]) for o in objects] == [(1, 2)]


def test_more_objects_than_ids_are_refused():
    numbers = np.arange(1, 301, dtype=np.uint16).reshape(15, 20)
    records = [{} for _ in range(300)]
    window = (slice(0, 15), slice(0, 20))
    for dtype in ("uint8", "uint16"):
        annotations = Annotations(SIZE, ["stain"], dtype=dtype)
        if dtype == "uint8":
            with pytest.raises(UsageError, match="at most 255 objects"):
                annotations.add_field("stain", window, numbers, np.zeros((300, 2)), records)
        else:
            annotations.add_field("stain", window, numbers, np.zeros((300, 2)), records)
            assert len(np.unique(annotations.ids)) == 301


@pytest.mark.parametrize(("most", "dtype"), [(0, "uint8"), (255, "uint8"), (256, "uint16")])
def test_ids_have_8_bits_where_these_hold_all_objects(most, dtype):
    assert id_dtype(most) == dtype
