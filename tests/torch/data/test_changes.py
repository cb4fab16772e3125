"""Transforms: image and fields are moved together, or the image is not moved at all."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.tv_tensors import Image, Mask

from synthgen.errors import UsageError
from synthgen.torch import LiveDataset, ShardDataset, StreamDataset
from synthgen.torch.data.changes import Changes

# name -> values of a field of 8 x 6 pixels, as it is stored
FIELDS = {
    "mask": np.uint8,
    "instances": np.uint16,
    "semantic": np.int32,
    "depth": np.float32,
    "normal": np.float32,
    "clean": np.uint8,
}


def some_values(name):
    rng = np.random.default_rng(0)
    shape = (8, 6, 3) if name in ("normal", "clean") else (8, 6)
    return torch.from_numpy(rng.integers(0, 200, shape).astype(FIELDS[name]))


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 255, (3, 8, 6), np.uint8))


@pytest.mark.parametrize("make", ["shards", "stream", "live"])
def test_image_and_mask_of_every_data_set_are_flipped_together(data_set, make_recipe, make):
    makers = {"shards": ShardDataset, "stream": StreamDataset, "live": LiveDataset}
    source = make_recipe() if make == "live" else data_set
    plain = makers[make](source, fields=("mask",))
    flipped = makers[make](source, fields=("mask",), transforms=v2.RandomHorizontalFlip(1))
    for (image, label, mask), (image_2, label_2, mask_2), _ in zip(plain, flipped, range(5), strict=False):
        assert label_2 == label
        assert torch.equal(image_2, image.flip(2))
        assert torch.equal(mask_2, mask.flip(1))
        assert mask.any()
    assert isinstance(image_2, Image)
    assert isinstance(mask_2, Mask)


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_every_type_are_moved_as_the_image_and_keep_their_shape(image, name):
    field = some_values(name)
    changes = Changes(None, v2.Compose([v2.RandomVerticalFlip(1), v2.Resize((16, 12))]), (name,))
    moved, (found,) = changes(image, [field])
    assert moved.shape == (3, 16, 12)
    assert found.shape == (16, 12, *field.shape[2:])
    if name != "clean":
        rows = field.flip(0).repeat_interleave(2, 0).repeat_interleave(2, 1)
        assert torch.equal(found.to(rows.dtype), rows)  # values of neighbors are never mixed


def test_a_clean_twin_changes_color_with_its_image_and_a_mask_does_not(image):
    mask = some_values("mask")
    changes = Changes(None, v2.ColorJitter(0.5, 0.5, 0.5, 0.3), ("clean", "mask"))
    torch.manual_seed(0)
    colored, (clean, same) = changes(image, [image.permute(1, 2, 0), mask])
    assert not torch.equal(colored, image)
    assert torch.equal(clean, colored.permute(1, 2, 0))
    assert torch.equal(same, mask)


def test_without_fields_transforms_take_the_image_alone(image):
    flipped, fields = Changes(None, v2.RandomHorizontalFlip(1), ())(image, [])
    assert torch.equal(flipped, image.flip(2))
    assert fields == []


MOVING = {
    "RandomHorizontalFlip": v2.RandomHorizontalFlip(),
    "RandomResizedCrop": v1.RandomResizedCrop(8),
    "Resize": v2.Compose([v2.ToDtype(torch.float32), v2.Resize(8)]),
    "RandomRotation": v1.Compose([v1.RandomApply([v1.RandomRotation(5)])]),
    "RandomAffine": v2.RandomApply(nn.ModuleList([v2.RandomAffine(5)])),
    "Pad": nn.Sequential(v2.GaussianBlur(3), v2.Pad(2)),
    "RandAugment": v2.RandomChoice([v2.RandAugment()]),
}
STILL = [
    v2.ColorJitter(0.5),
    v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]),
    v1.GaussianBlur(3),
    lambda image: image / 255,
]


@pytest.mark.parametrize("name", MOVING)
def test_a_transform_that_moves_the_image_away_from_its_fields_is_refused(name):
    with pytest.raises(
        UsageError, match=rf"^transform must leave pixels .*, got {name}; transforms={name}\(\.\.\)"
    ):
        Changes(MOVING[name], None, ("mask",))
    Changes(MOVING[name], None, ())


@pytest.mark.parametrize("transform", STILL)
def test_a_transform_that_moves_nothing_goes_with_fields(image, transform):
    mask = some_values("mask")
    changed, (same,) = Changes(transform, None, ("mask",))(image, [mask])
    assert changed.shape == image.shape
    assert same is mask


def test_one_of_both_is_asked_for(image):
    with pytest.raises(UsageError, match=r"^transform must be None where transforms is given"):
        Changes(torch.neg, torch.neg, ())


@pytest.mark.parametrize("wrong", [lambda image, mask: image, lambda image, mask: (image, mask, mask)])
def test_transforms_that_lose_a_field_are_refused(image, wrong):
    with pytest.raises(UsageError, match=r"^transforms must return the image and its fields, 2 values"):
        Changes(None, wrong, ("mask",))(image, [some_values("mask")])
