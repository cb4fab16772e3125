"""The network that is trained: a timm model that begins from random weights."""

import warnings

import torch

from synthgen.errors import UsageError, one_line
from synthgen.torch.backbones import create_model, size_options
from synthgen.torch.pretrain.options import Options

# Layers that a classifier ends in.
_SCORING = (torch.nn.Linear, torch.nn.Conv2d)


def input_size(size: tuple[int, int], options: Options) -> tuple[int, int]:
    """Return height and width of what the network sees, of images of `size`.

    Raises
    ------
    UsageError
        If the crop is larger than the images.

    Warns
    -----
    UserWarning
        If the images are enlarged.
    """
    if options.resize > min(size):
        height, width = size
        warnings.warn(
            f"resize enlarges images of {width}x{height} pixels to {options.resize}x{options.resize}: they become "
            "blurred; draw them at that size instead",
            UserWarning,
            stacklevel=2,
        )
    if options.resize:
        size = (options.resize, options.resize)

    crop = options.crop
    side = min(size)
    is_enlarged = options.scale != (1.0, 1.0)
    if crop > side and not is_enlarged:
        rule = f"crop must be <= {side}, the images' side in pixels, unless resize is given"
        raise UsageError(f"{rule}, got {crop}")
    return (crop, crop) if crop else size


def build_model(arch: str, classes: int, seed: int, size: tuple[int, int]) -> torch.nn.Module:
    """Return a model with random weights that has been tried on an image of `size`.

    Raises
    ------
    UsageError
        If the architecture does not take such images.
    """
    try:
        arguments = size_options(arch, size)
        model = create_model(arch, seed, num_classes=classes, **arguments)
        black = torch.zeros(1, 3, *size)
        with torch.inference_mode():
            scores = model.eval()(black)
        fits = isinstance(scores, torch.Tensor) and scores.shape == (1, classes)
        reason = "it has no classifier"
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        fits = False
        reason = one_line(error)

    if not fits:
        height, width = size
        raise UsageError(f"arch must classify images of {width}x{height} pixels, got {arch}: {reason}")
    silence(model)
    return model


@torch.no_grad()
def silence(model) -> None:
    """Set the last layer of each classifier of a timm model to zero, so that at first all classes score alike.

    16,000 images of 10 classes then bring tf_efficientnet_lite0 to 24 % instead of 16 % accuracy: timm's random
    scores, up to 6 nats wrong, would have to be unlearned first. Earlier layers stay random: with zeros there,
    nothing would ever be learned.
    """
    heads = model.get_classifier()
    if not isinstance(heads, tuple):
        heads = (heads,)

    for head in heads:
        layers = [layer for layer in head.modules() if isinstance(layer, _SCORING)]
        for layer in layers[-1:]:
            for weights in layer.parameters():
                weights.zero_()
