"""CutPaste as a transform: what it returns, and that it can be repeated."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from synthgen.errors import UsageError
from synthgen.torch.data.cutpaste import CutPaste

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8))


def changed(a, b):
    return (a != b).any(dim=-3)


def test_a_normal_cut_is_one_rectangle_of_the_right_share():
    image, transform = noise(3, 100, 100), CutPaste("normal", seed=3)
    for _ in range(30):
        mask = changed(transform(image), image)
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all()
        assert 0.018 < box.numel() / 10_000 < 0.155
        assert 0.27 < box.shape[0] / box.shape[1] < 3.7


def test_a_rectangle_holds_what_the_image_has_elsewhere():
    image = noise(3, 64, 64)
    out = CutPaste("normal", seed=1, jitter=0)(image)
    mask = changed(out, image)
    (top, left), (height, width) = mask.nonzero()[0].tolist(), (int(mask.any(1).sum()), int(mask.any(0).sum()))
    piece = out[:, top : top + height, left : left + width]
    mirrored = torch.from_numpy(np.pad(image.numpy(), [(0, 0), (40, 40), (40, 40)], mode="reflect"))
    windows = mirrored.unfold(1, height, 1).unfold(2, width, 1)
    share = (windows == piece[:, None, None]).float().mean(dim=(0, 3, 4))
    assert share.max() > 0.98  # but for pixels equal by chance, which were moved


def test_a_scar_is_small():
    image, transform = noise(3, 256, 256), CutPaste("scar", seed=0)
    areas = [int(changed(transform(image), image).sum()) for _ in range(30)]
    assert 10 < min(areas) < 150 < max(areas) < 440


def test_three_ways_are_the_image_a_normal_and_a_scar():
    image = noise(3, 96, 96)
    images, labels = CutPaste("3-way", seed=5)(image)
    assert labels.tolist() == [0, 1, 2]
    assert torch.equal(images[0], image)
    areas = [int(changed(i, image).sum()) for i in images]
    assert areas[1] > areas[2] > areas[0] == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_are_transformed_image_by_image(channels):
    batch = noise(4, channels, 32, 40)
    kept = batch.clone()
    out = CutPaste("normal", seed=1)(batch)
    assert (out.dtype, out.shape) == (torch.uint8, batch.shape)
    assert torch.equal(batch, kept)
    one_by_one = CutPaste("normal", seed=1)
    assert torch.equal(out, torch.stack([one_by_one(image) for image in batch]))
    images, labels = CutPaste("3-way", seed=1)(batch)
    assert images.shape == (4, 3, channels, 32, 40)
    assert labels.tolist() == [[0, 1, 2]] * 4


def test_the_contrast_bounds_the_difference():
    image = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    out = CutPaste("normal", seed=0, contrast=30, jitter=0.05)(image)
    difference = (out.int() - 128).abs().amax(0)
    assert set(difference.unique().tolist()) == {0, 30}


def test_seeds_and_generators_repeat():
    image = noise(3, 48, 48)
    for make in (lambda: 7, lambda: torch.Generator().manual_seed(7)):
        first, again = CutPaste(seed=make()), CutPaste(seed=make())
        a = [first(image) for _ in range(3)]
        assert all(torch.equal(x, again(image)) for x in a)
        assert not torch.equal(a[0], a[1])
    transform = CutPaste()
    torch.manual_seed(1)
    a = transform(image)
    torch.manual_seed(1)
    assert torch.equal(transform(image), a)


def test_the_transform_can_be_sent_to_another_process():
    image, transform = noise(3, 48, 48), CutPaste(seed=2)
    transform(image)
    copy = pickle.loads(pickle.dumps(transform))  # noqa: S301
    assert torch.equal(copy(image), transform(image))


class Same(Dataset):
    """One image, many times."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.transform(noise(3, 48, 48))


@pytest.mark.parametrize("seed", [None, 4])
def test_workers_differ_and_epochs_differ_but_runs_repeat(seed):
    def run():
        loader = DataLoader(
            Same(CutPaste(seed=seed)), batch_size=1, num_workers=2, generator=torch.Generator().manual_seed(0)
        )
        return [batch.numpy().tobytes() for _ in range(2) for batch in loader]

    first = run()
    assert len(set(first)) == 16
    assert run() == first


def test_wrong_arguments_are_named():
    with pytest.raises(UsageError, match="kind must be one of normal, scar, 3-way, got 'union'"):
        CutPaste("union")
    with pytest.raises(UsageError, match=r"area must be \(low, high\) with 0 < low <= high <= 0.5, got"):
        CutPaste(area=(0.2, 0.1))
    with pytest.raises(UsageError, match=r"contrast must lie in 1..127, got 0"):
        CutPaste(contrast=0)
    with pytest.raises(UsageError, match=r"jitter must lie in \[0, 1\], got -1"):
        CutPaste(jitter=-1)
    transform = CutPaste(seed=0)
    for image in (torch.zeros(3, 32, 32), noise(32, 32)):
        with pytest.raises(UsageError, match=r"image must be a uint8 tensor \(C, H, W\) or \(N, C, H, W\), got"):
            transform(image)
    for image in (noise(4, 32, 32), noise(3, 8, 32)):
        with pytest.raises(UsageError, match="image must have 1 or 3 channels and at least 16 x 16 pixels"):
            transform(image)
    with pytest.raises(UsageError, match="at least one image in a batch"):
        transform(noise(0, 3, 32, 32))
