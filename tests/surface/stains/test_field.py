import itertools
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.surface import StainField
from synthgen.surface.perlin import pnoise3
from synthgen.surface.stains.points import depth_of

FIELD = {
    "cell_size": 5,
    "radius": 2,
    "frequency": 0.4,
    "amplitude": 0.5,
    "decay": 2.5,
    "intensity": -0.3,
    "seed": 7,
}
RANGES = {**FIELD, "radius": (1.25, 2.25), "intensity": (-0.3, 0.2)}
EXTRAS = {**RANGES, "heterogeneity": 0.4, "ring": 0.1}
PLANES = {
    "level": ((10, 20, 30.2), (0, 0.21, 0), (0.2, 0, 0)),
    "askew": ((-10, 3, 7), (0.05, 0.2, 0.1), (0.2, -0.07, 0.11)),
    "upright": ((1, -90, 4), (0, 0, -0.3), (0, 0.3, 0)),
    "sheared": ((0, 0, 0), (0.1, 0.2, 0), (0.2, 0, 0.02)),
}


def make(values=FIELD, **changes) -> StainField:
    return StainField(**{**values, **changes})


def algorithm_1(p, reflectance, field, values):
    """Mao et al. 2025, Algorithm 1, a point at a time, with the noise package for its noise."""
    noise = pytest.importorskip("noise")
    size, f = values["cell_size"], values["frequency"]
    radius = values["radius"] + noise.pnoise3(f * p[0], f * p[1], f * p[2]) * values["amplitude"]
    cell = [math.floor(x / size) for x in p]
    around = [[c + d for c, d in zip(cell, step, strict=True)] for step in itertools.product((-1, 0, 1), repeat=3)]
    distance = min(math.dist(p, center) for center in field.centers(np.array(around)))
    if distance <= radius:
        return reflectance + (distance / radius) ** values["decay"] * values["intensity"], True
    return reflectance, False


def points_of(plane, height, width):
    origin, row_step, column_step = map(np.array, plane)
    return (origin + np.arange(height)[:, None, None] * row_step) + np.arange(width)[None, :, None] * column_step


def random_points(count, reach=90.0, seed=0):
    return np.random.default_rng(seed).uniform(-reach, reach, (count, 3))


@pytest.mark.parametrize(
    "changes",
    [{}, {"seed": 8, "decay": 0.7}, {"cell_size": 3.3, "radius": 2.4, "amplitude": -0.4}, {"amplitude": 0}],
)
def test_evaluate_is_algorithm_1_of_the_paper(changes):
    values = {**FIELD, **changes}
    field, points = make(values), random_points(400)
    given_values = np.linspace(0, 1, len(points))
    reflectance, mask = field.evaluate(points, given_values)
    expected = [algorithm_1(p, r, field, values) for p, r in zip(points, given_values, strict=True)]
    np.testing.assert_array_equal(mask, [inside for _, inside in expected])
    np.testing.assert_allclose(reflectance, [value for value, _ in expected], rtol=0, atol=1e-6)
    assert 20 < mask.sum() < 380


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("values", [FIELD, RANGES, EXTRAS], ids=["paper", "ranges", "extras"])
def test_paint_gives_the_bits_of_evaluate(plane, values):
    field, points = make(values), points_of(PLANES[plane], 120, 150)
    before = np.random.default_rng(1).random((120, 150), np.float32)
    image = before.copy()
    mask, ids, cells = field.paint(image, *PLANES[plane])
    reflectance, covered = field.evaluate(points, before)
    numbers, found = field.identify(points)
    np.testing.assert_array_equal(image, reflectance)
    np.testing.assert_array_equal(mask, covered)
    np.testing.assert_array_equal(ids, numbers)
    np.testing.assert_array_equal(cells, found)
    assert 0 < mask.sum() < mask.size


