"""Raw images are read in compiled code; those that are damaged are left, and change no other."""

import numpy as np
import pytest

from synthgen.sample import FieldSpec
from synthgen.shards.checksums import checksum
from synthgen.shards.spans import Stored
from synthgen.torch.data import fetching
from synthgen.torch.data.pngs import form_of

pytestmark = pytest.mark.skipif(not fetching.is_there(), reason="what compiled code calls is not offered here")
KEYS = [b"c000000-i00000000", b"c000000-i00000001", b"c000001-i00000000"]
SIZE = 3 * 4 * 5


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 3, 4, 5), np.uint8)


@pytest.fixture
def stored(images, tmp_path):
    """Three raw images in a file, whose places are given out of order."""
    path = tmp_path / "x"
    path.write_bytes(images.tobytes())
    order = np.array([2, 0, 1])
    letters = np.array(KEYS, "S20")[order].view(np.uint8).reshape(3, -1)
    checksums = [checksum(KEYS[k], "image", images[k].tobytes()) for k in order]
    with open(path, "rb") as file:
        descriptors = np.full(3, file.fileno())
        sizes = np.full(3, SIZE)
        yield Stored(descriptors, SIZE * order, sizes, letters, np.array(checksums, np.uint32))


def read(stored, is_checked=True):
    """Return images in the order of the file, zeros for what is left untouched, and which places are left."""
    form = form_of("image", FieldSpec("uint8", (4, 5, 3)), "raw", is_checked)
    found = np.zeros((3, 3, 4, 5), np.uint8)
    left = fetching.read_raw(stored, form, np.array([2, 0, 1]), found)
    return found, left.tolist()


def test_images_come_to_their_places(stored, images):
    found, left = read(stored)
    np.testing.assert_array_equal(found, images)
    assert left == [False, False, False]


@pytest.mark.parametrize("part", ["sizes", "begins", "checksums", "keys", "descriptors"])
def test_what_is_damaged_is_left(stored, images, part):
    values = getattr(stored, part)
    values[0] = -1 if part == "descriptors" else values[0] + 1
    found, left = read(stored)
    np.testing.assert_array_equal(found[:2], images[:2])
    assert left == [True, False, False]

    _, left = read(stored, is_checked=False)
    assert left == [part not in ("checksums", "keys"), False, False]
