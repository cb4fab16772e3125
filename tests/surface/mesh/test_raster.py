"""The nearest triangles: those that a plain search finds and that OpenGL draws, without gaps between neighbors."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.seeding import noise_generator
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.raster import Screen, nearest_triangles, on_screen
from synthgen.surface.mesh.scene import model_of, sample_pose

WHOLE = (slice(0, 12), slice(0, 16))


def plain(screen, size):
    """Return the nearest triangle at each pixel by barycentric weights, and how near a pixel is to an edge."""
    height, width = size
    numbers = np.full(size, -1)
    slack = np.full(size, np.inf)
    for r, c in np.ndindex(height, width):
        best = 0.0
        for face, corners in enumerate(screen.corners[screen.faces]):
            a, b, c3 = corners[:, :2]
            matrix = np.stack([b - a, c3 - a], axis=1)
            if abs(np.linalg.det(matrix)) < 1e-9:
                continue
            u, v = np.linalg.solve(matrix, np.array([r + 0.5, c + 0.5]) - a)
            weights = np.array([1 - u - v, u, v])
            slack[r, c] = min(slack[r, c], abs(weights).min())
            near = weights @ corners[:, 2]
            if weights.min() >= 0 and near > best:
                best, numbers[r, c] = near, face
    return numbers, slack


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_a_pixel_shows_the_nearest_triangle_that_covers_its_middle(seed):
    rng = np.random.default_rng(seed)
    corners = rng.random((7, 3)) * [16, 20, 1] - [2, 2, -0.1]
    triples = list(combinations(range(7), 3))
    chosen = rng.choice(len(triples), 5, replace=False)
    screen = Screen(corners, np.array([rng.permutation(triples[number]) for number in chosen]))
    expected, slack = plain(screen, (12, 16))
    clear = slack > 1e-9
    np.testing.assert_array_equal(nearest_triangles(screen, WHOLE)[clear], expected[clear])


@given(st.integers(0, 2**32), st.integers(3, 40))
def test_triangles_around_a_point_leave_no_gap(seed, count):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(count)) * 2 * np.pi
    angles[:3] = [0, 2, 4]
    angles.sort()
    rim = np.stack([6 + 30 * np.cos(angles), 8 + 30 * np.sin(angles), np.ones(count)], axis=1)
    corners = np.vstack([rim, [*(rng.random(2) * [12, 16]), 1]])
    number = np.arange(count)
    faces = np.stack([number, (number + 1) % count, np.full(count, count)], axis=1)
    for order in (faces, faces[:, ::-1]):
        assert (nearest_triangles(Screen(corners, order), WHOLE) >= 0).all()


def test_a_window_shows_what_the_whole_picture_does():
    model = model_of(builtin("bolt"), sample_pose(noise_generator(1)))
    screen = on_screen(model.placed, model.faces, 200.0, (30, 40))
    whole = nearest_triangles(screen, (slice(0, 60), slice(0, 80)))
    part = nearest_triangles(screen, (slice(20, 45), slice(33, 61)))
    assert (whole >= 0).any()
    np.testing.assert_array_equal(part, whole[20:45, 33:61])


@pytest.mark.parametrize("name", BUILTIN)
def test_opengl_draws_the_same_triangles(name, opengl):
    size = (205, 245)
    model = model_of(builtin(name), sample_pose(noise_generator(2), tilt=40))
    screen = on_screen(model.placed, model.faces, 300 * 245 / 120, (102.5, 122.5))
    ours = nearest_triangles(screen, (slice(0, 205), slice(0, 245)))
    theirs = opengl(screen, size)
    # it rounds corners to parts of a pixel, and depths to 24 bits
    differ = ours != theirs
    assert differ.mean() < 0.004
    assert ((ours >= 0) != (theirs >= 0)).mean() < 0.0005
