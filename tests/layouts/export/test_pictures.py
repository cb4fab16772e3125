"""Images as they are written: stored bytes, or encoded anew."""

import io

import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.exports import TARGETS
from synthgen.families import cutpaste
from synthgen.layouts.export import check, export
from synthgen.layouts.export.pictures import squared

CODECS = {"png": ["png"], "png-stored": ["png-stored"], "raw": ["raw"], "two codecs": ["png", "raw"]}
WITHOUT_SQUARES = ("coco", "yolo-seg", "hf")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Parts with and without defects, and their clean twins, of each codec: 20 images of each class, 48 x 32.

    They are made of five photographs, one of which is for testing.
    """
    folder = tmp_path_factory.mktemp("parts")
    example = cutpaste.example(folder)
    rng = np.random.default_rng(0)
    for number in range(2, 5):
        pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"normal{number}.png")
    values = {
        "family": "cutpaste", **example, "masks": "blobs", "anomalies": "color", "good": True,
        "fields": "clean", "per_class": 20, "size": "48x32",
    }  # fmt: skip
    for codec in ("png", "png-stored", "raw"):
        recipe = synthgen.Recipe.from_dict({**values, "storage": {"codec": codec}})
        synthgen.generate(recipe, folder / codec, workers=0, progress=False)
    return folder


def images_of(out):
    return {path.stem: path for path in out.rglob("*") if path.suffix in (".png", ".jpg")}


def test_stored_bytes_are_never_decoded(data_set, tmp_path, monkeypatch):
    """A data set of palette images stays one, to the byte."""
    from synthgen.shards import dataset as module

    monkeypatch.setattr(module, "decode", None)
    export("imagefolder", data_set, tmp_path / "out")
    ours = synthgen.open(data_set)
    found = images_of(tmp_path / "out")
    for i in range(len(ours)):
        shard, row = ours.locate(i)
        assert found[shard.key(row)].read_bytes() == ours.encoded(i, "image")


@pytest.mark.parametrize("options", [{"rgb": True}, {"image": "jpg"}, {"rgb": True, "image": "png"}])
def test_images_that_are_encoded_anew_show_the_same(data_set, tmp_path, options):
    export("imagefolder", data_set, tmp_path / "out", **options)
    found = images_of(tmp_path / "out")
    for sample in synthgen.open(data_set):
        with Image.open(found[sample.key]) as image:
            assert image.mode == "RGB"
            difference = np.abs(np.asarray(image).astype(int) - sample.image)
        assert difference.mean() <= (40 if options.get("image") == "jpg" else 0)


@pytest.mark.parametrize(("how", "shape"), [("pad", (30, 30)), ("crop", (20, 20)), ("off", (20, 30))])
@pytest.mark.parametrize("turned", [False, True])
def test_a_square_keeps_the_middle_where_it_is(how, shape, turned):
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    middle = pixels[10, 15]
    if turned:
        pixels, shape = pixels.T, shape[::-1]
    found = squared(pixels, how)
    assert found.shape == shape
    assert middle in found[shape[0] // 2 - 1 : shape[0] // 2 + 1, shape[1] // 2 - 1 : shape[1] // 2 + 1]


def test_what_is_padded_repeats_the_edge_but_is_no_defect():
    pixels = np.full((2, 6), 9, np.uint8)
    assert (squared(pixels, "pad") == 9).all()
    assert squared(pixels, "pad", edge=False).sum() == pixels.sum()


def test_a_lossy_data_set_is_copied_as_it_is(make_recipe, tmp_path):
    synthgen.generate(make_recipe(storage={"codec": "jpeg"}), tmp_path / "d", workers=0, progress=False)
    export("imagefolder", tmp_path / "d", tmp_path / "out")
    assert {path.suffix for path in images_of(tmp_path / "out").values()} == {".jpg"}
    path = next(iter(images_of(tmp_path / "out").values()))
    assert Image.open(io.BytesIO(path.read_bytes())).format == "JPEG"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("target", TARGETS)
def test_every_picture_is_a_png_of_the_same_size_whatever_the_codec(parts, tmp_path, target, codec):
    export(target, [parts / name for name in CODECS[codec]], tmp_path / "out")
    assert check(tmp_path / "out").ok

    pictures = [path for path in (tmp_path / "out").rglob("*.*") if path.suffix in (".png", ".jpg", ".raw")]
    twins = set()
    for path in pictures:
        with Image.open(path) as image:
            assert (path.suffix, image.format, image.size) == (".png", "PNG", (48, 32))
            if {"clean", "clean_image"} & set(path.parts):
                twins.add(image.tobytes())
    ours = {sample.fields["clean"].tobytes() for sample in synthgen.open(parts / "png")}
    assert twins == (ours if target in ("hf", "anomalygen") else set())


@pytest.mark.parametrize("target", [target for target in TARGETS if target not in WITHOUT_SQUARES])
@pytest.mark.parametrize(("how", "side"), [("pad", 48), ("crop", 32)])
def test_images_masks_and_twins_become_squares_together(parts, tmp_path, target, how, side):
    export(target, parts / "raw", tmp_path / "out", square=how)
    for path in (tmp_path / "out").rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (side, side)
