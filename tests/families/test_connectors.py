"""Connectors and trays: what is wrong is marked, to the pixel, and nothing else gives it away."""

import json
import math

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.families import connectors
from synthgen.recipe import Recipe, load_recipe
from synthgen.surface.connector.draw import view_of

SIZE = (144, 144)
PARTS = ("connector", "tray")


def recipe_of(part: str = "connector", **options) -> Recipe:
    values = {"family": "connectors", "layout": "test", "product": part, "size": 144, **options}
    return Recipe.from_dict(values)


def drawn(label: int, index: int = 0, part: str = "connector", **options):
    recipe = recipe_of(part, **options)
    params = connectors.sample(recipe.options, 0, label, index)
    return connectors.draw(params, SIZE)


@pytest.fixture(scope="module")
def tests_of():
    """Return for each part one drawn sample of each class, with its clean twin."""
    found = {}
    for part in PARTS:
        recipe = recipe_of(part, fields=["clean"])
        found[part] = [drawn(label, 1, part, fields=["clean"]) for label in range(recipe.classes)]
    return found


@pytest.mark.parametrize("part", PARTS)
def test_outside_of_the_mask_an_image_equals_its_clean_twin(tests_of, part):
    for label, (pixels, fields, params) in enumerate(tests_of[part]):
        outside = fields["mask"] == 0
        assert np.array_equal(pixels[outside], fields["clean"][outside])
        assert (pixels != fields["clean"]).any() == (label > 0)
        assert len(params["objects"]) == (label > 0)


@pytest.mark.parametrize("part", PARTS)
def test_masks_are_the_object_that_is_recorded(tests_of, part):
    options = recipe_of(part).options
    for label, (_, fields, params) in enumerate(tests_of[part]):
        assert np.array_equal(fields["mask"] > 0, fields["instances"] > 0)
        for thing in params["objects"]:
            top, left, bottom, right = thing["box"]
            assert thing["kind"] == connectors.describe_class(options, 0, label)["name"]
            assert thing["area"] == thing["visible_area"] == (fields["instances"] == 1).sum()
            rows, columns = np.nonzero(fields["mask"])
            assert (top, left) == (rows.min(), columns.min())
            assert (bottom, right) == (rows.max() + 1, columns.max() + 1)
            assert 0 < thing["params"]["saturation"] <= thing["area"]


@pytest.mark.parametrize("part", PARTS)
def test_all_samples_of_a_data_set_have_the_same_keys(tests_of, part):
    found = [params for _, _, params in tests_of[part]]
    assert all(params.keys() == found[0].keys() for params in found)
    things = [thing for params in found for thing in params["objects"]]
    assert all(thing["params"].keys() == things[0]["params"].keys() for thing in things)


def test_a_missing_hole_of_a_row_is_found_anywhere_in_it_and_one_hole_is_enough(tests_of):
    names = [connectors.describe_class(recipe_of().options, 0, label)["name"] for label in range(10)]
    _, _, params = tests_of["connector"][names.index("count")]
    (thing,) = params["objects"]
    pitch = view_of(SIZE).pitch
    assert thing["params"]["saturation"] == pytest.approx(math.pi * 2.2**2 / pitch**2, abs=1)
    assert thing["area"] > 10 * thing["params"]["saturation"]


def test_an_object_that_may_lie_anywhere_in_a_compartment_saturates_at_its_own_area(tests_of):
    _, fields, params = tests_of["tray"][1]
    (thing,) = params["objects"]
    assert thing["kind"] == "missing"
    changed = (tests_of["tray"][1][0] != fields["clean"]).sum()
    assert thing["params"]["saturation"] < 1.2 * changed < thing["area"]


@pytest.mark.parametrize("part", PARTS)
def test_a_sample_is_drawn_again_from_its_parameters_alone(tests_of, part):
    for pixels, fields, params in tests_of[part][::4]:
        again = connectors.draw(json.loads(json.dumps(params)), SIZE)
        assert np.array_equal(again[0], pixels)
        assert all(np.array_equal(again[1][name], fields[name]) for name in fields)
        assert again[2] == params


