"""Weights as a folder that timm loads."""

import json

import pytest
import timm
import torch

from synthgen.errors import UsageError
from synthgen.torch.backbones import create_model
from synthgen.torch.pretrain.report import write_backbone
from synthgen.torch.timm_folder import export_timm


@pytest.fixture
def trained(tmp_path):
    def train(arch, size, **options):
        model = create_model(arch, 3, num_classes=5, **options).eval()
        card = {"arch": arch, "classes": 5, "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "size": size}
        write_backbone(tmp_path / "best.safetensors", model, card)
        return model

    return train


@pytest.mark.parametrize(
    ("arch", "size", "options"),
    [("test_resnet", 48, {}), ("test_vit", 64, {"img_size": 64}), ("test_resnet", None, {})],
)
def test_timm_loads_the_same_model(trained, tmp_path, arch, size, options):
    ours = trained(arch, size, **options)
    report = export_timm(tmp_path, tmp_path / "out")
    assert report.usage == f'timm.create_model("local-dir:{tmp_path / "out"}", pretrained=True)'
    theirs = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()

    images = torch.rand(2, 3, size or 64, size or 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))
    config = timm.data.resolve_model_data_config(theirs)
    assert (list(config["mean"]), list(config["std"])) == ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    assert config["crop_pct"] == 1.0
    assert theirs.num_classes == 5


def test_the_card_says_where_the_weights_come_from(trained, tmp_path):
    trained("test_resnet", 48)
    export_timm(tmp_path / "best.safetensors", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architecture"] == "test_resnet"
    assert "library_name: timm" in (tmp_path / "out" / "README.md").read_text()


def test_a_folder_that_holds_something_else_is_left_alone(trained, tmp_path):
    trained("test_resnet", 48)
    with pytest.raises(UsageError, match="must be a new or an empty folder"):
        export_timm(tmp_path, tmp_path)
    with pytest.raises(UsageError, match="weights must be a file or a folder of `synthgen pretrain`, got resnet18"):
        export_timm("resnet18", tmp_path / "out")
