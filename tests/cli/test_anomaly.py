"""fit, detect and evaluate as a user types them, with a tiny backbone."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import FormatError, MissingExtraError, StorageError, UsageError
from synthgen.extras import install_hint
from synthgen.torch import PatchCore, load_model
from synthgen.torch.evaluation import detection

torch.set_num_threads(1)  # see tests/torch/conftest.py
BACKBONE = ["--backbone", "random:test_resnet", "--size", "32", "--progress", "none"]


def put(path, seed, defect=None):
    """Write an image of stripes with noise; a defect is a bright square."""
    pixels = np.random.Generator(np.random.Philox(seed)).integers(80, 110, (64, 64, 3)).astype(np.uint8)
    pixels[:, ::8] += 60
    mask = np.zeros((64, 64), np.uint8)
    if defect is not None:
        mask[defect : defect + 16, 20:36] = 255
        pixels[mask > 0] = (250, 240, 40)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return mask


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A category in MVTec AD's layout with a fitted model beside it."""
    home = tmp_path_factory.mktemp("anomaly")
    brick = home / "brick"
    for i in range(6):
        put(brick / "train" / "good" / f"{i}.png", i)
        put(brick / "test" / "good" / f"{i}.png", 10 + i)
    for i in range(3):
        mask = put(brick / "test" / "hole" / f"{i}.png", 20 + i, defect=12 * i)
        (brick / "ground_truth" / "hole").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(brick / "ground_truth" / "hole" / f"{i}_mask.png")
    run("fit", "patchcore", "--normal", brick, "--out", home / "pc.safetensors", *BACKBONE)
    return home


