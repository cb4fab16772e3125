"""A small category, and a model that finds bright pixels."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from synthgen.layouts import open_test_set

SIZE = (24, 32)


class Brightness:
    """A model that finds bright pixels anomalous."""

    def predict(self, images):
        maps = images.float().mean(1).numpy()
        return maps.max((1, 2)), maps


def rng(seed):
    return np.random.Generator(np.random.Philox(seed))


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def noise(seed):
    return rng(seed).integers(0, 120, (*SIZE, 3), np.uint8)


def put_category(root, kinds, masks=True):
    """Write a category whose defects are squares, brighter or not, that the model finds more or less well."""
    for i in range(4):
        put(root / "test" / "good" / f"{i}.png", noise(i))
    for k, (kind, brightness) in enumerate(kinds.items()):
        for i in range(3):
            image, mask = noise(100 * k + i + 10), np.zeros(SIZE, np.uint8)
            for _ in range(i + 1):
                row, column = rng((k, i, _)).integers(0, 20, 2)
                mask[row : row + 4, column : column + 4] = 255
            image[mask > 0] = np.minimum(image[mask > 0].astype(int) + brightness, 255)
            put(root / "test" / kind / f"{i}.png", image)
            if masks:
                put(root / "ground_truth" / kind / f"{i}_mask.png", mask)
    return root


def chosen(predictions, kind):
    """Return labels, scores, masks and maps of a kind with all normal images, the plain way."""
    items = list(predictions.images)
    keep = [i for i, item in enumerate(items) if kind == "all" or item.kind in ("good", kind)]
    masks = np.array([items[i].truth.instances for i in keep])
    return np.array([items[i].label for i in keep]), predictions.scores[keep], masks, predictions.maps[keep]


@pytest.fixture(scope="session")
def sets():
    """What tests build sets with, and the model."""
    helpers = (Brightness, rng, put, noise, put_category, chosen)
    return SimpleNamespace(**{helper.__name__: helper for helper in helpers})


@pytest.fixture(scope="session")
def predictions(tmp_path_factory):
    from synthgen.torch.evaluation import predict_set

    root = put_category(tmp_path_factory.mktemp("sets") / "brick", {"dent": 30, "hole": 150})
    return predict_set(Brightness(), open_test_set(root), batch_size=4)


@pytest.fixture(scope="session")
def rows(predictions):
    from synthgen.metrics.registry import USUAL, columns_of
    from synthgen.torch.evaluation import measure

    return measure(predictions, columns=columns_of([*USUAL, "oracle"]))
