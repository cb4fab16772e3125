"""Exports from start to end: renamed whole, resumed, the same whoever writes them."""

import json
import os
from pathlib import Path

import pytest

import synthgen
from synthgen.errors import LockedError, StorageError, UsageError, WorkerError
from synthgen.layouts.export import TARGETS, export
from synthgen.layouts.export import job as job_module
from synthgen.layouts.export.batches import Batches
from synthgen.layouts.export.job import job_of, work_folder
from synthgen.layouts.export.record import read_record, record_path
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.worker import Worker
from synthgen.shards.mutex import try_lock


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(job_module, "SIZE", 6)


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_written_whole_with_a_record_of_every_file(plates, tmp_path, target):
    report = export(target, plates, tmp_path / "out")
    record, rows = read_record(tmp_path / "out")
    rows = list(rows)
    files = contents(tmp_path / "out")
    assert {row.path: row.bytes for row in rows} == {path: len(data) for path, data in files.items()}
    assert report.images == 20
    assert (report.files, report.bytes) == (len(files), sum(map(len, files.values())))
    assert record.target == target

    # nothing but images and masks looks like one, for readers that take all PNG files
    roles = [row.role for row in rows if row.path.endswith((".png", ".jpg"))]
    clean = 15 if target == "anomalygen" else 0  # the twins of the plates with defects
    assert (roles.count("image"), roles.count("mask"), roles.count("text")) == (20, report.masks, clean)
    assert sorted(os.listdir(tmp_path)) == ["out", "out.export.json"]


def test_an_interrupted_export_goes_on_and_ends_the_same(plates, tmp_path, monkeypatch, small_batches):
    export("coco", plates, tmp_path / "whole")
    write, written = Batches.write, []

    def write_two(self, number, tree):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(number)
        write(self, number, tree)

    monkeypatch.setattr(Batches, "write", write_two)
    with pytest.raises(KeyboardInterrupt):
        export("coco", plates, tmp_path / "out")
    assert not (tmp_path / "out").exists()

    again = []
    monkeypatch.setattr(Batches, "write", lambda self, n, tree: (again.append(n), write(self, n, tree)))
    export("coco", plates, tmp_path / "out")
    assert again == [2, 3]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert record_path(tmp_path / "out").read_bytes() == record_path(tmp_path / "whole").read_bytes()


