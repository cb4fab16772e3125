"""What is damaged is one error in all readers, and never another sample: with workers and without."""

import shutil

import pytest
from torch.utils.data import DataLoader

from synthgen.errors import FormatError
from synthgen.shards import manifest
from synthgen.torch import ShardDataset, StreamDataset

BLOCK = 512


def first_shards(folder):
    """Return the first two shards of a data set."""
    run = manifest.read_run(folder)
    return [folder / "shards" / run.shard_name(number) for number in range(2)]


def changed_hdf5(path, change):
    """Change a shard through HDF5, which writes its own checksums anew."""
    import h5py

    with h5py.File(path, "r+") as file:
        change(file)


def members_of(raw: bytes, ending: bytes) -> list[int]:
    """Return where the headers of a tar's members with such names begin."""
    places = range(0, len(raw), BLOCK)
    return [place for place in places if raw[place : place + 100].rstrip(b"\0").endswith(ending)]


def flip_label(folder):
    path = first_shards(folder)[0]
    if path.suffix == ".h5":
        changed_hdf5(path, lambda file: file["label"].__setitem__(3, file["label"][3] ^ 1))
        return
    raw = bytearray(path.read_bytes())
    label = members_of(raw, b".cls")[3] + BLOCK
    raw[label] ^= 1
    path.write_bytes(raw)


def swap_shards(folder):
    first, second = first_shards(folder)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def shift_offsets(folder):
    """Each of two samples is said to lie where the next one does."""
    path = first_shards(folder)[0]

    def shift(file):
        offsets = file["mask_offsets"]
        offsets[2:4] = offsets[3:5]

    if path.suffix == ".h5":
        changed_hdf5(path, shift)
        return
    raw = bytearray(path.read_bytes())
    one, other = members_of(raw, b".mask.png")[2:4]
    header = raw[one : one + BLOCK]
    raw[one : one + BLOCK] = raw[other : other + BLOCK]
    raw[other : other + BLOCK] = header
    path.write_bytes(raw)


def flip_image(folder):
    path = first_shards(folder)[0]

    def flip(file):
        place = int(file["image_offsets"][4]) + 60
        file["image"][place] ^= 4

    if path.suffix == ".h5":
        changed_hdf5(path, flip)
        return
    raw = bytearray(path.read_bytes())
    images = [place for place in members_of(raw, b".png") if place not in members_of(raw, b".mask.png")]
    raw[images[4] + BLOCK + 60] ^= 4
    path.write_bytes(raw)


def read_all(loader, is_right):
    items = iter(loader)
    try:
        for item in items:
            assert is_right(item)
    finally:
        # After an error torch's iterator is part of a cycle. Freed with it, it waits five seconds for each worker.
        if loader.num_workers:
            items._shutdown_workers()


DAMAGES = [flip_label, swap_shards, shift_offsets, flip_image]


def by_position(folder):
    return ShardDataset(folder, fields=("mask",))


def in_order(folder):
    return StreamDataset(folder, fields=("mask",))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("reader", [by_position, in_order])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_error(data_set, copy_of, expected, fingerprint, damage, reader, workers):
    folder = copy_of(data_set)
    damage(folder)
    names = [path.name for path in first_shards(folder)]

    loader = DataLoader(reader(folder), batch_size=None, num_workers=workers)
    with pytest.raises(FormatError) as caught:
        read_all(loader, lambda item: fingerprint(item) in expected)
    message = str(caught.value).splitlines()
    assert any(name in message[-1] for name in names)
    assert len(message) == 1 or workers
    shutil.rmtree(folder)
