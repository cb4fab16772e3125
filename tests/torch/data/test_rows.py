"""Batches without a copy: what torch's collate function makes of our items is what it makes of plain ones."""

import copy

import pytest
import torch
from torch.utils.data import DataLoader, Subset, default_collate

from synthgen.errors import UsageError
from synthgen.torch import ShardDataset, StreamDataset


def same(found, expected):
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


@pytest.fixture(scope="module")
def shards(data_set):
    return ShardDataset(data_set, fields=("mask",))


@pytest.fixture(scope="module")
def plain(shards):
    """All items as plain tuples."""
    return [tuple(shards[i]) for i in range(40)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("positions", [range(40), [3, 2, 2, 39, -1, 0], [7]])
def test_a_batch_is_what_its_items_are(data_set, plain, threads, positions):
    dataset = ShardDataset(data_set, fields=("mask",), threads=threads)
    items = dataset.__getitems__(positions)
    expected = default_collate([plain[i] for i in positions])
    assert same(default_collate(items), expected)
    assert dataset.__getitems__([]) == []


def test_a_whole_batch_is_not_copied(shards):
    items = shards.__getitems__(range(8))
    images, _, masks = default_collate(items)
    assert images.data_ptr() == items[0][0].data_ptr()
    assert masks.data_ptr() == items[0][2].data_ptr()


def test_changed_lists_of_items_are_collated_as_they_are(shards, plain):
    items = shards.__getitems__(range(6))
    image, label, mask = items[2]
    changed = {
        "reversed": items[::-1],
        "in part": items[1:4],
        "one replaced": [*items[:2], (image.flip(0), label, mask), *items[3:]],
        "one repeated": [items[0], items[0], items[1]],
    }
    for name, found in changed.items():
        expected = default_collate([tuple(item) for item in found])
        assert same(default_collate(found), expected), name


def test_the_items_of_a_batch_are_a_sequence(shards, plain):
    items = shards.__getitems__(range(4))
    ways = {
        "iterated": list(items),
        "by number": [items[i] for i in range(4)],
        "from the end": [items[i - 4] for i in range(4)],
        "reversed twice": list(reversed(list(reversed(items)))),
        "a slice": items[:],
    }
    for name, found in ways.items():
        assert len(found) == 4
        for item, expected in zip(found, plain, strict=False):
            assert type(item[1]) is int, name
            assert same([item[0], item[2]], [expected[0], expected[2]]), name
    with pytest.raises(IndexError):
        items[4]


def test_items_leave_the_process_as_plain_tuples(shards, plain):
    item = copy.copy(shards[0])  # by the same protocol as pickle
    assert type(item) is tuple

    items = copy.copy(shards.__getitems__(range(4)))
    assert type(items) is list
    assert same(default_collate([tuple(item) for item in items]), default_collate(plain[:4]))


def as_given(items):
    return items


@pytest.mark.parametrize("workers", [0, 2])
def test_other_collate_functions_get_the_items(data_set, plain, workers):
    loader = DataLoader(ShardDataset(data_set, fields=("mask",)), 8, num_workers=workers, collate_fn=as_given)
    found = [tuple(item) for items in loader for item in items]
    assert same(default_collate(found), default_collate(plain))


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_same_batches(data_set, plain, workers):
    expected = [default_collate(plain[i : i + 8]) for i in range(0, 40, 8)]
    datasets = [
        ShardDataset(data_set, fields=("mask",)),
        Subset(ShardDataset(data_set, fields=("mask",)), range(40)),
    ]
    for dataset in datasets:
        found = list(DataLoader(dataset, 8, num_workers=workers))
        assert all(map(same, found, expected))

    stream = StreamDataset(data_set, fields=("mask",), threads=2)
    for _ in range(2):  # the second time the size of a batch is known from the beginning
        found = list(DataLoader(stream, 8))
        assert all(map(same, found, expected))


def half(images, labels, masks):
    return images[:, :, ::2].float(), labels + 1, masks[:, ::2]


def twins(images, labels):
    return images, labels


@pytest.mark.parametrize("kind", [ShardDataset, StreamDataset])
def test_batch_transform_gets_whole_batches(data_set, plain, kind):
    dataset = kind(data_set, fields=("mask",), batch_transform=half)
    expected = [half(*default_collate(plain[i : i + 8])) for i in range(0, 40, 8)]
    assert all(map(same, list(DataLoader(dataset, 8)), expected))
    first, _, _ = next(iter(dataset))
    assert torch.equal(first, plain[0][0])

    wrong = kind(data_set, batch_transform=lambda images, labels: images)
    with pytest.raises(UsageError, match="batch_transform must return images, labels and fields, 2 values"):
        next(iter(DataLoader(wrong, 8)))


def test_fields_move_with_the_images_of_a_batch(data_set, plain):
    from torchvision.transforms import v2

    dataset = ShardDataset(data_set, fields=("mask",), batch_transform=v2.RandomHorizontalFlip(p=1))
    images, labels, masks = next(iter(DataLoader(dataset, 8)))
    expected = default_collate(plain[:8])
    assert same([images.flip(-1), labels, masks.flip(-1)], expected)
    assert type(images) is type(masks) is torch.Tensor


def test_data_sets_of_one_batch_have_one_transform(data_set):
    one, same_one, other = (ShardDataset(data_set, batch_transform=work) for work in (twins, twins, half))
    assert default_collate([one[0], same_one[1]])
    with pytest.raises(UsageError, match="batch_transform must be the same"):
        default_collate([one[0], other[1]])
