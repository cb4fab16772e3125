"""A gallery of a data set: what it shows is what is stored, in one file or in a folder, with equal bytes."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.errors import FormatError, UsageError
from synthgen.look.gallery import gallery, making
from synthgen.look.gallery.classes import look_of, shown_class
from synthgen.shards import dataset as datasets


def picture_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def one(plates, tmp_path_factory, page_data):
    """The gallery of the plates in one file."""
    path = tmp_path_factory.mktemp("gallery") / "one.html"
    report = gallery(plates, path, cell=48, megabytes=1)
    return report, path.read_bytes(), page_data(path.read_bytes())


def test_the_report_and_the_page_count_what_is_shown(plates, one):
    report, raw, page = one
    assert (report.classes, report.samples, report.large, report.files) == (4, 20, 20, 1)
    assert report.bytes == len(raw)
    assert report.notes == page.data["notes"] == []
    assert [row["name"] for row in page.data["classes"]] == ["good", "scratch", "dent", "bump"]
    assert [row["large"] for row in page.data["classes"]] == [5, 5, 5, 5]


def test_small_pictures_are_those_of_their_samples(plates, one):
    _, _, page = one
    dataset = synthgen.open(plates)
    row = page.data["classes"][1]
    sheet = picture_of(page.picture("c000001-scratch"))
    for slot, index in enumerate(row["indices"]):
        mask = dataset.field(dataset.find(1, index), "scratch")
        shown = sheet[:40, 48 * slot : 48 * slot + 48, 0]
        small = np.asarray(Image.fromarray(mask).resize((48, 40), Image.Resampling.BOX))
        np.testing.assert_array_equal(shown > 0, small >= 40)


def test_large_pictures_keep_masks_and_ids_exactly(plates, one):
    _, _, page = one
    dataset = synthgen.open(plates)
    sample = dataset[dataset.find(2, page.data["classes"][2]["indices"][0])]
    mask = picture_of(page.picture(f"{sample.key}-mask"))[..., 0]
    np.testing.assert_array_equal(mask, sample.fields["mask"])
    ids = picture_of(page.picture(f"{sample.key}-instances"))
    np.testing.assert_array_equal(ids[..., 0] + 256 * ids[..., 1], sample.fields["instances"])
    image = picture_of(page.picture(f"{sample.key}-image"))[..., 0]
    assert np.abs(image - sample.image).mean() < 4


def test_the_fields_stand_in_the_order_of_their_keys(one):
    names = [field["name"] for field in one[2].data["fields"]]
    assert names == ["image", "mask", "instances", "clean", "bump", "dent", "scratch", "stain", "sticker"]


def test_the_page_of_a_sample_has_its_objects_and_parameters(plates, one):
    _, _, page = one
    dataset = synthgen.open(plates)
    index = page.data["classes"][1]["indices"][3]
    params = dataset.params(dataset.find(1, index))
    shown = page.details(1)["samples"][3]
    assert shown["objects"]["count"] == len(params["objects"])
    assert sum(count for _, count in shown["objects"]["kinds"]) == len(params["objects"])
    listed = {row["id"]: row for row in shown["objects"]["rows"]}
    for thing in params["objects"]:
        if thing["kind"] == "scratch":
            assert {key: listed[thing["id"]][key] for key in ("box", "area", "kind")} == {
                key: thing[key] for key in ("box", "area", "kind")
            }
    assert shown["params"]["index"] == index


def test_the_heat_map_leaves_normal_images_out(one):
    _, _, page = one
    cells = page.unpacked(page.data["heat"]["cells"])
    assert cells[:5] == [""] * 5
    assert all(cells[5:])
    assert page.data["heat"]["title"] == "Where the defects lie"
    assert "c000000..heat" not in page.data["pictures"]


def test_a_page_knows_which_classes_look_alike(one):
    found = one[2].data["map"]
    assert sorted([0, *found["nearest"][0]]) == [0, 1, 2, 3]
    assert len(found["places"]) == 4


def test_the_head_says_how_the_data_set_is_made_again(plates, one):
    data = one[2].data
    facts = dict(data["facts"])
    manifest = synthgen.open(plates).manifest
    assert facts["data fingerprint"] == manifest.fingerprints.data
    assert facts["license"] == "cc0-1.0"
    assert data["render"] == {"folder": "plates", "size": "1024x853"}
    assert "family: stains" in data["recipe"]
    assert one[2].unpacked(data["format"]).startswith("# The format of a synthgen data set")


def test_bytes_are_the_same_wherever_the_data_set_lies(plates, one, tmp_path):
    moved = tmp_path / "elsewhere" / "plates"
    shutil.copytree(plates, moved)
    gallery(moved, tmp_path / "again.html", cell=48, megabytes=1)
    assert (tmp_path / "again.html").read_bytes() == one[1]


def test_a_folder_has_the_same_pictures_beside_its_page(plates, one, tmp_path, page_data):
    report = gallery(plates, tmp_path / "site", cell=48, megabytes=1)
    page = page_data((tmp_path / "site" / "index.html").read_bytes())
    beside = {path.stem: path.read_bytes() for path in (tmp_path / "site" / "pictures").iterdir()}
    inside = set(page.data["pictures"])
    assert report.files == 1 + len(beside)
    assert {name for name in inside if "instances" not in name and not name.endswith("..heat")} == set()
    assert {**beside, **{name: page.picture(name) for name in inside}} == {
        name: one[2].picture(name) for name in one[2].data["pictures"]
    }


def test_large_pictures_stay_within_the_budget_and_come_round_the_classes(plates, tmp_path):
    none = gallery(plates, tmp_path / "none.html", cell=48, megabytes=0)
    budget = none.bytes + 40_000
    some = gallery(plates, tmp_path / "some.html", cell=48, megabytes=budget / 1e6)
    assert none.large == 0
    assert 0 < some.large < 20
    assert some.bytes <= budget + 200
    assert some.notes == [f"A large picture is there of {some.large} of 20 images."]


def test_one_file_shows_fewer_images_until_they_fit(plates, tmp_path, monkeypatch, page_data):
    least = gallery(plates, tmp_path / "least.html", classes=1, per_class=1, cell=48, megabytes=0).bytes
    monkeypatch.setattr(making, "LIMIT", least + 25_000)
    report = gallery(plates, tmp_path / "small.html", cell=48, megabytes=0)
    assert report.bytes <= least + 25_000
    assert 0 < report.samples < 20
    assert f"Left out: {20 - report.samples} images, since one file has at most 20 MB." in report.notes


def test_only_what_is_shown_is_read(plates, monkeypatch):
    dataset = synthgen.open(plates)
    read = []
    plain = datasets.Dataset.locate
    monkeypatch.setattr(datasets.Dataset, "locate", lambda self, i: read.append(i) or plain(self, i))
    shown_class(dataset, look_of(dataset, 48, 72), 1, [0, 3])
    assert set(read) == {dataset.find(1, 0), dataset.find(1, 3)}


def test_a_formula_of_a_class_or_of_its_images_is_shown(data_set, tmp_path, page_data):
    gallery(data_set, tmp_path / "a.html", classes=1, per_class=1)
    page = page_data((tmp_path / "a.html").read_bytes())
    assert page.details(0)["formula"] is None
    assert page.details(0)["samples"][0]["formula"]["maps"]


@pytest.mark.parametrize("name", ["none", "unfinished"])
def test_no_data_set_and_an_unfinished_one_are_refused(data_set, copy_of, tmp_path, name):
    folder = tmp_path / "none"
    if name == "unfinished":
        folder = copy_of(data_set)
        (folder / "dataset.json").unlink()
    with pytest.raises(FormatError, match=str(folder)):
        gallery(folder, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("given", [{"cell": 8}, {"cell": 1024}, {"megabytes": -1}, {"megabytes": 21}])
def test_numbers_out_of_range_are_refused(data_set, tmp_path, given):
    with pytest.raises(UsageError, match=rf"^{next(iter(given))} must lie in"):
        gallery(data_set, tmp_path / "a.html", **given)


def test_a_license_that_cannot_be_read_is_unknown(data_set, copy_of, tmp_path, page_data):
    folder = copy_of(data_set)
    (folder / "croissant.json").write_text("[]")
    gallery(folder, tmp_path / "a.html", classes=1, per_class=1)
    facts = dict(page_data((tmp_path / "a.html").read_bytes()).data["facts"])
    assert facts["license"] == "unknown: croissant.json cannot be read"


def test_the_publisher_of_a_data_set_is_heard(data_set, copy_of, tmp_path, page_data):
    folder = copy_of(data_set)
    described = json.loads((folder / "croissant.json").read_text())
    described["license"] = "cc-by-4.0"
    (folder / "croissant.json").write_text(json.dumps(described))
    (folder / "README.md").write_text("---\nlicense: x\n---\n# Mine\n<b>bold</b>")
    gallery(folder, tmp_path / "a.html", classes=1, per_class=1)
    page = page_data((tmp_path / "a.html").read_bytes())
    assert dict(page.data["facts"])["license"] == "cc-by-4.0"
    assert page.unpacked(page.data["card"]) == "# Mine\n<b>bold</b>"
