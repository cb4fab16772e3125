"""A folder of refinements: what lies in it, that it is resumed, and where the threshold comes from."""

import csv

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError
from synthgen.layouts import open_images, open_test_set
from synthgen.torch.refinement import RefineOptions
from synthgen.torch.refinement.folder import JOURNAL, TABLE, Work, refine_set, threshold_of


@pytest.fixture
def photos(tmp_path, defect, normal):
    """A test set: a defect with its mask, larger than the model's images, and a normal image."""
    image, truth, _ = defect
    for name, picture in (
        ("test/square/0.png", np.kron(image, np.ones((2, 2, 1), np.uint8))),
        ("test/good/1.png", normal[0]),
        ("ground_truth/square/0_mask.png", np.kron(truth, np.ones((2, 2))).astype(np.uint8) * 255),
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "photos"


def work_of(model, images, folder, **options):
    threshold = model.notes["thresholds"]["pixel"]
    return Work(model, images, folder, RefineOptions(iterations=15, **options), threshold)


def test_all_results_are_written_at_the_size_of_the_images(model, photos, tmp_path):
    out = tmp_path / "out"
    rows = refine_set(work_of(model, open_test_set(photos), out, recover=True))
    by_name = {row["image"].rpartition("/")[2]: row for row in rows}
    assert by_name["0.png"]["refined_iou"] > by_name["0.png"]["iou"]
    assert by_name["1.png"]["note"] == "not refined: the mask is empty"
    written = {str(path.relative_to(out)) for path in out.rglob("*.png")}
    assert written == {
        "masks/square/0.png", "masks/good/1.png", "sheets/square/0.png", "sheets/good/1.png",
        "recovered/square/0.png", "cutouts/square/0-1.png",
    }  # fmt: skip
    mask = np.asarray(Image.open(out / "masks/square/0.png"))
    given = np.asarray(Image.open(photos / "test/square/0.png"))
    recovered = np.asarray(Image.open(out / "recovered/square/0.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert (recovered[mask == 0] == given[mask == 0]).all()
    with Image.open(out / "cutouts/square/0-1.png") as cutout:
        assert cutout.mode == "RGBA"
    assert [row["image"] for row in csv.DictReader((out / TABLE).read_text().splitlines())] == [
        row["image"] for row in rows
    ]


def test_a_stopped_run_goes_on_and_one_of_other_options_begins_anew(model, photos, tmp_path):
    images = open_test_set(photos)
    out = tmp_path / "out"

    def stop(done):
        counts.append(done)
        if sum(counts) == 1:
            raise KeyboardInterrupt

    counts = []
    with pytest.raises(KeyboardInterrupt):
        refine_set(work_of(model, images, out), advance=stop)
    assert (out / JOURNAL).exists()
    assert not (out / TABLE).exists()

    counts = [1]
    rows = refine_set(work_of(model, images, out), advance=counts.append)
    assert counts == [1, 1, 1]
    assert len(rows) == 2
    assert not (out / JOURNAL).exists()
    whole = refine_set(work_of(model, images, tmp_path / "other"))
    names = ("image", "area", "iterations", "note")
    assert [[row[name] for name in names] for row in rows] == [[row[name] for name in names] for row in whole]


def test_an_image_that_cannot_be_read_gets_a_row(model, photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no image")
    rows = refine_set(work_of(model, open_images([photos / "broken.png", photos / "test/good"]), tmp_path / "out"))
    assert "broken.png" in rows[0]["error"]
    assert "error" not in rows[1]


def test_the_threshold_is_the_models_a_number_or_by_name_that_of_the_masks(model, photos):
    images = open_test_set(photos)
    assert threshold_of(model, None, images) == model.notes["thresholds"]["pixel"]
    assert threshold_of(model, "2.5", images) == 2.5
    assert threshold_of(model, "oracle", images) > 0
    with pytest.raises(UsageError, match="threshold must be a number or oracle, got 'best'"):
        threshold_of(model, "best", images)
    unknown = open_images([photos / "test/square"])
    with pytest.raises(UsageError, match="threshold must be a number for images whose defects are not marked"):
        threshold_of(model, "oracle", unknown)
