import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synthgen import families
from synthgen.errors import UsageError
from synthgen.options import parse_scalar
from synthgen.recipe import Recipe, installed, load_recipe

BASE = {"family": "fractals", "classes": 3, "per_class": 4}


def options():
    low = st.integers(2, 8)
    return st.fixed_dictionaries(
        {},
        optional={
            "points": st.integers(1, 10**6),
            "systems": st.integers(1, 1000),
            "maps": st.tuples(low, low).map(sorted),
            "augment": st.booleans(),
            "blur": st.booleans(),
            "size": st.integers(16, 4096)
            | st.tuples(st.integers(16, 99), st.integers(16, 99)).map("{0[0]}x{0[1]}".format),
            "seed": st.integers(0, 2**63 - 1),
            "scheme": st.sampled_from(["grouped", "fractaldb", "1p-frac"]),
        },
    )


@given(options())
def test_a_recipe_goes_out_and_comes_back(values):
    recipe = Recipe.from_dict({**BASE, **values})
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(yaml.safe_load(recipe.to_yaml())).data_fingerprint == recipe.data_fingerprint


def test_yaml_files_come_back(tmp_path):
    recipe = Recipe.from_dict({**BASE, "maps": "2:7", "size": "64x32", "storage": {"format": "webdataset"}})
    path = tmp_path / "a.yaml"
    path.write_text(recipe.to_yaml())
    assert load_recipe(path) == recipe
    assert recipe.size == (32, 64)


WRONG = {
    "per_class": (0, "a.yaml: per_class must be int >= 1, got 0"),
    "classes": (-3, "a.yaml: classes must be int >= 1, got -3"),
    "size": ("8", "a.yaml: size must be N or WIDTHxHEIGHT, of 16 to 4096 pixels, got 8"),
    "maps": ("4:2", "a.yaml: maps must be LOW:HIGH with LOW <= HIGH, got 4:2"),
    "points": ("many", "a.yaml: points must be int or auto, got 'many'"),
    "pionts": (5, "a.yaml: pionts is not a known key; did you mean points?"),
    "synthgen": (2, "a.yaml: synthgen must be 1 for this version of synthgen, got 2"),
    "background": ("pink", "a.yaml: background must be one of black, diamond-square, got 'pink'"),
    "storage": ({"format": "zip"}, "a.yaml: storage.format must be one of hdf5, webdataset, got 'zip'"),
    "seed": (2**63, f"a.yaml: seed must be int <= {2**63 - 1}, got {2**63}"),
    "family": ("fractal", "family must be one of fractals"),
    "options": ({}, "a.yaml: options is not a key"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_is_named_with_place_and_rule(key):
    value, message = WRONG[key]
    with pytest.raises(UsageError) as error:
        Recipe.from_dict({**BASE, key: value}, "a.yaml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_arguments_of_a_call_have_no_place():
    with pytest.raises(UsageError, match=r"^per_class must be int >= 1, got '0'$"):
        Recipe.from_dict({**BASE, "per_class": "0"}, "")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [*Recipe.__struct_fields__, *families.load("fractals").Options.__struct_fields__, "x", "synthgen"]
)


@given(st.dictionaries(keys, anything, max_size=5))
def test_any_mapping_is_a_recipe_or_a_one_line_error(values):
    try:
        recipe = Recipe.from_dict({"family": "fractals", **values})
    except UsageError as error:
        assert str(error)
    else:
        assert Recipe.from_dict(recipe.to_dict()) == recipe


@given(st.binary(max_size=200))
def test_any_file_is_a_recipe_or_an_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("yaml") / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        load_recipe(path)


@pytest.mark.parametrize("text", ["!!bool maybe", "!!timestamp x", '"\\ud800"', "[" * 5000, "1" * 5000])
def test_odd_values_are_one_line(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(f"family: fractals\npoints: {text}")
    with pytest.raises(UsageError) as error:
        load_recipe(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    parse_scalar(text)


def test_names_and_storage_do_not_touch_the_data_fingerprint():
    one = Recipe.from_dict(BASE)
    other = Recipe.from_dict({**BASE, "name": "x", "storage": {"format": "webdataset", "shard_size": 2}})
    assert one.data_fingerprint == other.data_fingerprint
    assert one.data_fingerprint != Recipe.from_dict({**BASE, "points": 7}).data_fingerprint


def test_overrides_reach_into_sections():
    recipe = load_recipe("tiny-fractals", {"per_class": 2, "storage.format": "webdataset"})
    assert (recipe.per_class, recipe.storage.format) == (2, "webdataset")
    with pytest.raises(UsageError, match="the only section is storage"):
        load_recipe("tiny-fractals", {"sotrage.format": "hdf5"})


def test_a_mapping_is_a_recipe():
    assert load_recipe(BASE, {"per_class": 2}) == Recipe.from_dict({**BASE, "per_class": 2})
    with pytest.raises(UsageError, match=r"^per_class must be int >= 1, got 0$"):
        load_recipe({**BASE, "per_class": 0})


@pytest.mark.parametrize("source", [None, 7, ["tiny-fractals"], b"tiny-fractals"])
def test_what_can_be_no_recipe_is_refused(source):
    kind = type(source).__name__
    with pytest.raises(UsageError, match=f"^recipe must be a Recipe, a mapping, a name or a path, got {kind}$"):
        load_recipe(source)


def test_unknown_recipes_are_guessed():
    with pytest.raises(UsageError, match="did you mean tiny-fractals"):
        load_recipe("tiny-fractal")


@pytest.mark.parametrize("name", installed())
def test_installed_recipes_hold(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_a_giant_recipe_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "giant.yaml"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(UsageError, match="must be smaller than"):
        load_recipe(path)