def run(*arguments):
    """Return what a command that succeeds prints; the errors of others are raised."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def refused(*arguments):
    """Return the one line with which a command refuses."""
    with pytest.raises((UsageError, FormatError, StorageError)) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("patchcore", ["--coreset", "40", "--layers", "1,2", "--seed", "3"]),
        ("sequential-patchcore", ["--points", "32", "--epochs", "2", "--augment"]),
        ("padim", ["--channels", "8", "--pool", "1", "--sigma", "2", "--memory", "500"]),
    ],
)
def test_every_model_is_fitted_and_measured(home, tmp_path, kind, options):
    model = tmp_path / "m.safetensors"
    done = run("fit", kind, "--normal", home / "brick", "--out", model, *BACKBONE, *options)
    assert f"{kind} for images of 32x32" in done.stdout
    assert "6 normal images (MVTec AD)" in done.stderr
    assert "the bank takes" in done.stderr
    rows = json.loads(run("evaluate", model, home / "brick", "--json", "--progress", "none").stdout)
    assert [(row["category"], row["kind"]) for row in rows] == [("brick", "all"), ("brick", "hole")]
    assert rows[0]["pixel_auroc"] > 0.8  # the squares are glaring


def test_thresholds_found_by_evaluate_are_used_by_detect(home, tmp_path):
    model = tmp_path / "pc.safetensors"
    model.write_bytes((home / "pc.safetensors").read_bytes())
    plain = json.loads(run("detect", model, home / "brick" / "test", "--out", tmp_path / "a", "--json").stdout)
    assert all("anomalous" not in row for row in plain)
    done = run("evaluate", model, home / "brick", "--keep-thresholds", "--out", tmp_path / "report")
    assert done.stdout.splitlines()[1].split()[:4] == ["brick", "all", "6", "3"]
    table = json.loads((tmp_path / "report" / "table.json").read_text())
    for name in ("roc.png", "overlap.png"):
        with Image.open(tmp_path / "report" / name) as picture:
            assert picture.width > 500
    rows = json.loads(run("detect", model, home / "brick" / "test", "--out", tmp_path / "b", "--json").stdout)
    threshold = table[0]["oracle_threshold"]
    assert [row["anomalous"] for row in rows] == [row["score"] >= threshold for row in rows]
    assert [row["score"] for row in rows] == [row["score"] for row in plain]


def test_detect_writes_scores_and_pictures(home, tmp_path):
    images = [home / "brick" / "test" / "hole", home / "brick" / "test" / "good" / "1.png"]
    options = ["--threshold", "-1", "--pixel-threshold", "0", "--out", tmp_path / "found", "--progress", "none"]
    done = run("detect", home / "pc.safetensors", *images, *options)
    assert done.stdout.count("ANOMALOUS") == 4
    with open(tmp_path / "found" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["anomalous"] for row in rows] == ["True"] * 4
    for row in rows:
        with Image.open(row["heatmap"]) as picture:
            assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert max(float(row["score"]) for row in rows) == max(float(row["score"]) for row in rows[:3])


def test_a_model_without_maps_scores_and_is_measured_by_whole_images(home, tmp_path, monkeypatch):
    from synthgen.torch import models

    monkeypatch.setattr(models.load("patchcore").MODEL, "localises", False)
    model = home / "pc.safetensors"
    done = run("detect", model, home / "brick" / "test", "--out", tmp_path / "found", "--progress", "none")
    assert "patchcore scores whole images: no heat maps" in done.stderr
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["scores.csv"]
    with open(tmp_path / "found" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert set(rows[0]) == {"image", "score"}

    measured = run(
        "evaluate", model, home / "brick", "--out", tmp_path / "report", "--oracle", "--progress", "none"
    )
    head = measured.stdout.splitlines()[0]
    assert " ".join(head.split()) == "category kind normal anomalous image AUROC oracle F1 oracle threshold"
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert written == {"scores.csv", "table.json", "roc.png", "report.html"}


def test_a_sequential_model_goes_on_and_is_melded(home, tmp_path):
    first, second, both = (tmp_path / f"{name}.safetensors" for name in "abc")
    sequential = ["fit", "sequential-patchcore"]
    run(*sequential, "--normal", home / "brick", "--out", first, *BACKBONE, "--points", "24", "--epochs", "1")
    done = run(*sequential, "--update", first, "--normal", home / "brick" / "test" / "good", "--out", second)
    assert "6 normal images (plain folder)" in done.stderr
    run(*sequential, "--meld", first, "--meld", second, "--points", "24", "--out", both)
    images = home / "brick" / "test" / "hole"
    scores = [
        [row["score"] for row in json.loads(run("detect", m, images, "--out", tmp_path / "o", "--json").stdout)]
        for m in (first, second, both)
    ]
    assert scores[0] != scores[1]
    assert np.isfinite(scores).all()


def test_normal_images_are_added_to_a_set_without_any(home, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "hole").symlink_to(home / "brick" / "test" / "hole")
    assert "got 0 normal and 3 anomalous" in refused("evaluate", home / "pc.safetensors", tmp_path / "set")
    normal = home / "brick" / "test" / "good"
    rows = json.loads(
        run("evaluate", home / "pc.safetensors", tmp_path / "set", "--normal", normal, "--json").stdout
    )
    assert (rows[0]["normal"], rows[0]["anomalous"], rows[0]["pixel_auroc"]) == (6, 3, None)


def test_places_that_are_wrong_are_refused(home, tmp_path):
    (tmp_path / "empty").mkdir()
    model, out = home / "pc.safetensors", tmp_path / "out"
    fit = ["fit", "patchcore", *BACKBONE, "--out", tmp_path / "m.safetensors", "--normal"]
    assert "must hold images, got an empty folder" in refused(*fit, tmp_path / "empty")
    assert "got nothing there" in refused("detect", model, tmp_path / "none.png", "--out", out)
    picture = home / "brick" / "test" / "good" / "0.png"
    assert str(picture) in refused("detect", picture, picture, "--out", out)
    assert "must hold images, got an empty folder" in refused("evaluate", model, tmp_path / "empty")
    good = home / "brick" / "train"
    assert "got 6 normal and 0 anomalous ones" in refused("evaluate", model, good)
    for command in (("detect", model, picture), ("evaluate", model, home / "brick")):
        assert refused(*command, "--out", picture) == f"{picture}: cannot be written: File exists"


def test_thresholds_of_several_categories_are_not_kept(home, tmp_path):
    for name in "ab":
        (tmp_path / name).symlink_to(home / "brick")
    line = refused("evaluate", home / "pc.safetensors", tmp_path, "--keep-thresholds")
    assert line == "--keep-thresholds must be for one category, got a, b"


def test_a_mistake_is_one_line_and_ends_with_2(tmp_path):
    command = [sys.executable, "-m", "synthgen", "fit", "padim", "--out", tmp_path / "m.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "synthgen: --normal must be a folder of normal images, got none\n"


def test_without_torch_a_line_says_what_to_install(tmp_path):
    commands = (
        "fit padim --normal photos --backbone x --out m", "detect m photos --out o", "evaluate m t",
        "pretrain tiny-fractals --arch resnet18 --out o",
    )  # fmt: skip
    put(tmp_path / "photos" / "0.png", 0)
    code = f"""
import sys
from synthgen.cli import main
sys.modules["torch"] = None
for command in {commands}:
    sys.argv[1:] = command.split()
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == ["1"] * len(commands), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("synthgen: ")]
    assert len(lines) == len(commands)
    assert all(line.endswith(f"needs torch, {install_hint('torch')}") for line in lines)


