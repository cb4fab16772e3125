"""What `evaluate --refine` measures: means over images, before and after, by kind and by size."""

import numpy as np
import pytest

from synthgen.torch.evaluation import Row
from synthgen.torch.refinement import RefineOptions
from synthgen.torch.refinement.measure import Fit, fits, format_sizes, with_fits


class Item:
    """An image of a set."""

    def __init__(self, image, mask, kind):
        self.image, self.mask, self.truth = image, mask, mask
        self.name, self.category, self.kind = f"{kind}.png", "stripes", kind


@pytest.fixture(scope="module")
def found(model, defect, normal):
    image, truth, coarse = defect
    items = [Item(image, truth, "square"), Item(normal[0], np.zeros_like(truth), "good")]
    maps = [coarse.astype(float), np.zeros(truth.shape)]
    return fits(model, items, maps, 0.5, RefineOptions(iterations=20))


def test_the_overlap_rises_and_normal_images_have_none(found):
    square, good = found
    assert square.refined_iou > square.iou + 0.2
    assert square.refined_dice > square.dice
    assert square.size == pytest.approx(12 * 14 / 64**2)
    assert (good.iou, good.area, good.refined_area) == (None, 0.0, 0.0)


def test_rows_get_the_means_of_their_images(found):
    other = found[0]._replace(kind="dot", iou=0.0)
    rows = with_fits(
        [Row("stripes", "all", 1, 2), Row("stripes", "dot", 1, 1), Row("brick", "all", 1, 1)], [*found, other]
    )
    assert rows[0].iou == pytest.approx(found[0].iou / 2)
    assert rows[1].iou == 0.0
    assert rows[2].iou is None


def test_the_table_has_a_line_for_each_group_of_sizes():
    lines = format_sizes([
        Fit("a", "c", "k", 0.01, 0.1, 0.1, 0.5, 0.6, 0.7, 0.8),
        Fit("b", "c", "k", 0.05, 0.1, 0.1, 0.1, 0.2, 0.3, 0.4),
        Fit("c", "c", "good", 0.0, 0.02, 0.01),
    ]).splitlines()  # fmt: skip
    assert lines[1].split() == ["0-0.02", "1", "0.500", "0.600", "0.700", "0.800"]
    assert lines[2].split()[:2] == ["0.04-0.06", "1"]
    assert lines[3] == "marked in 1 normal images: 2.00% of their pixels, refined 1.00%"
