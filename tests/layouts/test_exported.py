"""Round trips: what is written as MVTec AD, LOCO, VisA or plain folders is read with equal images and masks."""

from collections import Counter

import numpy as np
import pytest

import synthgen
from synthgen.layouts import open_normal, open_test_set
from synthgen.layouts.export import export

# target -> the name of the layout that reads it, and the folder of the category below the tree
READERS = {
    "mvtec": ("MVTec AD", "plate"),
    "mvtec-loco": ("MVTec LOCO", "plate"),
    "anomalib-folder": ("plain folder", ""),
    "visa": ("VisA", "plate"),
}


def facts_of(images):
    """Return what must not change: for each image its label, its kind, and the sums of image and mask."""
    return Counter((item.label, item.kind, int(item.image.sum()), int(item.mask.sum())) for item in images)


@pytest.mark.parametrize("target", READERS)
def test_labels_images_and_masks_come_back(plates, tmp_path, target):
    layout, folder = READERS[target]
    report = export(target, plates, tmp_path / "out", category="plate")
    tests = open_test_set(tmp_path / "out" / folder)
    assert tests.layout == layout
    assert tests.left_out == []

    found = facts_of(tests) + facts_of(open_normal(tmp_path / "out" / folder))
    ours = facts_of(open_test_set(plates))
    if target == "mvtec-loco":
        ours = Counter(
            {(row[0], "structural_anomalies" if row[0] else "good", *row[2:]): n for row, n in ours.items()}
        )
    if target == "anomalib-folder":
        ours = Counter({(row[0], f"bad_{row[1]}" if row[0] else "good", *row[2:]): n for row, n in ours.items()})
    assert found == ours
    assert report.masks >= 15


@pytest.mark.parametrize("target", READERS)
def test_normal_images_of_one_data_set_are_for_fitting_those_of_another_for_testing(
    make_recipe, plates, tmp_path, target
):
    """The plates of the first data set are all for fitting; the second keeps its own good ones for testing."""
    values = {"layout": "train", "per_class": 6, "size": "72x60", "cell_size": 20}
    recipe = synthgen.Recipe.from_dict({"family": "stains", **values})
    synthgen.generate(recipe, tmp_path / "normal", workers=0, progress=False)
    export(target, [tmp_path / "normal", plates], tmp_path / "out", category="plate")

    place = tmp_path / "out" / READERS[target][1]
    assert facts_of(open_normal(place)) == facts_of(open_normal(tmp_path / "normal"))
    kept = Counter(row[0] for row in facts_of(open_test_set(place)).elements())
    assert kept == {0: 5, 1: 15}


def test_more_images_leave_the_first_under_their_names(plates, tmp_path):
    export("mvtec", plates, tmp_path / "few", limit=4)
    export("mvtec", plates, tmp_path / "many")
    for path in (tmp_path / "few").rglob("*.png"):
        same = tmp_path / "many" / path.relative_to(tmp_path / "few")
        assert same.read_bytes() == path.read_bytes()


def test_an_object_that_anomalib_does_not_know_is_named(plates, tmp_path):
    (note,) = export("visa", plates, tmp_path / "out").notes
    assert "not plates: --object candle" in note
    assert export("visa", plates, tmp_path / "candle", category="candle").notes == []


def test_each_defect_of_loco_has_its_own_mask(plates, tmp_path):
    export("mvtec-loco", plates, tmp_path / "out", category="plate")
    ours = {}
    for entry, item in zip(open_test_set(plates).entries, open_test_set(plates), strict=True):
        if entry.label:
            ours[item.image.tobytes()] = len(np.unique(item.truth.instances)) - 1
    for item in open_test_set(tmp_path / "out" / "plate"):
        if item.label:
            assert len(item.truth.regions) == ours[item.image.tobytes()]
            assert item.truth.saturation == tuple(region.sum() for region in item.truth.regions)


def test_squares_keep_the_defects_when_they_are_padded(plates, tmp_path):
    export("mvtec", plates, tmp_path / "out", square="pad", category="plate")
    images = open_test_set(tmp_path / "out" / "plate")
    assert {item.image.shape for item in images} == {(72, 72, 3)}
    ours = sorted(item.mask.sum() for item in open_test_set(plates) if item.label)
    assert sorted(item.mask.sum() for item in images if item.label) == ours


def test_names_that_a_folder_cannot_have_are_made_safe(plates, tmp_path, copy_of):
    import hashlib
    import json

    folder = copy_of(plates)
    lines = [json.loads(line) for line in (folder / "classes.jsonl").read_text().splitlines()]
    for line, name in zip(lines, ["good", "GOOD", "a/b", "a b"], strict=True):
        line["name"] = name
    table = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (folder / "classes.jsonl").write_bytes(table)
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["classes_sha256"] = hashlib.sha256(table).hexdigest()
    (folder / "dataset.json").write_text(json.dumps(manifest))

    export("mvtec", folder, tmp_path / "out", category="../my plates")
    place = tmp_path / "out" / "my-plates"
    assert {path.name for path in (place / "test").iterdir()} == {"good", "GOOD-2", "a-b", "a-b-2"}
    assert {path.name for path in (place / "ground_truth").iterdir()} == {"GOOD-2", "a-b", "a-b-2"}
