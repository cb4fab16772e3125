"""`synthgen refine` and `synthgen evaluate --refine` as a user types them, with a tiny backbone."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.torch import load_model

SMALL = [
    "--backbone",
    "random:test_resnet",
    "--layers",
    "1,2",
    "--size",
    "64",
    "--sigma",
    "1",
    "--progress",
    "none",
]


def put(path, seed, defect=False):
    """Write an image of gray stripes with noise; a defect is a red square, with its mask."""
    rng = np.random.default_rng(seed)
    stripes = 128 + 50 * np.sin(np.arange(64) / 5)
    pixels = np.repeat(stripes[None, :, None] + rng.normal(0, 3, (64, 64, 1)), 3, axis=2).astype(np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    if defect:
        mask[24:36, 20:34] = 255
        pixels[mask > 0] = (200, 30, 40)
        masks = path.parents[2] / "ground_truth" / path.parent.name
        masks.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(masks / f"{path.stem}_mask.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def run(*arguments):
    """Return what a command that succeeds prints; the errors of others are raised."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Normal images, a validation set, a test set, and a model that keeps the validation set's threshold."""
    home = tmp_path_factory.mktemp("refine")
    for i in range(4):
        put(home / "good" / f"{i}.png", i)
    for place, seed in (("validation", 20), ("photos", 30)):
        put(home / place / "test" / "good" / "0.png", seed)
        put(home / place / "test" / "red" / "1.png", seed + 1, defect=True)
    model = home / "m.safetensors"
    run("fit", "patchcore", "--normal", home / "good", "--coreset", "0.3", "--out", model, *SMALL)
    run("evaluate", model, home / "validation", "--keep-thresholds", "--progress", "none")
    return home


def test_a_fitted_model_keeps_the_colors_of_its_images(home):
    assert len(load_model(home / "m.safetensors").notes["pixels"][0]) == 12


def test_refine_writes_masks_sheets_and_cut_outs_and_prints_a_line_for_each_image(home):
    result = run(
        "refine", home / "m.safetensors", home / "photos", "--out", home / "out", "--recover", "--iterations", "20"
    )
    assert result.stdout.count("%") == 4
    assert "mean IoU of 1 image with masks: " in result.stdout
    rows = {
        row["image"].rpartition("/")[2]: row
        for row in csv.DictReader((home / "out" / "refined.csv").read_text().splitlines())
    }
    assert float(rows["1.png"]["refined_iou"]) > float(rows["1.png"]["iou"])
    for name in ("masks/red/1.png", "sheets/red/1.png", "recovered/red/1.png", "cutouts/red/1-1.png"):
        assert (home / "out" / name).exists()


def test_refine_takes_plain_files_and_options_and_gives_json(home):
    path = home / "photos" / "test" / "red" / "1.png"
    arguments = ("--iterations", "12", "--no-sharing", "--json", "--progress", "none")
    (row,) = json.loads(run("refine", home / "m.safetensors", path, "--out", home / "one", *arguments).stdout)
    assert row["iterations"] == 12
    assert "iou" not in row


def test_evaluate_adds_the_overlaps_before_and_after(home):
    result = run(
        "evaluate", home / "m.safetensors", home / "photos", "--refine", "--out", home / "report", "--json"
    )
    rows = json.loads(result.stdout)
    assert rows[0]["refined_iou"] > rows[0]["iou"]
    assert "marked in 1 normal images" in result.stderr
    assert len((home / "report" / "refined.csv").read_text().splitlines()) == 3


def test_mistakes_are_one_line(home, tmp_path):
    model = home / "m.safetensors"
    bare = tmp_path / "bare.safetensors"
    run("fit", "padim", "--normal", home / "good", "--channels", "4", "--out", bare, *SMALL)
    photos = home / "photos"
    out = ("--out", tmp_path / "out")
    for arguments, line in (
        (("refine", bare, photos, *out), "--threshold must be given for a model that keeps none; "),
        (("evaluate", bare, photos, "--refine"), "threshold must be given for a model that keeps none; "),
        (("refine", model, photos, "--out", photos / "out"), "--out must lie outside of the folder of images"),
        (
            ("refine", model, photos, *out, "--threshold", "best"),
            "--threshold must be a number or oracle, got 'best'",
        ),
        (("refine", model, photos, *out, "--inpaint", "nearest"), "--normal must be images to start from"),
        (("refine", model, photos, *out, "--inpaint", "mae"), "--autoencoder must be a folder to start from"),
        (("refine", model, photos, *out, "--dilation", "2"), "--dilation must "),
        (("refine", model, home / "good", *out, "--threshold", "oracle"), f"{home / 'good'}: must hold normal and"),
    ):
        with pytest.raises(UsageError) as caught:
            run(*arguments)
        assert str(caught.value).startswith(line)
        assert "\n" not in str(caught.value)
