import threading
from functools import cache

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.seeding import noise_generator
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.optics.light import CAMERA_DISTANCE

SIZE = (51, 67)
STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}


def pose(seed=1):
    return scene.sample_pose(noise_generator(seed), tilt=40)


@cache
def look(name, seed=1):
    return scene.render_scene(builtin(name), pose(seed), SIZE)


def rays(size, field_of_view=scene.FIELD_OF_VIEW, distance=CAMERA_DISTANCE):
    """Directions of the pixels from the camera, (H, W, 3), in the world."""
    row, column = np.indices(size) + 0.5
    pitch = field_of_view / size[1]
    y, x = (size[0] / 2 - row) * pitch, (column - size[1] / 2) * pitch
    return np.stack([x, y, np.full(size, -distance)], axis=2)


def plain_hit(triangles, origin, direction):
    """Return the first point in which a ray meets any of the triangles, or NaN, by solving for the weights."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    matrices = np.stack([b - a, c - a, np.broadcast_to(-direction, a.shape)], axis=2)
    good = np.abs(np.linalg.det(matrices)) > 1e-12
    u, v, t = np.linalg.solve(matrices[good], (origin - a[good])[..., None])[..., 0].T
    hits = t[(u > -1e-12) & (v > -1e-12) & (u + v < 1 + 1e-12) & (t > 0)]
    return origin + (hits.min() if len(hits) else np.nan) * direction


@pytest.mark.parametrize("name", BUILTIN)
def test_points_are_where_the_rays_first_meet_the_triangles(name):
    seen, triangles = look(name), np.asarray(builtin(name).triangles)
    rotation, move = scene.pose_matrix(pose())
    camera = rotation.T @ (np.array([0, 0, CAMERA_DISTANCE]) - move)
    directions = rays(SIZE) @ rotation
    pixels = noise_generator(3).integers(0, SIZE, (40, 2)).tolist()
    expected = np.array([plain_hit(triangles, camera, directions[row, column]) for row, column in pixels])
    got = np.array([seen.points[row, column] for row, column in pixels])
    assert np.isfinite(expected).all(axis=1).sum() > 3
    # a ray through an edge may go either way
    agree = np.isclose(got, expected, rtol=0, atol=1e-6, equal_nan=True).all(axis=1)
    assert agree.sum() >= len(pixels) - 2


@pytest.mark.parametrize("name", BUILTIN)
def test_every_point_lies_on_the_mesh(name):
    seen, mesh = look(name), builtin(name)
    points = seen.points[seen.mask > 0][::29]
    for point in points:
        near = np.linalg.norm(mesh.triangles_center - point, axis=1).argsort()[:2000]
        closest = trimesh.triangles.closest_point(mesh.triangles[near], np.broadcast_to(point, (len(near), 3)))
        assert np.linalg.norm(closest - point, axis=1).min() < 1e-6


def test_points_of_a_ring_lie_on_its_walls_and_normals_stand_on_them():
    seen = look("ring")
    on = seen.mask > 0
    radius = np.hypot(seen.points[on][:, 0], seen.points[on][:, 1])
    across = seen.points[on][:, :2] / radius[:, None]
    normals = seen.normals[on]
    face = normals[:, 2] > 0.99
    wall = np.abs(normals[:, 2]) < 0.01
    assert face.sum() > 100
    assert seen.points[on][face][:, 2] == pytest.approx(8, abs=1e-9)
    inner = wall & (radius < 19)
    assert inner.sum() > 5
    assert radius[inner] == pytest.approx(18, abs=3e-3)  # flat between the corners
    # smooth round the wall: 0.94 degrees between faces, interpolated
    assert normals[inner][:, :2] == pytest.approx(-across[inner], abs=2e-4)


@pytest.mark.parametrize("name", BUILTIN)
def test_mask_depth_points_and_normals_agree(name):
    seen = look(name, seed=2)
    on = seen.mask == 255
    assert 0.02 < on.mean() < 0.9
    assert set(np.unique(seen.mask)) == {0, 255}
    assert (seen.depth.dtype, seen.points.dtype, seen.mask.dtype) == (np.float32, np.float64, np.uint8)
    assert np.array_equal(on, np.isfinite(seen.depth))
    assert np.array_equal(on, np.isfinite(seen.points).all(axis=2))
    assert not seen.normals[~on].any()
    rotation, move = scene.pose_matrix(pose(2))
    world = seen.points[on] @ rotation.T + move
    assert CAMERA_DISTANCE - world[:, 2] == pytest.approx(seen.depth[on], rel=1e-6)
    assert np.linalg.norm(seen.normals[on], axis=1) == pytest.approx(1, abs=1e-12)
    to_camera = np.array([0, 0, CAMERA_DISTANCE]) - world
    assert ((seen.normals[on] @ rotation.T) * to_camera).sum(axis=1).min() > 0


def test_a_part_turned_by_a_quarter_shows_the_same_points_turned():
    mesh, half = builtin("bolt"), np.sqrt(0.5)
    first = scene.render_scene(mesh, STRAIGHT, (64, 64))
    turned = scene.render_scene(mesh, {**STRAIGHT, "rotation": [half, 0, 0, half]}, (64, 64))
    back = [np.rot90(array, -1) for array in turned]
    same = (first.mask == back[3]) & ~np.isnan(back[1]).any(axis=2) & ~np.isnan(first.points).any(axis=2)
    assert (first.mask != back[3]).mean() < 0.002
    close = np.abs(first.points - back[1]).max(axis=2)[same] < 1e-6
    assert close.mean() > 0.98


def test_a_pose_is_a_function_and_the_part_follows_its_shift():
    mesh = builtin("ring")
    once, again = (scene.render_scene(mesh, pose(), SIZE) for _ in range(2))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(once, again, strict=True))
    pitch = scene.FIELD_OF_VIEW / 64
    straight = scene.render_scene(mesh, STRAIGHT, (64, 64))
    moved = scene.render_scene(mesh, {**STRAIGHT, "translation": [3 * pitch, -2 * pitch, 0]}, (64, 64))
    # to the right and down; the upper face, nearer to the camera, goes a little farther
    rows, columns = (np.argwhere(s.mask).mean(axis=0) for s in (straight, moved))
    assert columns - rows == pytest.approx([2, 3], abs=0.15)


def test_tiles_make_the_same_picture_as_one():
    whole = look("plate")
    tiled = np.full((*SIZE, 3), np.nan)
    for place, tile in scene.render_tiles(builtin("plate"), pose(), SIZE, tile=16):
        tiled[place] = tile.points
    both = ~np.isnan(tiled).any(axis=2) & (whole.mask > 0)
    assert (np.isnan(tiled).any(axis=2) == (whole.mask == 0)).mean() > 0.995
    assert (np.abs(tiled - whole.points).max(axis=2)[both] < 1e-6).mean() > 0.98


def test_a_thread_draws_the_same():
    drawn = []
    thread = threading.Thread(target=lambda: drawn.append(scene.render_scene(builtin("ring"), pose(), SIZE)))
    thread.start()
    thread.join()
    assert np.array_equal(drawn[0].points, look("ring").points, equal_nan=True)


def test_faces_that_look_away_get_normals_that_look_at_the_camera():
    mesh = builtin("plate")
    mesh.invert()
    seen = scene.render_scene(mesh, STRAIGHT, SIZE)
    assert seen.normals[SIZE[0] // 2, SIZE[1] // 4] == pytest.approx([0, 0, 1])


@given(st.integers(0, 2**32), st.floats(0, 90))
def test_a_sampled_pose_is_rounded_and_tilts_no_further_than_asked(seed, tilt):
    drawn = scene.sample_pose(noise_generator(seed), tilt, shift=3)
    numbers = drawn["rotation"] + drawn["translation"]
    assert numbers == [round(v, 6) for v in numbers]
    rotation, move = scene.pose_matrix(drawn)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[2, 2] >= np.cos(np.radians(tilt)) - 1e-5
    assert np.abs(move).max() <= 3


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"rotation": [1, 0, 0], "translation": [0, 0, 0]},
        {"rotation": [0, 0, 0, 0], "translation": [0, 0, 0]},
        {"rotation": [1, 0, 0, float("nan")], "translation": [0, 0, 0]},
        {"rotation": [1, 0, 0, 0], "translation": "left"},
        None,
    ],
)
def test_a_pose_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match=r"^pose must have a rotation"):
        scene.pose_matrix(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (0, 10)}, "size must lie in 1..16384, got 0 x 10"),
        ({"size": (10, 20_000)}, "size must lie in"),
        ({"field_of_view": 0}, "must be > 0 mm"),
        ({"distance": float("nan")}, "must be > 0 mm"),
        ({"distance": 5}, "must lie before the camera"),
    ],
)
def test_views_that_cannot_be_are_refused(changes, message):
    arguments = {"mesh": builtin("ring"), "pose": STRAIGHT, "size": SIZE, **changes}
    with pytest.raises(UsageError, match=message):
        list(scene.render_tiles(**arguments))


@pytest.mark.parametrize("name", BUILTIN)
def test_points_appear_in_the_pixels_that_show_them(name):
    seen = look(name)
    on = seen.mask > 0
    found = scene.pixel_of(seen.points[on], pose(), SIZE)
    distance = np.abs(found - np.argwhere(on)).max(axis=1)
    # but for rays that just miss their triangle and get its border
    assert np.quantile(distance, 0.8) < 1e-9
    assert distance.max() < 0.1
