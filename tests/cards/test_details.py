"""What is known of a data set, and what its publisher adds."""

import os

import pytest

from synthgen.cards.details import read_texts, texts_of
from synthgen.errors import UsageError
from synthgen.families import FAMILIES


def test_each_family_has_all_texts_and_says_what_it_is():
    every = texts_of("any")
    for family in FAMILIES:
        texts = texts_of(family)
        assert set(texts) == set(every)
        missing = [name for name in ("summary", "limitations", "uses") if texts[name] == every[name]]
        assert missing == [], f"write these of {family} in synthgen/cards/texts.yaml"


def test_a_family_of_another_package_has_the_texts_of_all():
    assert texts_of("spirals") == texts_of("any")


def test_texts_of_a_publisher_are_read(tmp_path):
    (tmp_path / "t.yaml").write_text("uses: Tests.\nbiases: None known.\n")
    assert read_texts(tmp_path / "t.yaml") == {"uses": "Tests.", "biases": "None known."}


@pytest.mark.parametrize("text", ["uses: [1]", "- a", "a: b: c"])
def test_what_is_no_text_is_refused(tmp_path, text):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"t\.yaml"):
        read_texts(tmp_path / "t.yaml")
    with pytest.raises(UsageError, match="nothing: cannot be read"):
        read_texts("nothing")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe: must be a plain file"):
        read_texts(tmp_path / "pipe")
