"""Labelled images: as many of each class, from folders and from data sets of ours."""

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.layouts.labelled import open_labelled


def test_a_folder_for_each_class_is_read_evenly(tmp_path, trees):
    for name, count in (("ant", 9), ("bee", 3), ("cow", 5)):
        trees.put_many(tmp_path / name, count)
    (tmp_path / "empty").mkdir()
    found = open_labelled(tmp_path, images=12)
    assert found.names == ["ant", "bee", "cow"]
    assert np.bincount(found.labels).tolist() == [4, 3, 4]
    assert all(read().shape == (20, 30, 3) for read in found.pictures)
    assert open_labelled(tmp_path, 12, classes=2).names == ["ant", "cow"]


def test_samples_of_a_data_set_come_with_their_class(tmp_path):
    recipe = synthgen.load_recipe("tiny-fractals")
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    dataset = synthgen.open(tmp_path / "d")
    found = open_labelled(tmp_path / "d", images=4, classes=2)
    last = len(dataset.classes) - 1
    assert [name.partition(" ")[0] for name in found.names] == ["0", str(last)]
    image = dataset[dataset.find(last, 0)].image
    shown = found.pictures[2]()
    np.testing.assert_array_equal(shown if image.ndim == 3 else shown[..., 0], image)


def test_what_has_no_two_classes_is_refused(tmp_path, trees):
    trees.put_many(tmp_path / "ant", 2)
    with pytest.raises(UsageError, match=r"two classes or more, or be a data set of several, got 1$"):
        open_labelled(tmp_path, 10)
    with pytest.raises(UsageError, match="must be a folder of labelled images or a data set"):
        open_labelled(tmp_path / "nothing", 10)
