"""Defects that are drawn tell a member that sees from one that does not."""

import numpy as np
import pytest
import torch

from synthgen.torch.ensembles.synthetic import places_found, quality_of, with_defects


@pytest.fixture(scope="module")
def images():
    """Stripes, in which a piece from elsewhere is seen."""
    rng = np.random.default_rng(0)
    stripes = 128 + 60 * np.sin(np.arange(64) / 3)
    return torch.from_numpy((stripes + rng.normal(0, 3, (8, 3, 64, 64))).astype(np.uint8))


class Brightness:
    """An extractor that sees."""

    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images.float(), 4)


class Blind(Brightness):
    """An extractor that sees nothing."""

    def __call__(self, images):
        shape = super().__call__(images).shape
        return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_masks_are_what_changed(images):
    drawn = with_defects(images, 3, 0)
    assert torch.equal((drawn.images != images).any(1), drawn.masks)
    assert drawn.masks.flatten(1).any(1).all()
    again, other = with_defects(images, 3, 0), with_defects(images, 3, 1)
    assert torch.equal(again.images, drawn.images)
    assert not torch.equal(other.images, drawn.images)
    floats = with_defects(images.float() / 255, 3, 0)
    assert torch.equal(floats.images, drawn.images)


@pytest.mark.parametrize("size", [1, 3])
def test_the_batch_size_changes_no_defect(images, size):
    whole = with_defects(images, 3, 0)
    parts = [with_defects(part, 3, size * number) for number, part in enumerate(images.split(size))]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)


def test_images_that_are_too_small_stay_as_they_are():
    tiny = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    drawn = with_defects(tiny, 0, 0)
    assert torch.equal(drawn.images, tiny)
    assert not drawn.masks.any()


def test_an_extractor_that_sees_nothing_is_told_from_one_that_sees(images):
    assert places_found(Brightness(), images, 0) > 0.7
    assert places_found(Blind(), images, 0) < 0.6
    assert np.isnan(places_found(Brightness(), images[:1], 0))


def test_the_quality_of_a_model_without_maps_is_that_of_its_scores():
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 1:3, 1:3] = True
    found = quality_of(np.array([0.0, 1]), np.array([2.0, 3]), None, masks)
    assert found == (1.0, 1.0)
    mapped = quality_of(np.array([0.0, 1]), np.array([0.0, 1]), masks.astype(np.float32), masks)
    assert mapped == (1.0, 1.0)
