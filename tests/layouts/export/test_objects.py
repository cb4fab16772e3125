"""The objects of a sample, by the rule of which pixels are the defect."""

import numpy as np
import pytest

import synthgen
from synthgen.layouts.export.batches import Batches
from synthgen.layouts.export.job import job_of
from synthgen.layouts.export.objects import names_in, things_of
from synthgen.layouts.export.sources import picked


def samples_of(path, **options):
    batches = Batches(job_of("coco", path, options))
    (source,) = batches.sources
    return batches.writer, list(picked(source, 0, source.count, batches.writer.splits))


def test_on_a_stained_plate_the_defects_alone_are_objects(plates):
    writer, samples = samples_of(plates)
    for sample in samples:
        _ids, things = things_of(writer, sample)
        assert {thing.name for thing in things} == ({sample.kind} if sample.kind != "good" else set())
        if things:
            visible = sum(int(thing.box[4]) for thing in things)
            assert visible == np.count_nonzero(sample.pixels_of(sample.kind))


def test_all_objects_are_those_of_the_parameters_with_what_is_seen_of_them(plates, formulas):
    for path in (plates, formulas):
        writer, samples = samples_of(path, truth="all")
        ours = synthgen.open(path)
        for sample in samples:
            ids, things = things_of(writer, sample)
            records = [record for record in ours.params(sample.place)["objects"] if record["visible_area"]]
            assert [thing.number for thing in things] == [record["id"] for record in records]
            assert [thing.box[4] for thing in things] == [record["visible_area"] for record in records]
            for thing in things:
                np.testing.assert_array_equal(thing.window(ids).sum(), thing.box[4])


@pytest.mark.parametrize(
    ("labels", "names"),
    [("auto", "source-"), ("source", "source-"), ("kind", "fractal"), ("class", "multi-fractals-")],
)
def test_a_category_is_what_is_asked_for(formulas, labels, names):
    writer, samples = samples_of(formulas, labels=labels)
    found = {thing.name for sample in samples for thing in things_of(writer, sample)[1]}
    assert all(name.startswith(names) for name in found)
    assert found <= set(names_in(writer))


def test_a_data_set_without_ids_has_one_object_in_each_image(data_set):
    writer, samples = samples_of(data_set)
    for sample in samples:
        _ids, (thing,) = things_of(writer, sample)
        assert thing.name == sample.kind
        assert thing.box[4] == np.count_nonzero(sample.pixels_of("mask"))
        assert not thing.is_crowd


def test_small_objects_can_be_left_out(plates):
    writer, samples = samples_of(plates, truth="all", min_pixels=50)
    sizes = [thing.box[4] for sample in samples for thing in things_of(writer, sample)[1]]
    assert min(sizes) >= 50


def test_an_entry_that_stands_for_several_objects_is_a_crowd(plates, monkeypatch):
    writer, samples = samples_of(plates, truth="all")
    params = synthgen.shards.dataset.Dataset.params

    def merged(self, i):
        found = params(self, i)
        found["objects"][0]["count"] = 3
        return found

    monkeypatch.setattr("synthgen.shards.dataset.Dataset.params", merged)
    _, things = things_of(writer, samples[0])
    assert [thing.is_crowd for thing in things] == [True, *[False] * (len(things) - 1)]
