"""Opening data sets of any layout: what is read, what is left out, what is refused."""

import os
import subprocess
import sys

import pytest

from synthgen.errors import SynthgenError, UsageError
from synthgen.layouts import open_images, open_normal, open_test_set


def test_several_categories_are_read_together(mvtec, tmp_path, trees):
    mvtec.rename(tmp_path / "a")
    trees.put_many(tmp_path / "b" / "train" / "good", 2)
    trees.put_many(tmp_path / "b" / "test" / "good", 1)
    assert [entry.category for entry in open_normal(tmp_path).entries] == ["a", "a", "a", "b", "b"]
    assert len(open_test_set(tmp_path)) == 6


def test_normal_images_can_be_added_from_elsewhere(tmp_path, trees):
    trees.put_many(tmp_path / "set" / "dirt", 1)
    trees.put_many(tmp_path / "fine", 2)
    with pytest.raises(UsageError, match="got 0 normal and 1 anomalous"):
        open_test_set(tmp_path / "set")
    images = open_test_set(tmp_path / "set", normal=tmp_path / "fine")
    assert [entry.category for entry in images.entries] == ["set"] * 3
    assert images.labels.tolist() == [0, 0, 1]


def test_images_are_found_in_folders_and_below(tmp_path, trees):
    trees.put_many(tmp_path / "a" / "b", 2)
    trees.put_many(tmp_path / "a", 1)
    single = trees.put(tmp_path / "c.png", trees.picture(1))
    assert len(open_images([tmp_path / "a", single])) == 4


LINKS = {
    "to the folder itself": ("a/self", ".", 3),
    "to the folder above": ("a/b/up", "..", 3),
    "to a folder that is read anyway": ("a/0", "b", 3),
    "to a folder elsewhere": ("a/c", "../other", 4),
    "back from elsewhere": ("a/c", "../back", 5),
}


@pytest.mark.parametrize("case", LINKS)
def test_images_are_found_once_whatever_links_lead_to_them(tmp_path, trees, case):
    link, target, count = LINKS[case]
    trees.put_many(tmp_path / "a", 1)
    trees.put_many(tmp_path / "a" / "b", 2)
    trees.put_many(tmp_path / "other", 1)
    trees.put_many(tmp_path / "back", 2)
    (tmp_path / "back" / "again").symlink_to("../a")
    (tmp_path / link).symlink_to(target)
    images = open_images([tmp_path / "a"])
    assert len(images) == len({os.path.realpath(entry.name) for entry in images.entries}) == count
    assert images.left_out == []


def test_places_without_images_are_refused(tmp_path, trees):
    empty, file = tmp_path / "empty", trees.put(tmp_path / "in" / "other" / "a.png", trees.picture(0))
    empty.mkdir()
    for opened in (open_normal, open_test_set):
        trees.refused(lambda opened=opened: opened(empty), empty, "must hold images, got an empty folder")
        trees.refused(
            lambda opened=opened: opened(tmp_path / "no"), "must be a folder of images", "got nothing there"
        )
        trees.refused(lambda opened=opened: opened(file), "got a file")
    trees.refused(lambda: open_normal(tmp_path / "in"), "good or normal or ok", "got the folders other")
    trees.refused(lambda: open_test_set(tmp_path / "in" / "other"), "got 0 normal and 0 anomalous")
    trees.refused(
        lambda: open_images([empty]), empty, "must be an image or a folder of images, got an empty folder"
    )
    trees.refused(lambda: open_images([tmp_path / "no.png"]), "got nothing there")


def test_a_folder_of_categories_of_several_layouts_is_read_whole(mvtec, visa, loco):
    root = mvtec.parent
    visa.rename(root / "candle")
    visa.parent.rmdir()
    normal = open_normal(root)
    tested = open_test_set(root)
    assert normal.layout == "MVTec AD, VisA, MVTec LOCO"
    assert {entry.category for entry in normal.entries} == {"brick", "candle", "pushpins"}
    assert len(normal) == 3 + 18 + 2
    assert {entry.category for entry in tested.entries} == {"brick", "candle", "pushpins"}
    assert normal.left_out == [f"{root}: 3 categories are joined into one set: brick, candle, pushpins"]
    assert tested.left_out == []


