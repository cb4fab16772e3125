"""Image files and masks of users."""

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError
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


TWICE = {
    "masks of one image": (
        "mvtec",
        "ground_truth/crack/020.png",
        "one mask for each image, got 020.png and 02",
    ),
    "images of one name": ("mvtec", "test/crack/020.bmp", "images of different names, .* 020.bmp and 020.png"),
    "masks of VisA": ("visa", "Data/Masks/Anomaly/020.bmp", "one mask for each image, got 020.bmp and 020.png"),
    "images of VisA": (
        "visa",
        "Data/Images/Anomaly/020.bmp",
        "images of different names, .* 020.JPG and 020.bmp",
    ),
    "images of LOCO": (
        "loco",
        "test/logical_anomalies/020.bmp",
        "images of different names, .* 020.bmp and 020.png",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_two_files_of_one_name_are_refused_by_both_names(request, trees, case):
    layout, name, message = TWICE[case]
    root = request.getfixturevalue(layout)
    path = trees.put(root / name, trees.mask_of((1, 1, 3, 3)))
    with pytest.raises(UsageError, match=f"^{path.parent}: must hold {message}"):
        open_test_set(root)


def test_broken_files_are_refused_by_name(mvtec, trees):
    for path, place in (
        (mvtec / "test" / "hole" / "030.png", 4),
        (mvtec / "ground_truth" / "crack" / "020_mask.png", 0),
    ):
        path.write_bytes(path.read_bytes()[:60])
        trees.refused(lambda place=place: open_test_set(mvtec)[place], path, "must be an image that can be read")
