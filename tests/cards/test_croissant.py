"""The description for machines. mlcroissant itself reads it in tests/consumers."""

import fnmatch
import re
import tarfile

import pytest

import synthgen
from synthgen.cards import Details
from synthgen.cards.croissant import croissant_of, details_in
from synthgen.cards.details import texts_of


def described(path, **details):
    return croissant_of(synthgen.open(path).manifest, 100, Details(**details), 20)


def test_every_shard_is_there_with_size_and_digest(data_set):
    manifest = synthgen.open(data_set).manifest
    files = {row["@id"]: row for row in described(data_set)["distribution"] if row["@type"] == "cr:FileObject"}
    for entry in manifest.shard_list:
        row = files[entry.name]
        assert (row["contentUrl"], row["sha256"]) == (f"shards/{entry.name}", entry.sha256)
        assert row["contentSize"] == f"{entry.bytes} B"


def test_each_field_has_its_own_members_and_no_others(plates):
    sets = [row for row in described(plates)["distribution"] if row["@type"] == "cr:FileSet"]
    with tarfile.open(plates / "shards" / "train-000000.tar") as archive:
        names = archive.getnames()
    found = {row["@id"]: {n for n in names if fnmatch.fnmatch(n, row["includes"])} for row in sets}
    assert set(found) == {f"{name}-files" for name in synthgen.open(plates).manifest.fields}
    pictures = [name for name in names if name.endswith(".png")]
    assert sorted(pictures) == sorted(name for members in found.values() for name in members)


def test_key_and_label_are_in_the_names_of_files(plates):
    (samples,) = [row for row in described(plates)["recordSet"] if row["@id"] == "samples"]
    patterns = {row["@id"]: row["source"].get("transform", {}).get("regex") for row in samples["field"]}
    name = "c000003-i00000004.png"
    assert re.search(patterns["samples/key"], name)[1] == "c000003-i00000004"
    assert int(re.search(patterns["samples/label"], name)[1]) == 3


@pytest.mark.parametrize(
    "details", [{}, {"creator": "A <b>", "url": "https://example.org", "license": "cc-by-4.0"}]
)
def test_what_responsible_ai_asks_for_is_said(plates, details):
    values = described(plates, **details)
    assert values["rai:hasSyntheticData"] is True
    assert ("creator" in values) == bool(details)
    said = ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases", "dataSocialImpact")
    assert all(len(values[f"rai:{name}"]) > 10 or values[f"rai:{name}"] for name in said)


@pytest.mark.parametrize("texts", [{}, {name: f"My own {name}: 2 images, 1 class." for name in texts_of("any")}])
def test_all_that_a_publisher_said_is_found_again(data_set, texts):
    details = Details("cc-by-4.0", "A. Author", "https://example.org", "2026-11-26", texts)
    manifest = synthgen.open(data_set).manifest
    for count in (1, 2000):
        assert details_in(croissant_of(manifest, 100, details, count)) == details
