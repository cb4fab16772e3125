"""A masked autoencoder of transformers fills in regions; its weights here are of chance, and its bias a color."""

import json

import numpy as np
import pytest
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.torch import PatchCore, refine
from synthgen.torch.refinement import PixelPrior, RefineOptions
from synthgen.torch.refinement.autoencoder import MaskedAutoencoder, autoencoder_of

transformers = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32,
    "patch_size": 8, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
}  # fmt: skip


def save(folder, **changes):
    torch.manual_seed(0)
    config = transformers.ViTMAEConfig(**SMALL, **changes)
    network = transformers.ViTMAEForPreTraining(config)
    with torch.no_grad():
        network.decoder.decoder_pred.weight.zero_()
        network.decoder.decoder_pred.bias.zero_()  # the mean color of ImageNet
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("autoencoder"))


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
def test_the_region_becomes_what_the_network_expects_and_the_rest_stays(folder, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    region = np.zeros(size, bool)
    region[9:16, 9:16] = True
    filled = MaskedAutoencoder(folder).filled(image, region)
    assert (filled[~region] == image[~region]).all()
    inner = filled[11:14, 11:14].astype(int)
    np.testing.assert_allclose(inner, np.broadcast_to([124, 116, 104], inner.shape), atol=24)


def test_hidden_patches_do_not_reach_the_network(folder):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    region = np.zeros((32, 32), bool)
    region[8:16, 8:24] = True
    other = np.where(region[..., None], 255, image).astype(np.uint8)
    autoencoder = MaskedAutoencoder(folder)
    np.testing.assert_array_equal(autoencoder.filled(image, region), autoencoder.filled(other, region))


def test_a_region_that_touches_all_patches_is_left_to_others(folder):
    region = np.zeros((32, 32), bool)
    region[4::8, 4::8] = True
    assert MaskedAutoencoder(folder).filled(np.zeros((32, 32, 3), np.uint8), region) is None


def test_a_refinement_starts_from_it(folder):
    stripes = 128 + 50 * np.sin(np.arange(64) / 5)
    noise = np.random.default_rng(0).normal(0, 3, (6, 3, 64, 64))
    batch = torch.from_numpy((stripes + noise).astype(np.uint8))
    model = PatchCore("random:test_resnet", layers=(1, 2), coreset=0.2, device="cpu").fit([batch], progress="none")
    image = batch[0].permute(1, 2, 0).numpy().copy()
    image[24:36, 20:34] = (200, 30, 40)
    coarse = np.zeros((64, 64), bool)
    coarse[20:42, 16:40] = True

    prior = PixelPrior.fit([batch])
    smooth = refine(model, image, coarse, prior, RefineOptions(iterations=5))
    options = RefineOptions(iterations=5, inpaint="mae", autoencoder=str(folder))
    autoencoder_of.cache_clear()
    found = refine(model, image, coarse, prior, options)
    again = refine(model, image, coarse, prior, options)
    assert found.mask.any()
    assert (found.difference != smooth.difference).any()
    np.testing.assert_array_equal(again.difference, found.difference)
    assert autoencoder_of.cache_info().misses == 1  # the network is loaded once


def test_what_is_no_masked_autoencoder_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match=r"must be a folder with config\.json and model\.safetensors"):
        MaskedAutoencoder(tmp_path)
    with pytest.raises(UsageError, match="autoencoder must predict colors"):
        MaskedAutoencoder(save(tmp_path / "normalised", norm_pix_loss=True))

    huge = save(tmp_path / "huge")
    config = json.loads((huge / "config.json").read_text())
    (huge / "config.json").write_text(json.dumps({**config, "hidden_size": 2**14, "intermediate_size": 2**16}))
    with pytest.raises(FormatError, match=r"describes .* weights, and its file has room for"):
        MaskedAutoencoder(huge)

    half = save(tmp_path / "half")
    weights = (half / "model.safetensors").read_bytes()
    (half / "model.safetensors").write_bytes(weights[:-8])
    with pytest.raises(FormatError, match="is no masked autoencoder"):
        MaskedAutoencoder(half)
