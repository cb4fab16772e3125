"""Reading by position: the samples of the data set, as tensors, and nothing in place of damaged ones."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import synthgen
from synthgen.errors import FormatError, UsageError
from synthgen.torch import LiveDataset, ShardDataset, StreamDataset
from synthgen.torch.data import batches

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def test_items_are_tensors(data_set):
    image, label, mask = ShardDataset(data_set, fields=("mask",))[3]
    assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, 32, 32))
    assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (32, 32))
    assert isinstance(label, int)


def test_shards_live_and_stream_give_the_same(data_set, make_recipe, expected, fingerprint):
    live = LiveDataset(make_recipe(), fields=("mask",))
    shards = ShardDataset(data_set, fields=("mask",))
    assert len(live) == len(shards) == 40
    assert [fingerprint(shards[i]) for i in range(40)] == expected
    assert [fingerprint(live[i]) for i in range(40)] == expected
    assert [fingerprint(item) for item in StreamDataset(data_set, fields=("mask",))] == expected
    assert fingerprint(live[-1]) == expected[-1]


def test_all_give_a_data_set_that_grew_in_its_own_order(make_recipe, tmp_path, fingerprint):
    synthgen.generate(make_recipe(), tmp_path, workers=0, progress=False)
    before = ShardDataset(tmp_path)
    old = [fingerprint(item) for item in before]
    synthgen.generate(make_recipe(classes=6, per_class=10), tmp_path, workers=0, progress=False)
    assert [fingerprint(item) for item in before] == old

    shards = ShardDataset(tmp_path)
    found = [fingerprint(shards[i]) for i in range(60)]
    assert found[:40] == old
    assert found == [fingerprint(item) for item in StreamDataset(tmp_path)]
    live = LiveDataset(tmp_path)
    assert found == [fingerprint(live[i]) for i in range(60)]
    assert [label for label, *_ in found] == shards.targets == live.targets

    mixed = StreamDataset(tmp_path, shuffle_buffer=5)
    assert sorted(map(fingerprint, mixed)) == sorted(found)
    at_once = StreamDataset(before.dataset.path)
    with pytest.raises(UsageError, match="state must be one with data"):
        at_once.load_state_dict({**mixed.state_dict(), "data": shards.dataset.manifest.fingerprints.data})


def test_a_data_set_that_was_read_may_be_forked(data_set, expected, fingerprint):
    dataset = ShardDataset(data_set, fields=("mask",))
    dataset[0]
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert [fingerprint(item) for item in loader] == expected


def test_classes_are_named_as_in_torchvision(data_set, make_recipe):
    shards = ShardDataset(data_set)
    names = [row["name"] for row in synthgen.open(data_set).classes]
    for dataset in (shards, StreamDataset(data_set), LiveDataset(make_recipe())):
        assert dataset.classes == names
        assert dataset.class_to_idx == {name: label for label, name in enumerate(names)}
        assert dataset.targets == [label for _, label in shards]


def test_transforms_get_the_image(data_set):
    for kind in (ShardDataset, StreamDataset):
        image, _ = next(iter(kind(data_set, transform=lambda x: x.float() / 255)))
        assert image.dtype == torch.float32
        assert 0 < image.max() <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"gray": True},
        {"background": "diamond-square"},
        {"storage": {"codec": "png-stored"}},
        {"storage": {"codec": "raw"}},
        {"storage": {"codec": "raw", "format": "webdataset"}, "gray": True},
    ],
)
def test_other_kinds_of_images(make_recipe, tmp_path, options):
    recipe = make_recipe(**options)
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    shards = ShardDataset(tmp_path / "d")
    live = LiveDataset(recipe)
    for i in range(10):
        assert torch.equal(shards[i][0], live[i][0])
    assert shards[0][0].shape[0] == (1 if options.get("gray") else 3)
    sample = synthgen.open(tmp_path / "d")[4]
    expected = sample.image[None] if sample.image.ndim == 2 else np.moveaxis(sample.image, 2, 0)
    assert np.array_equal(shards[4][0].numpy(), expected)


def test_a_damaged_image_names_folder_and_sample(data_set, monkeypatch):
    decode = batches.decode_into
    monkeypatch.setattr(batches, "form_of", lambda *_: None)
    monkeypatch.setattr(batches, "decode_into", lambda data, *others: decode(data[:-20], *others))
    for dataset in (ShardDataset(data_set), StreamDataset(data_set)):
        key = dataset.dataset[0].key
        with pytest.raises(FormatError) as error:
            next(iter(dataset))
        assert str(error.value).startswith(f"{data_set}: image of {key}: ")


def test_wrong_arguments_are_named(data_set, tmp_path):
    for kind in (ShardDataset, StreamDataset):
        with pytest.raises(UsageError, match="fields must be among mask, got 'depth'"):
            kind(data_set, fields=("depth",))
        with pytest.raises(FormatError):
            kind(tmp_path)
    with pytest.raises(UsageError, match="shuffle_buffer must be >= 0"):
        StreamDataset(data_set, shuffle_buffer=-1)
    with pytest.raises(UsageError, match="even must be 'pad', 'drop' or None, got 'both'"):
        StreamDataset(data_set, even="both")
    with pytest.raises(IndexError):
        LiveDataset("tiny-fractals")[200]
