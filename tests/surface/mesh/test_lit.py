import numpy as np
import pytest

from synthgen.seeding import noise_generator
from synthgen.surface.marks.defects import DEFECTS, displacement, sample_surface_defect
from synthgen.surface.mesh import scene
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.lit import (
    box_of,
    changed,
    exposed,
    light_part,
    place_on_part,
    samples_near,
    shade_clean,
)
from synthgen.surface.mesh.machined import Facets, sample_finish, shade_part
from synthgen.surface.mesh.places import Places
from synthgen.surface.mesh.samples import sample_tiles
from synthgen.surface.optics.light import sample_light

SIZE = (102, 134)
STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}
PITCH = scene.FIELD_OF_VIEW / SIZE[1]


def entry_of(kind, rng, center=(1.0, 2.0, 3.0), normal=(0.48, 0.6, 0.64), angle=70.0) -> dict:
    return {**sample_surface_defect(rng, kind), "center": center, "normal": normal, "angle": angle}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", DEFECTS)
def test_nothing_of_a_defect_lies_out_of_its_box(kind, seed):
    defect = place_on_part(entry_of(kind, noise_generator(seed)), PITCH)
    rotation, _ = scene.pose_matrix(scene.sample_pose(noise_generator(seed), 60))
    points = np.random.default_rng(seed).uniform(-60, 60, (200_000, 3))
    reached = points[displacement(defect, points).inside]
    low, high = box_of(defect)
    assert ((low <= reached) & (reached <= high)).all()
    low, high = box_of(defect, rotation)
    turned = reached @ rotation.T
    assert ((low <= turned) & (turned <= high)).all()


def test_dark_parts_are_exposed_for_longer_within_limits():
    camera = {"exposure": 0.8, "blur": 1.0}
    assert exposed(camera, np.full(9, 0.25, np.float32)) == {"exposure": 1.6, "blur": 1.0}
    assert exposed(camera, np.full(9, 0.01, np.float32))["exposure"] == 4
    assert exposed(camera, np.full(9, 4.0, np.float32))["exposure"] == 0.4
    assert exposed(camera, np.empty(0, np.float32))["exposure"] == 0.8


@pytest.mark.parametrize("name", BUILTIN)
def test_defects_change_some_samples_alike_whichever_others_are_asked_for(name):
    mesh, rng = builtin(name), noise_generator(7)
    pose = scene.sample_pose(rng)
    part = light_part(mesh, pose, sample_finish(rng, name), sample_light(rng, "ring"), PITCH)
    places = Places(mesh, pose, scene.FIELD_OF_VIEW)
    defects = [place_on_part({**sample_surface_defect(rng, kind), **places.sample(rng)}, PITCH) for kind in DEFECTS]
    (tile,) = sample_tiles(part.model, part.flats, SIZE, scene.FIELD_OF_VIEW)
    clean = shade_clean(part, tile)
    near = samples_near(tile, defects)
    assert 0 < len(near) < len(clean)

    everywhere = changed(part, tile, defects, np.arange(len(clean)), clean)
    here = changed(part, tile, defects, near, clean[near])
    np.testing.assert_array_equal(here.values, everywhere.values[near])
    far = np.ones(len(clean), bool)
    far[near] = False
    np.testing.assert_array_equal(everywhere.values[far], clean[far])
    for some, all_of_them in zip(here.pixels, everywhere.pixels, strict=True):
        assert set(some) == set(all_of_them)
    assert (here.values != clean[near]).mean() > 0.3


def test_a_defect_does_not_move_the_streaks_of_a_milled_side():
    mesh, rng = builtin("bolt"), noise_generator(3)
    part = light_part(mesh, STRAIGHT, sample_finish(rng, "bolt"), sample_light(rng, "ring"), 0.1)
    lighting = part.lighting._replace(slopes=np.zeros_like(part.lighting.slopes))
    # a line over the flat of the head that faces the camera
    y = np.linspace(-3, 3, 61)
    count = len(y)
    points = np.stack([np.full(count, -36.0), y, np.full(count, 9.0)], axis=1)
    upright = np.tile([0.0, 0.0, 1.0], (count, 1))
    bent = np.tile([0.0, np.sin(0.05), np.cos(0.05)], (count, 1))
    flats = np.ones(count, bool)
    before, after = (
        shade_part(lighting, part.shadows, Facets(points, normals, upright, flats)) for normals in (upright, bent)
    )
    assert np.abs(np.diff(before / before.mean())).max() > 0.01
    assert np.abs(np.diff(after / before, n=2)).max() < 0.001