def test_what_lies_beside_categories_is_reported(mvtec, trees):
    root = mvtec.parent
    trees.put_many(root, 2)
    trees.put_many(root / "photos", 1)
    expected = [
        f"{root}: 2 images left out, 000.png among them",
        f"{root / 'photos'}: 1 image left out, 000.png among them",
    ]
    assert open_normal(root).left_out == expected
    assert open_test_set(root).left_out == expected


LEFT_OUT = {
    "a folder in the normal images": (
        "train/good/more/1.png",
        "train/good/more: 1 image left out, 1.png among them",
    ),
    "another folder for training": ("train/bad/1.png", "train/bad: 1 image left out, 1.png among them"),
    "a file of another kind": (
        "train/good/x.gif",
        "train/good: 1 file left out, not images by name",
    ),
    "a folder that nobody knows": ("photos/deep/1.png", "photos/deep: 1 image left out, 1.png among them"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_found_and_not_read_is_reported(mvtec, trees, case):
    name, line = LEFT_OUT[case]
    assert open_normal(mvtec).left_out == []
    trees.put(mvtec / name, trees.picture(0))
    (found,) = open_normal(mvtec).left_out
    assert found.startswith(f"{mvtec}/{line}")


def test_kinds_without_images_that_can_be_read_are_reported(mvtec, trees):
    assert open_test_set(mvtec).left_out == []
    trees.put(mvtec / "test" / "dent" / "1.gif", trees.picture(0))
    trees.put(mvtec / "ground_truth" / "scratch" / "1_mask.png", trees.picture(0))
    (mvtec / "license.txt").write_text("a text at the top is no image")
    (mvtec / "test" / ".hidden").mkdir()
    lines = open_test_set(mvtec).left_out
    assert [line.partition(":")[0] for line in lines] == [
        str(mvtec / "ground_truth" / "scratch"), str(mvtec / "test" / "dent"),
    ]  # fmt: skip


def test_several_places_are_joined_and_counted(mvtec, tmp_path, trees):
    trees.put_many(tmp_path / "more", 2)
    images = open_normal([mvtec, tmp_path / "more"])
    assert [(source.layout, source.count) for source in images.sources] == [("MVTec AD", 3), ("plain folder", 2)]
    assert [item.category for item in images] == ["brick"] * 3 + ["more"] * 2
    trees.refused(lambda: open_normal([mvtec, tmp_path / "more" / ".." / "brick"]), "must name each folder once")
    trees.refused(lambda: open_normal([]), "paths must name a folder of normal images, got none")


def test_layouts_metrics_and_pictures_need_no_torch(mvtec):
    code = f"""
import sys
sys.modules["torch"] = None
from synthgen import layouts, metrics
import synthgen.look.heatmaps, synthgen.look.sheet
images = layouts.open_test_set({str(mvtec)!r}, (10, 10))
print(metrics.image_auroc(images.labels, images.labels), len(list(images)))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1.0", "5"]


@pytest.mark.parametrize("written", [".", "../brick", "./", "test/.."])
def test_a_path_may_be_written_in_any_way(mvtec, monkeypatch, written):
    monkeypatch.chdir(mvtec)
    for images in (open_normal(written), open_test_set(written)):
        assert images.left_out == []


@pytest.mark.parametrize("name", ["defects_config.json", "1cls.csv"])
def test_a_giant_table_beside_the_images_is_refused_before_it_is_read(loco, visa, name):
    split = visa.parent / "split_csv" / "1cls.csv"
    split.parent.mkdir()
    folder = {"defects_config.json": loco, "1cls.csv": visa}[name]
    path = loco / name if folder == loco else split

    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(SynthgenError, match=f"{name}: must have at most"):
        open_test_set(folder)
