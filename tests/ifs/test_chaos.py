import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.ifs import System, chaos, density, gray_levels, render, sample_system

SIERPINSKI = System([[[0.5, 0, x], [0, 0.5, y]] for x, y in ((0, 0), (0.5, 0), (0, 0.5))])


def plain_chaos_game(system, points, seed=0, burn_in=100):
    """The slow twin: one chain, plain NumPy, (points, 2) float64."""
    rng = np.random.default_rng(seed)
    choices = rng.choice(len(system.maps), size=points + burn_in, p=system.probabilities)
    maps = system.maps.tolist()
    points = [(0.0, 0.0)]
    for k in choices.tolist():
        (a, b, e), (c, d, f) = maps[k]
        x, y = points[-1]
        point = a * x + b * y + e, c * x + d * y + f
        points.append(point)
    return np.array(points[1 + burn_in :])


def pixels_of(points, size, region):
    """Counts of points in pixels, by the words of the docstring: stretched to 0..size-1, x down the rows."""
    x0, y0, x1, y1 = region
    rows = np.floor((points[:, 0] - x0) * (size - 1) / (x1 - x0)).astype(int)
    columns = np.floor((points[:, 1] - y0) * (size - 1) / (y1 - y0)).astype(int)
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (rows[inside], columns[inside]), 1)
    return counts


def grown(mask):
    padded = np.pad(mask, 1)
    return np.any([padded[r : r + len(mask), c : c + len(mask)] for r in range(3) for c in range(3)], axis=0)


def frame_of(points):
    # heavy tails move the bounding box from seed to seed: compare in the frame of most points
    return tuple(np.quantile(points, 0.01, axis=0)) + tuple(np.quantile(points, 0.99, axis=0))


@pytest.mark.parametrize("n", range(2, 9))
def test_the_attractor_is_that_of_a_plain_chaos_game(n):
    system = sample_system(np.random.default_rng(n), n)
    plain = plain_chaos_game(system, 300_000)
    region = frame_of(plain)
    theirs = pixels_of(plain, 64, region) > 0
    ours = render(system, 64, points=300_000, region=region) > 0
    assert (ours & ~grown(theirs)).sum() <= 0.01 * ours.sum()
    assert (theirs & ~grown(ours)).sum() <= 0.01 * theirs.sum()


def test_the_density_is_that_of_a_plain_chaos_game():
    system = sample_system(np.random.default_rng(11), 3)
    plain = plain_chaos_game(system, 400_000)
    region = frame_of(plain)
    theirs = pixels_of(plain, 16, region).astype(float)
    ours = density(system, 16, 400_000, 0, region=region).astype(float)
    # both are draws of about the same Poisson counts
    expected = (theirs + ours) / 2
    busy = expected > 50
    deviation = (ours - theirs)[busy] / np.sqrt(2 * expected[busy])
    assert np.abs(deviation).mean() < 1.2
    assert abs(ours.sum() - theirs.sum()) < 0.01 * theirs.sum()


def test_maps_are_chosen_with_their_probabilities():
    system = System([[[0.6, 0, 0], [0, 0.6, 0]], [[0.2, 0, 10], [0, 0.3, 0]], [[0.5, 0, 20], [0, 0.1, 0]]])
    counts = density(system, (3, 1), 200_000, 1, region=(-5, -5, 15 + 5, 5))
    # images of the maps lie near x = 0..12, 10..13, 20..30: first row below 7.5, so use the choice itself
    rows, thresholds, start = chaos._as_tuples(system)
    assert counts.sum() <= 200_000
    assert np.allclose(np.diff([*thresholds, 2**24]) / 2**24, system.probabilities, atol=1e-6)
    assert np.allclose(system.maps[0] @ [*start, 1], start)
    assert len(rows) == 3


@given(st.integers(0, 2**63 - 1), st.integers(1, 5000))
@settings(max_examples=30)
def test_every_point_is_counted_once(seed, points):
    assert density(SIERPINSKI, 32, points, seed).sum() == points


def test_same_seed_same_image():
    assert np.array_equal(render(SIERPINSKI, 64, 5000, seed=3), render(SIERPINSKI, 64, 5000, seed=3))
    assert not np.array_equal(render(SIERPINSKI, 64, 5000, seed=3), render(SIERPINSKI, 64, 5000, seed=4))


def test_counts_are_frozen():
    # a change here changes every fractal data set: raise the family's VERSION with it
    counts = density(SIERPINSKI, 32, 10_000, seed=5)
    assert int((counts.astype(np.int64) * np.arange(counts.size).reshape(counts.shape)).sum()) == 3_279_406


def test_the_default_frame_is_the_bounding_box_of_the_points():
    image = render(SIERPINSKI, 50, 20_000)
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert edge.max() > 0


