"""What a run will take is estimated, and remembered."""

import msgspec
import pytest

from synthgen.run.estimate import START_SECONDS, Estimate, probe, remembered_probe
from synthgen.run.plan import make_plan
from synthgen.run.work import describe


def test_a_probe_is_remembered(make_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = make_plan(make_recipe())
    first = remembered_probe(plan)
    (cached,) = (tmp_path / "synthgen" / "probes").iterdir()
    assert remembered_probe(plan) == first
    assert remembered_probe(make_plan(make_recipe(points=600))).samples == first.samples
    assert len(list(cached.parent.iterdir())) == 2
    cached.write_text("{")
    assert remembered_probe(plan).samples == first.samples
    assert cached.read_text() != "{"


@pytest.mark.parametrize(("offered", "working", "rounds"), [(0, 0, 5), (1, 1, 5), (2, 2, 3), (4, 4, 2), (9, 5, 1)])
def test_time_is_counted_in_rounds_of_shards(offered, working, rounds):
    estimate = Estimate(seconds_per_sample=10.0, bytes_per_sample=1.0, samples=40, shards=5)
    assert estimate.workers(offered) == working
    start = estimate.seconds(offered) - rounds / 5 * estimate.cpu_seconds
    assert 0 <= start < 5
    assert (start > 0) == (offered > 0)


# offered cores -> threads of a process, and seconds for 2 shards of 10 s, of which 6 s are shared
SHARED = [(1, 1, 20.0), (2, 1, 10.0), (3, 1, 10.0), (4, 2, 7.0), (6, 3, 6.0)]


@pytest.mark.parametrize(("offered", "threads", "seconds"), SHARED)
def test_cores_without_a_shard_share_the_pictures_of_others(offered, threads, seconds):
    estimate = Estimate(seconds_per_sample=10.0, bytes_per_sample=1.0, samples=2, shards=2, shared=0.6)
    assert estimate.threads(offered) == threads
    assert estimate.seconds(offered) - START_SECONDS == pytest.approx(seconds, abs=0.1)
    # the second of three shards shares the cores with the third
    three = msgspec.structs.replace(estimate, samples=3, shards=3)
    assert three.seconds(2) - START_SECONDS == pytest.approx(10 + 7, abs=0.1)


def test_an_estimate_is_of_the_shards_that_are_left(make_recipe):
    plan = make_plan(make_recipe())
    some = probe(plan, [1, 4])
    assert (some.samples, some.shards) == (13, 2)
    whole = probe(plan)
    assert (whole.samples, whole.shards) == (40, 5)
    assert whole.bytes == int(40 * whole.bytes_per_sample)
    assert some.seconds_per_sample > 0


def test_samples_that_compile_something_do_not_count(make_recipe, monkeypatch):
    plan = make_plan(make_recipe())
    clock = {"now": 0.0, "drawn": set()}

    def draw(recipe, labels, indices):
        first = (labels, indices) not in clock["drawn"]
        clock["drawn"].add((labels, indices))
        clock["now"] += 30.0 if first and len(clock["drawn"]) % 8 == 0 else 0.01 * len(labels)
        return genuine(recipe, labels, indices)

    from synthgen.run import estimate as module

    genuine = module.draw_samples
    monkeypatch.setattr(module, "draw_samples", draw)
    for name in ("perf_counter", "process_time"):
        monkeypatch.setattr(module.time, name, lambda: clock["now"])
    assert probe(plan).seconds_per_sample == pytest.approx(0.01)


@pytest.mark.parametrize(("per_class", "seconds"), [(1, 0.02), (1000, 0.001)])
def test_what_a_class_takes_once_counts_once(make_recipe, monkeypatch, per_class, seconds):
    from synthgen.run import estimate as module

    clock = {"now": 0.0, "known": set()}
    genuine = module.draw_samples

    def draw(recipe, labels, indices):
        for label in labels:
            clock["now"] += 0.001 if label in clock["known"] else 0.02
            clock["known"].add(label)
        return genuine(recipe, labels, indices)

    monkeypatch.setattr(module, "draw_samples", draw)
    for name in ("perf_counter", "process_time"):
        monkeypatch.setattr(module.time, name, lambda: clock["now"])
    plan = make_plan(make_recipe(classes=200, per_class=per_class, storage={}))
    assert probe(plan).seconds_per_sample == pytest.approx(seconds, rel=0.3)


WORDS = [(1, "on 1 core (5 could work)"), (2, "on 2 cores (5 could work)"), (9, "on 5 cores; 4 more would idle")]


@pytest.mark.parametrize(("offered", "words"), WORDS)
def test_a_plan_says_how_many_workers_can_work(make_recipe, offered, words):
    plan = make_plan(make_recipe())
    assert words in describe(plan, Estimate(0.1, 100.0, 40, 5), offered)


OF_THREADS = [
    (1, "on 1 core (2 could work)"),
    (2, "on 2 cores (2 could work)"),
    (4, "on 4 cores, 2 processes of 2 threads"),
    (5, "on 4 cores, 2 processes of 2 threads; 1 more would idle"),
]


@pytest.mark.parametrize(("offered", "words"), OF_THREADS)
def test_a_plan_says_how_many_cores_share_large_pictures(make_recipe, offered, words):
    estimate = Estimate(0.1, 100.0, 40, 2, shared=0.7)
    assert describe(make_plan(make_recipe()), estimate, offered).endswith(words)
