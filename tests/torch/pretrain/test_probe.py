"""The probe: a test set of ours, PatchCore, three columns."""

import csv
import json

import numpy as np
import pytest
import torch

import synthgen
from synthgen.errors import UsageError
from synthgen.recipe import load_recipe
from synthgen.torch.backbones import load_backbone
from synthgen.torch.pretrain import make_options, pretrain
from synthgen.torch.pretrain.probe import measure_probe, open_probe
from synthgen.torch.pretrain.reading import open_source
from synthgen.torch.pretrain.report import PROBE

ARCH = "test_efficientnet"
SMALL = {"per_class": 4, "size": 64}


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("probe-plates", SMALL)


@pytest.fixture(scope="module")
def probe(recipe):
    return open_probe(recipe)


def test_half_of_the_good_images_are_fitted_to_and_all_others_tested(probe):
    assert tuple(probe.normal.shape) == (2, 3, 64, 64)
    assert tuple(probe.images.shape) == (14, 3, 64, 64)
    labels = probe.masks.any((1, 2))
    assert labels.tolist() == [False] * 2 + [True] * 12
    fitted = {image.numpy().tobytes() for image in probe.normal}
    assert not fitted & {image.numpy().tobytes() for image in probe.images}


def test_a_folder_and_a_store_give_what_their_recipe_draws(recipe, probe, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    synthgen.generate(recipe, tmp_path / "set", workers=0, progress=False)
    for place in (tmp_path / "set", f"file://{tmp_path}/set"):
        stored = open_probe(place)
        assert torch.equal(stored.normal, probe.normal)
        assert torch.equal(stored.images, probe.images)
        assert np.array_equal(stored.masks, probe.masks)
        assert open_source(place).read == "map"


def test_a_probe_reads_the_weights_and_leaves_them_as_they_are(probe):
    net = load_backbone(f"random:{ARCH}").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    options = make_options(changes={"objective": "dense"})
    found = measure_probe(probe, net, ARCH, options, (32, 32))
    assert tuple(found) == PROBE
    assert all(0 <= value <= 1 for value in found.values())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert measure_probe(probe, net, ARCH, options, (32, 32)) == found


def test_a_network_of_one_size_is_probed_at_that_size(probe):
    net = load_backbone("random:test_vit")
    assert measure_probe(probe, net, "test_vit", make_options(), (160, 160))


def test_columns_of_the_log_change_no_weights(make_recipe, recipe, tmp_path):
    settings = {"arch": ARCH, "threads": 1, "progress": "none", "epochs": 3, "batch_size": 8, "lr": 0.01}
    pretrain(make_recipe(), tmp_path / "plain", **settings)
    pretrain(make_recipe(), tmp_path / "probed", probe=recipe, probe_every=2, **settings)
    cards = [json.loads((tmp_path / name / "last.json").read_text()) for name in ("plain", "probed")]
    assert cards[0]["sha256"] == cards[1]["sha256"]
    with (tmp_path / "probed" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [bool(row[PROBE[0]]) for row in rows] == [False, True, True]
    assert PROBE[0] not in (tmp_path / "plain" / "log.csv").read_text()


def test_sets_without_good_images_are_no_probe(make_recipe):
    with pytest.raises(UsageError, match="probe must be a test set with a class good and classes of defects, got"):
        open_probe(make_recipe())
