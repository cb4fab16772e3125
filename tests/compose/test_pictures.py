"""Reading the user's own images: whatever they are, eight-bit pixels or one line that says what is wrong."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from synthgen.compose import pictures
from synthgen.compose.pictures import digest_of, list_pictures, one_picture, read_mask, read_picture
from synthgen.errors import UsageError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def read(path, size=(20, 30), gray=False):
    return read_picture(one_picture(str(path), "normal").sha256, size, gray)


def test_files_are_listed_by_name_with_the_digests_of_their_contents(tmp_path):
    for name in ("b.png", "a.PNG", "c.bmp"):
        Image.fromarray(RGB).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    (tmp_path / "more.png").mkdir()
    listed = list_pictures(str(tmp_path))
    assert [p.name for p in listed] == ["a.PNG", "b.png", "c.bmp"]
    assert listed[0].sha256 == listed[1].sha256 != listed[2].sha256


def test_the_digest_of_a_folder_covers_names_and_contents(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    first = digest_of(list_pictures(str(tmp_path)))
    assert digest_of(list_pictures(str(tmp_path))) == first
    Image.fromarray(255 - RGB).save(tmp_path / "a.png")
    second = digest_of(list_pictures(str(tmp_path)))
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert len({first, second, digest_of(list_pictures(str(tmp_path)))}) == 3


def test_colors_come_as_they_are_and_may_not_be_written_to(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    assert np.array_equal(pixels, RGB)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def as_palette():
    image = Image.new("P", (30, 20))
    image.putpalette([10, 20, 30, 200, 100, 0] + [0] * 762)
    image.putdata([0, 1] * 300)
    return image


def as_16_bits():
    return Image.fromarray((np.arange(600, dtype=np.uint16) * 100).reshape(20, 30))


def as_transparent():
    return Image.fromarray(np.dstack([RGB, np.where(RGB[..., 0] > 128, 255, 0).astype(np.uint8)]))


MODES = {
    "palette": (as_palette, np.array([[[10, 20, 30], [200, 100, 0]] * 15] * 20)),
    "16 bits": (as_16_bits, np.repeat((np.arange(600) * 100 // 256).reshape(20, 30, 1), 3, axis=2)),
    "transparent": (as_transparent, np.where(RGB[..., :1] > 128, RGB, 0)),
    "gray": (lambda: Image.fromarray(RGB[..., 0]), np.repeat(RGB[..., :1], 3, axis=2)),
    "one bit": (lambda: Image.fromarray(RGB[..., 0] > 99), np.repeat((RGB[..., :1] > 99) * 255, 3, axis=2)),
}


@pytest.mark.parametrize("mode", MODES)
def test_images_of_other_kinds_are_converted(tmp_path, mode):
    make, expected = MODES[mode]
    make().save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png"), expected)


def test_gray_images_have_one_channel_where_that_is_wanted(tmp_path):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.png")
    as_16_bits().save(tmp_path / "b.png")
    listed = list_pictures(str(tmp_path))
    assert np.array_equal(read_picture(listed[0].sha256, (20, 30), True)[..., 0], RGB[..., 0])
    assert pictures.are_gray(listed)
    Image.fromarray(RGB).save(tmp_path / "c.png")
    assert not pictures.are_gray(list_pictures(str(tmp_path)))


def test_the_rotation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read(tmp_path / "a.png", (30, 20)), np.rot90(RGB, -1))


def test_images_are_stretched_to_the_size_with_antialiasing(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    small = read(tmp_path / "a.png", (16, 20))
    assert small.shape == (16, 20, 3)
    assert np.abs(small.astype(int) - 127).max() < 20


def test_masks_are_what_is_bright_whatever_white_is(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[2:5, 7:9] = 1
    Image.fromarray(mask).save(tmp_path / "a.png")
    found = one_picture(str(tmp_path / "a.png"), "region")
    assert np.array_equal(read_mask(found.sha256), mask == 1)
    large = read_mask(found.sha256, (40, 90))
    assert np.array_equal(large, np.repeat(np.repeat(mask == 1, 2, 0), 3, 1))


def png_of_size(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


BROKEN = {
    "text": (b"this is no image", "must be an image that can be read"),
    "nothing": (b"", "must be an image that can be read"),
    "a bomb": (png_of_size(12_000, 12_000), "must have at most 67,108,864 pixels, got 12000 x 12000"),
    "a larger bomb": (png_of_size(100_000, 100_000), "must have at most 67,108,864 pixels, got more"),
    "tiny": (png_of_size(8, 200), "must be at least 16 pixels wide and high, got 8 x 200"),
    "another language": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
        "must be an image that can be read",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_files_that_are_no_fair_images_are_refused_when_listed(tmp_path, kind):
    data, message = BROKEN[kind]
    (tmp_path / "part.png").write_bytes(data)
    with pytest.raises(UsageError, match=rf"part.png: {message}") as caught:
        list_pictures(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_images_that_are_cut_off_are_refused_when_read(tmp_path):
    for name, options in (("a.png", {}), ("a.jpg", {}), ("a.tif", {"compression": "tiff_lzw"}), ("a.bmp", {})):
        path = tmp_path / name
        Image.fromarray(RGB).save(path, **options)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UsageError, match=rf"{name}: must be an image that can be read"):
            read(path)


def test_floats_have_no_scale_and_are_refused(tmp_path):
    Image.fromarray(RGB[..., 0].astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(
        UsageError, match=r"a.tif: must have 8 or 16 bits a channel, or floats of 0 to 1, got float32"
    ):
        read(tmp_path / "a.tif")


def test_what_changed_or_vanished_after_listing_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    digest = one_picture(str(path), "normal").sha256
    Image.fromarray(RGB // 2).save(path)
    with pytest.raises(UsageError, match=r"a.png: must stay as it was when it was listed, got other contents"):
        read_picture(digest, (31, 17), False)
    path.unlink()
    with pytest.raises(UsageError, match=r"a.png: must stay as it was when it was listed: No such file"):
        read_picture(digest, (31, 17), False)


def test_what_moved_is_found_again_once_it_is_listed(tmp_path):
    (tmp_path / "old").mkdir()
    Image.fromarray(RGB // 3).save(tmp_path / "old" / "a.png")
    before = list_pictures(str(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    assert list_pictures(str(tmp_path / "new")) == before
    assert np.array_equal(read_picture(before[0].sha256, (20, 30), False), RGB // 3)


def test_a_link_to_nothing_is_told_not_passed_over(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UsageError, match=r"a\.png: cannot be read: No such file"):
        list_pictures(str(tmp_path), "--normal")


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"normal must hold images \(.*\), got none in '"):
        list_pictures(str(tmp_path))
    with pytest.raises(UsageError, match=r"mask_dir must be a folder of images, got '.*nowhere'"):
        list_pictures(str(tmp_path / "nowhere"), "mask_dir")
    with pytest.raises(UsageError, match=r"region must be an image file \(.*\), got '"):
        one_picture(str(tmp_path), "region")
    with pytest.raises(UsageError, match="must lie in a folder of the recipe"):
        read_picture("0" * 64, (20, 30), False)


def test_empty_masks_are_refused(tmp_path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "a.png")
    dot = np.zeros((100, 100), np.uint8)
    dot[0, 0] = 255
    Image.fromarray(dot).save(tmp_path / "dot.png")
    with pytest.raises(UsageError, match=r"a.png: must have pixels that are not black, got none"):
        read_mask(one_picture(str(tmp_path / "a.png"), "region").sha256)
    with pytest.raises(UsageError, match=r"dot.png: must have pixels that are not black at 20 x 10, got none"):
        read_mask(one_picture(str(tmp_path / "dot.png"), "region").sha256, (10, 20))


def test_the_cache_keeps_what_was_used_last_within_its_bytes():
    cache = pictures._Cache(3000)
    made = []

    def get(name):
        return cache.get(name, lambda: made.append(name) or np.zeros(1000, np.uint8))

    for name in "abcab":
        get(name)
    get("d")  # c was used longest ago
    for name in "abdc":
        get(name)
    assert made == list("abcdc")
