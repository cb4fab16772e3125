"""The part stands out from the background that the borders of images show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.compose.regions import measure_background, part_region


def scene(seed: int, size=(96, 128), part=True, noise=2.0):
    """Return a picture of an ellipse on an evenly sloping background, and where the ellipse lies."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    slope = rng.uniform(-0.15, 0.15, 2)
    picture = rng.uniform(60, 200, 3) + (slope[0] * rows + slope[1] * columns)[..., None]
    center = np.array(size) * rng.uniform(0.45, 0.55, 2)
    radii = np.array(size) * rng.uniform(0.15, 0.35, 2)
    inside = ((rows - center[0]) / radii[0]) ** 2 + ((columns - center[1]) / radii[1]) ** 2 < 1
    if part:
        far = rng.uniform(45, 60) * rng.choice([-1, 1], 3)
        # a band across the part has the color of the background: its ends touch the outline
        band = inside & (np.abs(rows - center[0]) > 1)
        picture = np.where(band[..., None], picture + far, picture)
    picture = picture + rng.normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), inside


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 2.0, 5.0]), st.sampled_from([1, 3]))
def test_the_region_is_the_part(seed, noise, channels):
    pictures = [scene(seed + number, noise=noise) for number in range(4)]
    background = measure_background([picture[..., :channels] for picture, _ in pictures])
    assert background["spread"] == pytest.approx([noise] * channels, rel=0.25, abs=0.3)
    for picture, part in pictures:
        region = part_region(picture[..., :channels], background)
        assert (region & part).sum() / (region | part).sum() > 0.9


def test_holes_belong_to_the_part():
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[10:50, 10:50] = 200
    picture[20:40, 20:40] = 100
    region = part_region(picture, measure_background([picture]))
    assert region[10:50, 10:50].all()
    assert region.sum() == 1600


@pytest.mark.parametrize("look", ["plain", "texture"])
def test_without_a_part_there_is_no_region(look):
    picture, _ = scene(1, part=False)
    if look == "texture":
        picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    assert part_region(picture, measure_background([picture])) is None
