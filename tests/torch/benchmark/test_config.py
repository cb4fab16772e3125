"""Benchmarks as text: read strictly, out and back equal, and one line for a mistake."""

import pytest

from synthgen.errors import UsageError
from synthgen.recipe import installed, installed_benchmarks, load_recipe
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.models import kinds

RECIPE = {"family": "textures", "classes": 1, "per_class": 2}


@pytest.mark.parametrize("name", installed_benchmarks())
def test_installed_benchmarks_go_out_and_come_back_equal(name):
    made = load_benchmark(name)
    assert Benchmark.from_dict(made.to_dict()) == made
    assert name not in installed()
    with pytest.raises(UsageError, match=f"`synthgen benchmark {name}` runs it"):
        load_recipe(name)


def test_all_that_can_be_said_goes_out_and_comes_back_equal(values):
    full = values | {
        "sets": {
            "a": {"path": "x", "classes": ["p", "q"], "normal": "n", "shots": 3},
            "b": {"path": "x", "shots": {"start": 1, "step": 2}},
            "c": {"draw": {"d": {"test": RECIPE, "normal": "tiny-fractals"}}},
        },
        "models": {
            "one": {"kind": "padim", "backbone": "b", "channels": 9, "size": "32x16", "batch": 2, "sets": ["a"]},
            "many": {"grid": {"kind": ["padim"], "layers": [[1], [2]], "backbone": "w/*.safetensors"}},
            "mine": {"kind": "theirs:Bright", "power": 2},
            "both": {"kind": "score-ensemble", "members": ["one", "many"], "combine": "max"},
        },
        "groups": {"g": ["p", "q"]},
        "size": "40x20",
        "time_limit": "2 h",
        "thresholds": "synthetic",
        "pools": {"all": ["a", "b"]},
        "compare": [["a", "b"]],
        "keep": ["maps", "models"],
    }
    made = Benchmark.from_dict(full)
    assert made.size == (20, 40)
    assert made.time_limit == 7200
    assert made.models["one"].options == {"channels": 9}
    assert Benchmark.from_dict(made.to_dict()) == made


# What is replaced, and what the message has.
WRONG = [
    ("seedz", 1, "seedz is not a known key; did you mean seeds?"),
    ("models.floor.sigmo", 1, "models.floor.sigmo is not a known key; did you mean sigma?"),
    ("models.floor.kind", "flor", "or module:Class, got 'flor'; did you mean floor?"),
    ("models.floor.sigma", -1, "models.floor.sigma must be float >= 0.0, got -1"),
    ("models.floor.seed", 1, "models.floor.seed must be left out: the benchmark's seeds are for all models"),
    ("models.floor.sets", ["part"], "models.floor.sets must be some of parts, got part; did you mean parts?"),
    ("models.floor.grid", {"sigmas": [1]}, "grid.sigmas is not an option of floor; did you mean sigma?"),
    ("models.floor.grid", {"sigma": 1}, "must be a list of values, or a pattern of files with a *, got 1"),
    ("models.floor.size", "big", "models.floor.size must be N or WIDTHxHEIGHT in pixels, got 'big'"),
    ("models", {}, "models must be a mapping of names, got {}"),
    ("models", {"a/b": {"kind": "floor"}}, "must be a name of letters, digits and . _ + = -, got 'a/b'"),
    ("sets.parts.classs", ["a"], "sets.parts.classs is not a known key; did you mean classes?"),
    ("sets.parts.shots", 1.5, "sets.parts.shots must be a number of images, or a share in (0, 1), got 1.5"),
    ("sets.parts.draw", {"a": {"test": RECIPE}}, "sets.parts.draw.a.normal must be a recipe, got none"),
    ("sets.x", {}, "sets.x.path must be given, or draw in its place"),
    ("time_limit", "soon", "time_limit must be a time such as 2 h (units are s, min, h, d), got 'soon'"),
    ("thresholds", "hold-out", "thresholds must be one of held-out, synthetic, test, got 'hold-out'"),
    ("metrics", ["image_aurok"], "got 'image_aurok'; did you mean image_auroc?"),
    ("pools", {"p": ["partz"]}, "pools.p must be some of parts, got partz; did you mean parts?"),
    ("seeds", [0, 0], "seeds must not repeat, got 0,0"),
    ("keep", ["map"], "keep must be one of scores, maps, models, pictures"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_mistake_is_one_line_with_its_place(values, key, value, message):
    made = Benchmark.from_dict(values)
    with pytest.raises(UsageError) as caught:
        load_benchmark(made, {key: value})
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("small: ")
    assert message in line


def test_a_model_without_a_kind_is_told_which_there_are(values):
    with pytest.raises(UsageError, match=r"x.kind must be one of .*, got none") as caught:
        Benchmark.from_dict(values | {"models": {"x": {}}})
    assert all(kind in str(caught.value) for kind in kinds())


def test_values_are_replaced_within_sections_that_are_there(values):
    made = Benchmark.from_dict(values)
    assert load_benchmark(made, {"models.floor.sigma": "2.5"}).models["floor"].options == {"sigma": 2.5}
    with pytest.raises(UsageError, match=r"there is no section flor; did you mean floor\?$"):
        load_benchmark(made, {"models.flor.sigma": 1})


def test_a_name_that_is_misspelt_is_suggested(tmp_path):
    with pytest.raises(UsageError, match="did you mean tiny-benchmark"):
        load_benchmark("tiny-benchmrk")
    data = tmp_path / "data.yaml"
    data.write_text("family: fractals\n")
    with pytest.raises(UsageError, match="is this a recipe of data"):
        load_benchmark(data)
