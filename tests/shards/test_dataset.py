"""Reading finished data sets, and what others make of our files."""

import gc
import io
import json
import pickle
import tarfile

import h5py
import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.errors import FormatError


def test_samples_are_those_of_the_recipe(data_set, make_recipe):
    ds = synthgen.open(data_set)
    assert len(ds) == 40
    seen = set()
    for i, sample in enumerate(ds):
        drawn = synthgen.render(make_recipe(), sample.params["class"], sample.params["index"])
        assert sample.key == drawn.key
        assert sample.label == drawn.label == sample.params["class"]
        assert np.array_equal(sample.image, drawn.image)
        assert np.array_equal(sample.fields["mask"], drawn.fields["mask"])
        assert sample.params == drawn.params
        assert ds.find(sample.label, sample.params["index"]) == i
        seen.add(sample.key)
    assert len(seen) == 40


def test_both_formats_hold_the_same(make_recipe, tmp_path):
    digests = set()
    for fmt in ("hdf5", "webdataset"):
        for size in (9, 40, 7):
            folder = tmp_path / f"{fmt}{size}"
            recipe = make_recipe(storage={"format": fmt, "shard_size": size})
            synthgen.generate(recipe, folder, workers=0, progress=False)
            digests.add(synthgen.verify(folder, pixels=True).digest)
    assert len(digests) == 1
    assert None not in digests


def test_sequences_behave_like_lists(data_set):
    ds = synthgen.open(data_set)
    assert ds[-1].key == ds[39].key
    for i in (40, -41):
        with pytest.raises(IndexError):
            ds[i]
    for label, index in ((5, 0), (0, 8), (-1, 0)):
        with pytest.raises(IndexError):
            ds.find(label, index)


def test_the_class_table_is_complete(data_set):
    classes = synthgen.open(data_set).classes
    assert [row["id"] for row in classes] == [0, 1, 2, 3, 4]
    assert len({row["name"] for row in classes}) == 5


def test_data_sets_can_be_pickled(data_set):
    ds = synthgen.open(data_set)
    first = ds[0]
    again = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own object
    assert again[0].key == first.key


def test_the_recipe_of_a_data_set_draws_it_again(data_set, tmp_path):
    report = synthgen.generate(data_set, tmp_path / "again", workers=0, progress=False)
    assert report.fingerprint == synthgen.open(data_set).manifest.fingerprints.data
    for a, b in zip(
        sorted((data_set / "shards").iterdir()), sorted((tmp_path / "again/shards").iterdir()), strict=True
    ):
        assert a.read_bytes() == b.read_bytes()


@pytest.fixture
def tar(make_recipe, tmp_path):
    synthgen.generate(make_recipe(storage={"format": "webdataset"}), tmp_path / "t", workers=0, progress=False)
    return tmp_path / "t"


def test_tarfile_reads_our_shards(tar):
    with tarfile.open(tar / "shards" / "train-000000.tar") as file:
        members = file.getmembers()
        assert len(members) == 9 * 4
        assert {m.mtime for m in members} == {0}
        names = [m.name.split(".", 1) for m in members[:4]]
        assert [ending for _, ending in names] == ["png", "cls", "mask.png", "json"]
        image = np.asarray(Image.open(file.extractfile(members[0])).convert("RGB"))
    assert np.array_equal(image, synthgen.open(tar)[0].image)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_our_shards(tar):
    webdataset = pytest.importorskip("webdataset")
    shards = [str(p) for p in sorted((tar / "shards").glob("*.tar"))]
    ours = synthgen.open(tar)
    stream = webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8")
    for mine, theirs in zip(ours, stream, strict=True):
        assert theirs["__key__"] == mine.key
        assert theirs["cls"] == mine.label
        assert np.array_equal(theirs["png"], mine.image)
        assert np.array_equal(theirs["mask.png"][..., 0], mine.fields["mask"])
        assert theirs["json"] == mine.params
    del stream
    gc.collect()  # it leaves its files to the collector, and the warning must fall into this test


def test_hdf5_is_read_as_the_specification_says(make_recipe, tmp_path):
    folder = tmp_path / "h"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    ds = synthgen.open(folder)
    row = 0
    for entry in json.loads((folder / "dataset.json").read_text())["shard_list"]:
        with h5py.File(folder / "shards" / entry["name"]) as file:
            for i in range(entry["count"]):
                begin, end = file["image_offsets"][i : i + 2]
                image = np.asarray(Image.open(io.BytesIO(file["image"][begin:end].tobytes())).convert("RGB"))
                assert np.array_equal(image, ds[row].image)
                assert file["key"][i].decode() == ds[row].key
                assert file["label"][i] == ds[row].label
                row += 1
    assert row == 40


def test_an_unfinished_folder_is_refused(data_set, copy_of):
    copy = copy_of(data_set)
    (copy / "dataset.json").unlink()
    with pytest.raises(FormatError, match="is not finished: 5 of 5 shards"):
        synthgen.open(copy)


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_other_places_are_refused(tmp_path, what):
    place = tmp_path / "x"
    if what == "empty":
        place.mkdir()
    if what == "file":
        place.write_text("")
    with pytest.raises(FormatError, match=r"no such folder|not a synthgen data set"):
        synthgen.open(place)


def change_manifest(folder, change):
    path = folder / "dataset.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


LIES = {
    "a newer version": (lambda m: m.update(format=2), "format version must be 1, got 2 .install a newer synthgen"),
    "a name that leaves the folder": (lambda m: m["shard_list"][0].update(name="../../x.h5"), "shard_list"),
    "another shard's name": (lambda m: m["shard_list"][0].update(name="train-000001.h5"), "shard_list"),
    "a wrong count": (lambda m: m.update(count=41), "count must be"),
    "a wrong number of shards": (lambda m: m.update(shards=6), "shards must be"),
    "a shard too few": (lambda m: m["shard_list"].pop(), "shard_list must have 5 entries, got 4"),
    "a huge image": (lambda m: m["fields"]["image"].update(shape=[10**6, 10**6, 3]), "Expected `int` <= 16384"),
    "no image": (lambda m: m["fields"].pop("image"), "fields must have an image"),
    "text for a number": (lambda m: m.update(shard_size="9"), "Expected `int`"),
    "a missing key": (lambda m: m.pop("seed"), "missing required field `seed`"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies_is_refused(data_set, copy_of, lie):
    change, message = LIES[lie]
    copy = copy_of(data_set)
    change_manifest(copy, change)
    with pytest.raises(FormatError, match=message):
        synthgen.open(copy)


def test_a_manifest_with_another_image_size_is_found_when_it_is_read(data_set, copy_of):
    copy = copy_of(data_set)
    change_manifest(copy, lambda m: m["fields"]["image"].update(shape=[3000, 3000, 3]))
    with pytest.raises(FormatError, match=r"must be 3000x3000.*got 32x32"):
        synthgen.open(copy)[0]
