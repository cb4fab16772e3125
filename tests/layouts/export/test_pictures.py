"""Images as they are written: stored bytes, or encoded anew."""

import io

import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.layouts.export import export
from synthgen.layouts.export.pictures import squared


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
