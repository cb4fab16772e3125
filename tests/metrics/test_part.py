"""What metrics are given: maps and truth of some images, again and again."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.layouts.truth import Truth
from synthgen.metrics import best_f1_threshold
from synthgen.metrics.part import Maps, Part

MASK = np.zeros((4, 6), np.int32)
MASK[1, 2:4] = 1
UNDER = np.zeros((4, 6), np.int32)
UNDER[1, 1:6] = 2


def part_of(truth):
    maps = np.arange(48.0).reshape(2, 4, 6)
    return Part(np.array([0, 1]), np.array([0.1, 0.9]), [None, truth], Maps(maps, [1, 0]))


def test_maps_are_those_of_the_places_at_each_iteration():
    part = part_of(Truth((MASK,)))
    for _ in range(2):
        assert [scores[0, 0] for scores in part.pixel_maps] == [24, 0]
    assert [np.count_nonzero(ids) for ids in part.instances] == [0, 2]


def test_a_defect_under_another_is_a_layer_of_its_own():
    part = part_of(Truth((MASK, UNDER)))
    counts = [np.count_nonzero(layer) for layer, _ in part.layers()]
    assert counts == [0, 2, 5]


def test_pixels_are_measured_where_all_defects_are_marked_and_there_are_maps():
    assert part_of(Truth((MASK,))).is_measured_by_pixels
    assert not part_of(None).is_measured_by_pixels
    bare = Part(np.array([0, 1]), np.array([0.1, 0.9]), [None, Truth((MASK,))])
    assert not bare.is_measured_by_pixels
    with pytest.raises(UsageError, match=r"^model must have maps to be measured by pixels, got none$"):
        list(bare.instances)


def test_thresholds_are_given_or_the_best_of_these_images():
    part = part_of(Truth((MASK,)))
    assert part.threshold is part.pixel_threshold is None
    given = part.at(0.5, 7.0)
    assert (given.threshold, given.pixel_threshold) == (0.5, 7.0)
    assert given.best_threshold == best_f1_threshold([0, 1], [0.1, 0.9])
    assert given.best_pixel_threshold == best_f1_threshold(given.instances, given.pixel_maps)
