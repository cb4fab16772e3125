"""Weights as a folder that timm loads."""

import json

import pytest
import timm
import torch
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.torch.backbones import create_model
from synthgen.torch.pretrain.report import write_backbone
from synthgen.torch.timm_folder import export_timm


@pytest.fixture
def trained(tmp_path):
    def train(arch, size, classes=5, more=(), **options):
        model = create_model(arch, 3, num_classes=classes, **options).eval()
        card = {"arch": arch, "classes": classes, "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "size": size}
        card.update(more)
        write_backbone(tmp_path / "best.safetensors", model, card)
        return model

    return train


@pytest.mark.parametrize(
    ("arch", "size", "options"),
    [
        ("test_resnet", 48, {}),
        ("test_vit", 64, {"img_size": 64}),
        ("test_resnet", None, {}),
        ("test_vit", None, {"img_size": 64}),  # the positions tell the size
    ],
)
def test_timm_loads_the_same_model(trained, tmp_path, arch, size, options):
    ours = trained(arch, size, **options)
    report = export_timm(tmp_path, tmp_path / "out")
    assert report.usage == f'timm.create_model("local-dir:{tmp_path / "out"}", pretrained=True)'
    theirs = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()

    images = torch.rand(2, 3, size or 64, size or 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))
        assert torch.equal(ours.forward_features(images), theirs.forward_features(images))
    config = timm.data.resolve_model_data_config(theirs)
    assert (list(config["mean"]), list(config["std"])) == ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    assert config["crop_pct"] == 1.0
    side = size or options.get("img_size", 160)
    assert list(config["input_size"]) == [3, side, side]
    assert theirs.num_classes == 5


def test_the_configuration_has_what_timm_and_the_hub_ask_for(trained, tmp_path):
    trained("test_vit", 64, img_size=64)
    report = export_timm(tmp_path / "best.safetensors", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["architecture"], config["num_classes"], config["num_features"]) == ("test_vit", 5, 64)
    assert config["model_args"] == {"img_size": [64, 64]}
    pretrained = config["pretrained_cfg"]
    assert {"mean", "std", "input_size", "interpolation", "crop_pct"} <= pretrained.keys()
    assert pretrained["fixed_input_size"]
    assert sorted(report.files) == sorted(path.name for path in (tmp_path / "out").iterdir())


FORMULAS = {"recipe": {"name": "fractals-10x10", "family": "fractals"}, "images": 100, "fingerprint": "ab12"}
OF_FILES = {**FORMULAS, "recipe": {"name": "mine", "family": "cutpaste", "good": "/home/me/good"}}


@pytest.mark.parametrize(("data", "is_free"), [(FORMULAS, True), (OF_FILES, False), (None, False)])
def test_the_card_claims_no_more_than_is_known(trained, tmp_path, data, is_free):
    """Weights that were imported, or trained on somebody's images, have the license of somebody."""
    trained("test_resnet", 48, more={"trained_layers": 3} if data is None else {"data": data})
    export_timm(tmp_path, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: timm" in text
    assert ("license: cc0-1.0" in text, "No photograph was used" in text) == (is_free, is_free)
    assert ("- data fingerprint: `ab12`" in text) == (data is not None)
    assert ("- trained: layers 1 to 3; those behind are random" in text) == (data is None)


def run(*words):
    return CliRunner().invoke(cli, ["export", "timm", *map(str, words)])


def test_the_command_ends_with_the_code_that_loads_the_weights(trained, tmp_path):
    ours = trained("test_resnet", 48, classes=0)
    done = run(tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.exception
    first, code = done.stdout.splitlines()
    assert first == f"{tmp_path / 'out'}: test_resnet"
    theirs = eval(code, {"timm": timm}).eval()  # noqa: S307 - the line is ours
    images = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--check"], "--check must be left out for timm"),
        (["--workers", 2], "--workers must be left out for timm"),
        (["--split", "train=1"], "--split must be left out for timm"),
        (["again"], "timm takes one file of weights, got 2"),
    ],
)
def test_what_means_nothing_to_weights_is_refused(trained, tmp_path, words, message):
    done = run(tmp_path, *words, "--out", tmp_path / "out")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == message
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone(trained, tmp_path):
    trained("test_resnet", 48)
    with pytest.raises(UsageError, match="must be a new or an empty folder"):
        export_timm(tmp_path, tmp_path)
    with pytest.raises(UsageError, match="weights must be a file or a folder of `synthgen pretrain`, got resnet18"):
        export_timm("resnet18", tmp_path / "out")


def test_a_network_that_timm_does_not_have_is_refused(trained, tmp_path):
    trained("pdn_small", None, classes=0)
    with pytest.raises(
        UsageError, match=r"^weights must be of an architecture of timm's, got pdn_small, which is ours$"
    ):
        export_timm(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
