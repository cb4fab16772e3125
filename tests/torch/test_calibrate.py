"""Batch-norm statistics from the images that a backbone is used on."""

import numpy as np
import pytest
import torch
from torch import nn

from synthgen.errors import UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.calibrate import calibrate_batch_norm, calibrate_model
from synthgen.torch.models import PatchCore, load, load_model

# kind -> the options that make it small
SMALL = {"patchcore": {"coreset": 0.2}, "sequential-patchcore": {"points": 100}, "padim": {"channels": 20}}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(128, 30, (6, 3, 64, 64)).clip(0, 255).astype(np.uint8))


def test_calibration_gives_each_layer_the_statistics_of_its_input():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batches = [torch.randn(6, 3, 9, 9) * 2 + 1, torch.randn(6, 3, 9, 9)]
    calibrated = calibrate_batch_norm(model.eval(), [(batch, "label") for batch in batches])
    # slow twin: each batch through the layers by hand
    means = [[], []]
    for batch in batches:
        for i, (conv, norm) in enumerate(((model[0], model[1]), (model[3], model[4]))):
            batch = conv(batch)
            mean, var = batch.mean((0, 2, 3)), batch.var((0, 2, 3))
            means[i].append((mean, var))
            plain = batch.var((0, 2, 3), unbiased=False)
            batch = (batch - mean[:, None, None]) / (plain[:, None, None] + norm.eps) ** 0.5
            batch = torch.relu(batch)
    for i, layer in enumerate((calibrated[1], calibrated[4])):
        mean, var = (torch.stack(values).mean(0) for values in zip(*means[i], strict=True))
        torch.testing.assert_close(layer.running_mean, mean)
        torch.testing.assert_close(layer.running_var, var)
        assert layer.momentum == 0.1
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not calibrated.training


def test_calibration_needs_layers_and_images():
    with pytest.raises(UsageError, match="must have batch-norm layers"):
        calibrate_batch_norm(nn.Conv2d(3, 4, 3), [torch.zeros(1, 3, 8, 8)])
    with pytest.raises(UsageError, match="must give images"):
        calibrate_batch_norm(nn.BatchNorm2d(3), [])
    with pytest.raises(UsageError, match=r"calibrate must be a share in 0\.\.1, got 1\.5"):
        calibrate_batch_norm(nn.BatchNorm2d(3), [torch.zeros(1, 3, 8, 8)], share=1.5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_mixes_old_and_new_statistics_at_every_layer(share):
    """Slow twin: each layer normalises by the mixture on the way, so the second one sees it."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    model[0].running_mean.fill_(0.5)
    model[2].running_var.fill_(4.0)
    batch = torch.randn(8, 2, 6, 6) * 3 + 2
    calibrated = calibrate_batch_norm(model, [batch], share)

    values = batch
    for old, new in ((model[0], calibrated[0]), (model[2], calibrated[2])):
        mean = (1 - share) * old.running_mean + share * values.mean((0, 2, 3))
        kept = (1 - share) * old.running_var
        torch.testing.assert_close(new.running_mean, mean)
        torch.testing.assert_close(new.running_var, kept + share * values.var((0, 2, 3)))
        plain = kept + share * values.var((0, 2, 3), unbiased=False)
        values = (values - mean[:, None, None]) / (plain[:, None, None] + old.eps) ** 0.5
        values = torch.relu(values)


def test_a_silent_channel_keeps_the_floor_of_what_the_others_keep():
    model = nn.BatchNorm2d(4).eval()
    model.running_var.copy_(torch.tensor([1.0, 2.0, 3.0, 8.0]))
    torch.manual_seed(2)
    batch = torch.randn(16, 4, 8, 8)
    batch[:, 3] = 0.5
    plain = calibrate_batch_norm(model, [batch]).running_var
    raised = calibrate_batch_norm(model, [batch], floor=0.1).running_var
    assert float(plain[3]) == 0
    assert torch.equal(raised[:3], plain[:3])
    left = (batch.var((0, 2, 3), unbiased=False) / model.running_var)[:3]
    middle = left.sort().values[0]  # the lower of the two in the middle, of the four with the silent one
    assert float(raised[3]) == pytest.approx(0.1 * float(middle) * 8, rel=0.01)


@pytest.mark.parametrize("kind", SMALL)
def test_the_file_of_a_calibrated_model_gives_equal_scores(kind, images, tmp_path):
    backbone = load_backbone("random:test_resnet")
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    model = load(kind).MODEL(backbone, **SMALL[kind])
    calibrate_model(model, [images], 0.5)
    model.fit([images])
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.notes["calibrated"] == 0.5
    for mine, other in zip(model.predict(images), read.predict(images), strict=True):
        assert np.array_equal(mine, other)
    plain = load(kind).MODEL(backbone, **SMALL[kind]).fit([images])
    assert not np.array_equal(plain.predict(images)[0], model.predict(images)[0])
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_what_cannot_be_calibrated_is_one_line(images):
    with pytest.raises(UsageError, match="calibrate needs a backbone with batch norm, test_vit has none"):
        calibrate_model(PatchCore("random:test_vit"), [images])
    model = PatchCore(load_backbone("random:test_resnet")).fit([images])
    with pytest.raises(UsageError, match="must be calibrated before it is fitted"):
        calibrate_model(model, [images])


def test_a_last_batch_of_one_image_counts_as_one_image():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    images = torch.cat([torch.randn(16, 3, 9, 9), torch.randn(1, 3, 9, 9) + 9])
    parts, whole = ([*images.split(16)], [images])
    found = [calibrate_batch_norm(model, batches)[1].running_mean for batches in (parts, whole)]
    torch.testing.assert_close(*found)
