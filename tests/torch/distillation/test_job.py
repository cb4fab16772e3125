"""A teacher learns the features of a backbone; a distillation that was killed ends with the same weights."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from synthgen.errors import UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.course import Course
from synthgen.torch.distillation import distill
from synthgen.torch.distillation.job import Distilled, pooled_channels
from synthgen.torch.features import FeatureExtractor

pytestmark = pytest.mark.usefixtures("narrow_pdn")
SMALL = {"image_size": 48, "enlarge": 1, "batch_size": 2, "steps": 4, "gray_share": 0, "progress": "none"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distill")
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (50, 48, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


class Stop(Exception):
    """What ends a training too early."""


def test_a_distillation_that_was_killed_ends_with_the_same_weights(photos, tmp_path, monkeypatch):
    whole = tmp_path / "whole.safetensors"
    report = distill("random:test_resnet", photos, whole, threads=1, **SMALL)
    assert not report.was_finished
    killed = tmp_path / "killed.safetensors"
    descend = Course.descend

    def stop(self, loss, **others):
        if self.first == 2:
            raise Stop
        descend(self, loss, **others)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "descend", stop)
        with pytest.raises(Stop):
            distill("random:test_resnet", photos, killed, threads=1, checkpoint_seconds=0, **SMALL)
    with pytest.raises(UsageError, match=r"killed.unfinished: holds another distillation: seed is 0, not 1"):
        distill("random:test_resnet", photos, killed, threads=1, **SMALL, seed=1)
    distill("random:test_resnet", photos, killed, threads=1, **SMALL)

    assert killed.read_bytes() == whole.read_bytes()
    assert (tmp_path / "killed.log.csv").read_text() == (tmp_path / "whole.log.csv").read_text()
    expected = [f"{name}.{end}" for name in ("killed", "whole") for end in ("json", "log.csv", "safetensors")]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected

    card = json.loads(whole.with_suffix(".json").read_text())
    assert (card["arch"], card["mean"]) == ("pdn_small", [0.5] * 3)
    assert card["distilled"]["backbone"]["arch"] == "test_resnet"
    assert load_backbone(whole)(torch.zeros(1, 3, 48, 48)).shape == (1, 384, 4, 4)

    again = distill("random:test_resnet", photos, whole, threads=1, **SMALL)
    assert again.was_finished
    assert again.loss == report.loss
    with pytest.raises(UsageError, match="is there already; --overwrite replaces it"):
        distill("random:test_resnet", photos, whole, threads=1, **{**SMALL, "steps": 5})


def test_what_is_learned_are_the_normalised_features_at_the_places_of_the_teacher(photos, tmp_path):
    """A slow twin of the first step: the loss of a random teacher, by hand."""
    distill(
        "random:test_resnet",
        photos,
        tmp_path / "t.safetensors",
        threads=1,
        **{**SMALL, "steps": 1, "batch_size": 4},
    )
    logged = float((tmp_path / "t.log.csv").read_text().splitlines()[1].split(",")[1])

    pictures = [
        np.asarray(Image.open(photos / f"{k}.png").resize((48, 48), Image.Resampling.BILINEAR)) for k in range(4)
    ]
    images = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    maps = FeatureExtractor("random:test_resnet", (2, 3), 3)(images)
    pooled = pooled_channels(maps, 384)
    wanted = functional.interpolate(pooled, (12, 12), mode="bilinear")[:, :, 4:8, 4:8]
    mean, deviation = wanted.mean((0, 2, 3)), wanted.std((0, 2, 3), correction=0).clamp(min=1e-6)
    target = (wanted - mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)
    teacher = load_backbone("random:pdn_small")
    with torch.no_grad():
        found = teacher((images / 255 - 0.5) / 0.5)
    assert logged == pytest.approx(float((found - target).square().mean()), rel=1e-4)


@pytest.mark.parametrize("channels", [6, 8, 20])
def test_channels_are_means_of_neighbors(channels):
    maps = torch.randn(2, 8, 3, 4)
    pooled = pooled_channels(maps, channels)
    assert pooled.shape == (2, channels, 3, 4)
    rows = functional.adaptive_avg_pool1d(maps[1, :, 2, 3].view(1, 1, 8), channels)
    torch.testing.assert_close(pooled[1, :, 2, 3], rows.flatten())


def test_mean_and_deviation_are_taken_away_from_what_is_learned():
    network = Distilled("pdn_small", 0)
    network.mean.fill_(2.0)
    network.deviation.fill_(4.0)
    batch = torch.zeros(1, 3, 33, 33)
    with torch.no_grad():
        wanted = 4 * network.teacher(batch) + 2
        assert float(network.loss(batch, wanted)) < 1e-10


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"out": "no.pth"}, r"out must be a \.safetensors file"),
        ({"workers": 5000}, r"workers must lie in 0\.\.4096, got 5000"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds must be >= 0, got -1"),
        ({"layers": (5,)}, "layers must be some of"),
        ({"weights": "resnet99"}, "backbone must be a timm name"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(photos, tmp_path, changes, rule):
    given = {"weights": "random:test_resnet", "data": photos, "out": tmp_path / "t.safetensors", **SMALL, **changes}
    if changes.get("out"):
        given["out"] = tmp_path / changes["out"]
    with pytest.raises(UsageError, match=rule):
        distill(**given)
    assert list(tmp_path.iterdir()) == []
