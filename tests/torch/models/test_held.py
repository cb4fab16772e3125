"""All images are held as bytes, whatever they come as, if there is the memory for them."""

import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.models import Panda
from synthgen.torch.models.held import as_bytes, held_bytes

SMALL = {"epochs": 0, "layers": (3,)}


def test_floats_become_the_bytes_that_they_stand_for(images):
    assert torch.equal(as_bytes(images.double() / 255), images)
    assert as_bytes(images) is images
    assert held_bytes(8, (64, 48)) == images[:, :, :, :48].numel()


def test_images_of_other_channels_or_too_many_are_refused(backbone, images):
    with pytest.raises(UsageError, match="images must all have 3 channels, got 1"):
        Panda(backbone, **SMALL).fit([images, images[:, :1]])
    few = Panda(backbone, **SMALL)
    few.memory = few.needed_bytes(5, (64, 64))
    with pytest.raises(UsageError, match=r"for 8 images and the training of the backbone.*; 5 images would fit"):
        few.fit([images])
