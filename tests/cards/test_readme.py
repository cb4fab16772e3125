"""The text of a card: a head that loaders read, and words of others that cannot break it."""

import html
import re

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import synthgen
from synthgen.cards import Details
from synthgen.cards.readme import MOST_NAMES, card_of, files_of, label_type, plain


def card_with(data_set, names, **details):
    manifest = synthgen.open(data_set).manifest
    return card_of(manifest, names, files_of(manifest, names), Details(**details), manifest.count)


NAMES = [
    "good",
    "<script>alert('x')</script>",
    "größer",
    "傷",
    "a|b",
    "---",
    "yes",
    "1",
    "no: really",
    "```",
    "'\"",
    "",
]


def test_names_of_classes_reach_loaders_as_they_are_and_readers_without_marks(plates):
    text = card_with(plates, NAMES)
    head = yaml.safe_load(text.split("---\n")[1])
    features = {row["name"]: row["dtype"] for row in head["dataset_info"][0]["features"]}
    assert list(features["cls"]["class_label"]["names"].values()) == NAMES
    body = text.partition("\n---\n")[2]
    assert "<script>" not in body
    assert "&lt;script&gt;" in body


@given(st.text())
def test_a_plain_text_has_no_mark_of_markdown_or_html_left(text):
    found = plain(text)
    assert "\n" not in found
    assert not re.search(r"[<>]", found)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|#~]", found)
    unmarked = re.sub(r"\\(.)", r"\1", found)
    assert html.unescape(unmarked) == html.unescape(html.escape(" ".join(text.split()), quote=False))


def test_columns_are_the_members_of_the_shards(plates):
    import tarfile

    manifest = synthgen.open(plates).manifest
    with tarfile.open(plates / "shards" / "train-000000.tar") as archive:
        members = {name.partition(".")[2] for name in archive.getnames()}
    assert set(files_of(manifest, ["a"]).columns) == members - {"json"} | {"__key__"}


def test_hdf5_has_no_columns_and_says_what_reads_it(formulas):
    manifest = synthgen.open(formulas).manifest
    files = files_of(manifest, ["a"])
    assert files.columns == {}
    assert "synthgen.open" in card_with(formulas, ["a"])


def test_too_many_names_become_numbers():
    assert label_type(["a"] * (MOST_NAMES + 1)) == "int64"


def test_a_recipe_in_the_card_draws_the_same_data(data_set):
    from synthgen.recipe import Recipe

    text = card_with(data_set, ["a"])
    recipe = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert Recipe.from_dict(recipe).data_fingerprint == synthgen.open(data_set).manifest.fingerprints.data


WRONG = [
    {"license": "CC BY"}, {"creator": ""}, {"creator": "a\nb"}, {"url": "javascript:alert(1)"},
    {"url": "https://x y"}, {"date": "yesterday"}, {"texts": {"nothing": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("values", WRONG)
def test_what_no_publisher_can_mean_is_refused(values):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, Details)


def test_a_publishers_texts_take_the_place_of_ours(data_set):
    assert "Only for tests." in card_with(data_set, ["a"], texts={"uses": "Only for tests."})
