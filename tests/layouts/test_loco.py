"""MVTec LOCO: each mask is a defect, with a saturation of its own."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import auc

import synthgen
from synthgen.layouts import open_normal, open_test_set
from synthgen.layouts.export import export
from synthgen.metrics import spro


def test_each_mask_of_loco_is_a_defect_with_its_own_saturation(loco):
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    truth = images[1].truth
    assert [region.sum() for region in truth.regions] == [100, 104]
    assert truth.saturation == (50, 26)
    assert truth.instances.max() == 2  # the second defect lies in two places and stays one
    assert images[2].truth.saturation == (4,)  # never more than the defect has


def test_saturation_keeps_its_share_when_resized(loco):
    truth = open_test_set(loco, (10, 15))[1].truth
    for region, enough, share in zip(truth.regions, truth.saturation, (50 / 100, 26 / 104), strict=True):
        assert enough == pytest.approx(share * region.sum())


def test_loco_without_a_configuration_has_masks_but_no_saturation(loco):
    (loco / "defects_config.json").unlink()
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    assert images[1].mask.sum() == 100 + 104 - 25
    assert images[1].truth.regions == ()


def test_a_value_that_saturation_does_not_know_is_refused(loco, trees):
    path = trees.put(
        loco / "ground_truth" / "logical_anomalies" / "021" / "000.png", trees.mask_of((0, 0, 2, 2), value=7)
    )
    trees.refused(lambda: open_test_set(loco)[2], path, "(240, 241)", "got 7")


_DEFECT = '"saturation_threshold": 1, "relative_saturation": true'
DAMAGED = {
    "": "must be JSON",
    "[1": "must be JSON",
    "{}": "must be MVTec LOCO's list of defects",
    '[{"pixel_value": 0}]': "must be MVTec LOCO's list of defects",
    f'[{{"pixel_value": 1,\n"pixel_value": 2, {_DEFECT}}}]': "set once, is set in line 1 and again in line 2",
    f'[{{"pixel_value": 1, {_DEFECT}}}, {{"pixel_value": 1, {_DEFECT}}}]': "pixel_value 1 must be of one defect",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_configuration_is_refused(loco, text, trees):
    (loco / "defects_config.json").write_text(text)
    trees.refused(lambda: open_test_set(loco), "defects_config.json", DAMAGED[text])


def test_a_defect_that_another_covers_stays_whole(loco, trees):
    folder = loco / "ground_truth" / "logical_anomalies" / "021"
    trees.put(folder / "000.png", trees.mask_of((2, 2, 6, 6), value=240))
    trees.put(folder / "001.png", trees.mask_of((0, 0, 15, 15), value=241))
    truth = open_test_set(loco)[2].truth
    assert [set(np.unique(layer)) for layer in truth.layers] == [{0, 1}, {0, 2}]
    assert [np.count_nonzero(layer) for layer in truth.layers] == [16, 225]
    assert np.count_nonzero(truth.instances) == 225


def test_images_for_validation_are_known_and_others_are_reported(loco, trees):
    trees.put_many(loco / "validation" / "good", 1)
    trees.put_many(loco / "extra", 1)
    for images in (open_normal(loco), open_test_set(loco)):
        assert images.left_out == [f"{loco / 'extra'}: 1 image left out, 000.png among them"]


@pytest.fixture(scope="module")
def connectors(tmp_path_factory):
    """A test set of connectors, and its export as one category of LOCO."""
    folder = tmp_path_factory.mktemp("connectors")
    values = {"layout": "test", "anomalies": "missing,count,cut_corner", "per_class": 3, "classes": 4, "size": 72}
    recipe = synthgen.Recipe.from_dict({"family": "connectors", **values})
    synthgen.generate(recipe, folder / "ours", workers=0, progress=False)
    export("mvtec-loco", folder / "ours", folder / "loco", category="connector", split="train=0.5,test=0.5")
    return folder


def test_anomalies_of_logic_and_of_structure_come_back_with_their_saturation(connectors):
    ours = {}
    for item in open_test_set(connectors / "ours"):
        kind = {"cut_corner": "structural_anomalies", "good": "good"}.get(item.kind, "logical_anomalies")
        ours[item.image.tobytes()] = (kind, int(item.mask.sum()), item.truth.saturation)
    assert any(enough[0] < area for _, area, enough in ours.values() if enough)

    tests = open_test_set(connectors / "loco" / "connector")
    assert len(tests) >= 9
    for item in tests:
        assert ours[item.image.tobytes()] == (item.kind, int(item.mask.sum()), item.truth.saturation)


def test_thresholds_are_of_the_types_that_the_script_of_mvtec_asks_for(connectors, plates, tmp_path):
    export("mvtec-loco", plates, tmp_path / "out", category="plate")
    relative = set()
    for path in (connectors / "loco" / "connector", tmp_path / "out" / "plate"):
        for row in json.loads((path / "defects_config.json").read_text()):
            assert type(row["saturation_threshold"]) is (float if row["relative_saturation"] else int)
            relative.add(row["relative_saturation"])
    assert relative == {True, False}


def test_more_saturations_than_gray_values_are_rounded_to_steps(connectors, monkeypatch):
    from synthgen.layouts import loco as layout

    monkeypatch.setattr(layout, "_MOST_KINDS", 5)
    export("mvtec-loco", connectors / "ours", connectors / "few", category="connector", split="train=0.5,test=0.5")
    config = json.loads((connectors / "few" / "connector" / "defects_config.json").read_text())
    assert len(config) <= 5
    exact = {item.image.tobytes(): item.truth.saturation for item in open_test_set(connectors / "ours")}
    for item in open_test_set(connectors / "few" / "connector"):
        assert item.truth.saturation == pytest.approx(exact[item.image.tobytes()], rel=0.35)


def area_of_curve(category, maps, max_fpr):
    """Return the sPRO of MVTec LOCO read from its files, threshold by threshold.

    Bergmann et al., IJCV 2022, section 4.3: of each region the share of its saturation that is found, at most 1, as
    a mean over all regions; against the share of all pixels without a defect that are found.
    """
    config = {row["pixel_value"]: row for row in json.loads((category / "defects_config.json").read_text())}
    regions = []
    normal = []
    for path, scores in maps.items():
        folder = category / "ground_truth" / path.parent.name / path.stem
        wrong = np.zeros(scores.shape, bool)
        for mask in sorted(folder.glob("*.png")):
            values = np.asarray(Image.open(mask))
            region = values > 0
            row = config[values.max().item()]
            enough = row["saturation_threshold"] * (region.sum() if row["relative_saturation"] else 1)
            regions.append((np.sort(scores[region]), min(enough, region.sum())))
            wrong |= region
        normal.append(scores[~wrong])

    scores = np.sort(np.concatenate(normal))
    thresholds = np.unique(np.concatenate([scores, *(found for found, _ in regions)]))[::-1]
    rates = [0.0]
    shares = [0.0]
    for threshold in thresholds:
        rates.append((len(scores) - np.searchsorted(scores, threshold)) / len(scores))
        reached = [(len(found) - np.searchsorted(found, threshold)) / enough for found, enough in regions]
        shares.append(np.minimum(reached, 1).mean())
    rates = np.array(rates)
    shares = np.array(shares)
    kept = rates <= max_fpr
    last = np.interp(max_fpr, rates, shares)
    return auc([*rates[kept], max_fpr], [*shares[kept], last]) / max_fpr


@pytest.mark.parametrize("max_fpr", [0.05, 0.3])
def test_spro_of_the_export_equals_that_of_its_files(connectors, max_fpr):
    category = connectors / "loco" / "connector"
    images = open_test_set(category)
    rng = np.random.default_rng(0)
    maps = {}
    for entry, item in zip(images.entries, images, strict=True):
        noise = rng.random(item.mask.shape)
        maps[category / "test" / entry.name] = (noise + 0.3 * item.mask).round(3)

    regions = [np.array(item.truth.regions or [np.zeros(item.mask.shape)]) for item in images]
    saturation = [item.truth.saturation or (1.0,) for item in images]
    ours = spro(regions, list(maps.values()), saturation, max_fpr)
    assert ours == pytest.approx(area_of_curve(category, maps, max_fpr), abs=1e-3)
