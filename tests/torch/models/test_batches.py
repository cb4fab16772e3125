"""Loaders as users have them: the images come out the same, and what is no image is refused."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from synthgen.errors import UsageError
from synthgen.torch.models import batches

IMAGES = torch.arange(5 * 3 * 4 * 6, dtype=torch.uint8).reshape(5, 3, 4, 6)
LOADERS = {
    "one batch": [IMAGES],
    "an array": [IMAGES.numpy()],
    "single images": list(IMAGES),
    "tuples": [(image, 0) for image in IMAGES],
    "lists": [[IMAGES[:2], torch.zeros(2)], [IMAGES[2:], torch.zeros(3)]],
    "a tensor of batches": IMAGES[None],
    "a data set": TensorDataset(IMAGES),
    "a data loader": DataLoader(TensorDataset(IMAGES), batch_size=2),
}


@pytest.mark.parametrize("name", LOADERS)
def test_the_images_are_the_same_and_their_number_is_known(name):
    read = list(batches.batches(LOADERS[name]))
    assert all(batch.ndim == 4 for batch in read)
    assert torch.equal(torch.cat(read), IMAGES)
    if name not in ("a data set", "an array"):
        assert batches.images_in(LOADERS[name]) == 5


def test_a_generator_has_no_number_and_no_bar():
    assert batches.images_in(image for image in IMAGES) is None
    assert batches.image_progress("plain", iter(IMAGES)) is not None


WRONG = {
    "nothing": ([], "images must be at least one, got an empty loader"),
    "empty batches": ([IMAGES[:0]], "images must be at least one, got an empty loader"),
    "two sizes": ([IMAGES, IMAGES[..., :5]], "images must be of one size, .*, got "),
    "text": (["a.png"], "images must be tensors or arrays, got str"),
    "no channels": ([np.zeros((4, 6))], r"images must be \(N, C, H, W\), got \(4, 6\)"),
    "no pixels": ([IMAGES[..., :0]], r"images must be \(N, C, H, W\), got \(5, 3, 4, 0\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_image_is_refused(case):
    loader, message = WRONG[case]
    with pytest.raises(UsageError, match=f"^{message}"):
        list(batches.batches(loader))


def test_images_must_have_the_size_that_is_asked_for():
    assert len(list(batches.batches([IMAGES], (4, 6)))) == 1
    with pytest.raises(UsageError, match="images must be of one size"):
        list(batches.batches([IMAGES], (6, 4)))
