"""One rule for images: the same photograph in any kind of file is read as the same pixels."""

import ast
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

import synthgen
from synthgen.compose import masks, pictures
from synthgen.compose.pictures import one_picture, read_picture
from synthgen.errors import UsageError

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
GRAY = COLORS[..., 0]
THREE = np.repeat(GRAY[..., None], 3, axis=2)
NOISE = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint16)
NOISE[0, 0] = 255  # the brightest value of all bits occurs
DEEP = COLORS.astype(np.uint16) << 8 | NOISE  # the lower bytes must not be seen


@pytest.fixture(autouse=True)
def _tell_again(monkeypatch):
    """Let each test be the first of its process."""
    monkeypatch.setattr(masks, "_told", set())
    monkeypatch.setattr(pictures, "_cache", pictures._Cache(2**20))


def read(path, bits=None):
    return read_picture(one_picture(str(path), "image").sha256, None, False, bits)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_16_bits(values, kind: int) -> bytes:
    """Return a PNG of values (H, W, C), which Pillow reads and does not write."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def deep_png(values, kind=2):
    return lambda path: path.write_bytes(png_of_16_bits(values, kind))


def deep_tiff(values, **options):
    tifffile = pytest.importorskip("tifffile")
    return lambda path: tifffile.imwrite(path, values, photometric="rgb", **options)


def saved(make, **options):
    return lambda path: make().save(path, **options)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture is to be turned by a quarter, clockwise
    return exif


def of_palette():
    image = Image.fromarray(GRAY)
    image.putpalette([channel for level in range(256) for channel in (level, 255 - level, 7)])
    return image


def white_is_zero(path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    Image.fromarray(0xFFFF - DEEP[..., 0]).save(path, tiffinfo=tags)


def several_pages(path):
    Image.fromarray(COLORS).save(path, save_all=True, append_images=[Image.fromarray(255 - COLORS)])


OPAQUE = np.full((20, 30, 1), 0xFFFF, np.uint16)
PALETTE = np.dstack([GRAY, 255 - GRAY, np.full_like(GRAY, 7)])
SHADES = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
FLOATS = np.repeat(np.rint(SHADES * 255)[..., None], 3, axis=2)
# what it is: suffix, how it is written, what is read
KINDS = {
    "gray": ("png", saved(lambda: Image.fromarray(GRAY)), THREE),
    "color": ("png", saved(lambda: Image.fromarray(COLORS)), COLORS),
    "one bit": ("png", saved(lambda: Image.fromarray(GRAY > 99)), (THREE > 99) * 255),
    "palette": ("png", saved(of_palette), PALETTE),
    "gray of 16 bits": ("png", saved(lambda: Image.fromarray(DEEP[..., 0])), THREE),
    "gray of 16 bits, TIFF": ("tif", saved(lambda: Image.fromarray(DEEP[..., 0])), THREE),
    "gray of 16 bits, white is zero": ("tif", white_is_zero, THREE),
    "gray of 32 bits that hold 16": ("tif", saved(lambda: Image.fromarray(DEEP[..., 0].astype(np.int32))), THREE),
    "color of 16 bits": ("png", deep_png(DEEP), COLORS),
    "color of 16 bits, TIFF": ("tif", lambda path: deep_tiff(DEEP)(path), COLORS),
    "color of 16 bits, big endian": ("tif", lambda path: deep_tiff(DEEP, byteorder=">")(path), COLORS),
    "color of 16 bits, compressed": ("tif", lambda path: deep_tiff(DEEP, compression="zlib")(path), COLORS),
    "color of 16 bits, opaque": ("png", deep_png(np.dstack([DEEP, OPAQUE]), 6), COLORS),
    "gray of 16 bits, opaque": ("png", deep_png(np.dstack([DEEP[..., :1], OPAQUE]), 4), THREE),
    "floats of 0 to 1": ("tif", saved(lambda: Image.fromarray(SHADES)), FLOATS),
    "opaque": ("png", saved(lambda: Image.fromarray(COLORS).convert("RGBA")), COLORS),
    "gray and opaque": ("png", saved(lambda: Image.fromarray(GRAY).convert("LA")), THREE),
    "half transparent": ("png", saved(lambda: Image.fromarray(np.dstack([COLORS * 0 + 200, GRAY * 0 + 51]))), 40),
    "turned": ("png", saved(lambda: Image.fromarray(np.rot90(COLORS)), exif=turned()), COLORS),
    "CMYK": ("tif", saved(lambda: Image.fromarray(COLORS).convert("CMYK")), COLORS),
    "several pages": ("tif", several_pages, COLORS),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*only the first is read")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_kind_is_read_by_its_meaning(tmp_path, kind):
    suffix, write, expected = KINDS[kind]
    path = tmp_path / f"a.{suffix}"
    write(path)
    assert np.array_equal(read(path), np.broadcast_to(expected, COLORS.shape))


CAMERA = (COLORS.astype(np.uint16) << 4) + (NOISE >> 4)  # 12 bits, in files of 16
OF_CAMERA = {
    "gray": ("png", saved(lambda: Image.fromarray(CAMERA[..., 0])), THREE),
    "gray, TIFF": ("tif", saved(lambda: Image.fromarray(CAMERA[..., 0])), THREE),
    "color": ("png", deep_png(CAMERA), COLORS),
    "color and opaque": ("png", deep_png(np.dstack([CAMERA, OPAQUE]), 6), COLORS),
    "color, TIFF": ("tif", lambda path: deep_tiff(CAMERA)(path), COLORS),
    "color, TIFF, big endian": ("tif", lambda path: deep_tiff(CAMERA, byteorder=">")(path), COLORS),
    "color, TIFF, compressed": ("tif", lambda path: deep_tiff(CAMERA, compression="zlib")(path), COLORS),
}


@pytest.mark.parametrize("kind", OF_CAMERA)
def test_12_bits_in_16_are_warned_of_once_and_read_when_told(tmp_path, kind):
    suffix, write, expected = OF_CAMERA[kind]
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        write(path)
    with pytest.warns(UserWarning, match=r"a\.\w+: uses 12 of its 16 bits and is read as nearly black.*--bits 12"):
        dark = read(paths[0])
    assert dark.max() < 16

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(paths[1])  # of each folder the first image is enough
        assert np.array_equal(read(paths[0], 12), expected)
        assert np.array_equal(read(paths[0], 16), dark)  # told so, it is right
    with pytest.raises(UsageError, match=r"must have values of at most 1,023 with 10 bits, got 4,0"):
        read(paths[0], 10)


def test_8_bits_stay_as_they_are_whatever_the_camera_has(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png", 12), COLORS)


def test_dark_images_that_use_their_bits_are_no_warning(tmp_path):
    dark = DEEP[..., 0] // 2
    Image.fromarray(dark).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read(tmp_path / "a.png")[..., 0], dark >> 8)


def test_pages_that_are_not_read_are_told(tmp_path):
    several_pages(tmp_path / "a.tif")
    with pytest.warns(UserWarning, match=r"a\.tif: holds 2 pages or frames; only the first is read"):
        read(tmp_path / "a.tif")


REFUSED = {
    "floats of 0 to 255": (lambda: Image.fromarray(GRAY.astype(np.float32)), "got float32 values of 0 to 255"),
    "negative numbers": (lambda: Image.fromarray(GRAY.astype(np.int32) - 9), "got int32 values of -9 to 246"),
    "numbers of 17 bits": (lambda: Image.fromarray(GRAY.astype(np.int32) << 9), "to 130560"),
    "Lab": (lambda: Image.merge("LAB", [Image.fromarray(GRAY)] * 3), "of a palette, got LAB"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_rule_is_refused_with_what_it_is(tmp_path, kind):
    make, message = REFUSED[kind]
    make().save(tmp_path / "a.tif")
    with pytest.raises(UsageError, match=rf"a\.tif: must .*{message}"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [0, 7, 17])
def test_bits_that_no_file_has_are_refused(tmp_path, bits):
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=rf"bits must lie in 8\.\.16, got {bits}"):
        read(tmp_path / "a.png", bits)


def test_one_module_opens_the_images_of_users():
    """Pictures of our own shards and exports are decoded by those who wrote them; all others have one reader."""
    home = Path(synthgen.__file__).parent
    opening = set()
    for path in home.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            calls = isinstance(node, ast.Attribute) and node.attr in (
                "open",
                "imread",
                "read_image",
                "decode_image",
            )
            if calls and isinstance(node.value, ast.Name) and node.value.id in ("Image", "cv2", "io", "imageio"):
                opening.add(str(path.relative_to(home)))
    assert opening == {"compose/pictures.py", "layouts/export/check.py", "shards/codecs.py"}
