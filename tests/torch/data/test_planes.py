"""Pixels with the channels first: the same as the plain way, and contiguous."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.codecs import encode
from synthgen.torch.data.planes import channels_first, planes_of

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
@pytest.mark.parametrize("codec", ["png", "png-stored"])
def test_a_stored_image_is_read_as_planes(shape, codec):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    spec = FieldSpec("uint8", shape, "image")
    planes = planes_of(encode(pixels, codec), spec, codec)
    np.testing.assert_array_equal(planes, channels_first(pixels))
