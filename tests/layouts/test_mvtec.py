"""MVTec AD: kinds of defect, and masks found by name."""

from types import SimpleNamespace

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts import mvtec as layout
from synthgen.layouts import open_normal, open_test_set


def test_mvtec_has_kinds_with_masks_found_by_name(mvtec, trees):
    assert len(open_normal(mvtec)) == 3
    images = open_test_set(mvtec)
    assert images.layout == "MVTec AD"
    assert trees.kinds_of(images) == [(1, "crack"), (1, "crack"), (0, "good"), (0, "good"), (1, "hole")]
    np.testing.assert_array_equal(images[0].image, trees.picture(20))
    np.testing.assert_array_equal(images[0].mask, trees.mask_of((0, 0, 4, 4), (10, 10, 12, 20)) > 0)
    assert images[0].truth.instances.max() == 2
    assert not images[2].mask.any()
    assert {entry.category for entry in images.entries} == {"brick"}
    assert images.has_masks


def test_a_test_folder_alone_is_read_with_the_masks_beside_it(mvtec, trees):
    alone, whole = open_test_set(mvtec / "test"), open_test_set(mvtec)
    assert trees.kinds_of(alone) == trees.kinds_of(whole)
    assert alone.has_masks


def test_stored_jpeg_files_are_refused_since_readers_pass_them_over():
    fields = {"image": SimpleNamespace(codec="jpeg")}
    source = SimpleNamespace(manifest=SimpleNamespace(fields=fields))
    with pytest.raises(UsageError, match=r"image must be png for mvtec, .* got stored images that are JPEG"):
        layout.Writer([source], Options())