@pytest.mark.parametrize("package", ["timm", "safetensors", "scipy", "matplotlib"])
def test_without_a_package_of_the_extra_a_line_says_so(home, tmp_path, monkeypatch, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=re.escape(f"needs {package}, {install_hint('torch')}")):
        run("evaluate", home / "pc.safetensors", home / "brick", "--out", tmp_path)


def test_an_image_that_cannot_be_read_gets_a_row_and_the_rest_goes_on(home, tmp_path):
    photos = tmp_path / "photos"
    for i in range(5):
        put(photos / f"{i}.png", i)
    broken = photos / "2.png"
    broken.write_bytes(broken.read_bytes()[:300])
    command = ["detect", home / "pc.safetensors", photos, "-o", tmp_path / "found", "--batch-size", "2"]
    done = CliRunner().invoke(cli, [*map(str, command), "--progress", "none"])
    assert done.exit_code == 3
    assert "1 of 5 images cannot be read" in done.stderr
    with open(tmp_path / "found" / "scores.csv", newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert len(rows) == 5
    assert "must be an image that can be read" in rows[str(broken)]["error"]
    assert [bool(row["heatmap"]) for row in rows.values()] == [True] * 4 + [False]


def test_results_among_the_images_are_refused(home, tmp_path):
    put(tmp_path / "photos" / "0.png", 0)
    line = refused("detect", home / "pc.safetensors", tmp_path / "photos", "--out", tmp_path / "photos" / "found")
    assert line.startswith("--out must lie outside of the folder of images")
    assert not (tmp_path / "photos" / "found").exists()


def photographs(folder):
    """Write a dozen of normal images."""
    for i in range(12):
        put(folder / f"{i:02d}.png", i)
    return folder


def test_thresholds_come_from_normal_images_that_were_held_out(home, tmp_path):
    photos = photographs(tmp_path / "photos")
    model = tmp_path / "m.safetensors"
    command = ["fit", "patchcore", "--normal", photos, "--out", model, *BACKBONE]
    done = run(*command, "--hold-out", "0.5", "--false-alarms", "0.2")
    assert "from 6 images held out: 20.0% of normal images may reach it" in done.stderr
    images = [photos, home / "brick" / "test" / "hole"]
    rows = json.loads(run("detect", model, *images, "--out", tmp_path / "found", "--json").stdout)
    normal, holes = rows[:12], rows[12:]
    assert sum(row["anomalous"] for row in normal) <= 1  # of the six held out, one may reach it
    assert all(row["anomalous"] for row in holes)
    assert all((row["scaled"] >= 1) == row["anomalous"] for row in rows)
    assert min(row["scaled"] for row in holes) > 1 > np.median([row["scaled"] for row in normal])

    assert "held out" not in run(*command, "--hold-out", "0", "--overwrite").stderr
    rows = json.loads(run("detect", model, *images, "--out", tmp_path / "plain", "--json").stdout)
    assert not {"scaled", "anomalous"} & set(rows[0])


def test_an_interrupted_detect_is_resumed_to_the_same_files(home, tmp_path, command, monkeypatch):
    photos = photographs(tmp_path / "photos")
    options = ["--batch-size", "1", "--maps", "npy", "--progress", "none"]
    words = ["detect", home / "pc.safetensors", photos, *options]
    run(*words, "--out", tmp_path / "whole")
    heatmaps = tmp_path / "found" / "heatmaps"

    def overlay(*arguments):
        if len(list(heatmaps.glob("*.png"))) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(*arguments)

    with monkeypatch.context() as patch:
        plain = detection.overlay
        patch.setattr(detection, "overlay", overlay)
        done = command(*words, "--out", tmp_path / "found")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "synthgen: interrupted; run the same command again to resume"
    with open(tmp_path / "found" / "scores.csv", newline="") as file:
        early = list(csv.DictReader(file))
    assert 2 <= len(early) < 12

    times = {path.name: path.stat().st_mtime_ns for path in heatmaps.glob("*.png")}
    done = run(*words, "--out", tmp_path / "found")
    assert f"goes on after {len(early)} of 12 images" in done.stderr
    for row in early:
        name = f"{Path(row['image']).stem}.png"
        assert (heatmaps / name).stat().st_mtime_ns == times[name]  # not drawn again
    assert tree(tmp_path / "found") == tree(tmp_path / "whole")


def tree(folder):
    """Return the contents of all files of a folder; the table without the folder's own name."""
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data.replace(str(folder).encode(), b"") for name, data in files.items()}


