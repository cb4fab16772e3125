"""Images of any size before a model of one size, and its maps back again: nothing moves, nothing is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.layouts.entries import Item
from synthgen.layouts.framing import Framing, assembled, at_own_size, framed, framing_of, shown
from synthgen.layouts.truth import truth_of_regions

sides = st.integers(16, 200)
shapes = st.tuples(sides, sides)
sizes = st.tuples(st.integers(8, 64), st.integers(8, 64))
framings = st.one_of(
    st.sampled_from(["stretch", "letterbox", "crop"]).map(lambda fit: Framing(fit=fit)),
    st.tuples(st.integers(16, 90), st.integers(16, 90)).map(lambda tile: Framing(tile=tile)),
)


@given(framings, shapes, sizes)
def test_the_parts_show_all_that_is_seen_within_the_models_image(framing, shape, size):
    seen = framing.seen(shape, size)
    covered = np.zeros(shape, bool)
    for source, target in framing.parts(shape, size):
        assert 0 <= target.top < target.bottom <= size[0]
        assert 0 <= target.left < target.right <= size[1]
        assert min(source) >= 0
        covered[source.place] = True
    assert covered[seen.box.place].all()
    assert covered.sum() == np.prod(seen.box.size)
    assert framing.fit == "crop" or covered.all()


@given(framings, shapes, sizes)
def test_a_map_comes_back_where_it_was_seen(framing, shape, size):
    """A model that finds bright pixels finds a bright square of the image, in the right place of its map."""
    image = np.zeros((*shape, 3), np.uint8)
    mask = np.zeros(shape, bool)
    middle = (slice(shape[0] // 4, 3 * shape[0] // 4), slice(shape[1] // 4, 3 * shape[1] // 4))
    mask[middle] = True
    image[mask] = 255

    seen = framing.seen(shape, size)
    parts = framing.parts(shape, size)
    maps = [shown(image, part, size)[..., 0] / np.float32(255) for part in parts]
    scores = assembled(maps, parts, seen)
    assert scores.shape == seen.size

    item = framed(Item(image, 1, "hole", "brick", "a", truth_of_regions(mask)), seen)
    assert item.mask.shape == seen.size
    wrong = np.mean((scores > 0.5) != item.mask)
    rim = 2 * (1 / seen.size[0] + 1 / seen.size[1])  # as much as a pixel on each side of the square
    assert wrong <= rim

    whole = at_own_size(scores, seen, shape)
    assert whole.shape == shape
    known = np.isfinite(whole)
    assert known.sum() == np.prod(seen.box.size)
    scale = max(seen.box.size[0] / seen.size[0], seen.box.size[1] / seen.size[1], 1)
    assert np.mean((whole > 0.5)[known] != mask[known]) <= 2 * scale * (1 / shape[0] + 1 / shape[1]) + rim


@given(shapes, st.tuples(st.integers(16, 64), st.integers(16, 64)))
def test_tiles_at_their_own_size_are_laid_together_without_a_seam(shape, tile):
    values = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    image = np.repeat(values[..., None], 3, axis=2)
    framing = Framing(tile=tile)
    parts = framing.parts(shape, tile)
    maps = [shown(image, part, tile)[..., 0].astype(np.float32) for part in parts]
    together = assembled(maps, parts, framing.seen(shape, tile))
    np.testing.assert_allclose(together, values, atol=1e-4)
    inner = [part for part in parts if part.source.size == tile]
    if len({part.source.top for part in inner}) > 1:
        tops = sorted({part.source.top for part in inner})
        assert max(np.diff(tops)) <= 0.75 * tile[0] + 1  # they overlap by a quarter


@given(shapes, sizes)
def test_a_letterbox_keeps_the_ratio_and_is_black_beside(shape, size):
    image = np.full((*shape, 3), 200, np.uint8)
    (part,) = Framing(fit="letterbox").parts(shape, size)
    picture = shown(image, part, size)
    assert picture.shape == (*size, 3)
    assert (picture > 0).all(axis=2).sum() == np.prod(part.target.size)
    height, width = part.target.size
    assert abs(height / shape[0] - width / shape[1]) <= 1 / min(shape)
    assert height == size[0] or width == size[1]


def test_defects_that_are_cut_off_are_counted():
    mask = np.zeros((40, 120), bool)
    mask[10:20, 5:15] = True
    mask[10:20, 55:65] = True
    item = Item(np.zeros((40, 120, 3), np.uint8), 1, "hole", "brick", "a", truth_of_regions(mask))
    seen = Framing(fit="crop").seen((40, 120), (20, 20))
    found = framed(item, seen)
    assert (seen.box.left, seen.box.right) == (40, 80)
    assert (len(np.unique(found.truth.instances)) - 1, found.lost) == (1, 1)


@given(framings, st.one_of(st.none(), st.integers(8, 16)))
def test_a_framing_goes_out_to_json_and_comes_back_equal(framing, bits):
    import msgspec

    framing = msgspec.structs.replace(framing, bits=bits)
    assert framing_of(msgspec.json.decode(msgspec.json.encode(framing))) == framing


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fit": "fill"}, "Invalid enum value 'fill'"),
        ({"tile": [8, 64]}, "Expected `int` >= 16"),
        ({"tile": [64, 64], "fit": "crop"}, "fit must be left out where images are cut into tiles, got crop"),
        ({"bits": 17}, "Expected `int` <= 16"),
        ({"pad": 3}, "unknown field `pad`"),
        (3, "Expected `object`"),
    ],
)
def test_what_is_no_framing_is_refused(values, message):
    with pytest.raises(UsageError, match=rf"^notes: framing must be fit, tile and bits: .*{message}"):
        framing_of(values, "notes")
