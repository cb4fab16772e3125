"""Thresholds from normal images: what they promise holds, whatever the scores are like."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import FormatError, UsageError
from synthgen.layouts import open_images
from synthgen.torch.evaluation.limits import Judge, divided, forget, keep, limits_of

scores = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)


@given(scores, st.floats(0, 0.5))
def test_no_more_of_the_images_held_out_reach_the_threshold_than_is_said(values, wanted):
    values = np.array(values, np.float32)
    limits = limits_of(values, None, wanted)
    expected = limits.normal.false_alarms
    assert expected == max(wanted, 1 / (len(values) + 1))
    assert (values >= np.float32(limits.image)).sum() <= expected * (len(values) + 1)


@pytest.mark.parametrize("kind", [bool, np.uint8, ">i2", np.float16, ">f8"])
def test_scores_of_any_type_give_the_thresholds_of_floats(kind):
    values = np.array([1, 0, 3, 2, 7]).astype(kind)
    maps = [values.reshape(1, 5)] * 5
    assert limits_of(values, maps) == limits_of(values.astype(float), [each.astype(float) for each in maps])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_give_no_threshold(bad):
    good = np.ones(3)
    with pytest.raises(UsageError, match=r"^scores must hold finite scores, got 1"):
        limits_of(np.array([1.0, bad]), None)
    with pytest.raises(UsageError, match=r"^maps\[1\] must hold finite scores, got 1"):
        limits_of(good, [np.ones((2, 2)), np.array([[1.0, bad]])])


@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
def test_images_to_come_reach_it_as_often_as_is_said(draw):
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(2000):
        values = getattr(rng, draw)(size=20).astype(np.float32)
        *held, new = values
        reached.append(new >= limits_of(np.array(held), None, 0.1).image)
    assert 0.08 < np.mean(reached) < 0.12


def test_the_threshold_of_pixels_is_reached_by_as_many_images_as_that_of_images():
    rng = np.random.default_rng(0)
    maps = [rng.random(shape, np.float32) for shape in ((6, 8), (9, 5)) for _ in range(20)]
    limits = limits_of(np.array([each.max() for each in maps]), maps, 0.1)
    assert limits.pixel == limits.image
    assert limits.normal.pixel == pytest.approx(0.5, abs=0.1)


@given(st.integers(10, 200), st.floats(0.01, 0.9), st.integers(0, 9))
def test_images_are_held_out_or_fitted_and_never_both(count, share, seed):
    images = type("Images", (), {"__len__": lambda self: count, "chosen": lambda self, places: list(places)})()
    kept, held = divided(images, share, seed)
    if held is None:
        assert kept is images
        assert round(share * count) == 0
        return
    assert sorted(kept + held) == list(range(count))
    assert len(held) == round(share * count)
    assert divided(images, share, seed) == (kept, held)


def test_few_images_are_all_fitted(tmp_path, sets):
    for i in range(9):
        sets.put(tmp_path / f"{i}.png", sets.noise(i))
    images = open_images([tmp_path])
    assert divided(images, 0.5, 0) == (images, None)


def test_a_score_is_judged_on_the_scale_of_the_threshold():
    model = SimpleNamespace(notes={})
    assert Judge(model).verdict(3.0) == {"score": 3.0}
    assert Judge(model, 2.0).verdict(3.0) == {"score": 3.0, "scaled": 1.5, "anomalous": True}
    assert Judge(model, -2.0).verdict(3.0) == {"score": 3.0, "anomalous": True}  # no multiple tells anything

    limits = limits_of(np.array([1.0, 2.0, 4.0], np.float32), [np.full((2, 2), 2, np.float32)] * 3)
    keep(model, limits.image, limits.pixel, limits.normal)
    judge = Judge(model)
    assert limits.image == np.nextafter(np.float32(4), np.float32(9))
    assert judge.verdict(limits.image) == {"score": limits.image, "scaled": 1.0, "anomalous": True}
    assert judge.colors == (2.0, pytest.approx(2.0, abs=1e-5))
    assert Judge(model, 10.0).verdict(6.0) == {"score": 6.0, "scaled": 0.6, "anomalous": False}

    forget(model)
    assert Judge(model).verdict(3.0) == {"score": 3.0}


@pytest.mark.parametrize("notes", [{"thresholds": [1]}, {"thresholds": {"image": "x"}}, {"normal_scores": {}}])
def test_notes_that_are_damaged_are_one_line(notes):
    with pytest.raises(FormatError, match="the notes of the model are damaged"):
        Judge(SimpleNamespace(notes=notes))
