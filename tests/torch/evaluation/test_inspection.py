"""How images come before a model: framed alike for fitting and for asking, in full batches."""

import numpy as np
import pytest
import torch

from synthgen.layouts import open_normal, open_test_set
from synthgen.layouts.framing import Framing
from synthgen.torch.evaluation import Batches, inspected, kept_framing, measure, predict_set
from synthgen.torch.evaluation.inspection import keep_framing

FRAMINGS = [Framing(), Framing(fit="letterbox"), Framing(fit="crop"), Framing(tile=(20, 24))]


class Model:
    """A model that finds bright pixels, of images of one size."""

    def __init__(self, size):
        self.image_size = size
        self.notes = {}
        self.seen = []

    def predict(self, images):
        assert tuple(images.shape[2:]) == self.image_size
        self.seen.append(images)
        maps = images.float().mean(1).numpy()
        return maps.max((1, 2)), maps


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_model_is_asked_what_it_would_be_fitted_to(tmp_path, sets, framing):
    for i, shape in enumerate([(24, 32), (40, 30), (24, 100)]):
        pixels = sets.rng(i).integers(0, 255, (*shape, 3), np.uint8)
        sets.put(tmp_path / f"{i}.png", pixels)
    images = open_normal(tmp_path)
    size = (20, 24)

    batches = list(Batches(images, 2, framing, size))
    assert {len(batch) for batch in batches[:-1]} <= {2}
    model = Model(size)
    predict_set(model, images, 2, framing=framing)
    fitted = torch.cat(batches)
    assert torch.equal(torch.cat(model.seen), fitted)
    assert (len(fitted) > 3) == (framing.tile is not None)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_masks_are_cut_and_resized_with_their_images(tmp_path, sets, framing):
    root = sets.put_category(tmp_path / "brick", {"dent": 250})
    predictions = predict_set(Model((20, 24)), open_test_set(root), 2, framing=framing)
    for truth, scores in zip(predictions.truths, predictions.maps, strict=True):
        assert truth is None or truth.instances.shape == scores.shape
    assert measure(predictions)[0].pixel_auroc > 0.95


def test_maps_of_several_sizes_are_held_one_by_one(tmp_path, sets):
    shapes = [(24, 32), (40, 30), (24, 32)]
    for i, shape in enumerate(shapes):
        sets.put(tmp_path / f"{i}.png", sets.rng(i).integers(0, 255, (*shape, 3), np.uint8))
    images = open_normal(tmp_path)
    maps = predict_set(Model((16, 16)), images, framing=Framing(tile=(16, 16))).maps
    assert [each.shape for each in maps] == shapes
    for item, scores in zip(images, maps, strict=True):
        np.testing.assert_allclose(scores, item.image.mean(2), atol=1e-3)


def test_the_score_of_an_image_is_that_of_its_worst_tile(tmp_path, sets):
    sets.put(tmp_path / "a.png", sets.rng(0).integers(0, 200, (50, 60, 3), np.uint8))
    images = open_normal(tmp_path)
    ((count, (found,)),) = inspected(Model((16, 16)), images, framing=Framing(tile=(16, 16)))
    assert count == 1
    assert found.score == pytest.approx(images[0].image.mean(2).max())
    assert found.item.image.shape == (50, 60, 3)


def test_a_framing_is_kept_in_the_notes():
    model = Model((16, 16))
    for framing in (*FRAMINGS[1:], Framing(bits=12)):
        keep_framing(model, framing)
        assert kept_framing(model) == framing
    usual = Model((16, 16))
    keep_framing(usual, Framing())
    assert (usual.notes, kept_framing(usual)) == ({}, Framing())
