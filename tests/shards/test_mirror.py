"""Data sets of a store are read through copies that are checked before they are used."""

import pickle
import re

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import synthgen
from synthgen.errors import FormatError, StorageError, UsageError
from synthgen.shards import files
from synthgen.shards.mirror import Mirror, cache_bytes, cache_folder
from synthgen.shards.places import Place


def shards_in(folder):
    return sorted(path.name for path in folder.glob("*/shards/train-*"))


def test_a_data_set_of_a_store_is_read_as_that_of_a_folder_is(address, data_set, tmp_path):
    there = synthgen.open(address, cache=tmp_path)
    here = synthgen.open(data_set)
    assert shards_in(tmp_path) == []
    assert there.classes == here.classes
    for one, other in zip(there, here, strict=True):
        assert (one.key, one.label, one.params) == (other.key, other.label, other.params)
        assert np.array_equal(one.image, other.image)
    assert len(shards_in(tmp_path)) == there.manifest.shards
    assert repr(there) == f"Dataset('{address}', 40 samples, 5 classes)"


def test_a_copy_is_made_once(address, tmp_path, monkeypatch):
    first = synthgen.open(address, cache=tmp_path)[0]

    def no_more(*_):
        raise StorageError("nothing is fetched twice")

    monkeypatch.setattr(Place, "fetch", no_more)
    assert np.array_equal(synthgen.open(address, cache=tmp_path)[0].image, first.image)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:900] + b"x" + data[901:]])
def test_a_damaged_object_is_named_by_its_key_and_never_used(address, tmp_path, change):
    dataset = synthgen.open(address, cache=tmp_path)
    name = f"shards/{dataset.manifest.shard_list[1].name}"
    place = Place(address)
    place.write(name, change(place.read(name, 2**30)))
    row = dataset.manifest.arrangement.positions_of(1).start
    with pytest.raises(FormatError, match=f"{address}/{name}: "):
        dataset[row]
    assert shards_in(tmp_path) == []

    found = synthgen.verify(address, pixels=True)
    assert [problem[0] for problem in found.problems] == [dataset.manifest.shard_list[1].name]
    assert found.digest is None


@pytest.mark.parametrize("name", ["dataset.json", "classes.jsonl"])
def test_a_damaged_record_is_named_by_its_key(address, tmp_path, name):
    place = Place(address)
    place.write(name, place.read(name, 2**30)[:-20] + b"{")
    with pytest.raises(FormatError, match=f"{address}/{name}: "):
        _ = synthgen.open(address, cache=tmp_path).classes


def open_it(address):
    return synthgen.open(address)


# What is read from a store, and what reads it.
RECORDS = {
    "dataset.json": open_it,
    "run.json": synthgen.verify,
    "classes.jsonl": lambda address: open_it(address).classes,
    "shards/.train-000002.json": synthgen.verify,
    "shards/train-000000": lambda address: open_it(address)[0],
}


@pytest.mark.parametrize("name", RECORDS)
def test_an_object_of_a_terabyte_is_refused_before_it_is_read(address, tmp_path, monkeypatch, name):
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))
    genuine = MemoryFileSystem.info

    def grown(self, path, **options):
        found = genuine(self, path, **options)
        return {**found, "size": 2**40} if f"/{name}" in path else found

    monkeypatch.setattr(MemoryFileSystem, "info", grown)
    for method in ("cat_file", "get_file"):
        read = getattr(MemoryFileSystem, method)
        monkeypatch.setattr(MemoryFileSystem, method, refused_for(name, read))

    said = said_by(RECORDS[name], address)
    assert re.search(rf"{address}/{name}\S*: must have at most", said)


def refused_for(name, read):
    """Return a function of a store that must not be called for an object."""

    def reads(self, path, *arguments, **options):
        assert f"/{name}" not in path
        return read(self, path, *arguments, **options)

    return reads


def said_by(work, address):
    """Return what an error, or a report, says."""
    try:
        report = work(address)
    except FormatError as error:
        return str(error)
    return "".join(reason for _, reason in report.problems)


