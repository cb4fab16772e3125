"""Extractors made of others give one map on one grid."""

import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.ensembles.fused import FusedExtractor, Opened, at_size


class Means:
    """An extractor: the mean of each square of `side` pixels."""

    device = torch.device("cpu")
    border = 0

    def __init__(self, side):
        self.side = side

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images.float() / 255, self.side)

    def shape(self, size):
        return 3, size[0] // self.side, size[1] // self.side


class Model:
    """A model of images of 16 pixels that is cut open at its features."""

    kind = "means"
    image_size = (16, 16)
    features = Means(4)
    device = torch.device("cpu")

    def _need_fit(self):
        return self.image_size

    def feature_maps(self, images):
        return self.features(images)

    def maps_shape(self):
        return self.features.shape(self.image_size)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=generator)


def test_maps_are_joined_on_the_largest_grid(images):
    both = FusedExtractor([Means(8), Means(4)], ["a", "b"])
    assert both.shape((16, 16)) == (6, 4, 4)
    assert both(images).shape == (2, 6, 4, 4)
    assert torch.equal(both(images)[:, 3:], Means(4)(images))


def test_a_grid_may_be_given_and_a_border_is_left_out(images):
    both = FusedExtractor([Means(8), Means(4)], ["a", "b"], (6, 5), border=1)
    assert both.shape((16, 16)) == (6, 4, 3)
    assert both(images).shape == (2, 6, 4, 3)
    with pytest.raises(UsageError, match="border must be less than half of the 6 x 5 places, got 3"):
        FusedExtractor([Means(8)], ["a"], (6, 5), border=3).shape((16, 16))


def test_members_are_at_least_one():
    with pytest.raises(UsageError, match="member must name a backbone or the file of a model, got none"):
        FusedExtractor([], [])


def test_the_member_that_fails_is_named(images):
    class Broken(Means):
        def __call__(self, images):
            raise UsageError("features must be finite, image 0 of the batch gave NaN or infinity")

    with pytest.raises(UsageError, match=r"^member b: features must be finite"):
        FusedExtractor([Means(8), Broken(4)], ["a", "b"])(images)


def test_a_model_that_is_cut_open_sees_images_at_its_own_size(images):
    opened = Opened(Model())
    assert torch.equal(opened(images), Means(4)(images))
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert opened.shape((32, 32)) == (3, 4, 4)
    torch.testing.assert_close(opened(large), Means(4)(at_size(large, (16, 16))))


def test_resized_images_stay_images(images):
    small = at_size(images, (8, 12))
    assert small.shape == (2, 3, 8, 12)
    assert small.min() >= 0
    assert small.max() <= 1
    assert at_size(images, (16, 16)) is images
