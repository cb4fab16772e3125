import json

import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.marks.defects import DEFECTS, defect_reach, displacement, placed, sample_surface_defect
from synthgen.surface.optics.brushed import sample_brushed
from synthgen.surface.optics.light import sample_light
from synthgen.surface.plate.brightness import bend, prepare, radiance
from synthgen.surface.plate.view import view_of

SIZE = (110, 132)


def shape(kind, index=0):
    return sample_surface_defect(generator(3, 0, index, kind), kind)


def somewhere(kind, index=0, **more):
    """A defect in space, tilted."""
    return placed(shape(kind, index), (3.0, -4.0, 2.0), 35.0, normal=(0.3, -0.2, 0.9), **more)


def points_of(defect, number=4000):
    """Points on the tangent plane of a defect, within its reach and a bit beyond."""
    rng = np.random.default_rng(1)
    if defect.shape["kind"] == "scratch":
        middle = defect.curve[rng.integers(len(defect.curve), size=number)]
    else:
        middle = defect.center
    return middle + (rng.random((number, 2)) * 2 - 1) @ defect.axes[:2] * defect_reach(defect) * 1.2


@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("index", range(3))
def test_gradients_are_those_of_the_height(kind, index):
    defect = somewhere(kind, index)
    points = points_of(defect)
    step = 1e-6
    moved = np.stack(
        [
            (displacement(defect, points + e).height - displacement(defect, points - e).height) / (2 * step)
            for e in np.eye(3) * step
        ],
        axis=-1,
    )
    difference = np.abs(moved - displacement(defect, points).gradient).max(axis=-1)
    # but for points on an edge, where it is not smooth
    assert np.quantile(difference, 0.98) < 1e-5


@pytest.mark.parametrize("kind", DEFECTS)
def test_nothing_changes_beyond_the_reach(kind):
    for index in range(5):
        defect = somewhere(kind, index)
        points = points_of(defect)
        middle = defect.curve if kind == "scratch" else defect.center[None]
        if kind == "scratch":
            points = points[:300]
            ends = np.linspace(0, 1, 20)[:, None, None]
            middle = (middle[:-1] + ends * np.diff(middle, axis=0)).reshape(-1, 3)
        far = np.linalg.norm(points[:, None] - middle, axis=-1).min(axis=1) > 1.1 * defect_reach(defect)
        out = displacement(defect, points)
        assert far.any()
        assert not out.inside[far].any()
        assert not out.height[~out.inside].any()
        assert not out.gradient[~out.inside].any()
        assert out.inside.any()


def test_bumps_stand_out_and_dents_and_scratches_go_in():
    heights = {kind: displacement(d := somewhere(kind), points_of(d)).height for kind in DEFECTS}
    assert heights["bump"].min() == 0 < heights["bump"].max()
    for kind in ("dent", "scratch"):
        # what was pushed out stands less high than the hole is deep
        assert -heights[kind].min() > heights[kind].max() > 0


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_turns_with_the_surface(kind):
    flat = placed(shape(kind), (0, 0, 0), 0.0)
    tilted = somewhere(kind)
    points = points_of(flat)
    there = tilted.center + (points - flat.center) @ flat.axes.T @ tilted.axes
    assert np.allclose(tilted.axes @ tilted.axes.T, np.eye(3))
    a, b = displacement(flat, points), displacement(tilted, there)
    assert np.allclose(a.height, b.height)
    # but for a point on an edge
    differ = np.abs(a.gradient @ flat.axes.T - b.gradient @ tilted.axes.T).max(axis=-1) > 1e-6
    assert differ.mean() < 0.001


@pytest.mark.parametrize("kind", DEFECTS)
def test_what_is_finer_than_a_pixel_is_widened(kind):
    fine, coarse = defect_reach(somewhere(kind)), defect_reach(somewhere(kind, least=50.0))
    assert coarse > 50 > fine
    assert defect_reach(somewhere(kind, least=1e-3)) == fine


