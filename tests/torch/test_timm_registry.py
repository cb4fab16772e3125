"""timm's published weights are ours within a block, and timm's again behind it."""

import pytest
import torch

from synthgen.errors import SynthgenError, UsageError
from synthgen.torch import published
from synthgen.torch.backbones import create_model
from synthgen.torch.pretrain.report import write_backbone

timm = pytest.importorskip("timm")


def trained(folder, arch, **options):
    """Return a model whose weights lie in a folder of a training."""
    model = create_model(arch, 3, num_classes=5, **options).eval()
    card = {"arch": arch, "classes": 5, "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}
    write_backbone(folder / "best.safetensors", model, card | ({"size": options["img_size"]} if options else {}))
    return model


@pytest.mark.parametrize(("arch", "options"), [("test_resnet", {}), ("test_vit", {"img_size": 64})])
def test_whatever_asks_timm_for_published_weights_gets_ours(tmp_path, arch, options):
    ours = trained(tmp_path, arch, **options)
    images = torch.rand(2, 3, 64, 64)
    before = timm.get_pretrained_cfg(arch)
    tagged = timm.list_pretrained(f"{arch}.*")[0]

    with published(tmp_path) as name:
        assert name == arch
        for asked in (arch, tagged):
            theirs = timm.create_model(asked, pretrained=True).eval()
            with torch.inference_mode():
                assert torch.equal(theirs(images), ours(images))
            assert theirs.pretrained_cfg["mean"] == (0.1, 0.2, 0.3)
            assert theirs.num_classes == 5
        features = timm.create_model(arch, pretrained=True, features_only=True, out_indices=(1, 2))
        assert len(features(images)) == 2
    assert timm.get_pretrained_cfg(arch) == before


def test_timm_is_as_before_after_an_error(tmp_path):
    trained(tmp_path, "test_resnet")
    before = timm.get_pretrained_cfg("test_resnet")
    with pytest.raises(KeyError), published(tmp_path):
        raise KeyError
    assert timm.get_pretrained_cfg("test_resnet") == before


def test_only_files_and_folders_of_ours_will_do():
    with pytest.raises(UsageError, match="weights must be a file or a folder of `synthgen pretrain`, got resnet18"):
        published("resnet18").__enter__()


def test_a_timm_without_the_table_is_reported(tmp_path, monkeypatch):
    trained(tmp_path, "test_resnet")
    monkeypatch.delattr("timm.models._registry._model_pretrained_cfgs")
    with pytest.raises(SynthgenError, match=r"^timm .* keeps its weights in a way that published does not know"):
        published(tmp_path).__enter__()
