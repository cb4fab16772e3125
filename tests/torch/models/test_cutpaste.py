"""CutPaste: it learns to see pieces; maps by patches, whole images without maps."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.models import CutPasteModel, load_model

SMALL = {"layers": (1,), "patch": 0.5, "epochs": 1, "step_images": 8, "hidden": 16, "views": 4}


@pytest.fixture(scope="module")
def fitted(backbone, images):
    return CutPasteModel(backbone, **SMALL).fit([images])


def test_patches_cover_the_image_evenly(fitted):
    assert fitted._starts(64, 32) == [0, 8, 16, 24, 32]
    assert fitted._starts(32, 32) == [0]
    assert CutPasteModel("random:test_resnet", stride=1.0)._starts(100, 30) == [0, 23, 47, 70]


def test_the_score_of_an_image_is_its_worst_patch(fitted, images):
    scores, maps = fitted.predict(images)
    assert maps.shape == (8, 64, 64)
    assert (maps.max((1, 2)) <= scores * (1 + 1e-5)).all()


def test_a_model_of_whole_images_has_no_maps_also_after_loading(backbone, images, tmp_path):
    model = CutPasteModel(backbone, **{**SMALL, "patch": 1.0}).fit([images])
    model.save(tmp_path / "m")
    scores, maps = load_model(tmp_path / "m").predict(images)
    assert maps is None
    assert not model.localises
    np.testing.assert_array_equal(scores, model.predict(images)[0])


def test_patches_too_small_for_a_piece_are_refused(backbone, images):
    with pytest.raises(UsageError, match="patch must be at least 16 pixels wide and high, got 6"):
        CutPasteModel(backbone, **{**SMALL, "patch": 0.1}).fit([images])
