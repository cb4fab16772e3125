"""Pixels with the channels first: the same as the plain way, and contiguous."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from synthgen.errors import FormatError
from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.codecs import encode
from synthgen.torch.data.planes import channels_first, decode_into

sides = st.integers(1, 9)
shapes = st.tuples(sides, sides) | st.tuples(sides, sides, st.just(3))


@given(shapes.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_channels_come_first(pixels):
    planes = channels_first(pixels)
    expected = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    np.testing.assert_array_equal(planes, expected)
    assert planes.flags.c_contiguous
    assert not np.shares_memory(planes, pixels)


@given(st.data(), st.integers(1, 256))
def test_a_palette_is_applied(data, number):
    colors = data.draw(arrays(np.uint8, (number, 3)))
    indices = data.draw(arrays(np.uint8, (4, 5), elements=st.integers(0, number - 1)))
    planes = channels_first(PaletteImage(indices, colors))
    np.testing.assert_array_equal(planes, np.moveaxis(colors[indices], 2, 0))


@pytest.mark.parametrize("shape", [(12, 9), (12, 9, 3)])
@pytest.mark.parametrize("codec", ["png", "png-stored", "raw"])
def test_a_stored_image_is_read_as_planes(shape, codec):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected = channels_first(pixels)
    planes = np.empty_like(expected)
    decode_into(encode(pixels, codec), FieldSpec("uint8", shape, "image"), codec, planes)
    np.testing.assert_array_equal(planes, expected)


@given(shapes.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_a_png_of_others_is_read_as_planes(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    expected = channels_first(pixels)
    planes = np.empty_like(expected)
    decode_into(out.getvalue(), FieldSpec("uint8", pixels.shape, "image"), "png", planes)
    np.testing.assert_array_equal(planes, expected)


@given(st.integers(1, 255), st.data())
def test_a_color_that_the_palette_lacks_is_refused(number, data):
    colors = np.zeros((number, 3), np.uint8)
    indices = np.zeros((4, 5), np.uint8)
    indices[data.draw(st.integers(0, 3)), data.draw(st.integers(0, 4))] = data.draw(st.integers(number, 255))
    stored = encode(PaletteImage(indices, colors), "png")
    with pytest.raises(FormatError, match=f"of a palette of {number}"):
        decode_into(stored, FieldSpec("uint8", (4, 5, 3), "image"), "png", np.empty((3, 4, 5), np.uint8))
