import contextlib
import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthgen.errors import FormatError
from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.codecs import decode, encode

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32)


@st.composite
def images(draw):
    """Yield (value, array) of any kind of image."""
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(sides), draw(sides))
    kind = draw(st.sampled_from(["gray", "rgb", "palette", "flat"]))
    if kind == "palette":
        colors = rng.integers(0, 256, (draw(st.integers(1, 256)), 3)).astype(np.uint8)
        value = PaletteImage(rng.integers(0, len(colors), shape).astype(np.uint8), colors)
        return value, value.to_rgb()
    if kind == "rgb":
        shape = (*shape, 3)
    value = np.zeros(shape, np.uint8) if kind == "flat" else rng.integers(0, 256, shape).astype(np.uint8)
    return value, value


@given(images(), st.sampled_from(["png", "png-stored"]))
@settings(max_examples=150)
def test_png_is_lossless_and_pillow_reads_the_same(image, codec):
    value, array = image
    data = encode(value, codec)
    assert np.array_equal(decode(data, FieldSpec("uint8", array.shape)), array)
    with Image.open(io.BytesIO(data)) as other:
        assert np.array_equal(np.asarray(other.convert("RGB" if array.ndim == 3 else "L")), array)


@given(images())
@settings(max_examples=50)
def test_raw_images_are_their_planes(image):
    value, array = image
    spec = FieldSpec("uint8", array.shape)
    data = encode(value, "raw")
    assert data == np.moveaxis(np.atleast_3d(array), 2, 0).tobytes()
    assert np.array_equal(decode(data, spec, codec="raw"), array)
    for other in (data[:-1], data + b"0"):
        with pytest.raises(FormatError, match="raw image must have"):
            decode(other, spec, codec="raw")


@given(images())
@settings(max_examples=50)
def test_pngs_of_others_are_read(image):
    _, array = image
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    assert np.array_equal(decode(out.getvalue(), FieldSpec("uint8", array.shape)), array)


@given(images(), st.data())
@settings(max_examples=150)
def test_a_damaged_png_is_refused_or_unharmed(image, data):
    value, array = image
    raw = bytearray(encode(value, "png"))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    if kind == "flip":
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del raw[at:]
    else:
        raw[at:at] = b"\x07"
    with contextlib.suppress(FormatError):
        assert np.array_equal(decode(bytes(raw), FieldSpec("uint8", array.shape)), array)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    for spec in (FieldSpec("uint8", (4, 4)), FieldSpec("float32", (4, 4), "array")):
        with pytest.raises(FormatError):
            decode(b"\x89PNG\r\n\x1a\n" + data, spec)
        with pytest.raises(FormatError):
            decode(data, spec)


def test_another_size_is_refused_before_it_is_unpacked():
    bomb = encode(np.zeros((4000, 4000), np.uint8), "png")
    with pytest.raises(FormatError, match=r"must be 4x4, 8 bits.*got 4000x4000"):
        decode(bomb, FieldSpec("uint8", (4, 4)))


def test_a_stream_that_unpacks_to_more_is_refused():
    honest = encode(np.zeros((4, 4), np.uint8), "png")
    start = honest.index(b"IDAT") - 4
    packed = zlib.compress(bytes(10**8))
    body = b"IDAT" + packed
    chunk = len(packed).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    bomb = honest[:start] + chunk + honest[-12:]
    with pytest.raises(FormatError, match="must unpack to 20 bytes"):
        decode(bomb, FieldSpec("uint8", (4, 4)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint16"])
def test_arrays_come_back(dtype):
    value = (np.random.default_rng(0).random((5, 7, 3)) * 100).astype(dtype)
    spec = FieldSpec(dtype, (5, 7, 3), "array")
    data = encode(value, "npy")
    assert np.array_equal(decode(data, spec), value)
    assert np.array_equal(np.load(io.BytesIO(data)), value)
    for other in (FieldSpec("float64", (5, 7, 3), "array"), FieldSpec(dtype, (7, 5, 3), "array")):
        with pytest.raises(FormatError, match="array must be"):
            decode(data, other)


def test_pickled_arrays_are_refused():
    out = io.BytesIO()
    np.save(out, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="array"):
        decode(out.getvalue(), FieldSpec("float32", (1, 1), "array"))


def test_jpeg_is_near():
    ramp = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, 0).repeat(3, 2)
    back = decode(encode(ramp, "jpeg"), FieldSpec("uint8", (32, 32, 3)))
    assert np.abs(back.astype(int) - ramp).mean() < 3


@given(seeds, sides, sides, st.sampled_from(["uint8", "uint16"]))
@settings(max_examples=60)
def test_ids_come_back_and_pillow_reads_the_same(seed, height, width, dtype):
    ids = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width)).astype(dtype)
    data = encode(ids, "png", "ids")
    back = decode(data, FieldSpec(dtype, (height, width), "ids"))
    assert back.dtype == dtype
    assert np.array_equal(back, ids)
    with Image.open(io.BytesIO(data)) as other:
        assert np.array_equal(np.asarray(other), ids)


def test_16_bit_pngs_of_others_are_read():
    ids = np.arange(0, 65536, 97, dtype=np.uint16)[:660].reshape(22, 30)
    out = io.BytesIO()
    Image.fromarray(ids).save(out, "PNG")
    assert np.array_equal(decode(out.getvalue(), FieldSpec("uint16", ids.shape, "ids")), ids)


def test_ids_of_another_depth_are_refused():
    data = encode(np.zeros((4, 4), np.uint16), "png", "ids")
    with pytest.raises(FormatError, match=r"must be 4x4, 8 bits.*got 4x4, 16 bits"):
        decode(data, FieldSpec("uint8", (4, 4), "ids"))
