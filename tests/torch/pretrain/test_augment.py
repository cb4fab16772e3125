"""Augmentation depends on seed, epoch and position alone."""

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.augment import (
    augment,
    augment_with_labels,
    change_light,
    random_crop,
    transformed,
    validation_view,
)

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 20, 26), dtype=np.uint8))


@settings(max_examples=25)
@given(st.integers(0, 5), st.integers(0, 10**9), st.booleans(), st.sampled_from([(1.0, 1.0), (0.2, 0.9)]))
def test_augmentation_depends_on_epoch_and_position_alone(epoch, position, flip, scale):
    options = make_options(changes={"crop": 12, "flip": flip, "scale": scale, "jitter": 0.3})
    first = augment(IMAGES, options, epoch, position)
    np.random.default_rng().random()
    assert torch.equal(augment(IMAGES, options, epoch, position), first)
    assert (first.dtype, tuple(first.shape)) == (torch.uint8, (3, 12, 12))


def test_augmentations_differ_between_epochs_and_positions():
    options = make_options(changes={"crop": 12})
    views = [augment(IMAGES, options, epoch, position) for epoch in range(8) for position in range(8)]
    assert len({view.numpy().tobytes() for view in views}) > 40


def test_a_plain_crop_is_a_part_of_the_image():
    windows = {IMAGES[:, r : r + 12, c : c + 12].numpy().tobytes() for r in range(9) for c in range(15)}
    rng = np.random.default_rng(1)
    crops = {random_crop(IMAGES, 12, (1.0, 1.0), rng).numpy().tobytes() for _ in range(2000)}
    assert crops == windows


def test_without_options_an_image_stays_as_it_is():
    assert torch.equal(augment(IMAGES, make_options(), 0, 0), IMAGES)
    assert torch.equal(change_light(IMAGES, 1.0, 1.0), IMAGES)
    assert torch.equal(validation_view(IMAGES, make_options(), (20, 26)), IMAGES)


def test_gray_images_have_three_equal_channels():
    gray = augment(IMAGES, make_options(changes={"gray": True}), 0, 0)
    slow = np.rint(np.tensordot((0.299, 0.587, 0.114), IMAGES.numpy().astype(float), 1))
    assert all(np.abs(gray[channel].numpy() - slow).max() <= 1 for channel in range(3))
    assert torch.equal(augment(IMAGES[:1], make_options(), 0, 0), IMAGES[:1].expand(3, -1, -1))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([(1.0, 1.0), (0.2, 0.9)]), st.sampled_from([0, 15]))
def test_labels_move_with_their_pixels(seed, flip, scale, resize):
    """On an image whose halves are black and white, labels say which half a pixel is of, but at the border."""
    labels = torch.zeros(20, 26, dtype=torch.int32)
    labels[:, 13:] = 2**31 - 1
    image = (labels > 0).to(torch.uint8)[None] * 255
    options = make_options(changes={"crop": 12, "flip": flip, "scale": scale, "resize": resize})
    seen, moved = augment_with_labels(image, labels, options, np.random.default_rng(seed))
    assert (tuple(seen.shape), tuple(moved.shape)) == ((3, 12, 12), (12, 12))
    differs = (seen[0] >= 128) != (moved > 0)
    assert differs.any(0).sum() <= 3  # beside the border, which a second resizing widens


def test_transforms_do_not_shift_the_chance_of_the_crop():
    plain = make_options(changes={"crop": 12})
    blurred = make_options(changes={"crop": 12, "blur": True})
    same = [torch.equal(augment(IMAGES, plain, 0, i), augment(IMAGES, blurred, 0, i)) for i in range(60)]
    assert 15 < sum(same) < 45


def test_an_image_is_turned_as_a_whole():
    quarter = torch.rot90(IMAGES[:, :, :20], 1, (1, 2))
    options = make_options(changes={"rotate": 180.0})
    for turn, expected in ((0.5, IMAGES[:, :, :20]), (0.75, quarter), (0.25, torch.rot90(quarter, 2, (1, 2)))):
        chance = SimpleNamespace(random=lambda count, turn=turn: np.full(count, turn))
        got = transformed(IMAGES[:, :, :20], options, chance)
        assert (got.int() - expected.int()).abs().max() <= 1


def test_the_preset_transforms_images_and_keeps_their_size():
    options = make_options("transforms")
    views = [augment(IMAGES, options, 0, position) for position in range(20)]
    assert {tuple(view.shape) for view in views} == {(3, 20, 26)}
    assert len({view.numpy().tobytes() for view in views}) == 20
    white = torch.full((3, 41, 41), 255, dtype=torch.uint8)
    assert all(view[:, 20, 20].min() == 255 for view in (augment(white, options, 0, i) for i in range(20)))
