import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.texture.composite import Part, box_of, compose
from synthgen.texture.mixture import sample_texture
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.regions import sample_regions
from synthgen.texture.view import View

SIZE = (60, 72)
LIGHT = Light(30.0, (0.05, -0.05))


@pytest.fixture(scope="module")
def parts():
    """Three textures in three regions."""
    regions = sample_regions(generator(1, 0, 0, "regions"), 3)
    found = []
    for number, region in enumerate(regions):
        rng = generator(1, number, 0, "texture")
        texture = {**sample_texture(rng, ("cellular", "periodic")), "relief": 1.0}
        view = View((50.0 * number, 9.0), 1.1, 12.0, mirrored=False)
        found.append(Part(region, texture, view, Exposure(1.0, 0.0, number)))
    return found


def test_each_region_shows_what_its_texture_shows_alone(parts):
    together = compose(parts, LIGHT, SIZE, ("height", "normal"))
    assert len(np.unique(together.top)) > 1
    for number, part in enumerate(parts, 1):
        alone = compose([part], LIGHT, SIZE, ("height", "normal"))
        shown = together.top == number
        np.testing.assert_array_equal(together.pixels[shown], alone.pixels[shown])
        for name in ("height", "normal"):
            np.testing.assert_array_equal(together.surface[name][shown], alone.surface[name][shown])


def test_normals_have_length_1_and_follow_the_height(parts):
    surface = compose(parts[:1], LIGHT, SIZE, ("height", "normal")).surface
    np.testing.assert_allclose(np.linalg.norm(surface["normal"], axis=2), 1, atol=1e-5)
    slope = (surface["height"][:, 2:] - surface["height"][:, :-2]) / 2
    normal = surface["normal"][:, 1:-1]
    np.testing.assert_allclose(-normal[..., 0] / normal[..., 2], slope, atol=1e-3)


def test_the_box_of_nothing_is_none():
    assert box_of(np.zeros((4, 5), bool)) is None
    covered = np.zeros((4, 5), bool)
    covered[1:3, 2] = True
    assert box_of(covered) == (1, 2, 3, 3)
