"""Features: normalisation, local averages, alignment, and the layers of timm's backbones."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import (
    FeatureExtractor,
    aligned,
    as_vectors,
    blocks_of,
    local_average,
    normalised,
    spread_layers,
)


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), dtype=np.uint8))


def unfolded_average(maps, size):
    """Average over unfolded patches of maps that zeros surround, as the published code of PatchCore does."""
    before, after = size // 2, (size - 1) // 2
    padded = torch.nn.functional.pad(maps, (before, after, before, after))
    patches = torch.nn.functional.unfold(padded, size).view(*maps.shape[:2], size**2, -1)
    return patches.mean(2).view(maps.shape)


def plain_average(maps, size):
    """Average over what lies inside, place by place."""
    out = np.empty_like(maps)
    before, after = size // 2, (size - 1) // 2
    for r in range(maps.shape[2]):
        for c in range(maps.shape[3]):
            window = maps[:, :, max(0, r - before) : r + after + 1, max(0, c - before) : c + after + 1]
            out[:, :, r, c] = window.mean((2, 3))
    return out


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_local_average_without_padding_is_that_of_a_plain_loop(size):
    maps = np.random.default_rng(1).normal(size=(2, 3, 5, 7)).astype(np.float32)
    found = local_average(torch.from_numpy(maps), size, "none")
    np.testing.assert_allclose(found, plain_average(maps, size), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_local_average_is_that_of_unfolded_patches_among_zeros(size):
    maps = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 5, 7)).astype(np.float32))
    torch.testing.assert_close(local_average(maps, size), unfolded_average(maps, size), rtol=0, atol=1e-6)


def test_features_are_those_of_the_published_unfolding_over_the_edges_too(images):
    extract = FeatureExtractor("random:test_resnet", (2, 3))
    large, small = (unfolded_average(maps, 3) for maps in extract.maps(extract.normalise(images)))
    grown = torch.nn.functional.interpolate(small, large.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(extract(images), torch.cat([large, grown], 1), rtol=0, atol=1e-6)


def test_an_unknown_padding_is_refused():
    with pytest.raises(UsageError, match="pool_padding must be one of zeros, none, got 'mirror'"):
        FeatureExtractor("random:test_resnet", pool_padding="mirror")


def test_bytes_and_floats_are_normalised_alike(images):
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    values = normalised(images, mean, std)
    expected = (images.numpy() / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(values, expected, atol=1e-6)
    torch.testing.assert_close(normalised(images.double() / 255, mean, std), values)


def test_one_channel_counts_for_all(images):
    gray = images[:, :1]
    assert torch.equal(
        normalised(gray, [0.5] * 3, [0.2] * 3), normalised(gray.expand(-1, 3, -1, -1), [0.5] * 3, [0.2] * 3)
    )


def test_alignment_leaves_the_largest_map_and_joins_channels():
    small, large = torch.full((1, 2, 3, 3), 4.0), torch.randn(1, 3, 6, 5)
    joined = aligned([small, large])
    assert joined.shape == (1, 5, 6, 5)
    assert torch.equal(joined[:, 2:], large)
    assert torch.equal(joined[:, :2], torch.full((1, 2, 6, 5), 4.0))


def test_rows_are_places_of_one_image_after_the_other():
    maps = torch.randn(2, 4, 3, 5)
    assert torch.equal(as_vectors(maps)[1 * 15 + 2 * 5 + 3], maps[1, :, 2, 3])


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_layers_are_quarters_to_thirty_seconds_however_the_backbone_was_built(name, images):
    whole = load_backbone(f"random:{name}", seed=3)
    every = load_backbone(f"random:{name}", seed=3, features_only=True)
    for layers, side in (((1,), 16), ((2, 3), 8), ((3, 4), 4)):
        by_name = FeatureExtractor(f"random:{name}", layers)
        assert by_name.shape((64, 64)) == (by_name(images).shape[1], side, side)
        features = FeatureExtractor(whole, layers)(images)
        assert features.shape[2:] == (side, side)
        torch.testing.assert_close(FeatureExtractor(every, layers)(images), features)


def test_a_backbone_is_put_into_evaluation_mode(images):
    net = load_backbone("random:test_resnet").train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    features = FeatureExtractor(net)(images)
    assert not net.training
    assert not features.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_features_of_an_image_do_not_depend_on_its_batch(images):
    extract = FeatureExtractor("random:test_resnet")
    torch.testing.assert_close(extract(images[1:2]), extract(images)[1:2])


@pytest.mark.parametrize("layers", [(), (0, 1), (3, 2), (2, 2), (5,)])
def test_unknown_layers_are_refused(layers):
    with pytest.raises(UsageError, match="layers must be some of"):
        FeatureExtractor("random:test_resnet", layers)


def test_layers_that_a_module_does_not_give_are_refused():
    net = load_backbone("random:test_resnet", features_only=True, out_indices=(2, 3))
    with pytest.raises(UsageError, match="which gives"):
        FeatureExtractor(net, (3, 4))


def test_a_module_that_is_not_of_timm_is_refused():
    with pytest.raises(UsageError, match=r"timm\.create_model, got Linear"):
        FeatureExtractor(torch.nn.Linear(3, 3))


def test_images_outside_their_range_are_refused(images):
    extract = FeatureExtractor("random:test_resnet")
    for wrong, rule in (
        (images.float(), r"must lie in \[0, 1\]"),
        (images.float() * torch.nan, r"must lie in \[0, 1\]"),
        (images.int(), "must be uint8 or floats"),
        (images[:, :2], r"images must be \(N, 1 or 3, H, W\)"),
    ):
        with pytest.raises(UsageError, match=rule):
            extract(wrong)


def test_features_that_are_not_finite_name_the_image(images):
    net = load_backbone("random:test_resnet")
    with torch.no_grad():
        net.conv1[0].weight.fill_(torch.inf)
    with pytest.raises(UsageError, match="features must be finite, image 0"):
        FeatureExtractor(net)(images)


def test_a_size_that_a_backbone_cannot_take_is_one_line(images):
    net = load_backbone("random:test_resnet", features_only=True)

    def refuse(module, arguments):
        raise AssertionError("height 64 is not 224\nand more")

    net.register_forward_pre_hook(refuse)
    with pytest.raises(UsageError) as caught:
        FeatureExtractor(net)(images)
    assert str(caught.value) == "backbone cannot take images of 64 x 64: height 64 is not 224"


def test_forward_keeps_the_gradients_that_a_call_drops(images):
    extract = FeatureExtractor("random:test_resnet", border=1)
    batch = extract.normalise(images).requires_grad_()
    features = extract.forward(batch)
    assert torch.equal(features.detach(), extract(images))
    features.sum().backward()
    assert batch.grad.abs().sum() > 0


@pytest.mark.parametrize("form", ["random:test_resnet", "random:test_efficientnet", "random:test_convnext"])
def test_the_shape_of_features_is_known_without_computing_them(form, images, monkeypatch):
    extract = FeatureExtractor(load_backbone(form), border=1)
    expected = tuple(extract(images).shape[1:])
    monkeypatch.setattr(extract, "_forward", lambda images: pytest.fail("was computed"))
    assert extract.shape((64, 64)) == expected


def test_the_shape_of_a_huge_image_takes_no_memory():
    assert FeatureExtractor("random:test_resnet").shape((2**16, 2**16))[1:] == (2**13, 2**13)


def test_nearest_alignment_repeats_each_place():
    small = torch.arange(4.0).view(1, 1, 2, 2)
    joined = aligned([torch.zeros(1, 1, 4, 4), small], "nearest")
    assert torch.equal(joined[0, 1], small[0, 0].repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_a_whole_module_gives_the_features_of_one_that_gives_channels_last(images):
    apart = FeatureExtractor("random:test_mambaout", (1, 2))
    whole = FeatureExtractor(load_backbone("random:test_mambaout"), (1, 2))
    assert "NHWC" in str(whole.net.output_fmt)
    assert torch.equal(apart(images), whole(images))


def test_blocks_of_a_vision_transformer_are_those_of_timm(images):
    timm = pytest.importorskip("timm")
    extract = FeatureExtractor("random:test_vit", (2, 5), pool=1)
    plain = timm.create_model("test_vit", img_size=64).eval()
    whole = load_backbone("random:test_vit").state_dict()
    grid = whole.pop("pos_embed")
    plain.load_state_dict(whole, strict=False)
    plain.pos_embed.data = timm.layers.resample_abs_pos_embed(grid, [4, 4])

    with torch.no_grad():
        expected = plain.forward_intermediates(extract.normalise(images), indices=[1, 4], intermediates_only=True)
    torch.testing.assert_close(extract(images), torch.cat(expected, 1))


def test_a_vision_transformer_takes_images_of_any_size_that_its_patch_divides(images):
    extract = FeatureExtractor("random:test_vit", (3,))
    assert extract.shape((48, 80)) == (64, 3, 5)
    assert extract(images[:, :, :48]).shape == (3, 64, 3, 4)
    with pytest.raises(UsageError, match=r"cannot take images of 64 x 60: .* divisible by patch size"):
        extract(images[:, :, :, :60])


def test_layers_of_a_vision_transformer_are_the_numbers_of_its_blocks():
    assert blocks_of("random:test_vit") == blocks_of(load_backbone("random:test_vit")) == 6
    assert blocks_of("random:test_resnet") == 0
    assert spread_layers((2, 3), 12) == (6, 9)
    with pytest.raises(UsageError, match=r"layers must be some of the blocks 1 to 6, ascending, got \(7,\)"):
        FeatureExtractor("random:test_vit", (7,))
