"""Proportion Localised: anomalies and their boxes, and the whole against the package of its authors."""

import importlib.util
import math
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from skimage.draw import ellipse, line, polygon, polygon_perimeter
from skimage.measure import points_in_poly

from synthgen.errors import UsageError
from synthgen.metrics import localisation, pl_details, proportion_localised
from synthgen.metrics.boxes import Box, overlap
from synthgen.metrics.localisation import MERGED_ABOVE, _groups, anomaly_boxes, anomaly_ious


def blurred(mask, sigma):
    return ndimage.gaussian_filter(mask.astype(float), sigma)


def test_small_boxes_grow_to_an_eighth_of_the_image_and_no_further():
    mask = np.zeros((80, 160), bool)
    mask[40, 50] = True
    assert anomaly_boxes(mask)[0].size == (10, 20)
    mask[40, 50:90] = True
    assert anomaly_boxes(mask)[0].size == (10, 39)


def test_boxes_merge_where_they_share_more_than_a_third():
    mask = np.zeros((80, 80), bool)  # boxes are 10 x 10
    mask[40, 20] = mask[40, 26] = True  # share 4/10
    assert len(anomaly_boxes(mask)) == 1
    mask[40, 26], mask[40, 27] = False, True  # share 3/10
    assert len(anomaly_boxes(mask)) == 2
    mask[40, 27] = False
    mask[41, 21] = True  # touch at a corner: one region
    assert len(anomaly_boxes(mask)) == 1


def test_boxes_merge_through_others():
    mask = np.zeros((80, 80), bool)
    mask[40, [20, 26, 32]] = True  # the outer two do not overlap
    assert len(anomaly_boxes(mask)) == 1


def test_a_map_of_the_box_itself_localises_every_anomaly_and_an_inverted_one_none():
    masks = np.zeros((3, 64, 64), bool)
    masks[0, 10:30, 10:34] = masks[1, 40:60, 5:20] = masks[1, 5:15, 40:50] = True
    assert proportion_localised(masks, masks * 5.0) == 1
    assert proportion_localised(masks, masks * 5.0, iou=0.99) == 1
    assert proportion_localised(masks, masks * -5.0) == 0


def test_an_anomaly_answers_for_what_lies_nearest_to_it():
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 4:16, 4:16] = masks[0, 48:60, 48:60] = True
    maps = masks * 1.0
    maps[0, 18:30, :30] = 1  # a large false alarm on the side of the first
    ious = anomaly_ious(lambda: iter(zip(masks, maps, strict=True)), np.full(25, 0.5))[:, 0]
    assert ious == pytest.approx([144 / (144 + 360), 1])
    assert proportion_localised(masks, maps) == 0.5


def test_false_alarms_in_the_image_lower_it_and_normal_images_do_not_count():
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 20:34, 20:34] = True
    maps = np.stack([masks[0] * 1.0, np.full((64, 64), 50.0)])
    assert proportion_localised(masks, maps) == 1
    maps[0, 40:] = 1
    assert proportion_localised(masks, maps) == 0


def test_values_that_are_defined_at_the_edges():
    mask = np.zeros((1, 16, 16), bool)
    assert math.isnan(proportion_localised(mask, np.zeros(mask.shape)))
    assert math.isnan(proportion_localised(mask, np.zeros(mask.shape), spacing="percentile"))
    mask[0, 2:9, 3:9] = True
    assert proportion_localised(mask, np.full(mask.shape, 7)) == 0


@pytest.mark.parametrize("spacing", ["exact", "linear", "percentile"])
def test_the_scale_of_scores_and_masks_does_not_matter(spacing):
    masks, maps = scene(0, images=2)
    expected = proportion_localised(masks, maps, spacing=spacing)
    assert 0 < expected <= 1
    assert proportion_localised(masks * np.uint8(255), maps * 256 - 1024, spacing=spacing) == expected


@st.composite
def small_scenes(draw):
    """Two images of 12 x 12 with some anomalies, and maps of few different values, so that ties are common."""
    masks = draw(arrays(bool, (2, 12, 12), elements=st.sampled_from([False] * 9 + [True])))
    values = draw(st.integers(2, 9))
    maps = draw(arrays(np.int16, (2, 12, 12), elements=st.integers(0, values)))
    return masks, maps + values * masks * draw(st.integers(0, 1))


