import numpy as np
import pytest

from synthgen.seeding import noise_generator
from synthgen.surface.marks.defects import sample_surface_defect
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.draw import draw_part
from synthgen.surface.mesh.files import load_mesh
from synthgen.surface.mesh.machined import sample_finish
from synthgen.surface.mesh.places import Places
from synthgen.surface.optics.light import sample_light
from synthgen.surface.stains.field import stain_field

SIZE = (51, 67)
STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}


def part(name="plate", seed=4, kinds=("scratch", "dent", "bump"), size=SIZE, **camera):
    rng = noise_generator(seed)
    lie = scene.sample_pose(rng, 15)
    of_part = Places(builtin(name), lie, scene.FIELD_OF_VIEW)
    places = [of_part.sample(rng) for _ in kinds]
    return {
        "mesh": name, "mesh_scale": "fit", "pose": lie, "texture": sample_finish(rng, name),
        "light": sample_light(rng, "ring"),
        "camera": {"field_of_view": None, "exposure": 1.0, "blur": 0.0, "noise": None, **camera},
        "stains": {
            "cell_size": 9, "radius": [2.5, 4], "frequency": 0.4, "amplitude": 0.5, "decay": 3, "intensity": -0.4,
            "seed": seed, "ring": -0.1, "offset": [30.0, 40.0, 50.0],
        },
        "defects": [{**sample_surface_defect(rng, k), **place} for k, place in zip(kinds, places, strict=True)],
        "kinds": ["stain", "scratch", "dent", "bump"], "fields": ["clean"], "ids": "uint8",
    }  # fmt: skip


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("camera", [{}, {"blur": 0.8, "noise": {"sigma": 3.0, "seed": 5}}])
def test_outside_the_masks_a_part_equals_its_clean_twin(name, camera):
    drawn = draw_part(part(name, **camera), (102, 134))
    changed = drawn.image != drawn.clean
    assert changed.sum() > 50
    assert not changed[drawn.mask == 0].any()
    assert changed[drawn.mask > 0].mean() > (0.4 if camera else 0.75)
    union = np.maximum.reduce(list(drawn.masks.values()))
    assert np.array_equal(drawn.mask, union)
    assert np.array_equal(drawn.instances > 0, drawn.mask > 0)
    assert {o["id"] for o in drawn.objects} >= set(np.unique(drawn.instances).tolist()) - {0}


def test_the_clean_twin_does_not_know_of_stains_and_defects():
    params = part()
    bare = draw_part({**params, "stains": None, "defects": []}, SIZE)
    drawn = draw_part(params, SIZE)
    assert np.array_equal(drawn.clean, bare.image)
    assert not bare.mask.any()
    assert bare.objects == []
    assert draw_part({**params, "fields": []}, SIZE).clean is None


def test_a_stain_covers_the_pixels_whose_samples_it_covers():
    params = {**part(), "defects": []}
    drawn = draw_part(params, SIZE)
    fine = scene.render_scene(builtin("plate"), params["pose"], (2 * SIZE[0], 2 * SIZE[1]))
    _, inside = stain_field(params["stains"]).evaluate(fine.points + params["stains"]["offset"], 0.9)
    assert np.array_equal(drawn.masks["stain"] > 0, inside.reshape(SIZE[0], 2, SIZE[1], 2).any(axis=(1, 3)))
    assert len(drawn.objects) > 5
    for entry in drawn.objects:
        top, left, bottom, right = entry["box"]
        here = drawn.instances == entry["id"]
        assert here.sum() == entry["area"] == here[top:bottom, left:right].sum()


def test_stains_stick_to_the_part_when_it_turns():
    params = {**part("ring"), "defects": [], "pose": STRAIGHT}
    half = np.sqrt(0.5)
    turned = {**params, "pose": {**STRAIGHT, "rotation": [half, 0, 0, half]}}
    first, second = (draw_part(p, (80, 80)).mask for p in (params, turned))
    assert (first != np.rot90(second, -1)).mean() < 0.005 < (first > 0).mean()


def test_a_part_from_a_file_is_drawn_like_the_built_in_one(tmp_path):
    path = tmp_path / "ring.stl"
    builtin("ring").export(path)
    params = {**part("ring"), "texture": sample_finish(noise_generator(1), "plate")}
    ours, theirs = (draw_part({**params, "mesh": str(m)}, SIZE) for m in ("ring", path))
    assert load_mesh(path).extents.max() == pytest.approx(80)
    assert theirs.mask.any()
    assert (theirs.image > 30).sum() > 1.4 * (ours.image > 30).sum()  # scaled from 60 to 80 mm


def test_a_defect_is_recorded_where_the_camera_sees_it():
    params = {**part("plate", kinds=("bump",), size=(102, 134)), "stains": None}
    (entry,) = draw_part(params, (102, 134)).objects
    top, left, bottom, right = entry["box"]
    row, column = entry["center"]
    assert top - 1 <= row <= bottom
    assert left - 1 <= column <= right
