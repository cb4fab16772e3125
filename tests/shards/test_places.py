"""A place in a store: names below an address, whole objects, and errors that name the key."""

import os
import pickle
from itertools import chain
from unittest import mock

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import FormatError, StorageError, SynthgenError, UsageError
from synthgen.shards import places
from synthgen.shards.places import Place, address_of, place_of

WRITTEN = {
    "s3://bucket/x": "s3://bucket/x",
    "s3://bucket/x/": "s3://bucket/x",
    "gs:/bucket/x": "gs://bucket/x",
    "hf://datasets/me/x": "hf://datasets/me/x",
}


@pytest.mark.parametrize(("text", "address"), WRITTEN.items())
def test_an_address_is_written_in_one_way(text, address):
    assert address_of(text) == address


@pytest.fixture
def place(memory):
    return Place(f"{memory}/a")


def test_of_all_that_make_an_object_one_does(place):
    assert [place.create("run.json", data) for data in (b"first", b"second")] == [True, False]
    assert place.read("run.json", 100) == b"first"


def test_a_store_that_makes_objects_without_conditions_is_asked_first(place, monkeypatch):
    genuine = MemoryFileSystem.pipe_file

    def unconditional(self, path, value, mode="overwrite"):
        if mode == "create":
            raise NotImplementedError
        genuine(self, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", unconditional)
    assert [place.create("run.json", data) for data in (b"first", b"second")] == [True, False]
    assert place.read("run.json", 100) == b"first"


def test_objects_are_listed_put_read_and_removed_by_their_names(place, tmp_path):
    assert place.sizes() == {}
    (tmp_path / "file").write_bytes(b"12345")
    place.put(tmp_path / "file", "shards/file")
    place.write("note", b"123")
    assert place.sizes() == {"note": 3, "shards/file": 5}
    sizes = {**place.sizes(), "missing": 3}
    assert dict(place.read_all(sizes, 5)) == {"note": b"123", "shards/file": b"12345"}

    place.fetch("shards/file", tmp_path / "copy", 5)
    assert (tmp_path / "copy").read_bytes() == b"12345"
    place.remove(["note", "missing"])
    assert place.sizes() == {"shards/file": 5}


def test_a_place_that_was_sent_to_another_process_reads_the_same(place):
    place.write("note", b"123")
    received = pickle.loads(pickle.dumps(place))  # noqa: S301 - it is our own
    assert list(received.read_all({"note": 3}, 9)) == [("note", b"123")]
    assert pickle.loads(pickle.dumps(place)).read("note", 9) == b"123"  # noqa: S301


def test_larger_objects_than_expected_are_not_read(place, tmp_path):
    place.write("run.json", bytes(11))
    for read in (place.read, lambda name, most: place.fetch(name, tmp_path / "copy", most)):
        with pytest.raises(FormatError, match=f"{place.address}/run.json: must have at most 10 bytes, got 11"):
            read("run.json", 10)
    assert list(place.read_all(place.sizes(), 10)) == []
    assert not (tmp_path / "copy").exists()


def test_a_pipe_in_place_of_an_object_is_not_waited_for(tmp_path):
    place = Place(f"file://{tmp_path}")
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(FormatError, match=f"{place.address}/run.json: must be a plain file"):
        place.read("run.json", 10)


@given(st.lists(st.integers(0, 40)), st.integers(1, 5), st.integers(1, 50))
def test_small_objects_are_read_in_batches_of_bounded_size(sizes, count, held):
    objects = {str(number): size for number, size in enumerate(sizes)}
    with mock.patch.multiple(places, _BATCH=count, _BATCH_BYTES=held):
        batches = list(places._batches(objects, most=30))

    assert list(chain(*batches)) == [name for name, size in objects.items() if size <= 30]
    for batch in batches:
        together = sum(objects[name] for name in batch)
        assert len(batch) == 1 or (len(batch) <= count and together <= held)


def test_an_object_that_arrives_in_part_is_an_error(place, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"12345")
    monkeypatch.setattr(MemoryFileSystem, "put_file", lambda self, local, path: self.pipe_file(path, b"123"))
    with pytest.raises(StorageError, match="file: must have 5 bytes, got 3"):
        place.put(tmp_path / "file", "file")


# what a store raises -> what is said of it
SAID = [
    (PermissionError("The provided token has expired."), "The provided token has expired"),
    (PermissionError("Access Denied"), "Access Denied; check the credentials and the rights"),
    (OSError("[Errno 5] InternalError\nplease try again"), "InternalError please try again"),
    (ConnectionError("Could not connect to the endpoint"), "Could not connect to the endpoint"),
    (RuntimeError("Unable to locate credentials"), "Unable to locate credentials"),
]


@pytest.mark.parametrize(("error", "words"), SAID)
def test_what_a_store_refuses_is_one_line_with_the_key(place, monkeypatch, error, words):
    def refused(*_, **__):
        raise error

    for method in ("pipe_file", "cat_file", "info", "find", "rm_file"):
        monkeypatch.setattr(MemoryFileSystem, method, refused)
    calls = {
        f"{place.address}/run.json: cannot be written": lambda: place.create("run.json", b""),
        f"{place.address}/dataset.json: cannot be read": lambda: place.read("dataset.json", 9),
        f"{place.address}/x: cannot be removed": lambda: place.remove(["x"]),
        f"{place.address}: cannot be listed": place.sizes,
    }
    for start, call in calls.items():
        with pytest.raises(StorageError) as failure:
            call()
        assert str(failure.value).startswith(start)
        assert words in str(failure.value)
        assert "\n" not in str(failure.value)


@pytest.mark.parametrize("address", ["nonsense://bucket/x", "x3://b"])
def test_unknown_schemes_are_refused(address):
    with pytest.raises(UsageError, match=f"{address}: must begin with s3, gs, hf"):
        place_of(address)


def test_a_scheme_without_its_package_names_it(monkeypatch):
    import fsspec

    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(SynthgenError, match="s3://bucket/y: cannot be used: Install s3fs"):
        place_of("s3://bucket/y")