@settings(max_examples=40, deadline=None)
@given(small_scenes(), st.sampled_from([0.0, 0.1, 0.3, 0.5]))
def test_the_exact_sweep_is_as_good_as_all_thresholds_one_by_one(scene, iou):
    masks, maps = scene
    places = [number for number, mask in enumerate(masks) if mask.any()]
    value = proportion_localised(masks, maps, iou)
    if not places:
        assert math.isnan(value)
        return
    every_one = np.unique(maps[places])
    ious = anomaly_ious(lambda: iter([(masks[i], maps[i]) for i in places]), every_one)
    assert value == pytest.approx((ious > iou).mean(axis=0).max(), abs=1e-12)
    for spacing in ("linear", "percentile"):
        assert value >= proportion_localised(masks, maps, iou, spacing) - 1e-12


def test_one_outlier_takes_even_steps_to_nothing_and_leaves_the_sweep_alone():
    masks, maps = scene(2, images=3)
    before = proportion_localised(masks, maps)
    maps[0, 0, 0] = 1e6
    assert proportion_localised(masks, maps, spacing="linear") == 0
    assert proportion_localised(masks, maps) == before > 0.5


def test_details_name_each_anomaly_with_its_box_and_ious():
    masks, maps = scene(3, images=3)
    masks = np.concatenate([np.zeros((1, 256, 256), bool), masks])
    maps = np.concatenate([np.full((1, 256, 256), 99.0), maps])
    found = pl_details(masks, maps)
    assert found.value == proportion_localised(masks, maps)
    assert found.value == np.mean([anomaly.localised for anomaly in found.anomalies])
    assert [anomaly.image for anomaly in found.anomalies] == sorted(anomaly.image for anomaly in found.anomalies)
    boxes = [box for mask in masks[1:] for box in anomaly_boxes(mask)]
    assert [anomaly.box for anomaly in found.anomalies] == boxes
    for anomaly in found.anomalies:
        assert anomaly.image > 0
        assert anomaly.iou <= anomaly.best_iou
        assert anomaly.localised == (anomaly.iou > 0.3)


