"""Images of any source come at one size, in an order of their own, some in gray."""

import numpy as np
import pytest
import torch
from PIL import Image

import synthgen
from synthgen.errors import UsageError
from synthgen.torch.pictures import GrayPictures, Pictures, gray, shuffled_batches
from synthgen.torch.pretrain.ranks import TrainingGroup


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "inner").mkdir()
    for number, place in enumerate((folder / "a.png", folder / "inner" / "b.png", folder / "inner" / "c.png")):
        Image.fromarray(np.full((20 + number, 30, 3), 40 * (number + 1), np.uint8)).save(place)
    return folder


def batches(pictures, steps):
    alone = TrainingGroup(0, 1, torch.device("cpu"))
    return list(shuffled_batches(pictures, 0.0, 2, steps, 3, "test", 0, alone))


def test_a_folder_gives_all_images_in_it_stretched(photos):
    pictures = Pictures(photos, (8, 6))
    assert len(pictures) == 3
    assert pictures[0].shape == (3, 8, 6)
    assert sorted(int(pictures[k].max()) for k in range(3)) == [40, 80, 120]


def test_a_recipe_is_drawn_and_its_shards_give_the_same_images(tmp_path):
    recipe = synthgen.load_recipe("tiny-fractals")
    drawn = Pictures("tiny-fractals", (32, 32))
    assert drawn.identity == synthgen.torch.LiveDataset(recipe).plan.run.fingerprints.data
    assert drawn[0].shape == (3, 32, 32)


def test_steps_go_on_where_they_ended(photos):
    pictures = Pictures(photos, (8, 8))
    whole = batches(pictures, range(5))
    assert [len(batch) for batch in whole] == [2, 1, 2, 1, 2]
    rest = batches(pictures, range(2, 5))
    assert all(torch.equal(one, other) for one, other in zip(whole[2:], rest, strict=True))


def test_a_share_of_the_images_is_gray_by_epoch_and_image():
    class Colored:
        def __getitem__(self, position):
            return torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1)

    images = GrayPictures(Colored(), 0.3, 0)
    found = [bool((images[epoch, k] == 76).all()) for epoch in range(10) for k in range(50)]
    assert 0.2 < np.mean(found) < 0.4
    assert found == [bool((images[epoch, k] == 76).all()) for epoch in range(10) for k in range(50)]
    assert gray(torch.full((3, 1, 1), 255, dtype=torch.uint8)).tolist() == [[[255]]] * 3


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        Pictures(tmp_path / "nowhere", (8, 8))
    with pytest.raises(UsageError, match="must be an image or a folder of images, got an empty folder"):
        Pictures(tmp_path, (8, 8))
