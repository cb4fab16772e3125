import numpy as np
import pytest
import trimesh

from synthgen.seeding import noise_generator
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.places import Places
from synthgen.surface.optics.light import CAMERA_DISTANCE

STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}


@pytest.mark.parametrize("name", BUILTIN)
def test_places_lie_on_the_part_where_the_camera_sees_them(name):
    mesh, lie = builtin(name), scene.sample_pose(noise_generator(5), tilt=40)
    rng, of_part = noise_generator(9), Places(mesh, lie, scene.FIELD_OF_VIEW)
    places = [of_part.sample(rng) for _ in range(12)]
    size = (160, 200)
    seen = scene.render_scene(mesh, lie, size)
    rotation, move = scene.pose_matrix(lie)
    pitch = scene.FIELD_OF_VIEW / size[1]
    for place in places:
        x, y, z = rotation @ place["center"] + move
        scale = CAMERA_DISTANCE / (CAMERA_DISTANCE - z) / pitch
        row, column = int(size[0] / 2 - y * scale), int(size[1] / 2 + x * scale)
        around = seen.depth[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert around.min() - 0.2 <= CAMERA_DISTANCE - z <= around.max() + 0.2
        assert np.linalg.norm(place["normal"]) == pytest.approx(1, abs=1e-5)


def test_a_part_that_shows_no_face_has_no_places():
    mesh = trimesh.Trimesh([[0, 0, 0], [0, 1, 0], [1, 0, 0]], [[0, 1, 2]])
    assert Places(mesh, STRAIGHT, 100).sample(noise_generator(1)) is None
