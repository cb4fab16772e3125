"""The compiled way through many PNGs does what the plain one does, and leaves to it all that it cannot do."""

import io
import tempfile
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import synthgen
from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.checksums import checksum
from synthgen.shards.codecs import encode
from synthgen.shards.spans import Stored
from synthgen.torch import ShardDataset
from synthgen.torch.data import fetching
from synthgen.torch.data.planes import channels_first
from synthgen.torch.data.pngs import compile_now, decode_pngs, form_of

pytestmark = pytest.mark.skipif(not fetching.is_there(), reason="what compiled code calls is not offered here")
KEY = b"c000012-i00000034"


class Samples(NamedTuple):
    """Files as a shard holds them side by side."""

    data: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    checksums: np.ndarray


def stored(*files, name="image"):
    """Return files with their right checksums."""
    sizes = np.array([len(data) for data in files])
    keys = np.array([KEY] * len(files), "S20").view(np.uint8).reshape(len(files), -1)
    checksums = np.array([checksum(KEY, name, data) for data in files], np.uint32)
    data = np.frombuffer(b"".join(files), np.uint8).copy()
    return Samples(data, sizes, keys, checksums)


def decode(samples, shape, name="image", is_checked=True):
    """Return the planes of samples, zeros for those that are left, and which ones are."""
    count = len(samples.sizes)
    channels = 3 if len(shape) == 3 else 1
    images = np.zeros((count, channels, *shape[:2]), np.uint8)
    form = form_of(name, FieldSpec("uint8", shape), "png", is_checked)

    begins = np.cumsum(samples.sizes) - samples.sizes
    with tempfile.TemporaryFile() as file:
        file.write(samples.data)
        file.flush()
        descriptors = np.full(count, file.fileno())
        places = Stored(descriptors, begins, samples.sizes, samples.keys, samples.checksums)
        left = decode_pngs(places, form, np.arange(count), images)
    return images, left.tolist()


@st.composite
def images(draw):
    """Yield an image of any kind, 13 x 17."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["gray", "rgb", "palette"]))
    if kind == "palette":
        colors = rng.integers(0, 256, (draw(st.integers(1, 256)), 3), np.uint8)
        return PaletteImage(rng.integers(0, len(colors), (13, 17), np.uint8), colors)
    return rng.integers(0, 256, (13, 17, 3) if kind == "rgb" else (13, 17), np.uint8)


def shape_of(image):
    return (13, 17) if getattr(image, "ndim", 3) == 2 else (13, 17, 3)


@given(images(), st.sampled_from(["png", "png-stored"]))
def test_our_files_are_decoded_as_in_the_plain_way(image, codec):
    data = encode(image, codec)
    planes, left = decode(stored(data, data), shape_of(image))
    assert left == [False, False]
    for found in planes:
        np.testing.assert_array_equal(found, channels_first(image))


@given(images(), st.data())
def test_a_damaged_file_is_left_and_its_neighbors_are_not(image, data):
    whole = encode(image, "png")
    samples = stored(whole, whole, whole)
    at = data.draw(st.integers(len(whole), 2 * len(whole) - 1))
    samples.data[at] ^= 1 << data.draw(st.integers(0, 7))

    planes, left = decode(samples, shape_of(image))
    assert left == [False, True, False]
    np.testing.assert_array_equal(planes[2], channels_first(image))

    # Unchecked bytes are still compared with the checksum of what they unpack to.
    planes, (_, is_left, _) = decode(samples, shape_of(image), is_checked=False)
    is_palette = isinstance(image, PaletteImage)
    assert is_left or is_palette or np.array_equal(planes[1], channels_first(image))


def of_pillow(image):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


GRAY = np.arange(13 * 17, dtype=np.uint8).reshape(13, 17)
PNG = encode(GRAY, "png")
LEFT = {
    "filtered in another way": of_pillow(np.repeat(GRAY[..., None], 3, axis=2)),
    "of another size": encode(GRAY[:12], "png"),
    "of another kind": encode(np.zeros((13, 17, 3), np.uint8), "png"),
    "cut off": PNG[:-13],
    "without its data": PNG[:33] + PNG[-12:],
    "empty": b"",
    "longer than any of ours": PNG[:33] + bytes(2**13) + PNG[33:],
}


@pytest.mark.parametrize("reason", LEFT)
def test_other_files_are_left(reason):
    shape = (13, 17, 3) if reason == "filtered in another way" else (13, 17)
    _, left = decode(stored(LEFT[reason], LEFT[reason]), shape)
    assert left == [True, True]


def test_a_color_that_the_palette_lacks_is_left():
    image = PaletteImage(np.full((13, 17), 7, np.uint8), np.zeros((7, 3), np.uint8))
    _, left = decode(stored(encode(image, "png")), (13, 17, 3))
    assert left == [True]


def test_key_and_field_belong_to_the_checksum():
    for name, key in (("mask", KEY), ("image", b"c000012-i00000035")):
        samples = stored(PNG, name=name)
        samples.keys[0, : len(key)] = np.frombuffer(key, np.uint8)
        _, left = decode(samples, (13, 17))
        assert left == [True]


@pytest.mark.parametrize(("dtype", "codec"), [("uint16", "png"), ("float32", "npy"), ("uint8", "jpeg")])
def test_fields_of_other_kinds_have_no_form(dtype, codec):
    assert form_of("x", FieldSpec(dtype, (13, 17)), codec, True) is None


@pytest.mark.parametrize("storage", ["hdf5", "webdataset"])
def test_all_readers_use_what_was_compiled_before(make_recipe, tmp_path, storage):
    compile_now()
    compiled = set(decode_pngs.signatures)
    recipe = make_recipe(storage={"format": storage})
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    ShardDataset(tmp_path / "d", fields=("mask",)).__getitems__(range(12))
    assert set(decode_pngs.signatures) == compiled
