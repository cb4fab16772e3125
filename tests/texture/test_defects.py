import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.texture import defects, field
from synthgen.texture.composite import Part, compose
from synthgen.texture.mixture import sample_texture
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.view import View

SIZE = (64, 80)
LIGHT = Light(40.0, (0.0, 0.0))


def part(number):
    texture = sample_texture(generator(6, number, 0, "test"), ("cellular", "spectral"), warps=0.0)
    return Part(None, texture, View((0.0, 100.0 * number), 1.0, 5.0, mirrored=False), Exposure(1.0, 0.0, number))


@pytest.fixture(scope="module")
def scene():
    base = part(0)
    return defects.Scene(base, LIGHT, compose([base], LIGHT, SIZE).pixels)


def sampled(kind, number=0):
    return defects.sample_defect(generator(6, number, 0, "defect"), kind, (0.02, 0.05))


@pytest.mark.parametrize("kind", defects.KINDS)
def test_ids_are_where_pixels_changed_and_the_record_measures_them(scene, kind):
    drawn = [(kind, sampled(kind, number), part(9)) for number in range(3)]
    pixels, instances, measured = defects.draw_defects(scene, drawn)
    np.testing.assert_array_equal(instances > 0, (pixels != scene.clean).any(axis=2))
    for number, facts in enumerate(measured, 1):
        assert facts["visible_area"] == np.count_nonzero(instances == number)
        assert facts["area"] >= facts["visible_area"]


def test_a_patch_shows_the_foreign_texture(scene):
    foreign = part(9)
    pixels, instances, _ = defects.draw_defects(scene, [("patch", sampled("patch"), foreign)])
    expected = compose([foreign], LIGHT, SIZE).pixels
    differs = np.abs(pixels.astype(int) - expected)[instances > 0].max(axis=1)
    # pixels that were too near to what was there are moved away from it
    assert np.median(differs) == 0


def test_a_tear_is_dark_and_thin(scene):
    pixels, instances, measured = defects.draw_defects(scene, [("tear", sampled("tear"), None)])
    torn = pixels[instances > 0]
    assert torn.mean() < 0.65 * scene.clean.mean()
    assert measured[0]["area"] < 0.4 * 0.05 * 64 * 80 * 1.5


def test_a_blur_takes_the_detail_away(scene):
    blurred = defects.blurred(scene.clean, 2)
    detail = np.abs(np.diff(scene.clean.astype(int), axis=1)).mean()
    assert np.abs(np.diff(blurred.astype(int), axis=1)).mean() < 0.6 * detail


def test_a_blur_is_the_mean_over_a_square_twice():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    padded = np.pad(pixels.astype(float), [(1, 1), (1, 1), (0, 0)], mode="edge")
    once = np.mean([padded[r : r + 9, c : c + 11] for r in range(3) for c in range(3)], axis=0)
    padded = np.pad(once, [(1, 1), (1, 1), (0, 0)], mode="edge")
    twice = np.mean([padded[r : r + 9, c : c + 11] for r in range(3) for c in range(3)], axis=0)
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(defects.blurred(pixels, 1)[inner], twice[inner], atol=0.51)


def test_what_is_missing_is_the_main_field_and_nothing_else(scene):
    texture = scene.part.texture
    bare = defects.flattened(texture)
    assert bare["fields"][1:] == texture["fields"][1:]
    values = field.evaluate(bare["fields"][0], np.arange(9.0), np.arange(9.0), 1.0)
    assert np.ptp(values) == 0