def test_a_larger_picture_shows_the_same_part():
    recipe = recipe_of()
    params = connectors.sample(recipe.options, 0, 2, 0)
    little, large = (connectors.draw(params, size)[1]["mask"] for size in ((128, 128), (256, 256)))
    shrunk = large.reshape(128, 2, 128, 2).mean(axis=(1, 3)) > 127
    assert ((little > 0) != shrunk).mean() < 0.01


@pytest.mark.parametrize("part", PARTS)
def test_a_detector_of_brightness_finds_nothing(tests_of, part):
    """Light, tone and place of good parts differ more than anomalies change the mean of an image."""
    anomalous = np.array([pixels.mean() for pixels, _, _ in tests_of[part][1:]])
    good = np.array([fields["clean"].mean() for _, fields, _ in tests_of[part][1:]])
    auroc = (anomalous[:, None] > good).mean()
    assert 0.4 < auroc < 0.6
    assert good.std() > 5
    assert good.std() > 3 * np.abs(anomalous - good).max()


def test_a_part_for_testing_is_none_of_those_for_training():
    options = [recipe_of(layout=layout, classes=1).options for layout in ("train", "test")]
    first, second = (connectors.sample(one, 0, 0, 0) for one in options)
    for name in ("texture", "light", "pose", "background", "meant"):
        assert first[name] != second[name]


def test_stains_lie_on_the_metal_alone_and_are_no_anomaly():
    pixels, fields, _ = drawn(1, 1, stains=True)
    plain, without, _ = drawn(1, 1)
    assert np.array_equal(fields["mask"], without["mask"])
    outside = fields["stain"] == 0
    assert np.array_equal(pixels[outside], plain[outside])
    assert (pixels != plain).any()
    assert outside[0].all()


def test_classes_say_whether_they_are_of_logic():
    options = recipe_of("tray").options
    rows = [connectors.describe_class(options, 0, label) for label in range(9)]
    assert [row["name"] for row in rows if not row["logical"]] == ["good", "damaged_edge", "broken"]
    two = recipe_of(anomalies="scratch,missing").options
    assert [connectors.describe_class(two, 0, label)["name"] for label in range(3)] == [
        "good",
        "scratch",
        "missing",
    ]


def test_recipes_show_the_same_part():
    normal, tests = load_recipe("connectors"), load_recipe("connectors-test")
    assert normal.options.holes == tests.options.holes
    assert tests.classes == 10
    assert load_recipe("trays-test").classes == 9


MISTAKES = [
    ({"holes": 3}, "holes must be int >= 4"),
    ({"holes": 9}, "holes must be int <= 8"),
    ({"anomalies": "rust"}, "anomalies must be one of missing"),
    ({"anomalies": "broken"}, "anomalies must be of missing, .*scratch for product connector, got broken"),
    (
        {"product": "tray", "anomalies": "scratch"},
        "anomalies must be of missing, .*broken for product tray, got scratch",
    ),
    ({"anomalies": "missing,missing"}, "anomalies must not repeat"),
    ({"layout": "train", "anomalies": "missing"}, "anomalies must be left out for --layout train, got missing"),
    ({"product": "tray", "stains": True}, "stains must be left out for product tray, got on"),
    ({"rotation": 20}, r"rotation must be float <= 12\.0"),
    ({"classes": 11}, "classes must be <= 10, got 11"),
    ({"storage": {"codec": "jpeg"}}, "codec must be lossless"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_wrong_options_are_named(change, message):
    with pytest.raises(UsageError, match=message):
        Recipe.from_dict({"family": "connectors", "layout": "test", "size": 144, **change})


def test_saturation_comes_back_from_shards(tmp_path):
    recipe = recipe_of(anomalies="missing", classes=2, per_class=1, size=64)
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    for sample in synthgen.open(tmp_path / "d"):
        again = synthgen.render(recipe, sample.label, sample.params["index"])
        assert np.array_equal(sample.image, again.image)
        assert sample.params == json.loads(json.dumps(again.params))
