import json
import os
import subprocess

import pytest

import synthgen
from synthgen.errors import LockedError, StorageError, UsageError
from synthgen.run import merge
from synthgen.run.lock import part_lock


def draw(recipe, folder, **options):
    return synthgen.generate(recipe, folder, **{"workers": 0, "progress": False, **options})


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
def test_any_number_of_workers_gives_the_same_files(make_recipe, tmp_path, fmt):
    recipe = make_recipe(storage={"format": fmt})
    for workers in (0, 1, 3):
        draw(recipe, tmp_path / str(workers), workers=workers)
    one, *others = (files_of(tmp_path / str(w)) for w in (0, 1, 3))
    assert len(one) == 5 * 2 + 3 + 2  # shards and sidecars, three records, card and description
    assert all(other == one for other in others)


def test_a_finished_folder_is_left_as_it_is(make_recipe, tmp_path):
    first = draw(make_recipe(), tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.h5")}
    second = draw(make_recipe(), tmp_path)
    assert (first.drawn, first.resumed) == (40, 0)
    assert (second.drawn, second.resumed) == (0, 40)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.h5")} == before


def test_other_data_is_refused_with_what_differs(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    before = files_of(tmp_path)
    other = make_recipe(seed=1)
    with pytest.raises(UsageError) as error:
        draw(other, tmp_path)
    assert "seed is 0 there, 1 here" in str(error.value)
    assert "--overwrite" in str(error.value)
    assert files_of(tmp_path) == before


def test_the_same_data_in_another_form_is_refused(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    with pytest.raises(UsageError, match="the same data, stored in another way"):
        draw(make_recipe(storage={"codec": "png-stored"}), tmp_path)


def test_overwriting_replaces_what_is_listed_and_nothing_else(make_recipe, tmp_path):
    draw(make_recipe(storage={"format": "webdataset"}), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "shards" / "mine.tar").write_text("mine")
    draw(make_recipe(seed=1), tmp_path, overwrite=True)
    assert synthgen.verify(tmp_path).ok
    assert not list(tmp_path.glob("shards/train*.tar"))
    assert (tmp_path / "notes.txt").read_text() == (tmp_path / "shards" / "mine.tar").read_text() == "mine"


def test_overwriting_takes_nothing_from_other_parts(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path, part="1/2")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match="overwrite must not go with part"):
        draw(make_recipe(seed=1), tmp_path, part="2/2", overwrite=True)
    with part_lock(tmp_path, (2, 2)), pytest.raises(LockedError, match="part-2-of-2 is being written"):
        draw(make_recipe(seed=1), tmp_path, overwrite=True)
    assert files_of(tmp_path) == before


def test_a_folder_with_other_files_is_refused(make_recipe, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"must be empty or hold this data set.*thesis\.tex"):
            draw(make_recipe(), tmp_path, overwrite=overwrite)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_is_no_folder(make_recipe, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="must be a folder, got a file"):
        draw(make_recipe(), tmp_path / "x")


def test_parts_in_one_folder_make_the_whole(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path / "whole")
    reports = [draw(make_recipe(), tmp_path / "parts", part=f"{k}/3") for k in (2, 3, 1)]
    assert [r.finished for r in reports] == [False, False, True]
    assert sum(r.drawn for r in reports) == 40
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("link", [False, True])
def test_parts_in_several_folders_are_merged(make_recipe, tmp_path, link):
    draw(make_recipe(), tmp_path / "whole")
    for k in (1, 2):
        draw(make_recipe(), tmp_path / f"p{k}", part=(k, 2))
    with pytest.raises(UsageError, match=r"2 of 5 shards are missing: train-000001.h5, train-000003.h5"):
        merge([tmp_path / "p1"], tmp_path / "half")
    manifest = merge([tmp_path / "p1", tmp_path / "p2"], tmp_path / "merged", link)
    assert manifest.count == 40
    assert files_of(tmp_path / "merged") == files_of(tmp_path / "whole")


def test_parts_of_other_runs_are_not_merged(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path / "a", part="1/2")
    draw(make_recipe(seed=3), tmp_path / "b", part="2/2")
    with pytest.raises(UsageError, match="must be of the same run"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    with pytest.raises(UsageError, match="none: no such folder"):
        merge([tmp_path / "none"], tmp_path / "c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is not a part of a data set"):
        merge([tmp_path / "empty"], tmp_path / "c")


def test_a_second_writer_is_told_who_holds_the_part(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path, part="1/2")
    with part_lock(tmp_path, (2, 2)):
        with pytest.raises(LockedError, match=rf'part-2-of-2 is being written by {{"pid": {os.getpid()}'):
            draw(make_recipe(), tmp_path, part="2/2")
    assert draw(make_recipe(), tmp_path, part="2/2").finished
    assert not list(tmp_path.glob(".part*"))


def test_parts_of_another_split_are_not_drawn_meanwhile(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path, part="1/2")
    with part_lock(tmp_path, (2, 2)), pytest.raises(LockedError, match="part-2-of-2 is being written"):
        draw(make_recipe(), tmp_path)
    assert draw(make_recipe(), tmp_path).finished


def test_a_damaged_part_is_not_merged(make_recipe, tmp_path):
    from synthgen.errors import FormatError

    draw(make_recipe(), tmp_path / "p", part="1/1")
    shard = tmp_path / "p" / "shards" / "train-000001.h5"
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 1
    shard.write_bytes(raw)
    with pytest.raises(FormatError, match=r"train-000001\.h5: is damaged"):
        merge([tmp_path / "p"], tmp_path / "all")


def test_more_shards_than_a_manifest_holds_are_refused(make_recipe, tmp_path):
    with pytest.raises(UsageError, match=r"at most .* in 200,000 shards, got 1,000,000 in 1,000,000"):
        draw(make_recipe(classes=1000, per_class=1000, storage={"shard_size": 1}), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_truncated_shard_is_drawn_again(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    before = files_of(tmp_path)
    shard = tmp_path / "shards" / "train-000002.h5"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert draw(make_recipe(), tmp_path).drawn == 9
    assert files_of(tmp_path) == before


def test_a_damaged_sidecar_is_written_again(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    before = files_of(tmp_path)
    (tmp_path / "shards" / ".train-000002.json").write_text("{")
    assert draw(make_recipe(), tmp_path).drawn == 0  # the manifest knows the shard
    assert files_of(tmp_path) == before


def test_a_run_that_cannot_fit_is_refused_with_what_would(make_recipe, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, 50_000))
    with pytest.raises(StorageError, match=r"50\.0 kB are free; --per-class \d+ would fit") as error:
        draw(make_recipe(per_class=100), tmp_path / "x")
    fitting = int(str(error.value).split("--per-class ")[1].split()[0])
    assert draw(make_recipe(per_class=fitting), tmp_path / "y").finished

    # what was begun, grows, or is a part would be other data with fewer images
    advice = r"kB are free; make room, and run the same command again$"
    with pytest.raises(StorageError, match=advice):
        draw(make_recipe(per_class=100), tmp_path / "y")
    with pytest.raises(StorageError, match=advice):
        draw(make_recipe(per_class=200), tmp_path / "x", part=(1, 2))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_ends_in_a_sentence_and_leaves_whole_shards_only(
    make_recipe, tmp_path, fmt, workers, monkeypatch
):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "none", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        monkeypatch.setattr("synthgen.run.work.check_disk", lambda *_: None)
        recipe = make_recipe(size=64, points=5000, storage={"format": fmt, "shard_size": 4})
        with pytest.raises(StorageError, match="the disk is full") as error:
            draw(recipe, disk / "d", workers=workers)
        assert "\n" not in str(error.value)
        # Without a shard the folder is left to others.
        names = {path.name for path in disk.glob("d/shards/*")}
        assert not any(name.endswith(".tmp") for name in names)
        assert not (disk / "d" / "dataset.json").exists()
        # with more room the same command goes on
        kept = {n: (disk / "d" / "shards" / n).read_bytes() for n in names if n.endswith(".json")}
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        report = draw(recipe, disk / "d", workers=workers)
        assert report.finished
        assert report.resumed == 4 * len(kept)
        assert synthgen.verify(disk / "d").ok
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_may_not_be_written_is_a_sentence(make_recipe, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        draw(make_recipe(), "/proc/synthgen")


@pytest.mark.parametrize("workers", [-1, 10_000])
def test_the_number_of_workers_is_checked(make_recipe, tmp_path, workers):
    with pytest.raises(UsageError, match="workers must lie in"):
        draw(make_recipe(), tmp_path, workers=workers)


def test_labels_and_indices_out_of_range_are_refused(make_recipe):
    for label, index in ((5, 0), (-1, 0), (0, 8), (0, -1)):
        with pytest.raises(UsageError, match=r"must lie in 0\.\."):
            synthgen.render(make_recipe(), label, index)


def test_run_records_say_what_will_come(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path, part="1/5")
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["format"], run["count"], run["shards"]) == (1, 40, 5)
    assert not (tmp_path / "dataset.json").exists()


@pytest.mark.parametrize(("size", "shape"), [(48, (48, 48)), ("64x48", (48, 64)), ((48, 64), (48, 64))])
def test_a_sample_is_drawn_at_any_size(make_recipe, size, shape):
    recipe = make_recipe()
    sample = synthgen.render(recipe, 2, 3, size=size)
    assert sample.image.shape[:2] == sample.fields["mask"].shape == shape
    assert sample.params == synthgen.render(recipe, 2, 3).params
