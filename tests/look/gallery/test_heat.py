"""Heat maps: where defects lie, without normal images, in as many cells as the page is told."""

import numpy as np

from synthgen.look.gallery.heat import CELLS, cells_of, grid_of, marking_field, title_of


def test_a_grid_has_the_share_of_each_cell_and_the_shape_of_the_image():
    mask = np.zeros((64, 128), np.uint8)
    mask[:8, :4] = 255
    grid = grid_of(mask)
    assert grid.shape == (8, CELLS)
    assert grid[0, 0] == 0.5
    assert grid.sum() == 0.5


def test_the_page_knows_which_cells_hold_something():
    grid = np.zeros((3, 4))
    grid[1, 1] = 0.1
    grid[2, 3] = 1
    bits = f"{int(cells_of(grid), 16):016b}"
    assert [i for i, bit in enumerate(bits) if bit == "1"] == [5, 11]
    assert cells_of(None) == ""


def test_normal_images_have_no_defect_and_others_the_field_of_their_class():
    fields = {"image": 0, "mask": 0, "scratch": 0}
    assert marking_field(fields, "good") is None
    assert marking_field(fields, "scratch") == "scratch"
    assert marking_field(fields, "fractals-000001") == "mask"
    assert title_of(["good", "scratch"]) == "Where the defects lie"
    assert title_of(["fractals-000001"]) == "Where the masks lie"
