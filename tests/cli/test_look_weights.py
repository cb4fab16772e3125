"""`synthgen look` as a user types it, with tiny backbones."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import UsageError


def run(*arguments):
    """Return what a command that succeeds prints; the errors of others are raised."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes: dark and bright noise."""
    home = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(("dark", "bright")):
        (home / name).mkdir()
        for number in range(6):
            rng = np.random.default_rng(10 * label + number)
            pixels = rng.integers(100 * label, 100 * label + 90, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(home / name / f"{number}.png")
    return home


def test_look_compares_filters_and_features(photos, tmp_path):
    out = tmp_path / "look"
    options = ("--data", photos, "--size", "32", "--images", "12", "--json", "--progress", "none")
    found = json.loads(run("look", "random:test_resnet", "random:test_vit", "-o", out, *options).stdout)
    assert {path.name for path in out.iterdir()} == {"filters.png", "tsne.png", "features.csv"}
    rows = found["features"]
    assert [row["weights"] for row in rows] == ["random:test_resnet", "random:test_vit"]
    assert all(row["knn_accuracy"] >= 0.5 for row in rows)
    with open(out / "features.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert float(table[0]["intraclass_compactness"]) == rows[0]["intraclass_compactness"]


def test_mistakes_are_found_before_anything_is_written(photos, tmp_path):
    with pytest.raises(UsageError, match=r"^weights must be given once each"):
        run("look", "random:test_resnet", "random:test_resnet", "-o", tmp_path / "out")
    with pytest.raises(UsageError, match="two classes or more"):
        run("look", "random:test_resnet", "-o", tmp_path / "out", "--data", photos / "dark")
    assert not (tmp_path / "out").exists()
