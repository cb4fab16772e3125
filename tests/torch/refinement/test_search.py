"""The search: what it starts from, what it keeps, and when it ends."""

import numpy as np
import pytest

from synthgen.torch.refinement import RefineOptions
from synthgen.torch.refinement.inpaint import inpainted
from synthgen.torch.refinement.region import dilated
from synthgen.torch.refinement.search import Search, Task


@pytest.fixture(scope="module")
def task(defect):
    image, _, coarse = defect
    values = (image / np.float32(127.5) - 1).astype(np.float32)
    region = dilated(coarse, 0.04)
    return Task(values, inpainted(values, region), region, int(coarse.sum()))


def test_the_objective_falls_and_nothing_moves_outside_of_the_region(model, task):
    found = Search(model, [task], None, RefineOptions()).run()[0]
    assert found.objective[-1] < found.objective[0]
    assert (found.normal[~task.region] == task.image[~task.region]).all()
    assert found.score_of_normal < found.score_of_image


def test_a_search_ends_early_where_little_is_won(model, task):
    patient, hasty = (
        Search(model, [task], None, RefineOptions(iterations=60, tolerance=tolerance)).run()[0]
        for tolerance in (0, 0.9)
    )
    assert len(patient.objective) == 60
    assert 20 < len(hasty.objective) < 60
    np.testing.assert_allclose(patient.objective[:20], hasty.objective[:20], rtol=1e-3)


def test_the_penalty_pulls_pixels_to_the_image(model, task):
    free, pulled = (
        Search(model, [task], None, RefineOptions(sparsity=sparsity, iterations=25)).run()[0]
        for sparsity in (0, 1000)
    )
    rim = dilated(task.region, 0) & (np.abs(task.image[..., 0] - task.image[..., 1]) < 0.05)
    change = [np.abs(found.normal - task.image)[rim].mean() for found in (free, pulled)]
    assert change[1] < 0.5 * change[0]
