"""Names that every consumer takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.layouts.export.names import safe_name, safe_names

TEXTS = {
    "plain": "plain",
    "two words": "two-words",
    "größer": "groer",
    "傷": "class",
    "": "class",
    "../../etc/passwd": "etc-passwd",
    ".hidden": "hidden",
    "<script>alert(1)</script>": "script-alert-1-script",
    "a/b\\c:d": "a-b-c-d",
    "x" * 300: "x" * 80,
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_name_is_safe_and_like_the_text(text):
    assert safe_name(text) == TEXTS[text]


@given(st.lists(st.text()))
def test_names_are_safe_and_different_texts_differ_also_where_case_does_not_count(texts):
    names = safe_names(texts, taken=["good"])
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) for name in names)
    assert len({name.lower() for name in names} - {"good"}) == len(set(texts))
    assert dict(zip(texts, names, strict=True)) == {text: names[texts.index(text)] for text in texts}
