"""Which classes look alike: images of one kind are close to each other, wherever what they show lies."""

import numpy as np
import pytest
from PIL import Image

from synthgen.look.gallery.nearness import class_map, features_of

ROWS, COLUMNS = np.mgrid[:48, :64]


def stripes(rng, period, angle):
    """Return pictures of stripes with a phase by chance."""
    pictures = []
    for phase in rng.uniform(0, 2 * np.pi, 6):
        along = COLUMNS * np.cos(angle) + ROWS * np.sin(angle)
        waves = 128 + 100 * np.sin(2 * np.pi * along / period + phase)
        pictures.append(Image.fromarray(waves.astype(np.uint8)))
    return pictures


def discs(rng, row, column):
    """Return pictures of a disc that lies at a place, of a size by chance."""
    pictures = []
    for radius in rng.uniform(6, 10, 6):
        inside = (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2
        pictures.append(Image.fromarray(np.where(inside, 230, 30).astype(np.uint8)))
    return pictures


KINDS = [
    (stripes, 5, 0.3),
    (stripes, 12, 0.3),
    (stripes, 5, 1.2),
    (discs, 12, 16),
    (discs, 36, 48),
    (discs, 24, 32),
]


@pytest.fixture(scope="module")
def found():
    """The map of two classes of each kind, side by side."""
    rng = np.random.default_rng(4)
    features = [features_of(make(rng, *values)) for make, *values in KINDS for _ in range(2)]
    return class_map(features)


def test_the_nearest_class_is_the_other_one_of_its_kind(found):
    assert [nearest[0] for nearest in found.nearest] == [place ^ 1 for place in range(len(found.nearest))]
    for place, nearest in enumerate(found.nearest):
        assert len(set(nearest)) == 8
        assert place not in nearest


def test_the_map_fills_its_frame_and_says_how_much_it_shows(found):
    places = np.array(found.places)
    assert places.min(axis=0).tolist() == [0, 0]
    assert places.max(axis=0).tolist() == [1, 1]
    assert 0 < found.shape <= 1
    assert 0.3 < found.explained <= 1
    apart = np.linalg.norm(places[::2] - places[1::2], axis=1)
    assert apart.max() < 0.2


def test_equal_classes_lie_in_one_place():
    features = [features_of([Image.new("RGB", (8, 8), "red")])] * 4
    found = class_map(features)
    assert found.places == [[0, 0]] * 4
    assert found.nearest == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert (found.shape, found.explained) == (1, 1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_classes_have_no_map(count):
    assert class_map([features_of([Image.new("L", (8, 8))])] * count) is None
