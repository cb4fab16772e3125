"""Sheets, clean twins at the image's own size, and cut-outs."""

import numpy as np

from synthgen.torch.refinement.outlines import Refined
from synthgen.torch.refinement.pictures import at_size, cutouts, sheet


def found_of(mask):
    normal = np.full((*mask.shape, 3), 50, np.uint8)
    return Refined(mask, normal, mask.astype(np.float32), ())


def test_a_sheet_has_five_pictures_and_both_outlines(defect):
    image, truth, coarse = defect
    picture = sheet(image, coarse * 2.0, 1.0, coarse, found_of(truth))
    assert picture.shape == (64, 5 * 64 + 4 * 4, 3)
    outlined = picture[:, 2 * 68 : 2 * 68 + 64]
    assert (outlined[24, 25] == (0, 255, 255)).all()
    assert (outlined[30, 39] == (255, 170, 0)).all()
    assert (picture[:, :64] == image).all()


def test_a_larger_image_is_changed_inside_of_its_mask_alone(defect):
    _, truth, _ = defect
    large = np.random.default_rng(0).integers(100, 255, (150, 96, 3), np.uint8)
    mask, normal = at_size(found_of(truth), large)
    assert mask.shape == (150, 96)
    assert abs(mask.mean() - truth.mean()) < 0.01
    assert (normal[mask] == 50).all()
    assert (normal[~mask] == large[~mask]).all()


def test_each_defect_is_cut_out_with_its_alpha():
    mask = np.zeros((100, 100), bool)
    mask[10:14, 10:20] = True
    mask[10:14, 21:30] = True  # a pixel apart: the same defect
    mask[60:70, 50:55] = True
    image = np.arange(30_000, dtype=np.uint32).reshape(100, 100, 3).astype(np.uint8)
    first, second = cutouts(image, mask)
    assert first.shape == (4, 20, 4)
    assert second.shape == (10, 5, 4)
    np.testing.assert_array_equal(first[..., :3], image[10:14, 10:30])
    np.testing.assert_array_equal(first[..., 3] > 0, mask[10:14, 10:30])
    assert cutouts(image, mask & False) == []
