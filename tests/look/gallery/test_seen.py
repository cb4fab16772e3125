"""Classes as a network sees them. The network of these tests sees how bright an image is, and how uneven."""

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.look.gallery import gallery, seen
from synthgen.look.gallery.chosen import chosen_samples
from synthgen.look.gallery.seen import MOST_OF_CLASS, seen_classes


class Brightness:
    """Sees the mean and the deviation of the gray values, and keeps how many images it was shown at a time."""

    name = "brightness <b>"

    def __init__(self):
        self.shown = []

    def __call__(self, images):
        self.shown.append(len(images))
        return np.array([[image.mean(), image.std()] for image in images])


class Blind(Brightness):
    """Sees nothing."""

    def __call__(self, images):
        return np.full((len(images), 2), np.nan)


def test_the_nearest_classes_are_those_with_the_nearest_features(plates, tmp_path, page_data):
    gallery(plates, tmp_path / "seen.html", cell=48, megabytes=0, viewer=Brightness())
    found = page_data((tmp_path / "seen.html").read_bytes()).data["map"]
    dataset = synthgen.open(plates)
    vectors = np.zeros((4, 2))
    for sample in dataset:
        vectors[sample.label] += np.array([sample.image.mean(), sample.image.std()]) / 5
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    assert [row[0] for row in found["nearest"]] == [int(np.argsort(row)[1]) for row in distances]
    assert (found["by"], found["explained"]) == ("brightness <b>", 1.0)


def test_without_a_network_the_page_names_none(plates, tmp_path, page_data):
    gallery(plates, tmp_path / "plain.html", cell=48, megabytes=0)
    assert page_data((tmp_path / "plain.html").read_bytes()).data["map"]["by"] is None


@pytest.mark.parametrize(("of_class", "most", "shown"), [(8, 1024, 8), (3, 1024, 3), (8, 12, 2), (8, 4, 1)])
def test_a_network_is_shown_few_images_of_each_class(data_set, monkeypatch, of_class, most, shown):
    monkeypatch.setattr(seen, "MOST_OF_CLASS", of_class)
    monkeypatch.setattr(seen, "_MOST", most)
    dataset = synthgen.open(data_set)
    viewer = Brightness()
    found = seen_classes(dataset, chosen_samples(dataset.manifest), viewer)
    assert viewer.shown == [shown] * 5
    assert list(found.parts) == [0, 1, 2, 3, 4]


def test_classes_that_do_not_fit_into_one_file_leave_those_that_do_as_they_are(plates):
    dataset = synthgen.open(plates)
    many = chosen_samples(dataset.manifest, classes=4, per_class=MOST_OF_CLASS)
    few = chosen_samples(dataset.manifest, classes=3, per_class=MOST_OF_CLASS)
    of_many = seen_classes(dataset, many, Brightness()).parts
    for label, (features,) in seen_classes(dataset, few, Brightness()).parts.items():
        np.testing.assert_array_equal(features, of_many[label][0])


def test_too_few_classes_and_features_without_values_are_refused(plates, tmp_path):
    with pytest.raises(UsageError, match=r"^backbone must be left out for fewer than 3 classes, .* got 2$"):
        gallery(plates, tmp_path / "a.html", classes=2, viewer=Brightness())
    with pytest.raises(UsageError, match=r"^backbone must give features that are finite, brightness <b> does not$"):
        gallery(plates, tmp_path / "a.html", viewer=Blind())
    assert not (tmp_path / "a.html").exists()
