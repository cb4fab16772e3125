"""A family that nobody registered, or that lacks a recipe, a test or its pages, fails here.

The messages say what is missing, so that a new family can be added by CONTRIBUTING.md and this file alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synthgen
from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, installed, load_recipe

ROOT = Path(__file__).parents[2]


def test_every_module_is_registered():
    found = {p.stem for p in (ROOT / "synthgen" / "families").glob("[a-z]*.py")}
    registered = set(families.FAMILIES)
    assert found - registered == set(), "add a line to FAMILIES in synthgen/families/__init__.py"
    assert registered - found == set(), "add the file that FAMILIES names to synthgen/families"


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_is_complete(name):
    module = families.load(name)
    lacking = [needed for needed in families._NEEDED if not hasattr(module, needed)]
    assert lacking == [], f"add these to synthgen/families/{name}.py; its __init__.py says what they are"

    assert name == module.NAME
    assert set(module.defaults(module.Options())) == {"classes", "per_class", "size"}
    assert families.tolerance_of(module, module.Options()) >= 0
    assert f"synthgen {name}" in module.HELP, "add an example to HELP"


@pytest.mark.parametrize("name", families.FAMILIES)
def test_all_that_belongs_to_a_family_is_there(name):
    index = (ROOT / "docs" / "families" / "index.md").read_text()
    there = {
        f"a recipe of the family in recipes/, such as recipes/{name}.yaml": name in recipes_of_families(),
        f"tests/families/test_{name}.py": (ROOT / "tests" / "families" / f"test_{name}.py").exists(),
        f"docs/families/{name}.md": (ROOT / "docs" / "families" / f"{name}.md").exists(),
        f"a row in the table of docs/families/index.md: [{name}]({name}.md)": f"[{name}]({name}.md)" in index,
        f"{name} in the toctree of docs/families/index.md": f"\n{name}\n" in index,
        f"`synthgen {name}` in README.md": f"synthgen {name}" in (ROOT / "README.md").read_text(),
    }
    missing = [what for what, found in there.items() if not found]
    assert missing == [], f"the family {name} still needs: {'; '.join(missing)}"


def recipes_of_families() -> set[str]:
    """Return the families that the recipes of the package are of."""
    return {load_recipe(recipe).family for recipe in installed()}


@pytest.mark.parametrize("name", families.FAMILIES)
def test_samples_keep_the_promises_of_the_family(name, tmp_path):
    module = families.load(name)
    needed = families.example_of(module, tmp_path)
    recipe = Recipe.from_dict({"family": name, "size": "48x32", **needed})
    specs = module.fields(recipe.options, recipe.size)

    params = module.sample(recipe.options, 5, 1, 0)
    assert (params["class"], params["index"]) == (1, 0)
    assert json.loads(json.dumps(params)) == params

    pixels, fields, measured = module.draw(params, recipe.size)
    assert measured == params or "objects" in params
    values = {"image": as_array(pixels), **fields}
    assert set(values) == set(specs)
    for field, spec in specs.items():
        value = values[field]
        assert (str(value.dtype), value.shape) == (spec.dtype, tuple(spec.shape))
        assert spec.kind != "mask" or np.isin(value, (0, 255)).all()

    again, _, twice = module.draw(json.loads(json.dumps(measured)), recipe.size)
    assert twice == measured
    assert np.array_equal(as_array(pixels), as_array(again))


def as_array(pixels) -> np.ndarray:
    return pixels.to_rgb() if hasattr(pixels, "to_rgb") else pixels


RICH = {
    "fractals": {"blur": True},
    "mandelbulb": {},
    "multiformula": {"blur": True, "objects": "1:3", "source_classes": 20},
    "cutpaste": {"good": True, "anomalies": "color,image,piece,structural"},
}


def schema_of(value):
    """Return the keys of a value, at any depth; elements of a list are merged."""
    if isinstance(value, dict):
        return {key: schema_of(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        schemas = [schema_of(inner) for inner in value]
        assert all(schema == schemas[0] for schema in schemas)
        return [schemas[0]]
    return None


@pytest.mark.parametrize("name", RICH)
def test_all_samples_of_a_data_set_have_the_same_keys(name, tmp_path):
    module = families.load(name)
    needed = families.example_of(module, tmp_path)
    recipe = Recipe.from_dict({"family": name, "size": "48x32", **needed, **RICH[name]})
    schemas = []
    for label in range(min(recipe.classes, 24)):
        params = module.sample(recipe.options, 5, label, label % 2)
        _, _, measured = module.draw(params, recipe.size)
        schemas.append(schema_of(measured))

    # an image without objects has no objects to compare
    fullest = max(schemas, key=lambda schema: len(schema.get("objects") or ()))
    for schema in schemas:
        assert list(schema) == list(fullest)
        for key, inner in schema.items():
            assert inner is None or fullest[key] is None or inner == fullest[key]


@pytest.mark.parametrize("name", ["multiformula", "cutpaste"])
def test_objects_are_recorded_alike_in_all_families(name, tmp_path):
    module = families.load(name)
    needed = families.example_of(module, tmp_path)
    recipe = Recipe.from_dict({"family": name, "size": "48x32", **needed})
    _, fields, params = module.draw(module.sample(recipe.options, 5, 1, 0), recipe.size)
    for number, thing in enumerate(params["objects"], start=1):
        assert list(thing) == ["id", "kind", "box", "area", "visible_area", "center", "params"]
        assert thing["id"] == number
        assert thing["kind"].isalpha()
        assert thing["visible_area"] == (fields["instances"] == number).sum()
        top, left, bottom, right = thing["box"]
        inside = (top, left) > (0, 0) and bottom < 32 and right < 48
        if inside:
            assert abs(thing["center"][0] - (top + bottom) / 2) <= max(2, (bottom - top) / 2)
            assert abs(thing["center"][1] - (left + right) / 2) <= max(2, (right - left) / 2)


SPIRALS = """
import numpy as np
import msgspec
from synthgen.families import Source
from synthgen.sample import FieldSpec

