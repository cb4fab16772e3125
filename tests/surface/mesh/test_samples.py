"""The samples of a part: one in a smooth pixel, all finer ones at an edge, and none where nothing is seen."""

import numpy as np
import pytest

from synthgen.seeding import noise_generator
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.normals import flat_faces
from synthgen.surface.mesh.samples import pixel_means, sample_tiles

SIZE = (102, 134)


@pytest.fixture(scope="module", params=BUILTIN)
def looked_at(request):
    """The only tile of a picture, and the same part in a picture of twice the size."""
    mesh, pose = builtin(request.param), scene.sample_pose(noise_generator(1), 30)
    flats = flat_faces(mesh.vertices, mesh.faces)
    (tile,) = sample_tiles(scene.model_of(mesh, pose), flats, SIZE, scene.FIELD_OF_VIEW)
    finer = scene.render_scene(mesh, pose, (2 * SIZE[0], 2 * SIZE[1]))
    return tile, finer


def blocks(values):
    """Return the four finer values of each pixel, (pixels, 4, ..)."""
    shaped = values.reshape(SIZE[0], 2, SIZE[1], 2, -1)
    return shaped.transpose(0, 2, 1, 3, 4).reshape(SIZE[0] * SIZE[1], 4, -1)


def test_shares_of_a_pixel_are_what_of_it_shows_the_part(looked_at):
    tile, finer = looked_at
    sums = np.bincount(tile.samples.pixels, tile.samples.shares, SIZE[0] * SIZE[1])
    np.testing.assert_array_equal(sums, blocks(finer.mask)[..., 0].mean(axis=1) / 255)
    np.testing.assert_array_equal(sums, tile.seen.ravel())
    ones = np.ones(len(tile.samples.pixels), np.float32)
    np.testing.assert_array_equal(pixel_means(tile.samples, tile.seen, ones, 0.5), 0.5 + 0.5 * tile.seen)


def test_a_smooth_pixel_has_one_sample_in_the_middle_and_an_edge_has_four(looked_at):
    tile, finer = looked_at
    samples = tile.samples
    four = blocks(finer.points)[samples.pixels]
    normals = blocks(finer.normals)[samples.pixels]
    whole = samples.shares == 1
    assert 0.05 < whole.mean() < 1

    pitch = scene.FIELD_OF_VIEW / SIZE[1]
    middle = four[whole].mean(axis=1)
    off_plane = ((samples.points[whole] - middle) * samples.normals[whole]).sum(axis=1)
    assert np.abs(off_plane).max() < 0.3 * pitch
    assert np.linalg.norm(normals[whole] - samples.normals[whole][:, None], axis=2).max() < 0.1
    assert np.linalg.norm(samples.normals, axis=1) == pytest.approx(1, abs=1e-12)

    bend = np.linalg.norm(normals - normals[:, :1], axis=2).max(axis=1)
    assert not whole[(bend > 0.1) & np.isfinite(four).all(axis=(1, 2))].any()


def test_finer_samples_are_those_of_a_picture_of_twice_the_size(looked_at):
    tile, finer = looked_at
    pixels = np.unique(tile.samples.pixels)[::7]
    points, normals = tile.view.points(pixels)
    np.testing.assert_allclose(points, blocks(finer.points)[pixels], rtol=0, atol=1e-9)
    seen = np.isfinite(points)
    np.testing.assert_allclose(normals[seen], blocks(finer.normals)[pixels][seen], rtol=0, atol=1e-9)
    height, width = SIZE
    np.testing.assert_array_equal(tile.places(pixels, width), pixels)
    assert tile.window == (slice(0, height), slice(0, width))
