"""Small trees of images, laid out as the published data sets are."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError


def picture(seed, size=(20, 30)):
    return np.random.Generator(np.random.Philox(seed)).integers(0, 256, (*size, 3), np.uint8)


def mask_of(*boxes, value=255, size=(20, 30)):
    mask = np.zeros(size, np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = value
    return mask


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def put_many(folder, count, first=0, suffix=".png"):
    for i in range(first, first + count):
        put(folder / f"{i:03d}{suffix}", picture(i))


def kinds_of(images):
    return [(entry.label, entry.kind) for entry in images.entries]


def refused(call, *parts):
    """Check that a call is refused in one line that says all this."""
    with pytest.raises(UsageError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert str(part) in text


@pytest.fixture
def trees():
    """What tests build trees with."""
    helpers = (picture, mask_of, put, put_many, kinds_of, refused)
    return SimpleNamespace(**{helper.__name__: helper for helper in helpers})


@pytest.fixture
def mvtec(tmp_path):
    root = tmp_path / "brick"
    put_many(root / "train" / "good", 3)
    put_many(root / "test" / "good", 2, 10)
    put_many(root / "test" / "crack", 2, 20)
    put_many(root / "test" / "hole", 1, 30)
    put(root / "ground_truth" / "crack" / "020_mask.png", mask_of((0, 0, 4, 4), (10, 10, 12, 20)))
    put(root / "ground_truth" / "crack" / "021_mask.png", mask_of((5, 5, 9, 9), value=1))
    put(root / "ground_truth" / "hole" / "030_mask.png", mask_of((0, 0, 20, 30)))
    return root


@pytest.fixture
def loco(tmp_path):
    root = tmp_path / "pushpins"
    put_many(root / "train" / "good", 2)
    put_many(root / "test" / "good", 1, 10)
    put_many(root / "test" / "logical_anomalies", 2, 20)
    truth = root / "ground_truth" / "logical_anomalies"
    put(truth / "020" / "000.png", mask_of((0, 0, 10, 10), value=240))
    put(truth / "020" / "001.png", mask_of((5, 5, 15, 15), (18, 28, 20, 30), value=241))
    put(truth / "021" / "000.png", mask_of((0, 0, 2, 2), value=240))
    config = [
        {"defect_name": "a", "pixel_value": 240, "saturation_threshold": 50, "relative_saturation": False},
        {"defect_name": "b", "pixel_value": 241, "saturation_threshold": 0.25, "relative_saturation": True},
    ]
    (root / "defects_config.json").write_text(json.dumps(config))
    return root


@pytest.fixture
def visa(tmp_path):
    root = tmp_path / "visa" / "candle"
    put_many(root / "Data" / "Images" / "Normal", 20, suffix=".JPG")
    put_many(root / "Data" / "Images" / "Anomaly", 2, 20, suffix=".JPG")
    put(root / "Data" / "Masks" / "Anomaly" / "020.png", mask_of((0, 0, 4, 4), value=1))
    put(root / "Data" / "Masks" / "Anomaly" / "021.png", mask_of((0, 0, 4, 4), value=3))
    return root