def test_what_an_export_of_other_options_began_is_not_taken_over(plates, tmp_path, monkeypatch, small_batches):
    export("imagefolder", plates, tmp_path / "whole", limit=3)
    monkeypatch.setattr(Batches, "write", lambda self, number, tree: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export("imagefolder", plates, tmp_path / "out")
    (work_folder(tmp_path / "out") / "tree" / "stranger.png").write_bytes(b"")
    monkeypatch.undo()
    export("imagefolder", plates, tmp_path / "out", limit=3)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_process_killed_between_tree_and_record_is_made_good(plates, tmp_path):
    export("imagefolder", plates, tmp_path / "whole")
    out = tmp_path / "out"
    export("imagefolder", plates, out)
    work = work_folder(out)
    work.mkdir()
    record_path(out).rename(work / "export.json")
    export("imagefolder", plates, out)
    assert record_path(out).read_bytes() == record_path(tmp_path / "whole").read_bytes()
    assert not work.exists()


def test_processes_write_the_same_as_this_one(plates, tmp_path, small_batches):
    for workers in (0, 2):
        export("yolo-seg", plates, tmp_path / str(workers), workers=workers, truth="all")
    assert contents(tmp_path / "0") == contents(tmp_path / "2")


def test_a_worker_writes_batches_and_passes_on_what_is_wrong(plates, tmp_path):
    tree = Tree(tmp_path / "work")
    tree.begin()
    worker = Worker(job_of("imagefolder", plates, {}), tree.work)
    try:
        worker.write(0)
        assert tree.has(0)
        assert len(next(iter(tree.batches())).files) == 20
        (tmp_path / "work" / "batches").rename(tmp_path / "gone")
        with pytest.raises(StorageError, match="cannot be written"):
            worker.write(0)
        worker._process.kill()
        with pytest.raises(WorkerError, match="died: signal 9; run the same command again"):
            worker.write(0)
    finally:
        worker.end()


def test_an_export_that_is_there_is_found_and_another_refused(plates, formulas, tmp_path):
    first = export("imagefolder", plates, tmp_path / "out")
    again = export("imagefolder", plates, tmp_path / "out")
    assert (first.was_finished, again.was_finished) == (False, True)
    assert (again.images, again.usage) == (first.images, first.usage)
    for target, data, options in (
        ("hf", plates, {}),
        ("imagefolder", formulas, {}),
        ("imagefolder", plates, {"rgb": True}),
    ):
        with pytest.raises(UsageError, match="holds another export, of imagefolder; choose another --out"):
            export(target, data, tmp_path / "out", **options)


def test_a_folder_that_holds_something_else_is_left_alone(plates, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="must be a new or an empty folder"):
        export("imagefolder", plates, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


def test_an_empty_folder_is_filled(plates, tmp_path):
    (tmp_path / "out").mkdir()
    assert export("imagefolder", plates, tmp_path / "out").images == 20


def test_two_exports_do_not_write_one_tree(plates, tmp_path):
    work = work_folder(tmp_path / "out")
    work.mkdir()
    lock = try_lock(work / "lock")
    with pytest.raises(LockedError, match="is being written by"):
        export("imagefolder", plates, tmp_path / "out")
    lock.release()


WRONG = {
    "target": (("nothing",), {}, "target must be one of imagefolder, mvtec"),
    "misspelt": (("mvtek",), {}, "visa, got mvtek; did you mean mvtec?"),
    "classes": (
        ("coco",),
        {"classes": ["rust"]},
        r"classes must be names or numbers of classes of .* \(good, scratch",
    ),
    "truth": (("coco",), {"truth": "rust"}, "truth must be one of defects, all, .*scratch.*, got rust"),
    "option": (("coco",), {"polygon": True}, "polygon is not a known key"),
    "limit": (("coco",), {"limit": 0}, "limit"),
    "workers": (("coco",), {"workers": -1}, "workers must lie in 0..4096"),
    "split": (
        ("imagefolder",),
        {"split": "train=0.9,val=0.1", "limit": 2},
        "split must leave an image of each class",
    ),
    "mvtec": (("mvtec",), {"split": "train=0.5,val=0.5"}, "split must be of train, test for mvtec, got val"),
    "jpeg": (
        ("mvtec",),
        {"image": "jpg"},
        "image must be png for mvtec, whose readers list PNG files alone, got jpg",
    ),
    "jpeg-loco": (("mvtec-loco",), {"image": "jpg"}, "image must be png for mvtec-loco"),
    "yolo": (("yolo-seg",), {"split": "train"}, "split must have train and val"),
    "roboflow": (("coco",), {"split": "train=0.5,val=0.5", "flavour": "roboflow"}, "split must be of train, valid"),
    "shards": (("hf",), {"shards": True, "limit": 1}, "limit must be left out with shards"),
    **{
        f"square-{target}": ((target,), {"square": "pad"}, f"square must be left out for {target}, got pad")
        for target in ("coco", "yolo-seg", "hf")
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_before_anything_is_written(plates, tmp_path, case):
    (target,), options, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        export(target, plates, tmp_path / "out", **options)
    assert os.listdir(tmp_path) == []


LACKING = {
    ("mvtec", "formulas"): "must have a class named good or normal or ok for mvtec, got none; .*cutpaste --good",
    ("anomalib-folder", "formulas"): "must have a class named good",
    ("hf", "formulas"): "must have tar shards for hf with shards, got hdf5; `--format webdataset` draws them",
}


@pytest.mark.parametrize(("target", "data"), LACKING)
def test_a_target_that_a_data_set_cannot_fill_says_what_can(request, tmp_path, target, data):
    options = {"shards": True} if target == "hf" else {}
    with pytest.raises(UsageError, match=LACKING[target, data]):
        export(target, request.getfixturevalue(data), tmp_path / "out", **options)


def test_good_plates_alone_are_no_test_set(plates, tmp_path):
    with pytest.raises(
        UsageError, match="must have a class of defects for mvtec, got good alone; `stains --layout test`"
    ):
        export("mvtec", plates, tmp_path / "out", classes=["good"])


def test_the_record_is_one_json_text(plates, tmp_path):
    export("imagefolder", plates, tmp_path / "out")
    record = json.loads(record_path(tmp_path / "out").read_text())
    assert len(record["files"]) == record["counts"]["files"] == 20
    assert record["data_sets"][0]["data"] == synthgen.open(plates).manifest.fingerprints.data
