"""Dried water on parts: where splashes fall, that they stick to the part, and that their masks are exact."""

import numpy as np
import pytest

from synthgen.seeding import noise_generator
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.draw import draw_part
from synthgen.surface.mesh.machined import sample_finish
from synthgen.surface.mesh.wet import _packed, _places_of, only_seen
from synthgen.surface.optics.light import sample_light
from synthgen.surface.stains.sampled import Wanted, sample_dried

SIZE = (102, 134)
STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}


def wet(name, pose=STRAIGHT, blur=0.0, **wanted):
    rng = noise_generator(3)
    return {
        "mesh": name, "mesh_scale": "fit", "pose": pose, "texture": sample_finish(rng, name),
        "light": sample_light(rng, "ring"),
        "camera": {"field_of_view": None, "exposure": 1.0, "blur": blur, "noise": None},
        "stains": sample_dried(rng, Wanted(**{"cell_size": 9, "radius": (1.0, 4.0), **wanted})),
        "defects": [], "kinds": ["stain"], "fields": ["clean"], "ids": "uint16",
    }  # fmt: skip


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_outside_the_masks_a_wet_part_equals_its_clean_twin(name, blur):
    drawn = draw_part(wet(name, scene.sample_pose(noise_generator(1)), blur), SIZE)
    changed = drawn.image != drawn.clean
    assert changed.sum() > 50
    assert not changed[drawn.mask == 0].any()
    assert np.array_equal(drawn.instances > 0, drawn.mask > 0)
    assert len(drawn.objects) > 5
    for entry in drawn.objects:
        assert entry["visible_area"] == (drawn.instances == entry["id"]).sum()


def test_dried_water_sticks_to_the_part_when_it_turns():
    half = np.sqrt(0.5)
    turned = {**STRAIGHT, "rotation": [half, 0, 0, half]}
    first, second = (draw_part(wet("ring", pose), (90, 90)).mask for pose in (STRAIGHT, turned))
    assert (first != np.rot90(second, -1)).mean() < 0.01 < (first > 0).mean()


def test_a_stain_is_recorded_where_its_largest_drop_fell():
    drawn = draw_part(wet("plate", older=0.0, radius=(2.0, 2.5)), SIZE)
    for entry in drawn.objects:
        row, column = entry["center"]
        top, left, bottom, right = entry["box"]
        whole = top > 0 and left > 0 and bottom < SIZE[0] and right < SIZE[1]
        if whole and entry["area"] > 20:
            assert top - 1 <= row <= bottom
            assert left - 1 <= column <= right


@pytest.mark.parametrize("name", BUILTIN)
def test_splashes_fall_on_the_surface_as_densely_as_the_cells_ask(name):
    mesh = builtin(name)
    places = _places_of(mesh, 4.0, seed=5)
    assert len(places.centers) == pytest.approx(mesh.area / 16, abs=1)
    axes = np.stack([places.across, places.down, places.outward], axis=1)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-9)
    # the corner of each triangle that a center lies on is as far along the normal as the center
    reach = (places.centers * places.outward).sum(axis=1)
    planes = (np.asarray(mesh.triangles)[:, 0] * mesh.face_normals).sum(axis=1)
    for normal, along in zip(places.outward[::20], reach[::20], strict=True):
        alike = np.abs(mesh.face_normals - normal).max(axis=1) < 1e-9
        assert np.abs(planes[alike] - along).min() < 1e-6


def test_patches_on_the_sheet_do_not_overlap():
    sizes = noise_generator(2).integers(3, 400, (60, 2))
    spans, shape = _packed(sizes)
    sheet = np.zeros(shape, int)
    for top, left, bottom, right in spans:
        sheet[top:bottom, left:right] += 1
    np.testing.assert_array_equal(spans[:, 2:] - spans[:, :2], sizes[:, ::-1])
    assert sheet.max() == 1
    assert sheet.sum() == sizes.prod(axis=1).sum()


def test_things_without_a_pixel_are_left_out():
    numbers = np.array([[0, 3, 3], [1, 0, 0]], np.uint32)
    left, points = only_seen(numbers, np.arange(12).reshape(4, 3))
    assert left.tolist() == [[0, 2, 2], [1, 0, 0]]
    assert points.tolist() == [[0, 1, 2], [6, 7, 8]]
