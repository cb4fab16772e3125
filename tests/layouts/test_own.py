"""Our own data sets as normal images and kinds of defect."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts import open_held_out, open_normal, open_test_set
from synthgen.layouts import own as own_layout
from synthgen.layouts.export import export
from synthgen.layouts.export.sources import Source
from synthgen.layouts.export.splits import parse_splits


@pytest.fixture
def own(make_recipe, tmp_path):
    """Return a function that draws a data set of ours whose three classes have the given names."""

    def draw(*names):
        folder = tmp_path / "own"
        synthgen.generate(make_recipe(classes=len(names)), folder, workers=0, progress=False)
        lines = [json.loads(line) for line in (folder / "classes.jsonl").read_text().splitlines()]
        renamed = [{**line, "name": name} for line, name in zip(lines, names, strict=True)]
        table = "".join(json.dumps(line) + "\n" for line in renamed).encode()
        (folder / "classes.jsonl").write_bytes(table)

        # the manifest holds the digest of the table
        manifest = json.loads((folder / "dataset.json").read_text())
        manifest["classes_sha256"] = hashlib.sha256(table).hexdigest()
        (folder / "dataset.json").write_text(json.dumps(manifest))
        return folder

    return draw


def test_our_own_data_sets_are_good_and_kinds(own, trees):
    folder = own("good", "scratch", "dent")
    images, dataset = open_test_set(folder), synthgen.open(folder)
    assert trees.kinds_of(images) == [(0, "good")] * 8 + [(1, "scratch")] * 8 + [(1, "dent")] * 8
    assert trees.kinds_of(open_normal(folder)) == [(0, "good")] * 8
    for label, index in ((1, 0), (2, 7)):
        item, sample = images[label * 8 + index], dataset[dataset.find(label, index)]
        assert item.name == sample.key
        np.testing.assert_array_equal(item.image, sample.image)
        np.testing.assert_array_equal(item.mask, sample.fields["mask"] > 0)
    assert not images[0].mask.any()  # what a normal image shows is no defect


def test_a_data_set_of_one_class_is_normal(own):
    assert len(open_normal(own("fractal"))) == 8


def test_a_data_set_without_a_normal_class_is_refused(own):
    with pytest.raises(UsageError, match="must have a class named good or normal or ok, got a, b"):
        open_normal(own("a", "b"))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Four images of each of four plates with one scratch."""
    folder = tmp_path_factory.mktemp("places") / "own"
    recipe = {
        "family": "stains", "layout": "test", "defects": ["scratch"], "objects": [1, 1], "places": "2x2",
        "stains": False, "size": "80x64", "per_class": 16,
    }  # fmt: skip
    synthgen.generate(synthgen.Recipe.from_dict(recipe), folder, workers=0, progress=False)
    return folder


def test_an_image_that_does_not_show_the_defect_of_its_plate_is_normal(places):
    dataset = synthgen.open(places)
    shown = [bool(dataset[dataset.find(1, index)].fields["scratch"].any()) for index in range(16)]
    assert 0 < sum(shown) < 16
    found = [images.kind for images in open_test_set(places)]
    assert found == ["good"] * 16 + ["scratch" if is_shown else "good" for is_shown in shown]


def hidden(count):
    return f"{count} images of a class of defects show none, and lie with the normal ones, as `evaluate` takes them"


@pytest.mark.parametrize("target", ["mvtec", "mvtec-loco", "visa", "anomalib-folder"])
def test_what_is_exported_of_such_plates_is_read_as_the_data_set_is(places, tmp_path, target):
    """All images are there, and those that do not show the defect of their plate are normal."""
    out = tmp_path / "out"
    report = export(target, places, out, category="plate")
    folder = out if target == "anomalib-folder" else out / "plate"
    images = open_test_set(folder)
    anomalous = [item for item in images if item.label]
    shown = sum(item.label for item in open_test_set(places))
    assert len(anomalous) == shown
    assert all(item.mask.any() for item in anomalous)

    held = open_held_out(folder)
    normal = len(images) - shown + len(open_normal(folder)) + (0 if held is None else len(held))
    assert normal == 32 - shown
    assert hidden(16 - shown) in report.notes


def test_such_images_are_normal_ones_of_anomalygen(places, tmp_path):
    report = export("anomalygen", places, tmp_path / "out", category="plate")
    shown = sum(item.label for item in open_test_set(places))
    assert len(list((tmp_path / "out" / "plate" / "mask").rglob("*.png"))) == shown
    assert len(list((tmp_path / "out" / "plate" / "normal_image").rglob("*.png"))) == 32 - shown
    assert hidden(16 - shown) in report.notes


@pytest.mark.parametrize("share", ["train=0.5,test=0.5", "train=0.8,test=0.2"])
def test_all_images_of_a_plate_are_in_one_split(places, share):
    source = Source(places, 0, Options())
    numbers = source.split_numbers(np.zeros(16, int), np.arange(16), parse_splits(share))
    plates = numbers.reshape(4, 4)
    assert (plates == plates[:, :1]).all()
    assert set(numbers) == {0, 1}


class PlateSet:
    """Stands for a set of stained plates: `mask` covers stains and defects, `scratch` the defects alone."""

    def __init__(self, mask_of, *names):
        self.scratch = mask_of((0, 0, 2, 5), (10, 0, 12, 5))
        self.instances = mask_of((1, 0, 9, 9), value=1)
        self.instances[self.scratch > 0] = 2
        self.instances[10:12, :5] = 3
        self.fields = {"mask": mask_of((1, 0, 9, 9)) | self.scratch, "scratch": self.scratch}
        self.fields["instances"] = self.instances
        self.fields = {name: self.fields[name] for name in names}
        self.manifest = self

    def field(self, place, name):
        return self.fields[name]

    def params(self, place):
        return {"objects": []}


def test_stains_are_no_defects(trees):
    plates = PlateSet(trees.mask_of, "mask", "instances", "scratch")
    instances = own_layout._truth(plates, 0, "scratch", (20, 30)).instances
    np.testing.assert_array_equal(instances, plates.instances * (plates.scratch > 0))
    assert set(np.unique(instances)) == {0, 2, 3}


def test_without_instances_each_region_is_a_defect(trees):
    plates = PlateSet(trees.mask_of, "mask", "scratch")
    assert own_layout._truth(plates, 0, "scratch", (20, 30)).instances.max() == 2
    assert own_layout._truth(plates, 0, "dent", (20, 30)).instances.max() == 2


def test_entries_of_a_large_set_are_made_one_at_a_time(own):
    dataset = synthgen.open(own("good", "dent"))
    samples = own_layout.Samples(dataset, dataset.path, [0, 1], normal=[0])
    assert len(samples) == 16
    assert [samples[i].label for i in (0, 7, 8, -1)] == [0, 0, 1, 1]
    assert [entry.name for entry in samples] == [samples[i].name for i in range(16)]
    with pytest.raises(IndexError):
        samples[16]


def test_a_set_that_declares_too_many_images_is_refused_before_memory_is_taken(own):
    dataset = synthgen.open(own("good"))
    dataset.manifest = SimpleNamespace(per_class=3_000_000_000)
    with pytest.raises(
        UsageError, match=r"must have at most 10,000,000 images to be looked at, got 3,000,000,000$"
    ):
        own_layout.Samples(dataset, dataset.path, [0], normal=[0])
