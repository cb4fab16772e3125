"""What a model says of a set: of one image as of many, of checked shapes."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.layouts import open_images, open_normal, open_test_set, within
from synthgen.torch.evaluation import Batches, measure, plot_curves, predict_set


def test_predictions_are_those_of_single_images(predictions, sets):
    for i, item in enumerate(predictions.images):
        score, scores = sets.Brightness().predict(torch.from_numpy(item.image.transpose(2, 0, 1).copy())[None])
        assert predictions.scores[i] == score[0]
        np.testing.assert_array_equal(predictions.maps[i], scores[0])


def test_a_model_that_gives_no_number_is_refused(tmp_path, sets):
    class Broken:
        def predict(self, images):
            maps = np.zeros((len(images), *(24, 32)), np.float32)
            maps[1, 3, 3] = np.nan
            return np.zeros(len(images), np.float32), maps

    for i in range(3):
        sets.put(tmp_path / f"{i}.png", sets.noise(i))
    with pytest.raises(UsageError, match=r"1\.png: must have finite scores"):
        predict_set(Broken(), open_images([tmp_path]))


def test_batches_give_every_image_once_and_again(tmp_path, sets):
    for i in range(5):
        sets.put(tmp_path / f"{i}.png", sets.noise(i))
    batches = Batches(open_normal(tmp_path), batch_size=2)
    assert len(batches) == 3
    for _ in range(2):
        images = torch.cat(list(batches))
        assert (images.dtype, tuple(images.shape)) == (torch.uint8, (5, 3, *(24, 32)))
        np.testing.assert_array_equal(images[4].permute(1, 2, 0).numpy(), sets.noise(4))


class Wrong:
    """A model that answers a batch of images with given shapes."""

    kind = "wrong"

    def __init__(self, scores, maps):
        self.shapes = (scores, maps)

    def predict(self, images):
        scores, maps = (
            None if shape is None else np.zeros(shape(len(images)), np.float32) for shape in self.shapes
        )
        return scores, maps


SHAPES = {
    "one score for all": (lambda n: (1,), lambda n: (n, 6, 8), "a score for each of 2 images"),
    "a column of scores": (lambda n: (n, 1), lambda n: (n, 6, 8), "a score for each of 2 images"),
    "a number": (lambda n: (), lambda n: (n, 6, 8), "a score for each of 2 images"),
    "one map for all": (lambda n: (n,), lambda n: (1, 6, 8), r"a map \(H, W\) for each of 2 images"),
    "maps with channels": (lambda n: (n,), lambda n: (n, 1, 6, 8), r"a map \(H, W\) for each of 2 images"),
    "maps of other sizes": (
        lambda n: (n,),
        lambda n: (n, 6, 8 + n),
        r"maps of one shape, got \(6, 10\) and \(6, 9\)",
    ),
    "maps that end": (lambda n: (n,), lambda n: (n, 6, 8), "maps of one shape"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_answers_of_other_shapes_are_refused_by_the_name_of_the_model(tmp_path, sets, case):
    scores, maps, message = SHAPES[case]
    for i in range(3):
        sets.put(tmp_path / f"{i}.png", sets.noise(i))
    model = Wrong(scores, maps)
    if case == "maps that end":
        whole = model.predict
        model.predict = lambda images: whole(images) if len(images) == 2 else (np.zeros(1), None)
    with pytest.raises(UsageError, match=f"^model wrong must return {message}"):
        predict_set(model, open_images([tmp_path]), batch_size=2)


def test_a_model_without_maps_has_scores_alone(tmp_path, sets):
    root = sets.put_category(tmp_path / "brick", {"dent": 90})
    predictions = predict_set(Wrong(lambda n: (n,), None), open_test_set(root), batch_size=4)
    assert predictions.maps is None
    row = measure(predictions)[0]
    assert (row.image_auroc, row.pixel_auroc, row.recall) == (0.5, None, None)
    assert [path.name for path in plot_curves(predictions, [row], tmp_path)] == ["roc.png"]


def test_a_model_without_maps_is_not_measured_within_a_region(tmp_path, sets):
    root = sets.put_category(tmp_path / "brick", {"dent": 90})
    sets.put(tmp_path / "all.png", np.full((24, 32), 255, np.uint8))
    images = within(open_test_set(root), tmp_path / "all.png")
    with pytest.raises(UsageError, match=r"^region must be left out for a model that scores whole images"):
        predict_set(Wrong(lambda n: (n,), None), images)
    np.testing.assert_array_equal(predict_set(sets.Brightness(), images).inspected, np.ones(len(images)))


def test_images_that_cannot_be_read_are_left_out_where_that_is_wanted(tmp_path, sets):
    for i in range(5):
        sets.put(tmp_path / f"{i}.png", sets.noise(i))
    for i in (0, 3):
        path = tmp_path / f"{i}.png"
        path.write_bytes(path.read_bytes()[:200])
    images = open_images([tmp_path])
    with pytest.raises(UsageError, match=r"0\.png: must be an image that can be read"):
        predict_set(sets.Brightness(), images, batch_size=2)
    unreadable = {}
    predictions = predict_set(sets.Brightness(), images, batch_size=2, unreadable=unreadable)
    assert list(unreadable) == [str(tmp_path / "0.png"), str(tmp_path / "3.png")]
    assert len(predictions.scores) == len(predictions.maps) == len(predictions.images) == 3
    for i, item in enumerate(predictions.images):
        assert predictions.scores[i] == item.image.mean(axis=2).max().astype(np.float32)
