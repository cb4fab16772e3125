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


@pytest.mark.parametrize(("scale", "sides"), [("fit", (80, 40, 20)), ("mm", (20, 10, 5)), ("m", (20e3, 10e3, 5e3))])
def test_a_part_keeps_its_own_size_in_the_unit_of_its_file(tmp_path, scale, sides):
    trimesh.creation.box((20, 10, 5)).export(tmp_path / "part.stl")
    assert meshes.load_mesh(tmp_path / "part.stl", scale).extents == pytest.approx(sides)
    assert meshes.part_mesh(str(tmp_path / "part.stl"), scale).extents == pytest.approx(sides)


BALL = trimesh.creation.icosphere(2, 9)
SHAPES = {
    "box": trimesh.creation.box((20, 10, 5)),
    "hole": trimesh.creation.annulus(3, 9, 4),
    "open": BALL.submesh([BALL.triangles_center[:, 2] < 4], append=True),
    "two": trimesh.util.concatenate([
        trimesh.creation.box((4, 4, 4)),
        trimesh.creation.box((4, 4, 4)).apply_translation((9, 0, 0)),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turned", ["none", "all", "half", "some"])
def test_normals_point_out_however_a_part_is_wound(tmp_path, shape, turned):
    part = SHAPES[shape].copy()
    faces = part.faces.copy()
    half = len(faces) // 2
    wrong = {"none": [], "all": range(len(faces)), "half": range(half), "some": range(0, len(faces), 3)}[turned]
    faces[list(wrong)] = faces[list(wrong)][:, ::-1]
    trimesh.Trimesh(part.vertices, faces, process=False).export(tmp_path / "part.ply")
    mesh = meshes.load_mesh(tmp_path / "part.ply", "mm")
    assert mesh.volume == pytest.approx(part.volume, rel=1e-5)
    assert mesh.is_winding_consistent


def test_a_flat_sheet_has_no_inside_and_stays_as_it_is(tmp_path):
    path = tmp_path / "sheet.off"
    path.write_text("OFF\n4 2 0\n0 0 7\n1 0 7\n1 1 7\n0 1 7\n3 0 2 1\n3 0 3 2\n")
    assert (meshes.load_mesh(path).face_normals == (0, 0, -1)).all()


def truncated(tmp_path, suffix: str, encoding: str | None):
    path = tmp_path / f"whole{suffix}"
    options = {} if encoding is None else {"encoding": encoding}
    part = BALL
    if suffix == ".stl" and encoding == "ascii":
        path.write_text(trimesh.exchange.stl.export_stl_ascii(part))
    else:
        part.export(path, **options)
    content = path.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for share in (0.3, 0.6, 0.9):
        cut.write_bytes(content[: int(share * len(content))])
        yield cut


KINDS = [(".stl", None), (".stl", "ascii"), (".ply", "binary"), (".ply", "ascii"), (".off", None)]


@pytest.mark.parametrize(("suffix", "encoding"), KINDS)
def test_a_file_that_was_cut_off_is_never_half_a_part(tmp_path, suffix, encoding):
    for cut in truncated(tmp_path, suffix, encoding):
        said = "truncated" if suffix == ".stl" else "a mesh must"
        with pytest.raises(UsageError, match=said):
            meshes.load_mesh(cut)


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
