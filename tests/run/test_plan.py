import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.recipe import Recipe, installed, load_recipe
from synthgen.run.plan import make_plan


def plan_of(classes, per_class, **storage):
    return make_plan(
        Recipe.from_dict({"family": "fractals", "classes": classes, "per_class": per_class, "storage": storage})
    )


@given(st.integers(1, 40), st.integers(1, 40), st.none() | st.integers(1, 100))
def test_every_sample_lies_in_one_shard(classes, per_class, shard_size):
    plan = plan_of(classes, per_class, shard_size=shard_size)
    found = [s for shard in range(plan.run.shards) for s in zip(*plan.samples(shard), strict=True)]
    assert sorted(found) == [(c, i) for c in range(classes) for i in range(per_class)]


@given(st.integers(1, 10**4), st.integers(1, 10**5))
def test_shards_are_neither_large_nor_too_few(classes, per_class):
    plan = plan_of(classes, per_class)
    assert plan.run.shard_size * 33_000 <= 300 * 2**20
    if plan.run.count > 16 * 64:
        assert plan.run.shards >= 15


def test_a_million_images_take_no_memory():
    tracemalloc.start()
    plan = plan_of(1000, 1000)
    plan.samples(plan.run.shards // 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 2**20


def test_a_shard_mixes_the_classes():
    labels, _ = plan_of(1000, 1000).samples(17)
    assert len(set(labels)) > 900
    assert np.bincount(labels).max() < 25


@given(st.integers(1, 50), st.data())
def test_parts_share_out_all_shards(n, data):
    plan = plan_of(7, data.draw(st.integers(1, 50)), shard_size=3)
    parts = [range(k - 1, plan.run.shards, n) for k in range(1, n + 1)]
    assert sorted(s for part in parts for s in part) == list(range(plan.run.shards))


@pytest.mark.parametrize("name", [name for name in installed() if "cutpaste" not in name])
def test_every_recipe_has_a_plan(name):
    recipe = load_recipe(name)
    plan = make_plan(recipe)
    assert plan.run.count == recipe.classes * recipe.per_class
    assert Recipe.from_dict(plan.run.recipe) == recipe
    assert Recipe.from_dict(plan.run.recipe).data_fingerprint == plan.run.fingerprints.data


@given(st.floats(1e-5, 100), st.integers(1, 10**6))
@settings(max_examples=25)
def test_the_longer_a_sample_takes_the_fewer_lie_in_a_shard(seconds, count):
    def size(cost):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("synthgen.families.seconds_of", lambda *_: cost)
            return plan_of(count, 1).run.shard_size

    assert size(2 * seconds) <= size(seconds)
    assert size(4.0) <= max(1, count // 64)


CUT = [
    ({"family": "mandelbulb", "classes": 24}, 12),
    ({"family": "stains", "per_class": 16}, 16),
    ({"family": "stains"}, 40),
    ({"family": "fractals", "classes": 100, "per_class": 300}, 64),
    ({"family": "fractals"}, 256),
]


@pytest.mark.parametrize(("values", "shards"), CUT)
def test_samples_that_take_long_are_shared_out_over_many_workers(values, shards):
    assert make_plan(Recipe.from_dict(values)).run.shards == shards


def test_the_size_of_shards_does_not_depend_on_the_machine(monkeypatch):
    recipe = Recipe.from_dict({"family": "stains"})
    here = make_plan(recipe).run
    monkeypatch.setattr("synthgen.machine.available_cpus", lambda: 64)
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    assert make_plan(recipe).run == here
