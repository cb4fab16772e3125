import pytest
import trimesh

from synthgen.errors import UsageError
from synthgen.surface.mesh import files as meshes


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
