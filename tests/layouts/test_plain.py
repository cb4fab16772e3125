"""Plain folders: normal images, or a folder for each kind."""

import numpy as np
import pytest

from synthgen.layouts import open_normal, open_test_set


def test_a_plain_folder_is_normal(tmp_path, trees):
    trees.put_many(tmp_path, 2)
    trees.put(tmp_path / "gray.png", trees.picture(5)[..., 0])
    trees.put(tmp_path / "clear.png", np.dstack([trees.picture(6), np.full((20, 30), 255, np.uint8)]))
    images = open_normal(tmp_path)
    assert len(images) == 4
    assert all(item.image.shape == (20, 30, 3) and item.image.dtype == np.uint8 for item in images)


@pytest.mark.parametrize("name", ["good", "normal", "ok"])
def test_a_plain_folder_of_kinds_is_a_test_set(tmp_path, name, trees):
    trees.put_many(tmp_path / name, 2)
    trees.put_many(tmp_path / "dirt", 1)
    images = open_test_set(tmp_path)
    assert sorted(trees.kinds_of(images)) == [(0, "good"), (0, "good"), (1, "dirt")]
    assert not images.has_masks
    assert next(item for item in images if item.label).mask is None
    trees.put(tmp_path / "ground_truth" / "dirt" / "000.png", trees.mask_of((0, 0, 2, 2)))
    assert open_test_set(tmp_path).has_masks
    assert len(open_test_set(tmp_path)) == 3
    assert len(open_normal(tmp_path)) == 2


@pytest.mark.parametrize("name", ["masks", "mask", "ground_truth", "gt", "dirt_mask", "dirt_masks"])
def test_a_folder_of_masks_beside_the_kinds_is_no_kind_and_is_used(tmp_path, trees, name):
    trees.put_many(tmp_path / "good", 2)
    trees.put_many(tmp_path / "dirt", 1)
    trees.put(tmp_path / name / "000.png", trees.mask_of((0, 0, 2, 2)))
    images = open_test_set(tmp_path)
    assert sorted(trees.kinds_of(images)) == [(0, "good"), (0, "good"), (1, "dirt")]
    assert images.has_masks
    assert images.left_out == []
    assert open_normal(tmp_path).left_out == []


def test_masks_that_belong_to_no_kind_are_reported(tmp_path, trees):
    for name in ("good", "dirt", "dent"):
        trees.put_many(tmp_path / name, 1)
    trees.put(tmp_path / "masks" / "000.png", trees.mask_of((0, 0, 2, 2)))
    images = open_test_set(tmp_path)
    assert {entry.kind for entry in images.entries} == {"good", "dirt", "dent"}
    assert images.left_out == [f"{tmp_path / 'masks'}: 1 image left out, 000.png among them"]


def test_images_beside_folders_are_reported_or_refused_where_either_could_be_meant(tmp_path, trees):
    trees.put_many(tmp_path, 1)
    trees.put_many(tmp_path / "dirt", 1)
    assert open_normal(tmp_path).left_out == [f"{tmp_path / 'dirt'}: 1 image left out, 000.png among them"]
    trees.put_many(tmp_path / "good", 1)
    trees.refused(lambda: open_normal(tmp_path), "must hold normal images or a folder good of them, got both")
    assert open_test_set(tmp_path).left_out == [f"{tmp_path}: 1 image left out, 000.png among them"]


@pytest.mark.parametrize("name", ["good", "normal", "ok"])
@pytest.mark.parametrize("opened", [open_normal, open_test_set])
def test_what_is_not_read_in_a_folder_of_normal_images_is_reported(tmp_path, trees, name, opened):
    trees.put_many(tmp_path / name, 2)
    trees.put_many(tmp_path / "dirt", 1)
    trees.put(tmp_path / name / "a.gif", trees.picture(0))
    trees.put(tmp_path / name / "sub" / "b.png", trees.picture(0))
    assert opened(tmp_path).left_out == [
        f"{tmp_path / name}: 1 file left out, not images by name: a.gif, ..",
        f"{tmp_path / name / 'sub'}: 1 image left out, b.png among them",
    ]