def test_verify_fetches_everything_anew_and_keeps_nothing(address, data_set, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))
    assert synthgen.verify(address, pixels=True) == synthgen.verify(data_set, pixels=True)
    assert list(tmp_path.iterdir()) == []


def test_the_copies_used_longest_ago_make_room(address, tmp_path):
    sizes = [entry.bytes for entry in Mirror(address, tmp_path).manifest.shard_list]
    dataset = synthgen.open(address, cache=tmp_path, cache_bytes=2 * max(sizes))
    images = [sample.image for sample in dataset]
    assert 1 <= len(shards_in(tmp_path)) <= 2
    # a copy that is held open takes its room on the disk, removed or not
    assert len(dataset._shards._readers) <= 2
    again = synthgen.open(address, cache=tmp_path, cache_bytes=2 * max(sizes))
    assert all(map(np.array_equal, images, (sample.image for sample in again)))


def test_a_cache_that_cannot_hold_a_shard_is_refused(address, tmp_path):
    with pytest.raises(UsageError, match="cache_bytes must hold a shard of"):
        synthgen.open(address, cache=tmp_path, cache_bytes=1000)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(address, tmp_path, monkeypatch):
    dataset = synthgen.open(address, cache=tmp_path)

    def full(*_, **__):
        raise OSError(files.FULL[0], "No space left on device")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.get_file", full)
    with pytest.raises(StorageError, match="the disk is full") as error:
        dataset[0]
    assert str(error.value).startswith(str(tmp_path))
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_next_shard_is_fetched_while_one_is_read(address, tmp_path):
    mirror = Mirror(address, tmp_path)
    mirror.expect([3, 1, 4])
    for shard, fetched in ((3, 2), (1, 3), (4, 3)):
        mirror.fetch(shard)
        for thread in mirror._coming.values():
            thread.join()
        assert len(shards_in(tmp_path)) == fetched


def test_a_copy_that_another_process_removes_is_fetched_again(address, tmp_path, monkeypatch):
    from synthgen.shards import opened

    dataset = synthgen.open(address, cache=tmp_path)
    genuine = opened.open_shard
    removed = []

    def robbed(folder, manifest, shard):
        if not removed:
            removed.append(folder / "shards" / manifest.shard_name(shard))
            removed[0].unlink()
        return genuine(folder, manifest, shard)

    monkeypatch.setattr(opened, "open_shard", robbed)
    assert dataset[0].key == synthgen.open(address, cache=tmp_path)[0].key


def test_an_open_data_set_can_be_sent_to_another_process(address, tmp_path):
    dataset = synthgen.open(address, cache=tmp_path)
    key = dataset[0].key
    assert pickle.loads(pickle.dumps(dataset))[0].key == key  # noqa: S301 - it is our own


def test_what_is_no_finished_data_set_is_said(memory, tmp_path, data_set):
    with pytest.raises(FormatError, match=r"is not a synthgen data set: it has no dataset.json"):
        synthgen.open(f"{memory}/nothing", cache=tmp_path)
    place = Place(f"{memory}/begun")
    place.put(data_set / "run.json", "run.json")
    place.put(data_set / "shards" / ".train-000001.json", "shards/.train-000001.json")
    with pytest.raises(FormatError, match="is not finished: 1 of 5 shards"):
        synthgen.open(place.address, cache=tmp_path)


def test_the_place_of_copies_is_an_argument_or_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "synthgen" / "sets"
    monkeypatch.setenv("SYNTHGEN_CACHE", "elsewhere")
    assert [str(cache_folder()), str(cache_folder("here"))] == ["elsewhere", "here"]

    monkeypatch.setenv("SYNTHGEN_CACHE_BYTES", "5000")
    assert [cache_bytes(), cache_bytes(7)] == [5000, 7]
    monkeypatch.setenv("SYNTHGEN_CACHE_BYTES", "5 GB")
    with pytest.raises(UsageError, match="SYNTHGEN_CACHE_BYTES"):
        cache_bytes()
