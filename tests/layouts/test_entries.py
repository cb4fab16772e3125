"""Sets of images: read on demand, at one size."""

import pickle

import pytest

from synthgen.layouts import Entry, ImageSet, open_normal, open_test_set


def test_images_of_many_sizes_become_one_size(tmp_path, trees):
    trees.put(tmp_path / "a.png", trees.picture(0, (40, 20)))
    trees.put(tmp_path / "b.png", trees.picture(1, (16, 64)))
    assert [item.image.shape for item in open_normal(tmp_path)] == [(40, 20, 3), (16, 64, 3)]
    images = open_normal(tmp_path, (24, 32))
    assert [item.image.shape for item in images] == [(24, 32, 3)] * 2
    assert all(item.mask.shape == (24, 32) for item in images)


def test_places_count_from_the_end_too_and_a_slice_is_a_list(tmp_path, trees):
    for number in range(4):
        trees.put(tmp_path / f"{number}.png", trees.picture(number, (16, 16)))
    images = open_normal(tmp_path)
    names = [item.name for item in images]
    assert images[-1].name == names[-1]
    assert [item.name for item in images[1:]] == names[1:]
    assert [entry.name for entry in images.entries[::-2]] == names[::-2]
    with pytest.raises(IndexError):
        images[len(images)]


def test_an_index_error_while_an_image_is_read_does_not_end_the_set():
    def broken():
        raise IndexError("of the file")

    entry = Entry("a.png", 0, "good", "brick", broken)
    with pytest.raises(IndexError, match="of the file"):
        list(ImageSet([entry], []))


def test_a_set_can_be_sent_to_another_process(mvtec):
    images = pickle.loads(pickle.dumps(open_test_set(mvtec, (10, 10))))  # noqa: S301
    assert images[0].mask.any()
