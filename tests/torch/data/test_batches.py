"""Batches hold their samples, whatever the order; what is damaged is named, and so is what is asked for wrongly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import synthgen
from synthgen.errors import FormatError, UsageError
from synthgen.recipe import Recipe
from synthgen.torch import ShardDataset, StreamDataset
from synthgen.torch.data.batches import BatchReader


def test_arguments_of_batches_are_checked(data_set):
    with pytest.raises(UsageError, match=r"threads must lie in 1\.\.256, got 0"):
        ShardDataset(data_set, threads=0)
    with pytest.raises(UsageError, match="check must be 'crc' or 'none', got 'md5'"):
        StreamDataset(data_set, check="md5")


@pytest.mark.parametrize("codec", ["png", "raw"])
def test_a_colored_field_has_its_stored_shape(tmp_path, codec):
    rng = np.random.default_rng(0)
    for number in range(2):
        pixels = rng.integers(0, 256, (24, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"part{number}.png")
    values = {"family": "cutpaste", "normal": str(tmp_path), "anomalies": "color", "per_class": 2, "size": "20x24",
              "fields": "clean", "storage": {"codec": codec}}  # fmt: skip
    synthgen.generate(Recipe.from_dict(values), tmp_path / "d", workers=0, progress=False)

    samples = list(synthgen.open(tmp_path / "d"))
    items = ShardDataset(tmp_path / "d", fields=("clean",)).__getitems__(range(len(samples)))
    for (image, _, clean), sample in zip(items, samples, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), sample.image)
        np.testing.assert_array_equal(clean, sample.fields["clean"])


def test_shared_batches_hold_the_same(data_set):
    reader = BatchReader(ShardDataset(data_set).dataset, ("mask",), 1, "crc")
    plain = reader.read([5, 1, 2])
    shared = reader.read([5, 1, 2], shared=True)
    assert all(map(torch.equal, plain, shared))
    assert all(tensor.is_shared() for tensor in shared)


@pytest.fixture(scope="module", params=["hdf5", "webdataset"])
def storage(request):
    return request.param


@pytest.fixture(scope="module", params=["png", "png-stored", "raw"])
def folder(request, storage, make_recipe, tmp_path_factory):
    """A data set in each way to store it."""
    path = tmp_path_factory.mktemp("batches") / "d"
    recipe = make_recipe(storage={"format": storage, "codec": request.param})
    synthgen.generate(recipe, path, workers=0, progress=False)
    return path


positions_of_batches = st.lists(st.integers(-40, 39), min_size=1, max_size=24)


def test_a_batch_holds_the_samples_that_are_read_one_by_one(folder):
    samples = list(synthgen.open(folder))
    readers = [
        (fields, BatchReader(ShardDataset(folder).dataset, fields, threads, check))
        for fields in ((), ("mask",))
        for threads in (1, 2)
        for check in ("crc", "none")
    ]

    @given(positions_of_batches)
    @settings(max_examples=20)
    def holds(positions):
        wanted = [samples[i] for i in positions]
        for fields, reader in readers:
            images, labels, *others = reader.read(positions)
            np.testing.assert_array_equal(images.permute(0, 2, 3, 1), [sample.image for sample in wanted])
            assert labels.tolist() == [sample.label for sample in wanted]
            for name, values in zip(fields, others, strict=True):
                np.testing.assert_array_equal(values, [sample.fields[name] for sample in wanted])

    holds()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["image", "mask"])
def test_a_damaged_sample_is_named_in_any_order(folder, copy_of, name, threads):
    copy = copy_of(folder)
    reader, row = synthgen.open(copy).locate(20)
    span = reader.span(np.array([row]), name)
    path = span.files[0].path
    raw = bytearray(path.read_bytes())
    raw[int(span.ends[0]) - 17] ^= 16
    path.write_bytes(raw)

    batches = BatchReader(ShardDataset(copy).dataset, ("mask",), threads, "crc")
    rule = f"{name} of {reader.key(row)} is damaged: its checksum differs"
    for positions in ([20], [39, 20, 0, 21], range(40)):
        with pytest.raises(FormatError) as caught:
            batches.read(positions)
        assert str(caught.value) == f"{path}: {rule}"
    assert len(batches.read([19, 21, 18])[0]) == 3


def test_a_raw_image_of_another_size_is_named(make_recipe, tmp_path):
    import h5py

    folder = tmp_path / "d"
    synthgen.generate(make_recipe(storage={"codec": "raw"}), folder, workers=0, progress=False)
    path = folder / "shards" / "train-000000.h5"
    with h5py.File(path, "r+") as file:
        file["image_offsets"][3] -= 1
    dataset = ShardDataset(folder)
    with pytest.raises(FormatError, match=r"train-000000\.h5: image of c\S+ must have 3072 bytes, got 307[13]"):
        dataset.__getitems__([8, 2, 0])


@pytest.mark.parametrize("kind", [ShardDataset, StreamDataset])
def test_what_decodes_is_compiled_before_workers_are_forked(data_set, monkeypatch, kind):
    times = []
    monkeypatch.setattr("synthgen.torch.data.batches.compile_now", lambda: times.append(1))
    kind(data_set)
    assert times == [1]


def test_nothing_is_compiled_for_what_is_decoded_in_the_plain_way(make_recipe, tmp_path, monkeypatch):
    synthgen.generate(make_recipe(storage={"codec": "jpeg"}), tmp_path / "d", workers=0, progress=False)
    monkeypatch.setattr("synthgen.torch.data.batches.compile_now", lambda: pytest.fail("compiled"))
    assert len(ShardDataset(tmp_path / "d")[0]) == 2
