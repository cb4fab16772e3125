"""What a training leaves for people: the best epoch, the picture of the filters."""

import numpy as np

from synthgen.torch.pretrain.report import best_row, filters_picture


def test_the_first_of_equal_epochs_is_the_best():
    rows = [{"epoch": e, "val_accuracy": a} for e, a in ((1, None), (2, 0.5), (3, 0.7), (4, 0.7), (5, 0.1))]
    assert best_row(rows)["epoch"] == 3
    assert best_row(rows[:1]) is None


def test_a_filter_of_zeros_is_gray_and_weights_keep_their_sign():
    weights = np.zeros((4, 3, 2, 2), np.float32)
    weights[1, 0, 0, 0], weights[1, 2, 1, 1] = 3.0, -1.5
    picture = filters_picture(weights, cell=2, gap=1)
    assert picture.shape == (7, 7, 3)
    assert (picture[1:3, 1:3] == 128).all()
    assert picture[1, 4].tolist() == [255, 128, 128]
    assert picture[2, 5].tolist() == [128, 128, 64]
    assert (picture[0] == 255).all()
