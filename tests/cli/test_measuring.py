"""The options of `synthgen evaluate`: metrics, thresholds, sizes, intervals and pictures."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.torch import PatchCore
from synthgen.torch.evaluation.limits import keep

SHAPE = (48, 64)


def picture(seed, bright=None):
    """Return noise, and with a bright square at a column of it."""
    pixels = np.random.default_rng(seed).integers(60, 100, (*SHAPE, 3), np.uint8)
    if bright is not None:
        pixels[12:28, bright : bright + 16] += 120
    return pixels


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A category whose images are larger than the model, a model with thresholds of its own, and normal images."""
    home = tmp_path_factory.mktemp("measuring")
    for i in range(4):
        put(home / "brick" / "test" / "good" / f"{i}.png", picture(i))
        put(home / "held" / f"{i}.png", picture(20 + i))
    for i in range(3):
        put(home / "brick" / "test" / "hole" / f"{i}.png", picture(10 + i, bright=16 * i))
        mask = np.zeros(SHAPE, np.uint8)
        mask[12:28, 16 * i : 16 * i + 16] = 255
        put(home / "brick" / "ground_truth" / "hole" / f"{i}_mask.png", mask)

    images = np.stack([picture(30 + i)[:32, :32] for i in range(6)]).transpose(0, 3, 1, 2)
    model = PatchCore("random:test_resnet", layers=(1, 2), coreset=0.5).fit([images], progress="none")
    keep(model, 1.5, 1.25, source="a rule of mine")
    model.save(home / "m.safetensors")
    return home


def evaluate(home, *options):
    """Return what `evaluate` prints; the errors of users are raised."""
    arguments = ["evaluate", home / "m.safetensors", home / "brick", "--progress", "none", *options]
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_metrics_are_those_that_are_asked_for(home):
    options = ("--metric", "pl@0.5", "--metric", "fpr@0.99", "--metric", "spro")
    rows = json.loads(evaluate(home, *options, "--json").stdout)
    assert list(rows[0])[4:] == ["pl@0.5", "fpr@0.99", "spro"]
    assert rows[0]["spro"] is None
    head = evaluate(home, *options).stdout.splitlines()[0]
    assert "PL@0.5  image FPR@0.99" in head
    with pytest.raises(UsageError, match=r"^metric must be one of"):
        evaluate(home, "--metric", "accuracy")
    with pytest.raises(UsageError, match="give --trust"):
        evaluate(home, "--metric", "os:getcwd")


def test_thresholds_are_those_of_the_file_unless_normal_images_are_given(home):
    options = ("--metric", "recall", "--metric", "iou", "--json")
    own = evaluate(home, *options)
    assert "thresholds: a rule of mine" in own.stderr
    held = evaluate(home, *options, "--held-out", home / "held")
    assert "thresholds: held-out normal images (n = 4, n < 100)" in held.stderr
    synthetic = evaluate(home, *options, "--held-out", home / "held", "--synthetic")
    assert "thresholds: synthetic defects (n = 4)" in synthetic.stderr
    values = [json.loads(result.stdout)[0]["iou"] for result in (own, held, synthetic)]
    assert len(set(values)) == 3
    assert "oracle_f1" in json.loads(evaluate(home, *options, "--oracle").stdout)[0]


def test_maps_are_measured_at_the_size_of_the_images_on_request(home, tmp_path):
    usual = json.loads(evaluate(home, "--json", "--out", tmp_path / "usual").stdout)
    own = json.loads(evaluate(home, "--json", "--own-size", "--out", tmp_path / "own").stdout)
    assert usual[0]["pixel_auroc"] != own[0]["pixel_auroc"]
    boxes = {}
    for name in ("usual", "own"):
        with open(tmp_path / name / "anomalies.csv", newline="") as file:
            boxes[name] = list(csv.DictReader(file))
    assert [float(row["width"]) for row in boxes["own"]] == [15.0] * 3
    assert all(float(row["width"]) < 9 for row in boxes["usual"])


def test_intervals_stand_below_the_table_and_in_the_json(home):
    done = evaluate(home, "--metric", "image_auroc", "--metric", "aupro", "--intervals")
    assert done.stdout.splitlines()[-2].split()[:3] == ["brick", "image", "AUROC"]
    rows = json.loads(evaluate(home, "--metric", "aupro", "--intervals", "--json").stdout)
    low, high = rows[0]["intervals"]["aupro"]
    assert low <= rows[0]["aupro"] <= high
    assert rows[1]["intervals"] is None


def test_pictures_are_written_beside_the_table(home, tmp_path):
    evaluate(home, "--pictures", "--out", tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert {"sheet.png", "decisions.png", "coverage.png", "anomalies.csv", "table.json"} <= written


def test_with_a_region_the_rest_of_the_images_counts_for_nothing(home, tmp_path):
    region = np.zeros(SHAPE, np.uint8)
    region[:, :16] = 255
    put(tmp_path / "left.png", region)
    options = ("--region", tmp_path / "left.png", "--own-size", "--held-out", home / "held")
    done = evaluate(home, *options, "--metric", "pixel_auroc", "--out", tmp_path / "left")
    assert done.stderr.count("region: 25.0% of the pixels are inspected\n") == 1
    assert "2 anomalous images have no defect inside of the region; they stay anomalous" in done.stderr
    with open(tmp_path / "left" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["inspected"] for row in rows} == {"0.25"}
    scores = {row["kind"]: [] for row in rows}
    for row in rows:
        scores[row["kind"]].append(float(row["score"]))
    seen, *hidden = scores["hole"]
    assert seen > max(scores["good"] + hidden)
    assert json.loads((tmp_path / "left" / "table.json").read_text())[0]["pixel_auroc"] > 0.95
    assert "25.0%" in (tmp_path / "left" / "report.html").read_text()

    kept = evaluate(home, "--region", tmp_path / "left.png")
    assert "the threshold of images is left out" in kept.stderr
    assert "hole" in evaluate(home, "--region", tmp_path / "left.png", "--pictures", "--out", tmp_path / "p").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--synthetic",), "^synthetic needs normal images to paste defects on: give --held-out$"),
        (("--own-size", "--refine"), "^own_size cannot be given with --refine"),
        (("--region", "masks", "--refine"), "^region cannot be given with --refine"),
        (("--region", "masks", "--keep-thresholds"), "^region cannot be given with --keep-thresholds: detect"),
        (("--pictures",), "^pictures must have a folder to go to: give --out$"),
    ],
)
def test_options_that_do_not_go_together_are_refused(home, options, message):
    with pytest.raises(UsageError, match=message.replace("^", "^(--)?").replace("own_size", "own.size")):
        evaluate(home, *options)
