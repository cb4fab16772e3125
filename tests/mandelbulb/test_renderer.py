import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from synthgen.errors import UsageError
from synthgen.mandelbulb import Formula, View, render
from synthgen.mandelbulb.devices import load_pyopencl
from synthgen.mandelbulb.opencl import OpenCLRenderer
from synthgen.mandelbulb.picture import FILTERS
from synthgen.mandelbulb.renderer import kernel_numbers, renderer_for

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "published.json").read_text())


def case_arguments(case):
    return Formula.parse(case["formula"]), View(case["latitude"], case["longitude"], case["colors"])


@pytest.fixture(scope="session")
def truth(plain_marcher, formula, view):
    variants = [(variant.power, variant.rule) for variant in formula.variants]
    return plain_marcher.draw(variants, view.latitude, view.longitude, view.colors, 32)


@pytest.fixture(scope="module")
def picture(formula, view):
    return render(formula, view, 48)


def test_engine_draws_what_the_plain_marcher_draws(engine, formula, view, truth):
    image, depth, normal = truth
    hit = np.isfinite(depth)
    colors, our_depth, our_normal, _ = engine.draw(kernel_numbers(formula), view.scene(), (32, 32), 1, 255)
    both = hit & np.isfinite(our_depth)
    assert np.mean(hit != np.isfinite(our_depth)) < 0.005
    apart = np.abs(our_depth[both] - depth[both])
    assert np.median(apart) < 1e-5
    assert np.quantile(apart, 0.95) < 1e-3
    assert np.median(np.sum(our_normal * normal, axis=2)[both]) > 0.999
    difference = np.abs(colors - np.round(255 * image))
    assert np.median(difference[both]) <= 1
    assert difference.mean() < 4


def test_engines_agree_on_the_published_cases(engine, opencl_renderer):
    for case in CASES:
        formula, view = case_arguments(case)
        arguments = kernel_numbers(formula), view.scene(), (240, 240), 1, 255
        one, other = engine.draw(*arguments), opencl_renderer.draw(*arguments)
        assert np.mean(np.abs(one.colors.astype(int) - other.colors)) < 2
        assert np.mean(one.hits != other.hits) < 0.005


def test_repeated_runs_have_equal_bits(engine, formula, view):
    runs = [engine.draw(kernel_numbers(formula), view.scene(), (40, 56), 2, 0) for _ in range(2)]
    for one, other in zip(*runs, strict=True):
        assert one.tobytes() == other.tobytes()


def _picture(renderer, formula, view):
    picture = renderer.draw(kernel_numbers(formula), view.scene(), (50, 70), 2, 255)
    return [getattr(picture, name).tobytes() for name in ("colors", "depth", "hits", "normal")]


@pytest.fixture(scope="module")
def on_one_core(opencl_device):
    """The renderer of one core of a device that has several."""
    if opencl_device.kind != "cpu" or opencl_device.handle.max_compute_units < 2:
        pytest.skip("no CPU of several cores here")
    way = load_pyopencl().device_partition_property.EQUALLY
    handle = opencl_device.handle.create_sub_devices([way, 1])[0]
    assert handle.max_compute_units == 1
    return OpenCLRenderer(replace(opencl_device, handle=handle))


def test_cores_of_a_device_change_no_bit(on_one_core, opencl_renderer, formula, view):
    assert _picture(on_one_core, formula, view) == _picture(opencl_renderer, formula, view)


def test_threads_of_numba_change_no_bit(formula, view, monkeypatch):
    drawn = []
    for count in (1, 2, 3):
        monkeypatch.setattr("synthgen.mandelbulb.fallback.available_cpus", lambda count=count: count)
        drawn.append(_picture(renderer_for("numba"), formula, view))
    assert drawn[0] == drawn[1] == drawn[2]


def test_small_published_pictures_are_redrawn():
    strip = np.asarray(Image.open(DATA / "published.png"))
    scores = []
    for number, case in enumerate(CASES):
        ours = Image.fromarray(render(*case_arguments(case), 160).image).reduce(2)
        theirs = strip[:, 80 * number : 80 * (number + 1)]
        scores.append(structural_similarity(np.asarray(ours), theirs, channel_axis=2))
    assert np.mean(scores) > 0.95
    assert np.min(scores) > 0.9


# What the published filter carries off an object, up to three pixels far, lies within so many levels of the white.
RINGING = 8


def test_published_pictures_are_redrawn():
    scores, overlaps = [], []
    for number, case in enumerate(CASES):
        theirs = np.asarray(Image.open(DATA / f"{number:02}.png").convert("RGB"))
        ours = render(*case_arguments(case), 160).image
        one, other = np.any(ours < 255, axis=2), np.any(theirs < 255 - RINGING, axis=2)
        scores.append(structural_similarity(ours, theirs, channel_axis=2))
        overlaps.append(np.sum(one & other) / np.sum(one | other))
    assert np.mean(scores) >= 0.95
    assert np.min(scores) >= 0.93
    assert np.mean(overlaps) >= 0.985


