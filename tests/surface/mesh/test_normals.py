import warnings

import numpy as np
import pytest
import trimesh

from synthgen.surface.mesh import normals as meshes


def plain_corner_normals(vertices, faces, crease):
    """The same, face by face and neighbor by neighbor."""
    normals = np.empty((len(faces), 3, 3))
    unit = np.array([np.cross(*(vertices[face[1:]] - vertices[face[0]])) for face in faces])
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)

    def angle(face, vertex):
        a, b = (vertices[other] - vertices[vertex] for other in faces[face] if other != vertex)
        return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    for face, corners in enumerate(faces):
        for corner, vertex in enumerate(corners):
            around = [other for other in range(len(faces)) if vertex in faces[other]]
            near = [
                other for other in around if unit[face] @ unit[other] > np.cos(np.radians(crease)) or other == face
            ]
            total = sum(angle(other, vertex) * unit[other] for other in near)
            normals[face, corner] = total / np.linalg.norm(total)
    return normals


@pytest.mark.parametrize("crease", [5.0, 25.0, 100.0])
def test_corner_normals_equal_the_plain_ones(crease):
    mesh = trimesh.creation.cylinder(radius=2, height=3, sections=16)
    ours = meshes.corner_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces), crease)
    assert ours == pytest.approx(plain_corner_normals(np.asarray(mesh.vertices), np.asarray(mesh.faces), crease))


def test_normals_are_smooth_round_a_cylinder_and_sharp_at_its_edge():
    mesh = trimesh.creation.cylinder(radius=2, height=3, sections=64)
    corners, normals = np.asarray(mesh.triangles), meshes.corner_normals(mesh.vertices, mesh.faces)
    side = np.abs(mesh.face_normals[:, 2]) < 0.5
    assert np.abs(normals[side][..., 2]).max() < 1e-9
    assert normals[side][..., :2] == pytest.approx(corners[side][..., :2] / 2, abs=1e-9)
    assert np.abs(normals[~side][..., 2]) == pytest.approx(1)


def test_a_triangle_without_area_has_no_infinite_normal():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        normals = meshes.corner_normals(vertices, np.array([[0, 1, 2], [0, 1, 3]]))
    assert np.isfinite(normals).all()
    assert normals[1, 0] == pytest.approx([0, 0, 1])
