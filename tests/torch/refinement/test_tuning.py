"""Weights chosen on validation images: the best of a grid, by the mean IoU."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.refinement import RefineOptions
from synthgen.torch.refinement.tuning import GRID, candidates, tuned


def test_the_best_of_the_grid_is_chosen(model, defect):
    image, truth, _ = defect
    steps = []
    options = RefineOptions(iterations=15)
    grid = {"difference": (50.0, 0.5)}  # the first finds nothing, and gives the coarse mask back
    chosen = tuned(model, [image], [truth], options, grid, advance=steps.append)
    assert chosen.difference == 0.5
    assert chosen.iterations == 15
    assert steps == [1, 1]


def test_a_grid_is_tried_whole():
    found = {(each.sparsity, each.colors) for each in candidates(RefineOptions(), GRID)}
    assert len(found) == len(GRID["sparsity"]) * len(GRID["colors"])


def test_images_without_a_defect_tell_nothing(model, defect):
    image, truth, _ = defect
    with pytest.raises(UsageError, match="masks must hold a defect"):
        tuned(model, [image], [np.zeros_like(truth)])
