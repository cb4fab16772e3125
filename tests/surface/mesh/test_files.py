import sys
import warnings

import numpy as np
import pytest

from synthgen.errors import MissingExtraError, UsageError
from synthgen.surface.mesh import files as meshes

trimesh = pytest.importorskip("trimesh")

ROUND = meshes.SEGMENTS / np.pi * np.sin(np.pi / meshes.SEGMENTS) * np.cos(np.pi / meshes.SEGMENTS)


def cone(r0, r1, height):
    """Volume of a frustum of a polygon of SEGMENTS corners."""
    return ROUND * np.pi * height * (r0 * r0 + r0 * r1 + r1 * r1) / 3


def ring_volume():
    (inner, outer), height, cut = meshes.RING_RADII, meshes.RING_HEIGHT, meshes.RING_CHAMFER
    solid = cone(outer, outer, height - 2 * cut) + 2 * cone(outer - cut, outer, cut)
    return solid - cone(inner, inner, height - 2 * cut) - 2 * cone(inner + cut, inner, cut)


def plate_volume():
    wide, long, height, cut = (
        sum(meshes.PLATE_COLUMNS),
        sum(meshes.PLATE_ROWS),
        meshes.PLATE_HEIGHT,
        meshes.PLATE_CHAMFER,
    )
    edges = 2 * (cut * wide * long - (wide + long) * cut**2 + 4 * cut**3 / 3)
    holes = sum(
        np.pi * (r * r * (height - 2 * cut) + 2 * cut * (r * r + r * (r + cut) + (r + cut) ** 2) / 3)
        for r in meshes.HOLES
        if r
    )
    return wide * long * (height - 2 * cut) + edges - holes


def bolt_volume():
    """By summing columns of the head over a grid, and frustums along the shaft."""
    step = 0.02
    y, x = np.mgrid[-12:12:step, -12:12:step] + step / 2
    flats = np.max([np.abs(x * np.cos(a) + y * np.sin(a)) for a in np.radians([30, 90, 150])], axis=0)
    radius, face = np.hypot(x, y), 0.95 * meshes.HEAD_FLATS / 2
    top = np.maximum(radius - face, 0) * np.tan(np.radians(30))
    head = np.where(flats < meshes.HEAD_FLATS / 2, meshes.HEAD_HEIGHT - 0.5 - top, 0).sum() * step**2
    r, pitch, depth = meshes.SHAFT_RADIUS, meshes.THREAD_PITCH, meshes.THREAD_DEPTH
    flat, turns = pitch / 8, int(meshes.THREAD_LENGTH / pitch) - 1
    groove = (
        2 * cone(r, r - depth, pitch / 2 - 1.5 * flat) + cone(r - depth, r - depth, flat) + cone(r, r, 2 * flat)
    )
    rest = meshes.SHAFT_LENGTH - turns * pitch - depth
    return head + cone(face, face, 0.5) + turns * groove + cone(r, r, rest) + cone(r, r - depth, depth)


@pytest.mark.parametrize(
    ("name", "extents", "volume", "handles"),
    [
        ("plate", (80, 60, 8), plate_volume, 5),
        ("ring", (60, 60, 16), ring_volume, 1),
        ("bolt", (60, 19 / np.cos(np.pi / 6), 19), bolt_volume, 0),
    ],
)
def test_built_in_parts_are_closed_and_as_large_as_drawn(name, extents, volume, handles):
    mesh = meshes.builtin(name)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2 - 2 * handles
    assert mesh.extents == pytest.approx(extents, abs=1e-5)
    assert mesh.bounds.sum(axis=0) == pytest.approx(0, abs=1e-5)
    assert mesh.volume == pytest.approx(volume(), rel=1e-3)  # positive: the faces look outwards


def test_a_built_in_part_may_be_changed_without_changing_the_next():
    mesh = meshes.builtin("ring")
    mesh.apply_scale(2)
    assert meshes.builtin("ring").extents.max() == pytest.approx(60)