def test_percentile_spacing_hears_the_order_of_scores_alone():
    masks, maps = scene(1, images=2)
    ranks = np.unique(maps, return_inverse=True)[1].reshape(maps.shape)
    plain = proportion_localised(masks, ranks, spacing="percentile")
    assert proportion_localised(masks, ranks * 3.0 + 9, spacing="percentile") == plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": 1.5}, r"^iou must lie in \[0, 1\], got 1.5$"),
        ({"spacing": "log"}, "^spacing must be one of exact, linear, percentile, got 'log'$"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        proportion_localised(np.ones((1, 4, 4)), np.ones((1, 4, 4)), **options)


def scene(seed, images=4):
    """Anomalies of many shapes in 256 x 256, the package's only size, and maps that know most of them."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, 256, 256), bool)
    for mask in masks:
        for _ in range(rng.integers(1, 6)):
            r, c = rng.integers(20, 236, 2)
            kind = rng.integers(3)
            if kind == 0:
                a, b = rng.uniform(2, 34, 2)
                mask[ellipse(r, c, a, b, mask.shape, rng.uniform(0, 3))] = True
            elif kind == 1:
                mask[line(r, c, *rng.integers(5, 250, 2))] = True
            else:
                mask[polygon(r + rng.integers(-30, 30, 4), c + rng.integers(-30, 30, 4), mask.shape)] = True
            mask[r, c] = True
    maps = np.stack([blurred(m, rng.uniform(2, 14)) for m in masks])
    noise = np.stack([blurred(rng.normal(size=m.shape), 8) for m in masks])
    return masks, (maps + 2 * noise).astype(np.float32)


# The package needs OpenCV and Shapely. Where they are missing, these few functions stand in for what it calls, so
# that its own order of steps is still what ours is held against.
def rectangle_by_trying_angles(points):
    points = points.reshape(-1, 2).astype(float)
    points = np.array([p for p in points if ends_a_row(p, points)])
    degrees = np.arange(0, 90, 0.02)
    t = np.radians(degrees)
    axes = np.array([(np.cos(t), np.sin(t)), (-np.sin(t), np.cos(t))]).transpose(2, 0, 1)
    along = axes @ points.T
    low, high = along.min(axis=2), along.max(axis=2)
    best = int(np.argmin(np.prod(high - low + 1e-3, axis=1)))
    return tuple((low[best] + high[best]) / 2 @ axes[best]), tuple(high[best] - low[best]), float(degrees[best])


def ends_a_row(point, points):
    row = points[points[:, 1] == point[1], 0]
    return point[0] in (row.min(), row.max())


def box_points(box):
    (x, y), (width, height), angle = box
    t = math.radians(angle)
    along, across = (
        np.array((math.cos(t), math.sin(t))) * width / 2,
        np.array((-math.sin(t), math.cos(t))) * height / 2,
    )
    return np.array([(x, y) + a * along + b * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))], np.float32)


def draw_contours(image, contours, index, color, thickness):
    x, y = contours[0].T
    image[polygon(y, x, image.shape)] = color
    image[polygon_perimeter(y, x, image.shape, clip=True)] = color


class LatticePolygon:
    def __init__(self, *outlines):
        self.outlines = outlines

    def intersection(self, other):
        return LatticePolygon(*self.outlines, *other.outlines)

    @property
    def area(self):
        low, high = self.outlines[0].min(axis=0), self.outlines[0].max(axis=0)
        grid = np.array(np.meshgrid(*(np.linspace(a, b, 60) for a, b in zip(low, high, strict=True))))
        grid = grid.reshape(2, -1).T
        return np.logical_and.reduce([points_in_poly(grid, c) for c in self.outlines]).mean() * np.prod(high - low)


@pytest.fixture
def package(monkeypatch):
    """Return `proportion_localised` 0.1.3, with OpenCV and Shapely or their stand-ins."""
    if importlib.util.find_spec("proportion_localised") is None:
        pytest.skip("proportion-localised is not installed")
    if not all(importlib.util.find_spec(name) for name in ("cv2", "shapely")):
        stand_in(monkeypatch)
    for name in ("proportion_localised", "proportion_localised.__main__"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("proportion_localised.__main__")


def stand_in(monkeypatch):
    cv2 = types.ModuleType("cv2")
    cv2.RETR_EXTERNAL = cv2.CHAIN_APPROX_SIMPLE = 0
    cv2.findContours = lambda image, *_: ([np.argwhere(image)[:, None, ::-1]], None)
    cv2.convexHull = lambda points: points
    cv2.minAreaRect = rectangle_by_trying_angles
    cv2.boxPoints, cv2.drawContours = box_points, draw_contours
    geometry = types.ModuleType("shapely.geometry")
    geometry.Polygon = LatticePolygon
    shapely = types.ModuleType("shapely")
    shapely.geometry = geometry
    for module in (cv2, shapely, geometry):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("seed", [0, 1])
def test_boxes_and_scores_are_those_of_the_authors_package(package, seed):
    masks, maps = scene(seed)
    thresholds = np.percentile(maps, np.linspace(0, 100, 27)[1:-1])
    theirs, _, _, (_, _, their_boxes) = package.PL_calculation(maps, masks)
    theirs, first = theirs.T, 0
    for mask, scores, boxes in zip(masks, maps, their_boxes, strict=True):
        ours = anomaly_boxes(mask)
        ious = anomaly_ious(lambda mask=mask, scores=scores: iter([(mask, scores)]), thresholds)
        assert len(ours) == len(boxes)
        theirs_here, first = theirs[first : first + len(boxes)], first + len(boxes)
        for box, iou in zip(ours, ious, strict=True):
            distance = [math.dist(box.center, center[::-1]) for center, _, _ in boxes]
            nearest = int(np.argmin(distance))
            assert distance[nearest] < 1
            assert sorted(box.size) == pytest.approx(sorted(boxes[nearest][1]), abs=1)
            # The package cuts corners of boxes down to whole pixels: a pixel of 32 or more on each axis.
            assert iou == pytest.approx(theirs_here[nearest], abs=0.04)
    for limit in (0.2, 0.3, 0.5):
        theirs_pl = (theirs > limit).mean(axis=0).max()
        low, high = (proportion_localised(masks, maps, limit + d, "percentile") for d in (0.04, -0.04))
        assert low <= theirs_pl <= high
        assert proportion_localised(masks, maps, limit, "percentile") == pytest.approx(theirs_pl, abs=0.1)


def grouped_by_all_pairs(boxes):
    """Return the groups of linked boxes the plain way: every pair is compared."""
    linked = np.array([[overlap(a, b) > MERGED_ABOVE for b in boxes] for a in boxes])
    _, group = connected_components(linked, directed=False)
    return {tuple(np.flatnonzero(group == number)) for number in np.unique(group)}


@pytest.mark.parametrize("seed", range(6))
def test_groups_of_boxes_are_those_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    boxes = [
        Box(tuple(rng.uniform(0, 60, 2)), tuple(rng.uniform(4, 16, 2)), rng.choice([0, rng.uniform(-0.78, 0.78)]))
        for _ in range(30)
    ]
    assert {tuple(group) for group in _groups(boxes)} == grouped_by_all_pairs(boxes)


def test_a_mask_of_noise_needs_few_comparisons(monkeypatch):
    mask = np.random.default_rng(0).random((256, 256)) < 0.02
    compared = []
    monkeypatch.setattr(localisation, "overlap", lambda a, b: compared.append(1) or overlap(a, b))
    assert len(anomaly_boxes(mask)) == 1
    regions = ndimage.label(mask, np.ones((3, 3)))[1]
    assert len(compared) < 3 * regions
