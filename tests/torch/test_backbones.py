"""Backbones: every weight finds its place, or its name is in the error."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.shards.files import sha256_of
from synthgen.torch.backbones import create_model, load_backbone

ARCH = "test_resnet"
CARD = {"arch": ARCH, "mean": [0.2, 0.2, 0.2], "std": [0.5, 0.5, 0.5]}


@pytest.fixture(scope="module")
def weights():
    return create_model(ARCH, seed=5, num_classes=7).state_dict()


def written(folder, weights, card=CARD, name="w.safetensors"):
    path = folder / name
    save_file(weights, path)
    if card is not None:
        path.with_suffix(".json").write_text(card if isinstance(card, str) else json.dumps(card))
    return path


def test_a_file_with_its_card_gives_the_same_model(tmp_path, weights):
    model = load_backbone(written(tmp_path, weights))
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert model.state_dict().keys() == weights.keys()
    assert model.pretrained_cfg["mean"] == (0.2, 0.2, 0.2)
    assert model.pretrained_cfg["std"] == (0.5, 0.5, 0.5)
    assert not model.training
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_a_folder_of_a_pre_training_gives_its_best_weights(tmp_path, weights):
    written(tmp_path, weights, name="best.safetensors")
    assert torch.equal(load_backbone(str(tmp_path)).fc.bias, weights["fc.bias"])
    with pytest.raises(UsageError, match=r"must be a folder of `synthgen pretrain`, it has no best\.safetensors"):
        load_backbone(tmp_path.parent)


def test_a_file_without_a_card_needs_its_architecture(tmp_path, weights):
    path = written(tmp_path, weights, card=None)
    with pytest.raises(UsageError, match=r'must have a card w\.json beside it, such as {"arch": "resnet18"}'):
        load_backbone(path)
    assert load_backbone(path, arch=ARCH).pretrained_cfg["mean"] == (0.5, 0.5, 0.5)  # timm's own


@pytest.mark.parametrize("arch", [ARCH, "test_efficientnet", "test_vit", "test_convnext"])
def test_an_extractor_has_the_weights_of_the_whole_model(arch):
    images = torch.rand(2, 3, 160, 160)
    whole, extractor = load_backbone(f"random:{arch}"), load_backbone(f"random:{arch}", features_only=True)
    with torch.inference_mode():
        maps = extractor(images)
        expected = whole.forward_intermediates(images, intermediates_only=True, norm=False)
    assert torch.equal(maps[-1], expected[-1])


def test_chosen_layers_are_returned(tmp_path, weights):
    path = written(tmp_path, weights)
    all_maps = load_backbone(path, features_only=True)(torch.ones(1, 3, 64, 64))
    chosen = load_backbone(path, features_only=True, out_indices=[1, 3])(torch.ones(1, 3, 64, 64))
    assert [torch.equal(a, b) for a, b in zip(chosen, (all_maps[1], all_maps[3]), strict=True)] == [True, True]
    with pytest.raises(UsageError, match=r"test_resnet has no layers \(1, 9\)"):
        load_backbone(path, features_only=True, out_indices=(1, 9))


def test_random_weights_depend_on_the_seed_alone():
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, again = load_backbone(f"random:{ARCH}", seed=3), load_backbone(ARCH, pretrained=False, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.conv1[0].weight, load_backbone(f"random:{ARCH}", seed=4).conv1[0].weight)


@pytest.mark.parametrize("features_only", [False, True])
def test_wrong_weights_are_named(tmp_path, weights, features_only):
    missing = {k: v for k, v in weights.items() if k != "layer2.0.conv1.weight"}
    with pytest.raises(
        UsageError, match=r"must be weights of test_resnet, got 1 missing \(layer2\.0\.conv1\.weight\)"
    ):
        load_backbone(written(tmp_path, missing), features_only=features_only)
    with pytest.raises(UsageError, match=r"got 1 unexpected \(stranger\)$"):
        load_backbone(written(tmp_path, {**weights, "stranger": torch.zeros(2)}), features_only=features_only)
    shorter = {**weights, "layer1.0.bn1.bias": torch.zeros(3)}
    with pytest.raises(UsageError, match=r"1 of another shape \(layer1\.0\.bn1\.bias \(3,\) in place of \(32,\)\)"):
        load_backbone(written(tmp_path, shorter), features_only=features_only)


def test_only_a_whole_classifier_may_be_absent(tmp_path, weights):
    headless = {k: v for k, v in weights.items() if not k.startswith("fc.")}
    model = load_backbone(written(tmp_path, headless))
    assert model.state_dict().keys() == headless.keys()
    with pytest.raises(UsageError, match=r"1 unexpected \(fc\.bias\)"):
        load_backbone(written(tmp_path, {**headless, "fc.bias": weights["fc.bias"]}))


def test_weights_of_another_architecture_are_refused(tmp_path, weights):
    path = written(tmp_path, weights, card={**CARD, "arch": "test_efficientnet"})
    with pytest.raises(UsageError, match=r"must be weights of test_efficientnet, got \d+ missing \(conv_stem"):
        load_backbone(path)
    with pytest.raises(UsageError, match="must be weights of test_resnet, its card says test_efficientnet"):
        load_backbone(path, arch=ARCH)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("{", "must be JSON"),
        ('{"arch": "resnet18", "arch": "resnet34"}', "'arch' must be set once"),
        ("[]", "must be the card of a backbone"),
        ({"mean": [0, 0, 0]}, "must be the card of a backbone"),
        ({**CARD, "std": [0, 1, 1]}, "std must be three numbers"),
        ({**CARD, "mean": "half"}, "mean must be three numbers"),
        ({**CARD, "mean": [float("nan")] * 3}, "mean must be three numbers"),
        ({**CARD, "size": -1}, "size must be a whole number"),
        ({**CARD, "trained_layers": 5}, "trained_layers must lie in 1..4"),
    ],
)
def test_a_damaged_card_is_one_line(tmp_path, weights, card, told):
    with pytest.raises(FormatError, match=told) as error:
        load_backbone(written(tmp_path, weights, card))
    assert str(tmp_path / "w.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_classifier_without_a_shape_is_one_line(tmp_path, weights):
    path = written(tmp_path, {**weights, "fc.weight": torch.zeros(())})
    with pytest.raises(UsageError, match="must be weights of test_resnet, got 2 unexpected"):
        load_backbone(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 200, None])
def test_a_damaged_file_is_one_line(tmp_path, weights, content):
    path = written(tmp_path, weights)
    path.write_bytes(path.read_bytes()[:50_000] if content is None else content)
    with pytest.raises(FormatError, match=r"w\.safetensors: is no whole safetensors file"):
        load_backbone(path)


def test_names_that_timm_does_not_know_are_refused():
    with pytest.raises(UsageError, match=r"got 'resnett18'; did you mean resnet18\?"):
        load_backbone("resnett18")
    with pytest.raises(UsageError, match=r"timm's weights of resnet18 must be among .*a1_in1k.*, got 'nope'"):
        load_backbone("resnet18.nope")
    with pytest.raises(UsageError, match=r"nowhere\.safetensors: no such file"):
        load_backbone("nowhere.safetensors")


def test_a_failing_download_is_one_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(SynthgenError, match=r"^resnet10t: timm's weights cannot be downloaded .*random:resnet10t$"):
        load_backbone("resnet10t")


def test_models_that_nobody_published_weights_of_are_refused():
    with pytest.raises(UsageError, match="timm has no published weights of it; random:botnet50ts_256 gives"):
        load_backbone("botnet50ts_256")


def test_a_card_may_have_the_digest_of_the_file(tmp_path, weights):
    path = written(tmp_path, weights)
    card = {**CARD, "sha256": sha256_of(path)}
    written(tmp_path, weights, card)
    assert torch.equal(load_backbone(path).fc.bias, weights["fc.bias"])

    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"w\.safetensors: must have the SHA-256 that its card says"):
        load_backbone(path)

    # a terabyte of holes behind the weights is not read
    os.truncate(path, 2**40)
    with pytest.raises(FormatError, match=r"w\.safetensors: is no whole safetensors file"):
        load_backbone(path)
