"""The dry run: what is left, what is missing, what it would take; nothing is written."""

import pytest

from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.probe import _Cost, _Counts, _seconds, _shortened, forecast, format_forecast


def made(values, **changes):
    return load_benchmark(Benchmark.from_dict(values), changes)


def test_every_model_is_tried_and_nothing_is_written(values, tmp_path):
    bad = {"bad": {"kind": "padim", "backbone": "resnet"}}
    found = forecast(made(values, models=values["models"] | bad), tmp_path / "out", workers=2)
    assert (found.jobs, found.done, found.missing) == (12, 0, [])
    by_name = {model.model: model for model in found.models}
    assert by_name["floor"].seconds > 0
    assert by_name["floor"].jobs == 4
    assert "resnet" in by_name["bad"].reason
    assert found.seconds > max(by_name["floor"].seconds, by_name["chance"].seconds) / 2
    assert not (tmp_path / "out").exists()
    text = format_forecast(found)
    assert "small: 12 jobs, 3 models with jobs left" in text
    assert "bad" in text
    assert "cannot be tried: UsageError" in text
    assert "with 2 workers" in text


def test_data_that_is_drawn_is_tried_on_a_few_images(values, tmp_path):
    plain = {"family": "textures", "classes": 1, "per_class": 400, "size": 16}
    test = {"family": "textures", "layout": "test", "classes": 2, "per_class": 300, "size": 16}
    draw = {"draw": {"a": {"test": test, "normal": plain}}}
    found = forecast(made(values, sets={"s": draw}, seeds=[0]), tmp_path / "out")
    assert found.jobs == 2
    assert all(model.seconds is not None for model in found.models)
    assert not (tmp_path / "out").exists()


def test_jobs_that_are_done_are_not_counted_again(values, finished):
    found = forecast(made(values), finished)
    assert (found.done, found.models, found.seconds) == (8, [], None)


def test_what_is_missing_is_listed(values, tmp_path):
    found = forecast(made(values, **{"sets.parts.path": "/nowhere"}), tmp_path)
    assert "missing: sets.parts.path must be a folder of images, got /nowhere" in format_forecast(found)


def cost(**given):
    nothing = dict.fromkeys(("fit_s", "fit_half_s", "read_s", "load_s", "test_s", "latency_s"), 0.0)
    return _Cost(**{"few": 8, "share": 1.0, "bytes": 0, "model": None, **nothing, **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"fit_s": 8, "fit_half_s": 4}, 100),
        ({"fit_s": 64, "fit_half_s": 16}, 100**2),
        ({"fit_s": 5, "fit_half_s": 5}, 5),
        ({"fit_s": 8, "fit_half_s": 4, "share": 0.1}, 1000),
        ({"load_s": 3}, 3),
        ({"read_s": 0.5}, 50),
        ({"test_s": 2}, 2 * (30 + 10)),
        ({"latency_s": 1}, 30),
    ],
)
def test_times_grow_as_the_work_does(given, expected):
    counts = _Counts(fitted=100, held=10, tested=30)
    assert _seconds(cost(**given), counts, None) == pytest.approx(expected)
    limited = 1.0 if "fit_s" in given else expected
    assert _seconds(cost(**given), counts, 1.0) == pytest.approx(limited)


def test_of_a_training_the_first_steps_are_tried(values, tmp_path):
    net = {"kind": "simplenet", "backbone": "random:test_resnet", "layers": [1], "steps": 500}
    both = {"kind": "score-ensemble", "members": ["net", "floor"]}
    models = {"net": net, "floor": {"kind": "floor"}, "both": both}
    job = make_plan(made(values, models=models), tmp_path).jobs[-1]
    short, share = _shortened(job)
    assert share == pytest.approx(20 / 500)
    assert short.model.members[0].options["steps"] == 20
    assert job.model.members[0].options["steps"] == 500