@settings(max_examples=30)
@given(
    st.tuples(*[st.floats(-50, 50)] * 3), st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(-1, 1)] * 3),
    st.integers(0, 2**64 - 1),
)  # fmt: skip
def test_paint_finds_every_stain_of_any_plane(origin, row_step, column_step, seed):
    steps = np.cross(row_step, column_step)
    if np.linalg.norm(steps) < 0.05 * np.linalg.norm(row_step) * np.linalg.norm(column_step) + 1e-6:
        return
    field, plane = make(RANGES, seed=seed), (origin, row_step, column_step)
    image = np.zeros((24, 31), np.float32)
    mask, ids, _ = field.paint(image, *plane)
    reflectance, covered = field.evaluate(points_of(plane, 24, 31), np.zeros((24, 31), np.float32))
    np.testing.assert_array_equal(mask, covered)
    np.testing.assert_array_equal(image, reflectance)
    np.testing.assert_array_equal(ids > 0, mask)


def test_nothing_changes_outside_the_mask_and_stains_are_numbered_without_gaps():
    before = np.random.default_rng(2).random((200, 210), np.float32)
    image = before.copy()
    mask, ids, cells = make(EXTRAS).paint(image, (0, 0, 3), (0, 0.2, 0), (0.2, 0, 0))
    np.testing.assert_array_equal(image[~mask], before[~mask])
    assert (image[mask] != before[mask]).mean() > 0.99
    assert np.unique(ids[mask]).tolist() == list(range(1, len(cells) + 1))
    assert (ids[~mask] == 0).all()
    assert cells.tolist() == sorted(cells.tolist())
    assert (mask.dtype, ids.dtype) == (bool, np.uint16)


def test_each_stained_point_lies_within_the_radius_of_its_own_stain():
    field, points = make(amplitude=0), random_points(5000)
    ids, cells = field.identify(points)
    inside = ids > 0
    distances = np.linalg.norm(points - field.centers(cells)[ids - 1], axis=-1)[inside]
    assert distances.max() <= 2
    np.testing.assert_array_equal(inside, field.evaluate(points, 0.5)[1])


def test_a_point_belongs_to_the_stain_it_lies_deepest_in_where_radii_differ():
    field = make(RANGES, amplitude=0.0, decay=1, intensity=1.0)
    points = random_points(300)
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    depths = []
    for p in points:
        cells = np.floor(p / 5).astype(int) + around
        centers = field.centers(cells)
        # At its own center plus a step s, a stain of radius r shows s / r; too small a step for any neighbor's
        step = np.array([1e-4, 0, 0])
        radii = [1e-4 / field.evaluate(c + step, 0.0)[0] for c in centers]
        depths.append((np.linalg.norm(p - centers, axis=-1) / np.ravel(radii)).min())
    reflectance, mask = field.evaluate(points, 0.0)
    np.testing.assert_array_equal(mask, np.array(depths) <= 1)
    np.testing.assert_allclose(reflectance[mask], np.array(depths)[mask], rtol=1e-6)


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(-(2**20), 2**20 - 1), min_size=3, max_size=3))
def test_centers_lie_in_their_cells_and_depend_on_seed_and_cell_alone(seed, cell):
    field = make(seed=seed, cell_size=0.7, radius=0.2, amplitude=0.1)
    center = field.centers(cell)
    assert np.floor(center / 0.7).tolist() == cell
    np.testing.assert_array_equal(field.centers([[0, 1, 2], cell])[1], center)


def test_centers_are_spread_evenly_over_their_cells():
    cells = np.stack(np.meshgrid(*[np.arange(-15, 15)] * 3), -1).reshape(-1, 3)
    places = make(cell_size=1, radius=0.3, amplitude=0).centers(cells) - cells
    # The mean of 27,000 uniform numbers has a standard deviation of 0.0018
    np.testing.assert_allclose(places.mean(0), 0.5, atol=0.009)
    np.testing.assert_allclose(np.cov(places.T), np.eye(3) / 12, atol=0.005)


