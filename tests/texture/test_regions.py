import numpy as np
import pytest

from synthgen.texture.regions import DIVIDING, LAID, draw_regions, sample_regions

SIZE = (96, 128)


def sampled(count, seed):
    return sample_regions(np.random.default_rng(seed), count)


def test_every_pixel_has_a_region_and_the_covers_say_which():
    for seed in range(20):
        regions = sampled(1 + seed % 5, seed)
        top, covers = draw_regions(regions, SIZE)
        expected = np.zeros(SIZE, np.uint8)
        for number, cover in enumerate(covers, 1):
            expected[cover] = number
        np.testing.assert_array_equal(top, expected)
        assert top.min() >= 1


def test_dividing_regions_do_not_overlap_and_come_first():
    for seed in range(20):
        regions = sampled(4, seed)
        borders = [region["border"] for region in regions]
        dividing = [border in DIVIDING for border in borders]
        assert dividing == sorted(dividing, reverse=True)
        _, covers = draw_regions(regions, SIZE)
        assert np.sum(covers[: sum(dividing)], axis=0).max() == 1


@pytest.mark.parametrize("border", LAID)
def test_a_laid_region_lies_around_its_middle_and_is_as_large_as_it_says(border):
    ground = sampled(1, 0)[0]
    for seed in range(40):
        drawn = next(r for s in range(seed * 100, 10**6) for r in sampled(3, s) if r["border"] == border)
        placed = {**drawn, "at": [0.5, 0.5]}
        _, (_, cover) = draw_regions([ground, placed], (200, 200))
        length, width = drawn["reach"]
        rows, columns = np.nonzero(cover)
        assert len(rows) > 0
        reach = 1.7 * (length + width) * 200
        assert np.hypot(rows - 100, columns - 100).max() < reach


def test_a_larger_image_shows_the_same_regions():
    for seed in range(6):
        regions = sampled(3, seed)
        small, _ = draw_regions(regions, (128, 160))
        large, _ = draw_regions(regions, (384, 480))
        assert (large[1::3, 1::3] == small).mean() > 0.95
