"""The augmentation: equal seeds, what it leaves alone, the border."""

import numpy as np
import pytest
import torch

from synthgen.torch.models import Augmentation
from synthgen.torch.models.augment import plate


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64), dtype=np.uint8))


def test_augmentation_differs_by_image_and_epoch_and_comes_again_with_the_seed(images):
    vary = Augmentation()
    first = vary(images, 1, 0, 0)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, vary(images, 1, 0, 0))
    assert torch.equal(first[3:], vary(images[3:], 1, 0, 3))
    assert not torch.equal(first, vary(images, 1, 1, 0))
    assert not torch.equal(first, vary(images, 2, 0, 0))


def test_augmentation_of_nothing_only_flips(images):
    flips = [images[0].flip(axes).float() / 255 for axes in ([], [1], [2], [1, 2])]
    found = {
        next(i for i, flip in enumerate(flips) if torch.allclose(flip, varied, atol=1e-6))
        for varied in Augmentation(0, 0, 0, 0, 0)(images[:1].expand(30, -1, -1, -1), 0, 0, 0)
    }
    assert found == {0, 1, 2, 3}


@pytest.mark.parametrize(("angle", "rows", "columns"), [(0, 6, 8), (np.pi / 2, 8, 6), (np.pi, 6, 8)])
def test_the_border_takes_its_share_of_the_image(angle, rows, columns):
    inside = plate((8, 8), angle, 0.25)
    assert int(inside.sum()) == rows * columns
    assert bool(inside[0 if angle == np.pi else -1, -1]) is False
    assert plate((8, 8), angle, 0).all()


@pytest.mark.parametrize("values", [{"noise": -1}, {"border": 1.0}, {"blur": float("nan")}])
def test_augmentation_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match=f"augment must have {next(iter(values))} "):
        Augmentation(**values)
