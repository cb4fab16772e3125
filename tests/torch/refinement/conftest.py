"""A small model of stripes, and an image of them with a red square."""

import numpy as np
import pytest


def striped(count: int, seed: int) -> np.ndarray:
    """Return images of smooth gray stripes with a little noise, uint8 (count, 64, 64, 3)."""
    rng = np.random.default_rng(seed)
    stripes = 128 + 50 * np.sin(np.arange(64) / 5)
    noise = rng.normal(0, 3, (count, 64, 64, 1))
    return np.repeat(stripes[None, None, :, None] + noise, 3, axis=3).astype(np.uint8)


@pytest.fixture(scope="session")
def normal():
    return striped(6, 0)


@pytest.fixture(scope="session")
def model(normal):
    import torch

    from synthgen.torch import PatchCore
    from synthgen.torch.refinement import PIXELS, Sampled

    batches = [torch.from_numpy(normal.transpose(0, 3, 1, 2).copy())]
    loader = Sampled(batches)
    made = PatchCore("random:test_resnet", layers=(1, 2), coreset=0.2, sigma=1.0, device="cpu").fit(loader)
    made.notes[PIXELS] = loader.prior().notes()
    made.notes["thresholds"] = {"pixel": float(made.predict(batches[0])[1].max()) * 20}
    return made


@pytest.fixture(scope="session")
def defect():
    """Return (image, truth, coarse mask): a red square, and a mask that is too large and lies beside it."""
    image = striped(1, 9)[0]
    truth = np.zeros((64, 64), bool)
    truth[24:36, 20:34] = True
    image[truth] = (200, 30, 40)
    coarse = np.zeros((64, 64), bool)
    coarse[21:42, 19:40] = True
    return image, truth, coarse
