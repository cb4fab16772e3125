"""Our PatchCore scores images as anomalib's does. Skipped where anomalib is not installed."""

import numpy as np
import pytest
import torch

from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import normalised
from synthgen.torch.metrics import image_auroc
from synthgen.torch.models import PatchCore

SIDE = 64


def made_images(count: int, seed: int) -> torch.Tensor:
    """Return images of waves with noise, uint8 (count, 3, SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    row = np.arange(SIDE)[:, None]
    column = np.arange(SIDE)

    images = []
    for _ in range(count):
        phase = rng.uniform(0, 2 * np.pi, 3)[:, None, None]
        waves = 128 + 60 * np.sin(row / 5 + column / 9 + phase)
        noise = rng.normal(0, 10, waves.shape)
        images.append(np.clip(waves + noise, 0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(images))


def with_spots(images: torch.Tensor) -> torch.Tensor:
    """Return images with a dark spot each; that of the first touches the edge."""
    spotted = images.clone()
    for k, image in enumerate(spotted):
        at = 9 * k
        image[:, at : at + 8, at : at + 8] = 0
    return spotted


def anomalib_scores(net, train: torch.Tensor, test: torch.Tensor) -> np.ndarray:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel  # here, where its warnings are ignored

    model = PatchcoreModel(layers=["layer2"], backbone="resnet18", pre_trained=False, num_neighbors=9)
    extractor = model.feature_extractor.feature_extractor
    weights = net.state_dict()
    extractor.load_state_dict({key: weights[key] for key in extractor.state_dict()})

    with torch.no_grad():
        model.train()
        model(train)
        model.subsample_embedding(1.0)
        model.eval()
        return model(test).pred_score.flatten().numpy()


@pytest.mark.filterwarnings("ignore")  # it warns of itself
def test_scores_of_whole_images_are_those_of_anomalib():
    net = load_backbone("random:resnet18", seed=3)
    train = made_images(12, seed=0)
    good = made_images(12, seed=1)
    test = torch.cat([good[:6], with_spots(good[6:])])

    model = PatchCore(net, layers=(2,), coreset=1.0, neighbours=9)
    model.fit([train], progress="none")
    ours, _ = model.predict(test)

    cfg = net.pretrained_cfg
    pixels = [normalised(images, cfg["mean"], cfg["std"]) for images in (train, test)]
    theirs = anomalib_scores(net, *pixels)
    assert np.allclose(ours, theirs, rtol=5e-3)

    labels = np.repeat([0, 1], 6)
    assert abs(image_auroc(labels, ours) - image_auroc(labels, theirs)) <= 5e-3
