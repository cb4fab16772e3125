"""MVTec LOCO: each mask is a defect, with a saturation of its own."""

import numpy as np
import pytest

from synthgen.layouts import open_normal, open_test_set


def test_each_mask_of_loco_is_a_defect_with_its_own_saturation(loco):
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    truth = images[1].truth
    assert [region.sum() for region in truth.regions] == [100, 104]
    assert truth.saturation == (50, 26)
    assert truth.instances.max() == 2  # the second defect lies in two places and stays one
    assert images[2].truth.saturation == (4,)  # never more than the defect has


def test_saturation_keeps_its_share_when_resized(loco):
    truth = open_test_set(loco, (10, 15))[1].truth
    for region, enough, share in zip(truth.regions, truth.saturation, (50 / 100, 26 / 104), strict=True):
        assert enough == pytest.approx(share * region.sum())


def test_loco_without_a_configuration_has_masks_but_no_saturation(loco):
    (loco / "defects_config.json").unlink()
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    assert images[1].mask.sum() == 100 + 104 - 25
    assert images[1].truth.regions == ()


def test_a_value_that_saturation_does_not_know_is_refused(loco, trees):
    path = trees.put(
        loco / "ground_truth" / "logical_anomalies" / "021" / "000.png", trees.mask_of((0, 0, 2, 2), value=7)
    )
    trees.refused(lambda: open_test_set(loco)[2], path, "(240, 241)", "got 7")


@pytest.mark.parametrize("text", ["", "{}", '[{"pixel_value": 0}]', "[1"])
def test_a_damaged_configuration_is_refused(loco, text, trees):
    (loco / "defects_config.json").write_text(text)
    trees.refused(lambda: open_test_set(loco), "defects_config.json", "must be MVTec LOCO's list of defects")


def test_a_defect_that_another_covers_stays_whole(loco, trees):
    folder = loco / "ground_truth" / "logical_anomalies" / "021"
    trees.put(folder / "000.png", trees.mask_of((2, 2, 6, 6), value=240))
    trees.put(folder / "001.png", trees.mask_of((0, 0, 15, 15), value=241))
    truth = open_test_set(loco)[2].truth
    assert [set(np.unique(layer)) for layer in truth.layers] == [{0, 1}, {0, 2}]
    assert [np.count_nonzero(layer) for layer in truth.layers] == [16, 225]
    assert np.count_nonzero(truth.instances) == 225


def test_images_for_validation_are_known_and_others_are_reported(loco, trees):
    trees.put_many(loco / "validation" / "good", 1)
    trees.put_many(loco / "extra", 1)
    for images in (open_normal(loco), open_test_set(loco)):
        assert images.left_out == [f"{loco / 'extra'}: 1 images left out, 000.png among them"]
