"""A family that nobody registered, or without a recipe, a test and a line in the README, fails here."""

from pathlib import Path

import pytest

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, installed, load_recipe

ROOT = Path(__file__).parents[2]


def test_every_module_is_registered():
    found = {p.stem for p in (ROOT / "synthgen" / "families").glob("[a-z]*.py")}
    assert found == set(families.FAMILIES)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_is_complete(name):
    module = families.load(name)
    assert name == module.NAME
    assert set(module.defaults(module.Options())) == {"classes", "per_class", "size"}
    assert families.tolerance_of(module, module.Options()) >= 0
    assert any(load_recipe(r).family == name for r in installed())
    assert (ROOT / "tests" / "families" / f"test_{name}.py").exists()
    assert f"synthgen {name}" in (ROOT / "README.md").read_text()
    assert f"synthgen {name}" in module.HELP


@pytest.mark.parametrize("name", families.FAMILIES)
def test_samples_keep_the_promises_of_the_family(name, tmp_path):
    import json

    import numpy as np
    from PIL import Image

    module = families.load(name)
    needed = {}
    if name == "cutpaste":
        for i in range(2):
            pixels = np.random.default_rng(i).integers(0, 256, (32, 48, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        needed["normal"] = str(tmp_path)
    recipe = Recipe.from_dict({"family": name, "size": "48x32", **needed})
    params = module.sample(recipe.options, 5, 1, 0)
    assert (params["class"], params["index"]) == (1, 0)
    assert json.loads(json.dumps(params)) == params
    pixels, fields, measured = module.draw(params, recipe.size)
    specs = module.fields(recipe.options, recipe.size)
    assert measured == params or "objects" in params
    again, _, twice = module.draw(json.loads(json.dumps(measured)), recipe.size)
    assert twice == measured
    values = {"image": pixels, **fields}
    assert set(values) == set(specs)
    for field, spec in specs.items():
        value = values[field].to_rgb() if hasattr(values[field], "to_rgb") else values[field]
        assert (str(value.dtype), value.shape) == (spec.dtype, tuple(spec.shape))
        assert spec.kind != "mask" or np.isin(value, (0, 255)).all()
    same = [p.to_rgb() if hasattr(p, "to_rgb") else p for p in (pixels, again)]
    assert np.array_equal(*same)


def test_unknown_families_are_named():
    with pytest.raises(UsageError, match="family must be one of"):
        families.load("os")
