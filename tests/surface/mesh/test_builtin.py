import re
import sys

import numpy as np
import pytest

from synthgen.errors import MissingExtraError, UsageError
from synthgen.extras import install_hint
from synthgen.surface.mesh import builtin as meshes

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
    with pytest.raises(UsageError, match=r"^name must be one of plate, ring, bolt, got 'nut'"):
        meshes.builtin("nut")


def test_without_trimesh_the_message_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_hint("scene"))):
        meshes.import_trimesh()
