"""CFLOW-AD: batches, borders, training, memory."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.models import Cflow, load_model

SMALL = {"blocks": 2, "epochs": 2, "layers": (1, 2)}


@pytest.fixture(scope="module")
def fitted(backbone, images):
    return Cflow(backbone, **SMALL).fit([images])


def test_a_map_depends_on_one_image_only(fitted, images):
    bright = images.clone()
    bright[1:] = 255
    np.testing.assert_allclose(fitted.predict(bright)[1][0], fitted.predict(images)[1][0], rtol=1e-4)


def test_training_makes_normal_patches_likelier(backbone, images, fitted):
    longer = Cflow(backbone, **{**SMALL, "epochs": 6}).fit([images])
    assert longer.predict(images)[1].mean() < fitted.predict(images)[1].mean()


def test_each_layer_has_a_flow_of_its_own_size(fitted):
    assert [flow.channels for flow in fitted.flows] == [each[0] for each in fitted.features.shapes((64, 64))]
    assert [len(codes) for codes in fitted.codes] == [16 * 16, 8 * 8]


def test_a_border_is_as_wide_on_every_layer(backbone):
    assert Cflow(backbone, **SMALL, border=2).grids((64, 64)) == [(12, 12, 2), (6, 6, 1)]


def test_the_file_keeps_the_permutations(fitted, images, tmp_path):
    fitted.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert torch.equal(loaded.permutations, fitted.permutations)
    assert torch.equal(loaded.weights, fitted.weights)
    np.testing.assert_array_equal(loaded.predict(images)[1], fitted.predict(images)[1])


def test_other_sizes_are_refused(fitted, images):
    with pytest.raises(UsageError, match="images must be 64 x 64 as the model's"):
        fitted.predict(images[:, :, :32])


def test_features_that_do_not_fit_into_the_memory_are_refused(backbone, images):
    model = Cflow(backbone, **SMALL, memory=3_000_000)
    with pytest.raises(UsageError, match=r"memory must be at least .* for the features of 8 images and the flows"):
        model.fit([images])
