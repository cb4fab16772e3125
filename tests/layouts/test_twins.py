"""An image that is given twice counts once, and is reported: `each_once` by `open_normal`."""

import os

import pytest

import synthgen
from synthgen.layouts import open_normal


def link_folder(root, trees):
    (root.parent / "link").symlink_to(root / "train" / "good")
    return [root, root.parent / "link"]


def link_files(root, trees):
    folder = root.parent / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"other{number}.png").symlink_to(root / "train" / "good" / f"{number:03d}.png")
    trees.put_many(folder, 1)
    return [root, folder]


def hard_links(root, trees):
    folder = root.parent / "files"
    folder.mkdir()
    for number in range(3):
        os.link(root / "train" / "good" / f"{number:03d}.png", folder / f"{number}.png")
    return [root, folder]


# case -> the paths that are given for a category of 3 images, and how many images the second has of its own
TWICE = {
    "a folder in it": (lambda root, trees: [root, root / "train" / "good"], 0),
    "the folder of it": (lambda root, trees: [root / "train" / "good", root], 0),
    "a link to a folder in it": (link_folder, 0),
    "links to its files": (link_files, 1),
    "other names of its files": (hard_links, 0),
}


@pytest.mark.parametrize("case", TWICE)
def test_images_of_two_paths_count_once_and_are_reported(mvtec, trees, case):
    given, more = TWICE[case]
    paths = given(mvtec, trees)
    images = open_normal(paths)
    files = {os.stat(entry.name).st_ino for entry in images.entries}
    assert len(images) == len(files) == 3 + more
    assert [source.count for source in images.sources] == [3, more]
    twins = [line for line in images.left_out if "left out that" in line]
    assert len(twins) == 1
    assert twins[0].startswith(f"{paths[1]}: 3 images left out that {paths[0]} has too, ")


def test_an_image_and_a_link_to_it_in_one_folder_are_one(tmp_path, trees):
    trees.put_many(tmp_path, 2)
    (tmp_path / "again.png").symlink_to("000.png")
    images = open_normal(tmp_path)
    assert len(images) == 2
    (line,) = images.left_out
    assert line.startswith(f"{tmp_path}: 1 image left out that is there by another name, ")
    assert "again.png" in line
    assert "000.png" in line


def test_images_of_equal_pixels_are_not_the_same(tmp_path, trees):
    for name in ("a", "b"):
        trees.put(tmp_path / f"{name}.png", trees.picture(0))
    assert len(open_normal(tmp_path)) == 2
    assert open_normal(tmp_path).left_out == []


def test_a_data_set_of_ours_counts_once(make_recipe, tmp_path):
    folder = tmp_path / "in" / "own"
    synthgen.generate(make_recipe(classes=1), folder, workers=0, progress=False)
    images = open_normal([tmp_path / "in", folder])
    assert [source.count for source in images.sources] == [8, 0]
    assert f"{folder}: 8 images left out that {tmp_path / 'in'} has too" in images.left_out[-1]
