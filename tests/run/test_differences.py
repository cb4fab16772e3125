"""Refusals name what differs between two runs."""

import msgspec
import pytest

from synthgen.families import fractals
from synthgen.run.differences import differences, in_words
from synthgen.run.plan import make_plan

CHANGES = [
    ({"size": 64}, ["size is 32 there, 64 here"]),
    ({"seed": 9, "gray": True}, ["seed is 0 there, 9 here", "gray is off there, on here"]),
    ({"maps": "3:3"}, ["maps is 2,4 there, 3,3 here"]),
    ({"storage": {"format": "webdataset"}}, ["format is hdf5 there, webdataset here"]),
    ({"storage": {"codec": "jpeg"}}, ["codec is png there, jpeg here"]),
    ({"storage": {"shard_size": 8}}, ["shard_size is 9 there, 8 here"]),
]


@pytest.mark.parametrize(("changes", "sentences"), CHANGES)
def test_each_value_that_differs_is_named_with_both_sides(make_recipe, changes, sentences):
    there = make_plan(make_recipe()).run
    here = make_plan(make_recipe(**changes)).run
    found = differences(there, here)
    assert set(sentences) <= set(found)
    assert in_words(there, here) == ", ".join(found)


def changed(run, **versions):
    return msgspec.structs.replace(run, versions={**run.versions, **versions})


def other_data(run):
    prints = msgspec.structs.replace(run.fingerprints, data="0" * 64)
    return msgspec.structs.replace(run, fingerprints=prints)


def test_versions_are_named_and_so_are_files_that_changed(make_recipe):
    run = make_plan(make_recipe()).run
    assert differences(changed(run, numpy="1.0"), changed(run, numpy="2.0")) == ["numpy is 1.0 there, 2.0 here"]
    assert differences(other_data(run), run) == ["the files that samples are made of have changed"]
    older = other_data(changed(run, **{"family fractals": "0"}))
    assert f"family fractals is 0 there, {fractals.VERSION} here" in differences(older, run)


def test_long_values_are_cut(make_recipe):
    there = make_plan(make_recipe()).run
    here = msgspec.structs.replace(there, recipe={**there.recipe, "mesh": "x" * 500})
    (sentence,) = differences(there, here)
    assert sentence.startswith("mesh is not set there, xxx")
    assert len(sentence) < 150