@pytest.mark.parametrize(("size", "radius"), [(5, 1.75), (5, 0.6), (2, 0.9)])
def test_a_plane_cuts_two_r_over_g_cubed_stains_per_area(size, radius):
    # 200 planes of 60 x 60; a stain whose center lies nearer than r to the plane is cut, and counts by its center
    field = make(cell_size=size, radius=radius, amplitude=0)
    cells = np.stack(np.meshgrid(*[np.arange(60 // size)] * 3), -1).reshape(-1, 3)
    heights = field.centers(cells)[:, 2]
    levels = np.random.default_rng(0).uniform(radius, 60 - 60 % size - radius, 200)
    counts = [(np.abs(heights - z) <= radius).sum() for z in levels]
    area = (60 // size * size) ** 2
    assert np.mean(counts) / area == pytest.approx(2 * radius / size**3, rel=0.05)


def test_paint_numbers_as_many_stains_as_the_density_says():
    side, step, counts = 100.0, 0.25, []
    for seed in range(6):
        image = np.zeros((400, 400), np.float32)
        field = make(seed=seed, radius=1.75, amplitude=0)
        cells = field.paint(image, (0, 0, 12.0 + 7 * seed), (0, step, 0), (step, 0, 0)).cells
        counts.append(((field.centers(cells)[:, :2] >= 0) & (field.centers(cells)[:, :2] < side)).all(-1).sum())
    # Some are hidden behind neighbors or cut by less than a pixel
    assert np.mean(counts) / side**2 == pytest.approx(2 * 1.75 / 125, rel=0.1)


def test_the_seed_moves_centers_and_nothing_else():
    one, two = make(), make(seed=8)
    assert not np.allclose(one.centers([1, 2, 3]), two.centers([1, 2, 3]))
    p = random_points(1)[0]
    for field in (one, two):
        center = field.centers(np.floor(p / 5).astype(int))
        around = center + 1.2 * np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
        radius = 2 + 0.5 * pnoise3(0.4 * around)
        expected = -0.3 * (1.2 / radius) ** 2.5
        value, mask = field.evaluate(around, 0.0)
        mine = mask & (np.abs(value - expected) < 1e-6)
        nearer = [np.linalg.norm(field.centers(np.floor(a / 5).astype(int) + s) - a) < 1.2 - 1e-9
                  for a in around for s in itertools.product((-1, 0, 1), repeat=3)]  # fmt: skip
        assert mine.all() or any(nearer)


def test_ranges_hold_for_each_stain_and_are_used():
    field = make(RANGES, amplitude=0.0, decay=0.0)
    cells = np.stack(np.meshgrid(*[np.arange(12)] * 3), -1).reshape(-1, 3)
    values, mask = field.evaluate(field.centers(cells), 0.0)
    assert mask.all()
    assert values.min() >= -0.3
    assert values.max() <= 0.2
    assert np.histogram(values, 5, (-0.3, 0.2))[0].min() > 0.15 * len(cells)
    ids, found = field.identify(random_points(40_000, 25))
    distances = np.linalg.norm(random_points(40_000, 25) - field.centers(found)[ids - 1], axis=-1)
    widest = np.array([distances[ids == n].max(initial=0) for n in range(1, len(found) + 1)])
    assert widest.max() <= 2.25
    assert (widest > 1.25).any()


def test_one_radius_is_the_range_of_that_radius():
    points = random_points(2000)
    single, pair = make().evaluate(points, 0.5), make(radius=(2, 2), intensity=[-0.3, -0.3]).evaluate(points, 0.5)
    np.testing.assert_array_equal(single[0], pair[0])


def test_extras_change_the_inside_only_and_are_off_by_default():
    points = random_points(5000)
    plain, mask = make().evaluate(points, 0.5)
    for changes in ({"heterogeneity": 0.5}, {"ring": 0.2}):
        other, same = make(**changes).evaluate(points, 0.5)
        np.testing.assert_array_equal(same, mask)
        np.testing.assert_array_equal(other[~mask], plain[~mask])
        assert not np.allclose(other[mask], plain[mask])
    off, _ = make(heterogeneity=0.0, ring=0.0).evaluate(points, 0.5)
    np.testing.assert_array_equal(off, plain)


def test_the_ring_lies_at_the_rim():
    field = make(amplitude=0, intensity=0.0, ring=0.2)
    center = field.centers([0, 0, 0])
    lone = [center + np.array([x, 0, 0]) for x in np.linspace(0, 2, 201)]
    ids, cells = field.identify(lone)
    own = (cells.tolist().index([0, 0, 0]) + 1) == ids
    values = field.evaluate(lone, 0.0)[0]
    assert (values[:170][own[:170]] == 0).all()
    assert values[own].max() == pytest.approx(0.2, abs=1e-3)


def test_input_is_kept_and_dtype_follows_the_reflectance():
    field, points = make(), random_points(100).reshape(10, 10, 3)
    for given_values, dtype in (
        (np.full((10, 10), 0.5, np.float32), np.float32),
        (0.5, np.float64),
        (1, np.float64),
    ):
        before = np.copy(given_values)
        reflectance, mask = field.evaluate(points, given_values)
        np.testing.assert_array_equal(given_values, before)
        assert (reflectance.dtype, reflectance.shape, mask.shape) == (dtype, (10, 10), (10, 10))
    assert field.evaluate(np.empty((0, 3)), 0.5)[0].shape == (0,)
    assert field.evaluate([1.0, 2.0, 3.0], 0.5)[0].shape == ()


def test_points_that_are_not_finite_are_not_stained():
    points = np.array([[np.nan, 0, 0], [0, np.inf, 0], [1, 2, 3]])
    reflectance, mask = make().evaluate(points, [0.1, 0.2, 0.3])
    assert reflectance[:2].tolist() == [0.1, 0.2]
    assert not mask[:2].any()
    assert make().identify(points)[0][:2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell_size": 0}, "cell_size must be > 0, got 0"),
        ({"cell_size": -5}, "cell_size must be > 0, got -5"),
        ({"cell_size": math.nan}, "cell_size must be a finite number, got nan"),
        ({"radius": 0}, "radius must be > 0, got 0"),
        ({"radius": (2, 1)}, r"radius must be \(low, high\) with low <= high"),
        ({"radius": "wide"}, "radius must be a finite number, got 'wide'"),
        ({"radius": 4.5}, r"radius must be <= 4.4818 .*, got 4.5"),
        ({"radius": (1, 5.2), "amplitude": 0}, r"radius must be <= 5.0 .*, got 5.2"),
        ({"amplitude": 5}, "amplitude must be < 4.8243"),
        ({"decay": -1}, "decay must be >= 0, got -1"),
        ({"heterogeneity": 1}, r"heterogeneity must lie in \[0, 0.9\], got 1"),
        ({"seed": -1}, r"seed must be an integer in 0..2\*\*64-1, got -1"),
    ],
)
def test_bad_fields_are_refused_in_one_line(changes, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        make(**changes)


def test_the_largest_radius_that_is_named_is_taken_and_right():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field = make(radius=4.4818)
    points = random_points(200)
    wide = np.array(list(itertools.product(range(-2, 3), repeat=3)))
    centers = field.centers(np.floor(points / 5).astype(int)[:, None] + wide)
    nearest = np.linalg.norm(points[:, None] - centers, axis=-1).min(-1)
    np.testing.assert_array_equal(field.evaluate(points, 0.0)[1], nearest <= 4.4818 + 0.5 * pnoise3(0.4 * points))


def test_a_field_that_is_all_stain_warns():
    with pytest.warns(
        UserWarning, match="radius .* at cell_size .* makes nearly all of the surface stain; take larger cells"
    ):
        field = make(radius=4.2)
    assert field.evaluate(random_points(20_000), 0.5)[1].mean() > 0.95


def test_a_stain_that_noise_leaves_no_radius_covers_nothing():
    assert depth_of(0.1, 0.0, 0.0, 0.0) == depth_of(0.0, 0.0, 0.0, 0.0) == depth_of(0.1, 0.0, 0.0, -0.2) == np.inf


def test_planes_and_points_that_cannot_be_are_refused():
    field, image = make(), np.zeros((4, 4), np.float32)
    with pytest.raises(UsageError, match="must span a plane"):
        field.paint(image, (0, 0, 0), (1, 2, 3), (2, 4, 6))
    with pytest.raises(UsageError, match="float32 array"):
        field.paint(np.zeros((4, 4)), (0, 0, 0), (1, 0, 0), (0, 1, 0))
    with pytest.raises(UsageError, match="origin must be three finite numbers"):
        field.paint(image, (0, 0), (1, 0, 0), (0, 1, 0))
    with pytest.raises(UsageError, match="at most 65535 stains"):
        field.paint(image, (0, 0, 0), (1e4, 0, 0), (0, 1e4, 0))
    with pytest.raises(UsageError, match="within 1048576 cells"):
        field.paint(image, (1e9, 0, 0), (1, 0, 0), (0, 1, 0))
    with pytest.raises(UsageError, match="within 1048576 cells"):
        field.evaluate([0, 0, 1e9], 0.5)
    with pytest.raises(UsageError, match=r"points must have shape \(\.\.\., 3\), got \(4, 2\)"):
        field.evaluate(np.zeros((4, 2)), 0.5)
    with pytest.raises(UsageError, match="reflectance must fit"):
        field.evaluate(np.zeros((4, 3)), np.zeros(5))
    with pytest.raises(UsageError, match="cells must be integers"):
        field.centers([0.5, 1, 2])
    assert field.paint(np.zeros((0, 4), np.float32), (0, 0, 0), (1, 0, 0), (0, 1, 0)).cells.shape == (0, 3)


def test_the_package_loads_without_the_compiler():
    code = "import sys, synthgen.surface; print('numba' in sys.modules, 'StainField' in dir(synthgen.surface))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]


def test_given_centers_are_the_branch_of_algorithm_1_without_a_grid():
    center = np.array([3.0, -2.0, 1.0])
    field = make(cell_size=None, centers=[center])
    points = center + np.random.default_rng(3).uniform(-3, 3, (500, 3))
    reflectance, mask = field.evaluate(points, 0.6)
    distance = np.linalg.norm(points - center, axis=-1)
    radius = FIELD["radius"] + FIELD["amplitude"] * pnoise3(FIELD["frequency"] * points)
    inside = distance <= radius
    np.testing.assert_array_equal(mask, inside)
    expected = 0.6 + (distance / radius) ** FIELD["decay"] * FIELD["intensity"]
    np.testing.assert_allclose(reflectance[inside], expected[inside], atol=1e-6)
    assert (reflectance[~inside] == 0.6).all()
    assert 50 < inside.sum() < 450
    np.testing.assert_array_equal(field.centers([0, 0, 0]), center)


@pytest.mark.parametrize("plane", PLANES)
def test_paint_gives_the_bits_of_evaluate_with_given_centers(plane):
    points = points_of(PLANES[plane], 60, 80)
    centers = points[[10, 30, 50, 31], [20, 60, 10, 61]]
    field = make(EXTRAS, cell_size=None, centers=centers)
    image = np.full((60, 80), 0.5, np.float32)
    mask, ids, cells = field.paint(image, *PLANES[plane])
    reflectance, covered = field.evaluate(points, np.full((60, 80), 0.5, np.float32))
    numbers, found = field.identify(points)
    np.testing.assert_array_equal(image, reflectance)
    np.testing.assert_array_equal(mask, covered)
    np.testing.assert_array_equal(ids, numbers)
    np.testing.assert_array_equal(cells, found)
    assert mask.any()


@pytest.mark.parametrize(
    ("centers", "message"),
    [
        ([1.0, 2.0, 3.0], r"centers must be finite numbers \(n, 3\), got shape \(3,\)"),
        ([[0, 0, np.nan]], r"centers must be finite numbers \(n, 3\), got shape \(1, 3\)"),
    ],
)
def test_wrong_centers_are_refused(centers, message):
    with pytest.raises(UsageError, match=message):
        make(centers=centers)
    with pytest.raises(UsageError, match="cells must name one of 1 centers, got 2"):
        make(centers=[[0, 0, 0]]).centers([2, 0, 0])
