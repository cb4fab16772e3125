"""The card of a data set: written when it is finished, never over what somebody wrote."""

import json
import os

import pytest
import yaml

import synthgen
from synthgen.cards import CARD, CROISSANT, Details, write_card
from synthgen.errors import UsageError


@pytest.fixture
def drawn(make_recipe, tmp_path):
    def draw(**changes):
        synthgen.generate(make_recipe(**changes), tmp_path / "d", workers=0, progress=False)
        return tmp_path / "d"

    return draw


def head_of(folder):
    return yaml.safe_load((folder / CARD).read_text().split("---\n")[1])


def test_a_finished_data_set_has_a_card_and_a_description(data_set):
    assert head_of(data_set)["license"] == "cc0-1.0"
    (config,) = head_of(data_set)["configs"]
    ending = {"hdf5": "h5", "webdataset": "tar"}[synthgen.open(data_set).manifest.storage]
    assert config["data_files"] == [{"split": "train", "path": f"shards/*.{ending}"}]
    name = synthgen.open(data_set).manifest.recipe["name"]
    assert json.loads((data_set / CROISSANT).read_text())["name"] == name


def test_a_folder_of_a_repository_is_fit_for_a_data_set(drawn, tmp_path):
    (tmp_path / "d" / ".git").mkdir(parents=True)
    for name in ("README.md", "LICENSE", "LICENSE.txt", ".gitattributes"):
        (tmp_path / "d" / name).write_text("mine")
    folder = drawn()
    assert {"dataset.json", "LICENSE", ".git", CROISSANT} <= set(os.listdir(folder))
    assert (folder / CARD).read_text() == "mine"


def test_what_a_publisher_says_stays_when_the_run_is_resumed(drawn):
    folder = drawn()
    write_card(folder, Details(license="cc-by-4.0", creator="A. Author", url="https://example.org/d"))
    before = (folder / CARD).read_bytes()
    assert head_of(folder)["license"] == "cc-by-4.0"
    drawn()
    assert (folder / CARD).read_bytes() == before
    write_card(folder, Details())  # as we wrote it: there is nothing of somebody's to lose
    assert b"A. Author" not in (folder / CARD).read_bytes()


def test_what_a_publisher_says_stays_when_the_data_set_grows(drawn):
    folder = drawn()
    said = {"license": "cc-by-4.0", "creator": "A. Author", "url": "https://example.org/d", "date": "2026-11-26"}
    write_card(folder, Details(**said, texts={"uses": "Tests."}))
    drawn(per_class=10)
    text = (folder / CARD).read_text()
    assert "50 images" in text
    assert all(part in text for part in ("license: cc-by-4.0", "A. Author", "https://example.org/d", "Tests."))


@pytest.mark.parametrize("name", [CARD, CROISSANT])
def test_a_card_that_somebody_changed_is_not_replaced_unasked(drawn, name):
    folder = drawn()
    (folder / name).write_text((folder / name).read_text().replace("chance", "luck"))
    before = (folder / name).read_bytes()
    drawn()
    with pytest.raises(UsageError, match=f"{name}: was written or changed by somebody; --overwrite replaces it"):
        write_card(folder, Details())
    assert (folder / name).read_bytes() == before
    write_card(folder, Details(), overwrite=True)
    assert (folder / name).read_bytes() != before


def test_the_card_of_replaced_data_goes_with_it(drawn, make_recipe):
    folder = drawn()
    old = synthgen.open(folder).manifest.fingerprints.data
    synthgen.generate(make_recipe(seed=1), folder, workers=0, progress=False, overwrite=True)
    assert old not in (folder / CARD).read_text()
    assert synthgen.open(folder).manifest.fingerprints.data in (folder / CARD).read_text()
    assert old not in (folder / CROISSANT).read_text()


def test_a_license_is_asked_for_what_is_made_of_a_users_files(tmp_path):
    from synthgen.families import example_of, load
    from synthgen.recipe import Recipe

    (tmp_path / "normal").mkdir()
    options = example_of(load("cutpaste"), tmp_path / "normal")
    values = {"family": "cutpaste", "classes": 1, "per_class": 2, "size": 32, **options}
    synthgen.generate(Recipe.from_dict(values), tmp_path / "d", workers=0, progress=False)
    assert head_of(tmp_path / "d")["license"] == "unknown"
    assert str(tmp_path) not in (tmp_path / "d" / CARD).read_text()  # where the files lie is nobody's business
    with pytest.raises(
        UsageError, match=r"license must be given for .*: it is made of files of yours \(normal\), got none"
    ):
        write_card(tmp_path / "d", Details(creator="A. Author"))
    write_card(tmp_path / "d", Details(license="cc-by-4.0"))
    assert head_of(tmp_path / "d")["license"] == "cc-by-4.0"
