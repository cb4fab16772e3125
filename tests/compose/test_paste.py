import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.compose import Scene
from synthgen.errors import UsageError

SIZE = (20, 24)


def things(seed: int, soft: bool = False):
    """Return some objects: pixels, cover, top, left, blur."""
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 6)):
        height, width = rng.integers(1, 16, 2)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        cover = rng.random((height, width)) < 0.6
        if soft:
            cover = np.where(cover, rng.random(cover.shape), 0).astype(np.float32)
            pixels = pixels * cover[..., None]
        yield pixels, cover, int(rng.integers(-18, 24)), int(rng.integers(-18, 28)), float(rng.choice([0, 0.2]))


def scene_of(seed: int, soft: bool = False) -> tuple[Scene, np.ndarray]:
    background = np.random.default_rng(seed + 1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    scene = Scene(background)
    for thing in things(seed, soft):
        scene.paste(*thing)
    return scene, background


def plain_scene(seed: int):
    """Return image and ids pixel by pixel, for objects with sharp edges."""
    background = np.random.default_rng(seed + 1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    ids = np.zeros(SIZE, np.uint8)
    for number, (pixels, cover, top, left, _) in enumerate(things(seed), start=1):
        for r, c in np.argwhere(cover):
            if 0 <= r + top < SIZE[0] and 0 <= c + left < SIZE[1]:
                background[r + top, c + left] = pixels[r, c]
                ids[r + top, c + left] = number
    return background, ids


@given(st.integers(0, 2**32))
def test_sharp_objects_are_pasted_as_a_painter_would(seed):
    scene = Scene(np.random.default_rng(seed + 1).integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    for pixels, cover, top, left, _ in things(seed):
        scene.paste(pixels, cover, top, left)
    image, ids = plain_scene(seed)
    assert np.array_equal(scene.image, image)
    assert np.array_equal(scene.instances, ids)


@given(st.integers(0, 2**32), st.booleans())
def test_outside_all_objects_lies_the_background(seed, soft):
    scene, background = scene_of(seed, soft)
    outside = scene.instances == 0
    assert np.array_equal(scene.image[outside], background[outside])


@given(st.integers(0, 2**32), st.booleans())
def test_objects_keep_their_ids_and_facts(seed, soft):
    scene, _ = scene_of(seed, soft)
    visible = scene.visible_areas()
    assert len(visible) == len(scene.areas) == len(scene.boxes) == len(list(things(seed, soft)))
    for number, (seen, area, box) in enumerate(zip(visible, scene.areas, scene.boxes, strict=True), start=1):
        assert seen == (scene.instances == number).sum() <= area
        rows, columns = np.nonzero(scene.instances == number)
        if seen:
            assert box[0] <= rows.min() <= rows.max() < box[2] <= SIZE[0]
            assert box[1] <= columns.min() <= columns.max() < box[3] <= SIZE[1]
    assert visible[-1] == scene.areas[-1]


def test_a_blurred_object_covers_a_ring_more():
    scene = Scene(np.full((9, 9), 50, np.uint8))
    scene.paste(np.full((3, 3), 200, np.uint8), np.ones((3, 3), bool), 3, 3, blur=0.25)
    assert scene.boxes == [[2, 2, 7, 7]]
    assert scene.areas == [25]
    assert 50 < scene.image[2, 4] < scene.image[4, 4] == 200


def test_a_blurred_object_is_cut_after_it_was_blurred():
    inside = Scene(np.zeros((9, 9), np.uint8))
    cut = Scene(np.zeros((9, 9), np.uint8))
    square = np.full((4, 4), 200, np.uint8), np.ones((4, 4), bool)
    inside.paste(*square, 3, 3, blur=0.25)
    cut.paste(*square, 3, 7, blur=0.25)
    assert np.array_equal(cut.image[:, 6:], inside.image[:, 2:5])


def test_an_object_outside_has_no_pixels_but_an_id():
    scene = Scene(np.zeros((8, 8), np.uint8))
    scene.paste(np.ones((3, 3), np.uint8), np.ones((3, 3), bool), -3, 2)
    scene.paste(np.full((2, 2), 9, np.uint8), np.ones((2, 2), bool), 0, 0)
    assert (scene.areas, scene.boxes, scene.visible_areas()) == ([0, 4], [[0, 0, 0, 0], [0, 0, 2, 2]], [0, 4])
    assert scene.instances[0, 0] == 2


def test_ids_end_at_255():
    scene = Scene(np.zeros((2, 2), np.uint8))
    dot = np.ones((1, 1), np.uint8), np.ones((1, 1), bool)
    for _ in range(255):
        scene.paste(*dot, 0, 0)
    assert scene.instances[0, 0] == 255
    with pytest.raises(UsageError, match="at most 255 in a scene with uint8 ids"):
        scene.paste(*dot, 0, 0)