def test_shapes_and_dtypes(formula, view):
    picture = render(formula, view, (24, 40), 3)
    assert picture.image.shape == (24, 40, 3)
    assert picture.mask.shape == picture.depth.shape == (24, 40)
    assert picture.normal.shape == (24, 40, 3)
    assert picture.image.dtype == picture.mask.dtype == np.uint8
    assert picture.depth.dtype == picture.normal.dtype == np.float32


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_mask_covers_each_pixel_that_is_not_exactly_background(formula, view, background, level, name):
    picture = render(formula, view, 48, background=background, filter=name)
    assert set(np.unique(picture.mask)) == {0, 255}
    assert np.all(picture.image[picture.mask == 0] == level)


@pytest.mark.parametrize("supersample", [1, 2, 3])
@pytest.mark.parametrize("size", [40, 80])
def test_mask_is_where_a_sample_hit_and_coverage_is_their_share(formula, view, size, supersample):
    fine = render(formula, view, size * supersample, 1)
    hit = np.isfinite(fine.depth).reshape(size, supersample, size, supersample)
    share = hit.mean(axis=(1, 3))
    for name in FILTERS:
        picture = render(formula, view, size, supersample, filter=name)
        np.testing.assert_allclose(picture.coverage, share, atol=1e-6)
        assert np.array_equal(picture.mask == 255, share > 0)


def test_box_picture_is_the_object_over_the_background_by_its_coverage(formula, view):
    white = render(formula, view, 48, background="white", filter="box")
    black = render(formula, view, 48, background="black", filter="box")
    assert np.array_equal(white.coverage, black.coverage)
    behind = 255 * (1 - white.coverage[..., None])
    assert np.all(np.abs(black.image + behind - white.image) <= 1)


def test_normal_is_the_mean_of_the_samples_normals_and_its_length_is_told(formula, view):
    fine = render(formula, view, 96, 1)
    samples = fine.normal.reshape(48, 2, 48, 2, 3)
    hits = np.isfinite(fine.depth).reshape(48, 2, 48, 2).sum(axis=(1, 3))
    mean = samples.sum(axis=(1, 3)) / np.maximum(hits, 1)[..., None]
    picture = render(formula, view, 48)
    told = picture.normal * picture.normal_length[..., None]
    np.testing.assert_allclose(told, mean, atol=1e-5)
    assert 0 < np.mean(picture.normal_length[hits > 0]) < 1
    assert np.all(picture.normal_length <= 1 + 1e-6)


def test_mask_and_depth_do_not_depend_on_the_background(formula, view, picture):
    black = render(formula, view, 48, background="black")
    assert np.array_equal(black.depth, picture.depth)
    assert np.array_equal(black.normal, picture.normal)
    assert np.all(black.mask[np.isfinite(black.depth)] == 255)


def test_depth_is_infinite_exactly_outside_the_hit_set(picture):
    hit = np.isfinite(picture.depth)
    assert np.array_equal(hit, np.any(picture.normal != 0, axis=2))
    assert np.all(picture.mask[hit] == 255)
    assert np.all((picture.depth[hit] > 0.5) & (picture.depth[hit] < 4.5))


def test_normals_are_unit_length_where_hit_and_mostly_face_the_camera(plain_marcher, picture, view):
    hit = np.isfinite(picture.depth)
    normals = picture.normal[hit]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert np.all(picture.normal[~hit] == 0)
    _, rays = plain_marcher.camera(view.latitude, view.longitude, 48)
    facing = np.sum(normals * -rays.reshape(48, 48, 3)[hit], axis=1)
    assert np.mean(facing > 0) > 0.65


def test_one_sample_a_pixel_needs_no_filter_so_the_mask_is_the_hit_set(formula, view):
    picture = render(formula, view, 48, 1)
    assert np.array_equal(picture.mask == 255, np.isfinite(picture.depth))


def test_wider_picture_shows_the_same_object_with_more_room(formula, view):
    square, wide = render(formula, view, 48, 1), render(formula, view, (48, 80), 1)
    inner = wide.depth[:, 16:64]
    assert np.mean(np.isfinite(inner) == np.isfinite(square.depth)) > 0.99


def test_full_turn_changes_nothing_to_speak_of(formula, view, picture):
    turned = render(formula, View(view.latitude, view.longitude + 2 * np.pi, view.colors), 48)
    assert np.mean(np.abs(turned.image.astype(int) - picture.image)) < 4


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"size": 0}, "size must be"),
        ({"size": 9000}, "size must be"),
        ({"size": (16, 16, 3)}, "size must be"),
        ({"size": 16.0}, "size must be"),
        ({"size": 16, "supersample": 0}, "supersample must lie"),
        ({"size": 16, "supersample": 9}, "supersample must lie"),
        ({"size": 16, "background": "red"}, "background must be"),
        ({"size": 16, "filter": "hamming"}, "filter must be"),
    ],
)
def test_render_refuses_what_cannot_be_drawn(options, rule):
    with pytest.raises(UsageError, match=rule):
        render(Formula.parse("power9-rule40"), View(0, 0, np.eye(3)), **options)