def test_an_interrupted_fit_does_not_promise_to_resume(home, tmp_path, command, monkeypatch):
    monkeypatch.setattr(PatchCore, "fit", lambda *arguments: os.kill(os.getpid(), signal.SIGINT))
    done = command("fit", "patchcore", "--normal", home / "brick", "--out", "m", *BACKBONE, cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (130, [])
    assert done.stderr.splitlines()[-1] == "synthgen: interrupted; the same command begins anew"


@pytest.mark.parametrize(
    ("options", "shape", "size"),
    [
        (["--tile", "48"], (160, 200), (48, 48)),
        (["--tile", "64", "--size", "32"], (160, 200), (32, 32)),
        (["--fit", "letterbox", "--size", "48"], (48, 160), (48, 48)),
        (["--fit", "crop", "--size", "48"], (64, 100), (48, 48)),
        (["--size", "48"], (64, 100), (48, 48)),
    ],
)
def test_images_of_any_size_are_framed_in_fit_detect_and_evaluate_alike(tmp_path, options, shape, size):
    rng = np.random.default_rng(0)

    def draw(path, middle=None):
        pixels = rng.integers(80, 110, (*shape, 3)).astype(np.uint8)
        mask = np.zeros(shape, np.uint8)
        if middle is not None:
            row, column = middle
            mask[row - 8 : row + 8, column - 8 : column + 8] = 255
            pixels[mask > 0] = (250, 240, 40)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return mask

    brick = tmp_path / "brick"
    for i in range(4):
        draw(brick / "train" / "good" / f"{i}.png")
        draw(brick / "test" / "good" / f"{i}.png")
    for i in range(3):
        mask = draw(brick / "test" / "hole" / f"{i}.png", (20 + 4 * i, shape[1] // 2 + 5 * i))
        (brick / "ground_truth" / "hole").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(brick / "ground_truth" / "hole" / f"{i}_mask.png")

    model = tmp_path / "m.safetensors"
    plain = ["--backbone", "random:test_resnet", "--layers", "1,2", "--sigma", "1", "--progress", "none"]
    run("fit", "patchcore", "--normal", brick, "--out", model, *plain, *options)
    assert tuple(load_model(model).image_size) == size
    rows = json.loads(run("evaluate", model, brick, "--json").stdout)
    assert rows[0]["pixel_auroc"] > 0.95

    command = ["detect", model, brick / "test", "--maps", "tiff", "--out", tmp_path / "found", "--json"]
    for row in json.loads(run(*command).stdout):
        with Image.open(row["map"]) as file:
            scores = np.asarray(file)
        assert (scores.shape, scores.dtype) == (shape, np.float32)
        unseen = np.isnan(scores)
        assert unseen.any() == ("crop" in options)
        if "hole" not in row["image"]:
            continue
        place = Path(row["image"])
        with Image.open(brick / "ground_truth" / "hole" / f"{place.stem}_mask.png") as file:
            mask = np.asarray(file) > 0
        row_found, column_found = np.unravel_index(np.nanargmax(scores), shape)
        near = mask[max(row_found - 6, 0) : row_found + 7, max(column_found - 6, 0) : column_found + 7]
        assert near.any()
        with Image.open(row["heatmap"]) as picture:
            assert picture.size == (shape[1], shape[0])


def test_a_camera_of_12_bits_is_told_once_and_kept_in_the_model(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        deep = np.random.default_rng(i).integers(1000, 3000, (40, 40)).astype(np.uint16)
        Image.fromarray(deep).save(photos / f"{i}.png")
    model = tmp_path / "m.safetensors"
    fit = ["fit", "patchcore", "--normal", photos, "--out", model, *BACKBONE]
    with pytest.warns(UserWarning, match="nearly black"):
        run(*fit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(*fit, "--bits", "12", "--overwrite")
        run("detect", model, photos, "--out", tmp_path / "found", "--side-by-side", "--progress", "none")
    with Image.open(tmp_path / "found" / "heatmaps" / "0.png") as picture:
        shown = np.asarray(picture)
    assert shown.shape == (40, 128, 3)
    assert 60 < shown[:, :40].mean() < 190  # neither black nor white


def test_what_is_left_out_is_said(home, tmp_path):
    put(tmp_path / "photos" / "0.png", 0)
    (tmp_path / "photos" / "1.gif").write_bytes(b"GIF89a")
    done = run("detect", home / "pc.safetensors", tmp_path / "photos", "--out", tmp_path / "found")
    assert f"{tmp_path / 'photos'}: 1 file left out, not images by name: 1.gif" in done.stderr
