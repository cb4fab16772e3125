"""Patch description networks (Batzner et al. 2024, tables 6 and 7), which timm knows once this is imported.

Each place of the features sees 33 x 33 pixels. Convolutions have no padding, as in the publication's training and
inference of EfficientAD: no place sees anything beyond the edge of the image.
"""

from collections import OrderedDict
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from synthgen.torch.distillation.options import CHANNELS

# Places that are missing at each edge of the features, where a padded network would have them.
BORDER = 4
STRIDE = 4
# The shortest side of an image that has a place: what one place sees.
LEAST_SIDE = 33

_NORMALIZING: dict[str, Any] = {
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "input_size": (3, 256, 256),
    "first_conv": "conv1",
    "classifier": None,
    "license": "apache-2.0",
}
default_cfgs = generate_default_cfgs({"pdn_small": dict(_NORMALIZING), "pdn_medium": dict(_NORMALIZING)})


class Pdn(nn.Sequential):
    """Convolutions and averages, one after the other: images (N, 3, H, W) -> features (N, D, H / 4 - 8, W / 4 - 8).

    Parameters
    ----------
    layers : sequence of (str, Module)
        By name.
    stages : sequence of (str, int, int)
        For each of the layers 1 to 4 of a backbone the name of the module that it ends with, its channels, and the
        pixels between its places.
    channels : int
        Of the last convolution.
    """

    def __init__(self, layers, stages, channels: int):
        super().__init__(OrderedDict(layers))
        self.feature_info = []
        for name, width, reduction in stages:
            self.feature_info.append({"module": name, "num_chs": width, "reduction": reduction})
        self.num_classes = 0
        self.num_features = channels


def small(channels: int = CHANNELS, num_classes: int = 0, in_chans: int = 3) -> Pdn:
    """Return the network of EfficientAD-S with random weights; it has no classifier, whatever timm asks for."""
    layers = [
        ("conv1", nn.Conv2d(in_chans, 128, 4)),
        ("relu1", nn.ReLU()),
        ("pool1", nn.AvgPool2d(2)),
        ("conv2", nn.Conv2d(128, 256, 4)),
        ("relu2", nn.ReLU()),
        ("pool2", nn.AvgPool2d(2)),
        ("conv3", nn.Conv2d(256, 256, 3)),
        ("relu3", nn.ReLU()),
        ("conv4", nn.Conv2d(256, channels, 4)),
    ]
    stages = [("relu1", 128, 1), ("relu2", 256, 2), ("relu3", 256, STRIDE), ("conv4", channels, STRIDE)]
    return Pdn(layers, stages, channels)


def medium(channels: int = CHANNELS, num_classes: int = 0, in_chans: int = 3) -> Pdn:
    """Return the network of EfficientAD-M with random weights; it has no classifier, whatever timm asks for."""
    layers = [
        ("conv1", nn.Conv2d(in_chans, 256, 4)),
        ("relu1", nn.ReLU()),
        ("pool1", nn.AvgPool2d(2)),
        ("conv2", nn.Conv2d(256, 512, 4)),
        ("relu2", nn.ReLU()),
        ("pool2", nn.AvgPool2d(2)),
        ("conv3", nn.Conv2d(512, 512, 1)),
        ("relu3", nn.ReLU()),
        ("conv4", nn.Conv2d(512, 512, 3)),
        ("relu4", nn.ReLU()),
        ("conv5", nn.Conv2d(512, channels, 4)),
        ("relu5", nn.ReLU()),
        ("conv6", nn.Conv2d(channels, channels, 1)),
    ]
    stages = [("relu1", 256, 1), ("relu2", 512, 2), ("relu4", 512, STRIDE), ("conv6", channels, STRIDE)]
    return Pdn(layers, stages, channels)


@register_model
def pdn_small(pretrained: bool = False, **options) -> Pdn:
    """Return the network of EfficientAD-S, as `timm.create_model` does."""
    return _built(small, "pdn_small", pretrained, options)


@register_model
def pdn_medium(pretrained: bool = False, **options) -> Pdn:
    """Return the network of EfficientAD-M, as `timm.create_model` does."""
    return _built(medium, "pdn_medium", pretrained, options)


def _built(make, name: str, pretrained: bool, options: dict) -> Pdn:
    levels = {"out_indices": (0, 1, 2, 3)}
    unused = ("global_pool",)
    return build_model_with_cfg(make, name, pretrained, feature_cfg=levels, kwargs_filter=unused, **options)