@pytest.mark.parametrize("kind", DEFECTS)
def test_shapes_are_plain_values_and_differ(kind):
    shapes = [shape(kind, k) for k in range(20)]
    assert len({json.dumps(s) for s in shapes}) == 20
    assert json.loads(json.dumps(shapes[0])) == shapes[0]


def scene(kind="ring"):
    view = view_of(SIZE)
    plate = prepare(
        sample_brushed(generator(0, 0, 0, "texture")), sample_light(generator(0, 0, 0, "light"), kind), view
    )
    return view, plate


@pytest.mark.parametrize("kind", DEFECTS)
def test_only_the_pixels_of_a_defect_change(kind):
    view, plate = scene()
    clean = radiance(plate, view)
    for index, center in enumerate([(-30.0, 5.0), (20.0, -20.0), (0.0, 48.0), (58.0, -48.0)]):
        picture = clean.copy()
        defect = placed(shape(kind, index), (*center, 0.0), 70.0 * index, least=0.75 * view.pitch)
        ((rows, columns),) = bend(plate, view, picture, [defect])
        changed = picture != clean
        assert changed.any()
        inside = np.zeros(SIZE, bool)
        inside[rows, columns] = True
        assert not (changed & ~inside).any()
        # all pixels with their center within are among them, and none that lies apart
        y, x = view.corner
        places = np.indices(SIZE).transpose(1, 2, 0) * view.pitch + (y, x)
        points = np.concatenate([places[..., ::-1], np.zeros((*SIZE, 1))], axis=-1)
        inside_at_centers = displacement(defect, points).inside
        assert not (inside_at_centers & ~inside).any()
        middle = (defect.curve if kind == "scratch" else defect.center[None])[:, :2]
        away = np.linalg.norm(points[inside][:, None, :2] - middle, axis=-1).min(axis=1)
        assert away.max() < defect_reach(defect) + 2 * view.pitch


@pytest.mark.parametrize("kind", ["dent", "bump"])
def test_a_defect_shows_a_bright_and_a_dark_side_at_the_edge_of_the_light(kind):
    view, plate = scene()
    picture = radiance(plate, view)
    clean = picture.copy()
    # the mirror image of the ring ends 41 mm from the middle
    big = {**shape(kind), "radii": [5.0, 5.0], "bend": [0.0, 0.0]}
    big["height"] = 0.15 if kind == "bump" else -0.15
    bend(plate, view, picture, [placed(big, (42.0, 0.0, 0.0), 0.0)])
    change = picture - clean
    assert change.max() > 0.1
    assert change.min() < -0.1
    row = np.abs(np.arange(SIZE[0]) - (SIZE[0] - 1) / 2) < 4
    x = view.corner[1] + np.arange(SIZE[1]) * view.pitch
    left = change[row][:, (x > 38) & (x < 41)].mean()
    right = change[row][:, (x > 43) & (x < 46)].mean()
    # a bump mirrors the dark room on the side away from the light, a dent on the side towards it
    bright, dark = (left, right) if kind == "bump" else (right, left)
    assert bright > 0.1
    assert dark < -0.1


def test_overlapping_defects_add_their_heights_in_any_order():
    view, plate = scene()
    defects = [
        placed(shape("bump"), (10.0, 10.0, 0.0), 0.0),
        placed(shape("scratch"), (11.0, 9.0, 0.0), 30.0, least=0.75 * view.pitch),
    ]
    pictures = []
    for order in (defects, defects[::-1]):
        picture = radiance(plate, view)
        drawn = bend(plate, view, picture, order)
        pictures.append(picture)
        both = set.intersection(
            *({*zip(*p, strict=True)} for p in (tuple(map(np.ndarray.tolist, d)) for d in drawn))
        )
        assert both
    scratch_pixels = bend(plate, view, radiance(plate, view), [defects[1]])[0]
    apart = np.ones(SIZE, bool)
    apart[scratch_pixels] = False
    # a pixel of both is sampled as finely as the one drawn last asks for
    assert np.array_equal(pictures[0][apart], pictures[1][apart])
