"""Training a network of depthwise convolutions on small images on one core: torch as it is, and with our gradients.

python benchmarks/depthwise.py
"""

from contextlib import nullcontext

import torch
from timing import compare, on_one_core

from synthgen.torch.backbones import create_model
from synthgen.torch.pretrain.depthwise import FastDepthwise

ARCHITECTURES = ("tf_efficientnet_lite0", "mobilenetv3_small_100")
SIZES, BATCH, CLASSES = (32, 64), 64, 40


def step(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, context) -> None:
    with context():
        loss = torch.nn.functional.cross_entropy(model(images), labels)
    model.zero_grad(set_to_none=True)
    loss.backward()


def main() -> None:
    on_one_core()
    torch.set_num_threads(1)
    for arch in ARCHITECTURES:
        model = create_model(arch, 0, num_classes=CLASSES).to(memory_format=torch.channels_last).train()
        for size in SIZES:
            images = torch.randn(BATCH, 3, size, size).to(memory_format=torch.channels_last)
            labels = torch.arange(BATCH) % CLASSES
            print(f"{arch}, {size} x {size}, steps of {BATCH}")
            works = {
                "torch": (lambda m=model, i=images, y=labels: step(m, i, y, nullcontext), BATCH),
                "synthgen": (lambda m=model, i=images, y=labels: step(m, i, y, FastDepthwise), BATCH),
            }
            compare(works, "images", rounds=5)


if __name__ == "__main__":
    main()