NAME = "spirals"
VERSION = 3
HELP = "Draw dots."
LIBRARIES = ("numpy",)

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: int = 9

def defaults(options): return {"classes": 2, "per_class": 3, "size": 32}
def most_classes(options): return 5
def fields(options, size): return {"image": FieldSpec("uint8", size), "mask": FieldSpec("uint8", size, kind="mask")}
def bytes_per_sample(options, size): return 1000
def sample(options, seed, label, index): return {"class": label, "index": index, "level": options.level}
def draw(params, size):
    image = np.zeros(size, np.uint8)
    image[1:-1, 2:-1] = params["level"] + params["class"]
    return image, {"mask": np.where(image, 255, 0).astype(np.uint8)}, params
def describe_class(options, seed, label): return {"name": f"dot-{label}"}
def as_source(wanted):
    import spirals_of_somebody
    return Source(spirals_of_somebody, Options(level=50), kind="dot")
"""


def forget():
    families._outside.cache_clear()
    families._load_outside.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that installs a package with families: entry points, and the text of its module."""

    def install(entries: dict[str, str], module: str = SPIRALS):
        (tmp_path / "spirals_of_somebody.py").write_text(module)
        info = tmp_path / "spirals_of_somebody-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spirals-of-somebody\nVersion: 1.0\n")
        lines = [f"{name} = {place}" for name, place in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[synthgen.families]", *lines]))
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("spirals_of_somebody", None)
        forget()

    yield install
    sys.modules.pop("spirals_of_somebody", None)
    monkeypatch.undo()
    forget()


def test_a_family_of_another_package_is_listed_without_being_loaded(package):
    package({"spirals": "spirals_of_somebody"})
    assert list(families.known())[: len(families.FAMILIES)] == list(families.FAMILIES)
    assert families.known()["spirals"] == "Draw spirals: a family of the package spirals-of-somebody."
    assert "spirals_of_somebody" not in sys.modules


def test_a_family_of_another_package_draws_data_sets(package, tmp_path):
    package({"spirals": "spirals_of_somebody"})
    recipe = Recipe.from_dict({"family": "spirals", "level": 70})
    report = synthgen.generate(recipe, tmp_path / "out", workers=0, progress=False)
    assert report.finished
    stored = synthgen.open(tmp_path / "out")
    assert {int(sample.image.max()) for sample in stored} == {70, 71}
    assert load_recipe(tmp_path / "out").data_fingerprint == recipe.data_fingerprint


def test_a_family_of_another_package_can_be_a_source(package):
    package({"spirals": "spirals_of_somebody"})
    values = {"family": "multiformula", "source": "spirals", "classes": 1, "per_class": 1, "size": 32}
    sample = synthgen.render(Recipe.from_dict(values), 0, 0)
    assert {thing["kind"] for thing in sample.params["objects"]} == {"dot"}
    assert 50 <= sample.image.max() <= 54
    with pytest.raises(UsageError, match=r"grouping must be random for objects of spirals"):
        synthgen.render(Recipe.from_dict({**values, "grouping": "similar"}), 0, 0)


def command(folder, *arguments):
    """Return what the command says where the packages of a folder are installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    words = [sys.executable, "-m", "synthgen", *arguments]
    return subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False
    )


def test_a_family_of_another_package_is_a_command(package, tmp_path):
    package({"spirals": "spirals_of_somebody"})
    page = command(tmp_path, "spirals", "--help")
    assert "Draw dots." in page.stdout
    assert "--level N" in page.stdout

    out = tmp_path / "out"
    done = command(tmp_path, "spirals", "--level", "70", "--workers", "0", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert {int(sample.image.max()) for sample in synthgen.open(out)} == {70, 71}

    misspelt = command(tmp_path, "spiral")
    assert "did you mean spirals?" in misspelt.stderr


def test_the_help_lists_families_of_other_packages_without_loading_them(package, tmp_path):
    package({"spirals": "spirals_of_somebody"}, module="1 / 0")
    page = command(tmp_path, "--help")
    assert page.returncode == 0
    assert "Draw spirals: a family of the package spirals-of-somebody." in " ".join(page.stdout.split())

    broken = command(tmp_path, "spirals")
    assert broken.returncode == 2
    assert broken.stderr.startswith(
        "synthgen: family 'spirals' of the package spirals-of-somebody cannot be loaded"
    )
    assert broken.stderr.count("\n") == 1


def test_built_in_names_win(package):
    package({"fractals": "spirals_of_somebody"})
    assert families.load("fractals").__name__ == "synthgen.families.fractals"
    assert families.known() == families.FAMILIES


def test_commands_win_over_families_of_their_name(package, tmp_path):
    package({"verify": "spirals_of_somebody"})
    assert "Check a finished data set" in command(tmp_path, "verify", "--help").stdout
    assert "spirals-of-somebody" not in command(tmp_path, "--help").stdout


@pytest.mark.parametrize(
    ("place", "module", "message"),
    [
        ("nowhere", SPIRALS, "cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("spirals_of_somebody", "1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("spirals_of_somebody", "NAME = 'spirals'", "must have VERSION, HELP, LIBRARIES"),
        (
            "spirals_of_somebody",
            SPIRALS.replace('"spirals"', '"dots"'),
            "must have that name, got 'dots'",
        ),
    ],
)
def test_a_family_that_cannot_be_loaded_is_one_line(package, place, module, message):
    package({"spirals": place}, module)
    with pytest.raises(
        UsageError, match=f"^family 'spirals' of the package spirals-of-somebody {message}"
    ) as error:
        families.load("spirals")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="spirals"):
        Recipe.from_dict({"family": "multiformula", "source": "spirals"})


def test_unknown_families_are_named():
    with pytest.raises(UsageError, match="family must be one of"):
        families.load("os")