def test_x_runs_down_the_rows():
    # two far clusters along x at y = 0
    system = System([[[0.1, 0, 0], [0, 0.1, 0]], [[0.1, 0, 9], [0, 0.1, 0]]])
    image = render(system, 32, 2000, region=(-1, -5, 11, 5))
    assert image[:8].max() > 0
    assert image[24:].max() > 0
    assert image[:, :8].max() == 0


def test_a_region_is_cut_out_of_the_whole():
    whole = density(SIERPINSKI, 65, 100_000, 7, region=(0, 0, 1, 1))
    quarter = density(SIERPINSKI, 33, 100_000, 7, region=(0, 0, 0.5, 0.5))
    assert np.array_equal(whole[:32, :32], quarter[:32, :32])


@pytest.mark.parametrize("orientation", range(8))
def test_orientation_turns_the_image_as_a_whole(orientation):
    plain = density(SIERPINSKI, (24, 40) if not orientation & 1 else (40, 24), 5000, 2)
    expected = plain.T if orientation & 1 else plain
    expected = expected[::-1] if orientation & 2 else expected
    expected = expected[:, ::-1] if orientation & 4 else expected
    assert np.array_equal(density(SIERPINSKI, (24, 40), 5000, 2, orientation=orientation), expected)


@given(st.integers(1, 511))
@settings(max_examples=40)
def test_a_patch_is_the_sum_of_shifted_counts(patch):
    plain = density(SIERPINSKI, 20, 3000, 1)
    expected = np.zeros((22, 22), int)
    for bit in range(9):
        if patch >> bit & 1:
            expected[bit // 3 : bit // 3 + 20, bit % 3 : bit % 3 + 20] += plain
    assert np.array_equal(density(SIERPINSKI, 20, 3000, 1, patch=patch), expected[1:-1, 1:-1])


def test_a_random_patch_covers_more_than_points():
    drawn = [render(SIERPINSKI, 64, 500, seed=s, patch=True) for s in range(20)]
    assert all(image.max() == 1 for image in drawn)
    assert sum((image > 0).sum() for image in drawn) > sum(
        (render(SIERPINSKI, 64, 500, seed=s) > 0).sum() for s in range(20)
    )


def test_a_window_shows_more_or_less_than_the_box():
    near = density(SIERPINSKI, 32, 10_000, 1, window=(0.5, 0.5, 0, 0))
    far = density(SIERPINSKI, 32, 10_000, 1, window=(2, 2, 0, 0))
    assert near.sum() < 10_000
    assert far.sum() == 10_000
    assert far[:6].sum() == 0


def test_gray_levels_are_shares_of_the_largest_count():
    counts = np.array([[0, 1], [100, 1000]], dtype=np.uint32)
    assert gray_levels(counts).tolist() == [[0, 1], [26, 255]]
    assert gray_levels(np.zeros((3, 3), np.uint32)).max() == 0
    assert gray_levels(np.zeros((3, 3), np.uint32), 64).max() == 0


def plain_lifted(counts, least):
    """Half of the counted pixels reach `least`; the order of levels is that of counts, and the peak stays 255."""
    peak = counts.max()
    middle = np.quantile(counts[counts > 0], 0.5, method="lower")
    if middle / peak >= least / 255:
        return counts * 255 / peak
    share, target = middle / peak, least / 255
    knee = share * (1 - target) / (target - share)
    shares = counts / peak
    return 255 * shares * (1 + knee) / (shares + knee)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=60).filter(any), st.sampled_from([1, 64, 200]))
def test_dark_levels_are_lifted_until_half_of_the_pixels_are_bright(counts, least):
    counts = np.array([counts], np.uint32)
    levels = gray_levels(counts, least)
    expected = np.maximum(plain_lifted(counts, least), counts > 0)
    assert np.abs(levels - expected).max() <= 1
    assert np.quantile(levels[counts > 0], 0.5, method="lower") >= least - 1
    assert levels.max() == 255


def test_a_single_point_is_an_image():
    image = render(System(np.zeros((2, 2, 3))), 16, 100)
    assert (image > 0).sum() == 1


def test_a_system_that_runs_away_is_refused():
    with pytest.raises(UsageError, match="run to infinity"):
        render(System([[[3, 0, 1], [0, 3, 1]], [[4, 0, 2], [0, 3, 1]]]), 32, 50_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must lie"),
        ({"size": (10, 20_000)}, "size must lie"),
        ({"points": 0}, "points must lie"),
        ({"seed": -1}, "seed must lie"),
        ({"region": (0, 0, np.inf, 1)}, "region must be four finite"),
        ({"region": (0, 1)}, "region must be four finite"),
        ({"region": (1, 1, -1, -1)}, "region must have x0 < x1"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(UsageError, match=message):
        render(SIERPINSKI, **{"size": 16, "points": 10, **arguments})
