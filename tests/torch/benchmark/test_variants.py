"""Grids: one model for each combination, with names that say which."""

import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.variants import variants


def made(values, **models):
    return variants(Benchmark.from_dict(values | {"models": models}))


def test_a_grid_makes_each_with_each(values):
    entry = {
        "backbone": "b",
        "grid": {"kind": ["padim", "patchcore"], "layers": [[1], [1, 2]], "size": [32, "8x4"]},
    }
    found = made(values, m=entry)
    assert len(found) == 8
    first, last = found[0], found[-1]
    assert (first.name, first.size, first.options) == ("m-kind=padim-layers=1-size=32", (32, 32), {"layers": [1]})
    assert (last.name, last.size, last.kind) == ("m-kind=patchcore-layers=1+2-size=8x4", (4, 8), "patchcore")


def test_no_model_shares_its_options_with_another(values):
    first, second = made(values, m={"kind": "floor", "grid": {"sigma": [1, 2]}})
    first.options["sigma"] = 99
    assert second.options == {"sigma": 2.0}


def test_options_that_are_not_given_are_known(values):
    (found,) = made(values, m={"kind": "floor"})
    assert found.resolved() == {"sigma": 4.0}


def test_a_pattern_stands_for_the_files_that_match(values, tmp_path):
    for name in ("epoch-2", "epoch-1"):
        (tmp_path / f"{name}.safetensors").touch()
    grid = {"backbone": str(tmp_path / "epoch-*.safetensors")}
    found = made(values, m={"kind": "padim", "grid": grid})
    assert [each.name for each in found] == ["m-backbone=epoch-1", "m-backbone=epoch-2"]
    with pytest.raises(UsageError, match="must match files, got none for nothing"):
        made(values, m={"kind": "padim", "grid": {"backbone": "nothing*"}})


@pytest.mark.parametrize(
    ("grid", "rule"),
    [({"sigma": [1, -1]}, "sigma must be float >= 0"), ({"sigma": [1, 1.0]}, "must have different names")],
)
def test_values_of_a_grid_are_checked(values, grid, rule):
    entry = {"kind": "floor", "grid": {key: list(map(str, each)) for key, each in grid.items()}}
    if rule.startswith("must have"):
        entry["grid"] = {"sigma": ["1", "1"]}
    with pytest.raises(UsageError, match=rule):
        made(values, m=entry)


WRONG_OWN = [
    ("calibrate", 2, "calibrate must be float <= 1.0, got 2"),
    ("calibrate", "a", r"calibrate must be float \| null, got 'a'"),
    ("batch", 0, "batch must be int >= 1, got 0"),
    ("batch", "x", r"batch must be int \| null, got 'x'"),
    ("backbone", 3, r"backbone must be str \| null, got 3"),
    ("size", 0, "size must "),
]


@pytest.mark.parametrize(("key", "value", "rule"), WRONG_OWN)
def test_a_grid_of_what_every_model_has_is_checked(values, key, value, rule):
    with pytest.raises(UsageError, match=rule):
        made(values, m={"kind": "padim", "grid": {key: [value]}})


MINE = {"kind": "theirs:Bright"}
WRONG_MEMBERS = [
    ({"kind": "score-ensemble"}, "models.e.members must be names of models, got none"),
    (
        {"kind": "score-ensemble", "members": ["flor"]},
        r"must be names of models that stand above \(floor, mine\), got flor; did you mean floor\?",
    ),
    ({"kind": "feature-ensemble", "members": ["mine"]}, "must be models of a kind that is known here, got mine of"),
    ({"kind": "floor", "members": ["floor"]}, "members must be left out: only ensembles have any, got a model of"),
    (
        {"kind": "feature-ensemble", "members": ["b"], "backbone": "b"},
        "models.e.backbone must be left out: the",
    ),
    ({"kind": "feature-ensemble", "members": ["b"], "calibrate": 1}, "models.e.calibrate must be left out"),
]


@pytest.mark.parametrize(("entry", "rule"), WRONG_MEMBERS)
def test_members_that_no_ensemble_can_have_are_refused(values, entry, rule):
    with pytest.raises(UsageError, match=rule):
        made(values, floor={"kind": "floor"}, mine=MINE, e=entry)


def test_a_grid_may_choose_the_members(values):
    entry = {"kind": "score-ensemble", "grid": {"members": [["a"], ["a", "b"]]}}
    found = made(values, a={"kind": "floor"}, b={"kind": "floor", "sigma": 2}, e=entry)
    assert [each.name for each in found[2:]] == ["e-members=a", "e-members=a+b"]
    assert found[3].models() == [found[0], found[1], found[3]]


def test_a_backbone_may_be_named_by_the_seed_of_the_job():
    entry = {"kind": "patchcore", "backbone": "weights/a-{seed}.safetensors"}
    values = {"benchmark": "b", "sets": {"s": {"path": "p"}}, "models": {"m": entry, "floor": {"kind": "floor"}}}
    named, floor = variants(Benchmark.from_dict(values))
    assert named.seeded(7).backbone == "weights/a-7.safetensors"
    assert named.seeded(7).name == named.name
    assert floor.seeded(7) == floor


def test_the_seed_of_the_job_names_the_weights_of_members(values):
    member = {"kind": "patchcore", "backbone": "a-{seed}"}
    entry = {"kind": "feature-ensemble", "members": ["m", "b-{seed}"]}
    found = made(values, m=member, e=entry)[-1].seeded(3)
    assert found.members[0].backbone == "a-3"
    assert found.members[1] == "b-3"
