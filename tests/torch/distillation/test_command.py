"""`synthgen distill` as a user types it, and `fit efficientad` on what it wrote."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import UsageError


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distill") / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def run(*arguments):
    """Return what a command that succeeds prints; the errors of others are raised."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.mark.usefixtures("narrow_pdn")
def test_a_teacher_is_distilled_and_fitted_to(photos, tmp_path):
    teacher = tmp_path / "teacher.safetensors"
    small = ["--image-size", "48", "--enlarge", "1", "--steps", "2", "--batch-size", "2", "--progress", "none"]
    done = run("distill", "random:test_resnet", "--data", photos, "--out", teacher, *small, "--threads", "1")
    assert done.stdout.startswith(f"{teacher}: finished. pdn_small, 2 steps, loss ")
    assert "pdn_small learns 240 channels of test_resnet as 384, from 3 images" in done.stderr
    again = run(
        "distill", "random:test_resnet", "--data", photos, "-o", teacher, *small, "--threads", "1", "--json"
    )
    assert json.loads(again.stdout)["was_finished"]

    out = tmp_path / "m.safetensors"
    fit = ["--normal", photos, "--backbone", teacher, "--size", "48", "--steps", "2", "--progress", "none"]
    run("fit", "efficientad", *fit, "--penalty", photos, "--out", out)
    lines = out.with_suffix(".training.csv").read_text().splitlines()
    assert lines[0] == "step,loss,student,penalty,autoencoder,follower"
    assert len(lines) == 3
    run("fit", "puad", *fit[:2], "--backbone", out, *fit[4:6], "--out", tmp_path / "p.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("m.safetensors", "m.training.csv", "p.safetensors"),
        *("teacher.json", "teacher.log.csv", "teacher.safetensors"),
    ]


def test_what_cannot_be_is_one_line(photos, tmp_path):
    command = ["distill", "random:test_resnet", "--data", photos, "--out", tmp_path / "t.safetensors"]
    with pytest.raises(UsageError, match="--image-size must be a multiple of 4, got 50"):
        run(*command, "--image-size", "50")
    with pytest.raises(UsageError, match="backbone must be a teacher of `synthgen distill`"):
        run("fit", "efficientad", "--normal", photos, "--backbone", "random:test_resnet", "--out", tmp_path / "m")
