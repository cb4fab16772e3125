"""Which pixels of a sample are the defect."""

from types import SimpleNamespace

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.layouts import open_test_set
from synthgen.layouts.defects import check_truth, defect_field, marked_pixels

RULES = [
    (("image", "mask", "scratch"), "scratch", "defects", "scratch"),
    (("image", "mask", "scratch"), "dent", "defects", "mask"),
    (("image", "instances"), "dent", "defects", "instances"),
    (("image", "mask", "scratch"), "scratch", "all", "mask"),
    (("image", "mask", "scratch"), "dent", "scratch", "scratch"),
    (("image", "mask"), "image", "defects", "mask"),
    (("image",), "dent", "defects", None),
]


@pytest.mark.parametrize(("names", "kind", "truth", "field"), RULES)
def test_the_field_named_as_the_class_comes_first(names, kind, truth, field):
    assert defect_field(dict.fromkeys(names), kind, truth) == field


def test_readers_and_exports_mark_the_same_pixels(plates):
    ours = synthgen.open(plates)
    for entry, item in zip(open_test_set(plates).entries, open_test_set(plates), strict=True):
        if entry.label:
            label, index = (int(part[1:]) for part in entry.name.split("-"))
            marked = marked_pixels(ours, ours.find(label, index), entry.kind)
            np.testing.assert_array_equal(item.mask, marked)
            assert 0 < marked.sum() < ours.field(ours.find(label, index), "mask").astype(bool).sum()


def test_a_truth_must_be_a_rule_or_a_field_that_marks_pixels():
    fields = {name: SimpleNamespace(kind=kind) for name, kind in (("image", "image"), ("mask", "mask"))}
    check_truth(fields, "mask")
    for truth in ("image", "rust"):
        with pytest.raises(UsageError, match=f"truth must be one of defects, all, mask, got {truth}"):
            check_truth(fields, truth)


def test_a_data_set_that_marks_nothing_is_refused():
    dataset = SimpleNamespace(path="d", manifest=SimpleNamespace(fields={"image": None}))
    with pytest.raises(UsageError, match="d: must have a field that marks the defects of dent, got image"):
        marked_pixels(dataset, 0, "dent")
