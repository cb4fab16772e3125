"""A small folder that mixes two layouts, models that are good, bad and worse, and a benchmark of them."""

import numpy as np
import pytest
from PIL import Image

SIZE = (24, 24)
# Models of somebody else; what is wrong with each is its name.
PLUGIN = """
import os
import time

import numpy as np


class Bright:
    def __init__(self, power=1.0, seed=0):
        self.power = power

    def fit(self, loader):
        for images in loader:
            pass

    def predict(self, images):
        maps = (images.float().mean(1).numpy() / 255) ** self.power
        return maps.max((1, 2)), maps


class Averaging(Bright):
    def predict(self, images):
        scores, maps = super().predict(images)
        return scores - scores.mean(), maps - maps.mean()


class Training(Bright):
    calls = 0

    def predict(self, images):
        scores, maps = super().predict(images)
        Training.calls += 1
        return scores + Training.calls, maps


class NotFinite(Bright):
    def predict(self, images):
        scores, maps = super().predict(images)
        return scores * np.nan, maps


class Raising(Bright):
    def fit(self, loader):
        raise RuntimeError("no such thing\\nas a second line")


class Learning(Bright):
    def fit(self, loader, stop=None):
        while not stop():
            time.sleep(0.01)


class Stuck(Bright):
    def fit(self, loader):
        time.sleep(600)


class Several(Bright):
    def heads(self, images):
        scores, maps = self.predict(images)
        return {"most": (scores, maps), "mean": (maps.mean((1, 2)), maps)}


class Unnamed(Bright):
    def heads(self, images):
        return {"a/b": self.predict(images)}


class Killed(Bright):
    def fit(self, loader):
        os.kill(os.getpid(), 9)
"""


def noise(seed, low=60, high=120):
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.integers(low, high, (*SIZE, 3), np.uint8)


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def defective(seed):
    """Return an image with a brighter square, and its mask."""
    image = noise(seed)
    mask = np.zeros(SIZE, np.uint8)
    row, column = np.random.Generator(np.random.Philox(seed + 1)).integers(2, 16, 2)
    mask[row : row + 5, column : column + 5] = 255
    image[mask > 0] += 70
    return image, mask


def put_mvtec(root, seed):
    for i in range(12):
        put(root / "train" / "good" / f"{i:03d}.png", noise(seed + i))
    for i in range(4):
        put(root / "test" / "good" / f"{i:03d}.png", noise(seed + 100 + i))
    for kind in ("dent", "scratch"):
        for i in range(3):
            image, mask = defective(seed + 200 + 10 * i + len(kind))
            put(root / "test" / kind / f"{i:03d}.png", image)
            put(root / "ground_truth" / kind / f"{i:03d}_mask.png", mask)


def put_visa(root, seed):
    for i in range(20):
        put(root / "Data" / "Images" / "Normal" / f"{i:04d}.png", noise(seed + i))
    for i in range(3):
        image, mask = defective(seed + 300 + i)
        put(root / "Data" / "Images" / "Anomaly" / f"{i:03d}.png", image)
        put(root / "Data" / "Masks" / "Anomaly" / f"{i:03d}.png", mask)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of two categories, one of MVTec AD and one of VisA."""
    root = tmp_path_factory.mktemp("benchmark") / "photos"
    put_mvtec(root / "brick", 0)
    put_visa(root / "pcb", 5000)
    return root


@pytest.fixture(scope="session")
def values(photos):
    """The configuration of a small benchmark, as plain values."""
    return {
        "benchmark": "small",
        "sets": {"parts": {"path": str(photos)}},
        "models": {"floor": {"kind": "floor", "sigma": 1}, "chance": {"kind": "chance"}},
        "size": 24,
        "seeds": [0, 1],
        "threads": 1,
        "metrics": ["image_auroc", "pl", "f1"],
    }


@pytest.fixture(scope="session")
def finished(values, tmp_path_factory):
    """The folder of the small benchmark, done without a break; nobody may change it."""
    from synthgen.torch.benchmark import Benchmark, run_benchmark
    from synthgen.torch.benchmark.tables import write_tables

    out = tmp_path_factory.mktemp("benchmark") / "out"
    run_benchmark(Benchmark.from_dict(values), out, workers=0, progress="none")
    write_tables(out)
    return out


@pytest.fixture(scope="session")
def plugin():
    """The text of a module of other people's models."""
    return PLUGIN


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Other people's models can be imported as ``theirs``, here and in workers."""
    (tmp_path / "theirs.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
