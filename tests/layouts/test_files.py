"""Image files and masks of users."""

import numpy as np
import pytest
from PIL import Image

from synthgen.layouts import open_test_set


def test_masks_of_ones_are_masks(mvtec, trees):
    np.testing.assert_array_equal(open_test_set(mvtec)[1].mask, trees.mask_of((5, 5, 9, 9)) > 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_of_any_mode_are_read(mvtec, mode, trees):
    path = mvtec / "ground_truth" / "hole" / "030_mask.png"
    mask = trees.mask_of((3, 3, 7, 9), value=1)
    if mode == "I;16":
        Image.fromarray(mask.astype(np.uint16)).save(path)
    elif mode == "P":
        indexed = Image.fromarray(mask)
        indexed.putpalette([0, 0, 0, 200, 0, 0])
        indexed.save(path)
    else:
        Image.fromarray(mask * 255).convert(mode).save(path)
    np.testing.assert_array_equal(open_test_set(mvtec)[4].mask, mask > 0)


def test_a_mask_of_another_size_is_refused(mvtec, trees):
    path = trees.put(mvtec / "ground_truth" / "hole" / "030_mask.png", trees.mask_of(size=(10, 10)))
    trees.refused(lambda: open_test_set(mvtec)[4], path, "as large as its image, 30x20, got 10x10")


def test_masks_of_another_number_are_refused(mvtec, trees):
    folder = mvtec / "ground_truth" / "crack"
    (folder / "021_mask.png").rename(folder / "022_mask.png")
    trees.refused(lambda: open_test_set(mvtec), folder, "a mask for each of 2 images, got none for 021.png")
    trees.put(folder / "021_mask.png", trees.mask_of())
    trees.refused(lambda: open_test_set(mvtec), folder, "got 3: 022_mask.png has no image")


def test_broken_files_are_refused_by_name(mvtec, trees):
    for path, place in (
        (mvtec / "test" / "hole" / "030.png", 4),
        (mvtec / "ground_truth" / "crack" / "020_mask.png", 0),
    ):
        path.write_bytes(path.read_bytes()[:60])
        trees.refused(lambda place=place: open_test_set(mvtec)[place], path, "must be an image that can be read")
