import numpy as np
import pytest

from synthgen.families import stains
from synthgen.recipe import Recipe
from synthgen.surface.plate.view import PLATE
from synthgen.surface.stains.field import stain_field, stain_layer

SMALL = {"family": "stains", "size": "150x120", "field_of_view": 30, "fields": "clean"}


def drawn(**options):
    recipe = Recipe.from_dict({**SMALL, **options})
    params = stains.sample(recipe.options, 0, 0, 0)
    return stains.draw(params, recipe.size)


def test_centers_of_a_layer_lie_in_the_plane_of_the_plate():
    options = Recipe.from_dict({**SMALL, "water": "paper"}).options
    params = stains.sample(options, 0, 0, 0)["stains"]
    field = stain_layer(params, max(PLATE) / 2)
    cells = np.stack([np.arange(4), np.zeros(4, int), np.zeros(4, int)], axis=1)
    assert (field.centers(cells)[:, 2] == params["offset"][2]).all()
    # a solid texture shows caps of all sizes, a layer whole stains alone
    areas = {}
    for cells in ("layer", "solid"):
        _, _, more = drawn(water="paper", cells=cells, field_of_view=60, radius="1.5", amplitude="0")
        whole = [o["area"] for o in more["objects"] if o["box"][0] > 0 and o["box"][2] < 120 and o["box"][1] > 0]
        areas[cells] = np.array(whole)
    assert np.median(areas["layer"]) > np.median(areas["solid"])
    assert stain_field(params).cell_size == 5


@pytest.mark.parametrize("water", ["dried", "paper"])
def test_density_follows_the_cell_and_radii_do_not(water):
    cover = [(drawn(water=water, cell_size=cell, field_of_view=118)[1]["stain"] > 0).mean() for cell in (6, 12, 24)]
    assert cover[0] > 1.6 * cover[1] > 2.5 * cover[2]


def test_places_of_one_plate_show_the_same_stains():
    recipe = Recipe.from_dict({**SMALL, "field_of_view": None, "places": "3x3", "size": "300x250"})
    views = [stains.draw(stains.sample(recipe.options, 0, 0, index), recipe.size)[2] for index in (0, 1)]
    points = [{tuple(o["params"]["point"]) for o in view["objects"]} for view in views]
    assert points[0] & points[1]
    assert points[0] - points[1]
    assert views[0]["stains"] == views[1]["stains"]
    assert views[0]["camera"] != views[1]["camera"]
    following = stains.sample(recipe.options, 0, 0, 9)
    assert following["stains"] != views[0]["stains"]
