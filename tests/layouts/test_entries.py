"""Sets of images: read on demand, at one size."""

import pickle

from synthgen.layouts import open_normal, open_test_set


def test_images_of_many_sizes_become_one_size(tmp_path, trees):
    trees.put(tmp_path / "a.png", trees.picture(0, (40, 20)))
    trees.put(tmp_path / "b.png", trees.picture(1, (16, 64)))
    assert [item.image.shape for item in open_normal(tmp_path)] == [(40, 20, 3), (16, 64, 3)]
    images = open_normal(tmp_path, (24, 32))
    assert [item.image.shape for item in images] == [(24, 32, 3)] * 2
    assert all(item.mask.shape == (24, 32) for item in images)


def test_a_set_can_be_sent_to_another_process(mvtec):
    images = pickle.loads(pickle.dumps(open_test_set(mvtec, (10, 10))))  # noqa: S301
    assert images[0].mask.any()
