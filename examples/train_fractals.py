"""Train a small network on a fractal data set, in a minute on a laptop.

synthgen run tiny-fractals
python examples/train_fractals.py tiny-fractals
"""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader

from synthgen.torch import ShardDataset


def main(path: str, epochs: int = 3) -> float:
    """Train for some epochs and return the last loss."""
    torch.manual_seed(0)
    loader = DataLoader(ShardDataset(path, transform=lambda image: image.float() / 255), batch_size=32)
    classes = loader.dataset.dataset.manifest.classes
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, classes),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(epochs):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}")
    return loss.item()


if __name__ == "__main__":
    main(sys.argv[1])