def test_an_unknown_part_is_refused_by_name():
    with pytest.raises(UsageError, match="mesh: must be one of plate, ring, bolt, or a file, got 'nut'"):
        meshes.builtin("nut")


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".off", ".STL"])
def test_a_file_gives_the_part_that_was_written(tmp_path, suffix):
    box = trimesh.creation.box((20, 10, 5))
    box.apply_translation((7, -100, 3))
    path = tmp_path / f"part{suffix}"
    box.export(path, file_type=suffix[1:].lower())
    mesh = meshes.load_mesh(path)
    assert mesh.extents == pytest.approx((80, 40, 20))
    assert mesh.bounds.sum(axis=0) == pytest.approx(0, abs=1e-5)
    assert len(mesh.vertices) == 8  # one of those in one place
    assert mesh.is_watertight
    assert meshes.load_mesh(path, extent=None).extents == pytest.approx((20, 10, 5))


TRIANGLE_OFF = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
BROKEN = {
    "empty.stl": b"",
    "text.stl": b"this is not a part\n",
    "cut.ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\nend_header\nab",
    "huge.ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 900000000000\nproperty float x\n"
    b"property float y\nproperty float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n",
    "points.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "missing.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
    "flat.off": TRIANGLE_OFF.replace("0 1 0", "2 0 0", 1).encode(),
    "nan.off": TRIANGLE_OFF.replace("0 1 0", "0 nan 0", 1).encode(),
    "infinite.off": TRIANGLE_OFF.replace("0 1 0", "0 inf 0", 1).encode(),
    "negative.off": TRIANGLE_OFF.replace("3 0 1 2", "3 0 1 -9").encode(),
    "bytes.off": bytes(range(256)),
    "part.glb": b"glTF",
    "part.step": b"ISO-10303-21;",
    "part": b"",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_part_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(UsageError, match="a mesh must") as raised:
        meshes.load_mesh(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 200


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.stl").mkdir()
    with pytest.raises(UsageError, match="must be a file, got a folder"):
        meshes.load_mesh(tmp_path / "folder.stl")
    with pytest.raises(UsageError, match="must be a file, got nothing there"):
        meshes.load_mesh(tmp_path / "none.stl")


def test_files_and_parts_that_are_too_large_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "part.off"
    path.write_text(TRIANGLE_OFF)
    assert len(meshes.load_mesh(path).faces) == 1
    monkeypatch.setattr(meshes, "MAX_FACES", 0)
    with pytest.raises(UsageError, match=r"must have 1\.\.0 triangles, got 1"):
        meshes.load_mesh(path)
    monkeypatch.setattr(meshes, "MAX_BYTES", 10)
    monkeypatch.setattr(meshes, "_parse", None)  # nothing is read
    with pytest.raises(UsageError, match="at most 10 bytes, got"):
        meshes.load_mesh(path)


def test_a_part_does_not_name_other_files_that_are_read(tmp_path, monkeypatch):
    (tmp_path / "other.mtl").write_text("newmtl m\nmap_Kd /etc/passwd\n")
    path = tmp_path / "part.obj"
    path.write_text("mtllib other.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl m\nf 1 2 3\n")
    opened, plain_open = [], open

    def noted_open(name, *args, **more):
        opened.append(name)
        return plain_open(name, *args, **more)

    monkeypatch.setattr("builtins.open", noted_open)
    trimesh.load_mesh(path)
    assert any("other.mtl" in str(name) for name in opened)  # left alone, trimesh reads it
    opened.clear()
    assert len(meshes.load_mesh(path).faces) == 1
    assert opened == []


def test_without_trimesh_the_message_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'synthgen\[scene\]'"):
        meshes._trimesh()


def plain_corner_normals(vertices, faces, crease):
    """The same, face by face and neighbour by neighbour."""
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
