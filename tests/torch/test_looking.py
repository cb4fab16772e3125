"""A look into backbones: features before the classifier, filters, curves of runs."""

import numpy as np
import pytest
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.layouts.labelled import Labelled
from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import normalised
from synthgen.torch.looking import (
    BackboneViewer,
    curve_columns,
    embedded,
    filters_side_by_side,
    history_of,
    measures_of,
    names_of,
    penultimate,
)
from synthgen.torch.pretrain.report import write_backbone


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("random:test_resnet")


def test_features_are_what_the_classifier_is_given(backbone):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 32, 32, 3), np.uint8)
    labelled = Labelled([lambda image=image: image for image in images], np.zeros(5, int), ["a"])
    features = penultimate(backbone, labelled, size=(32, 32), batch_size=2)
    config = backbone.pretrained_cfg
    batch = normalised(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), config["mean"], config["std"])
    with torch.inference_mode():
        expected = backbone(batch).numpy()
        given = backbone.get_classifier()(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_a_viewer_sees_images_as_its_weights_were_trained(backbone, tmp_path):
    """Of the size that the card says, gray ones as gray colors; a training is called by its folder."""
    (tmp_path / "runs").mkdir()
    card = {"arch": "test_resnet", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "size": 32}
    write_backbone(tmp_path / "runs" / "best.safetensors", backbone, card)
    gray = np.random.default_rng(0).integers(0, 256, (5, 40, 24), np.uint8)
    viewer = BackboneViewer(tmp_path / "runs", batch_size=2)
    assert (viewer.name, viewer.size) == ("runs (test_resnet)", (32, 32))

    colors = [np.repeat(image[..., None], 3, axis=2) for image in gray]
    labelled = Labelled([lambda image=image: image for image in colors], np.zeros(5, int), ["a"])
    expected = penultimate(load_backbone(tmp_path / "runs"), labelled, size=(32, 32), batch_size=2)
    np.testing.assert_array_equal(viewer(gray), expected)
    assert BackboneViewer("random:test_resnet").name == "random:test_resnet"


def test_a_network_without_a_classifier_is_refused():
    with pytest.raises(UsageError, match=r"^backbone must have features before a classifier, pdn_small has none$"):
        BackboneViewer("random:pdn_small")(np.zeros((1, 64, 64, 3), np.uint8))


def test_classes_that_lie_apart_are_told_apart():
    labels = np.repeat([0, 1], 8)
    features = np.eye(2, 6)[labels] + np.random.default_rng(0).normal(size=(16, 6)) / 50
    measures = measures_of(features, labels)
    assert measures["knn_accuracy"] > 0.9
    assert measures["effective_dimensions"] < 1.5
    points = embedded(features, seed=1)
    assert points.shape == (16, 2)
    np.testing.assert_array_equal(points, embedded(features, seed=1))
    with pytest.raises(UsageError, match=r"^images must be 10 or more for a map of them, got 4$"):
        embedded(features[:4])


def test_filters_of_each_network_stand_side_by_side(backbone):
    alone = filters_side_by_side({"one": backbone})
    both = filters_side_by_side({"one": backbone, "two": backbone})
    assert both.height == alone.height
    assert both.width == 2 * alone.width + 10
    pixels = np.asarray(both)
    np.testing.assert_array_equal(pixels[22:, : alone.width], np.asarray(alone)[22:])
    with pytest.raises(UsageError, match=r"^weights must be of networks with a convolution, got none$"):
        filters_side_by_side({"line": torch.nn.Linear(2, 2)})


def test_names_are_as_long_as_they_must_be():
    assert names_of(["a/best.safetensors", "random:resnet18"]) == ["best", "random:resnet18"]
    assert names_of(["resnet18.a1_in1k"]) == ["resnet18.a1_in1k"]
    with pytest.raises(UsageError, match=r"^weights must be given once each, got a, a$"):
        names_of(["a", "a"])


def test_curves_are_those_that_all_runs_have(tmp_path):
    assert history_of(tmp_path) is None
    (tmp_path / "log.csv").write_text("epoch,train_loss,val_loss,val_accuracy\n1,2.5,,0.25\n2,nan,1.5,0.5\n")
    rows = history_of(tmp_path)
    assert rows[0] == {"epoch": 1, "train_loss": 2.5, "val_loss": None, "val_accuracy": 0.25}
    assert rows[1]["train_loss"] is None
    assert curve_columns([rows]) == ["val_loss", "val_accuracy"]
    assert curve_columns([rows, [{"epoch": 1, "train_loss": 1.0}]]) == ["train_loss"]
    (tmp_path / "log.csv").write_text("epoch,loss\n1,much\n")
    with pytest.raises(FormatError, match="must hold numbers alone"):
        history_of(tmp_path)
