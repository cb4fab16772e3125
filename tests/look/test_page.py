"""Pages: the content policy allows their one script, and nothing that a user wrote becomes part of the markup."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.look.page import document, is_ours, packed

NASTY = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> \u2028 ü 例 ' \" & $title ${data}"


def policy_of(page: str) -> str:
    return re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]


def digest_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_policy_allows_the_script_and_the_style_of_the_page_by_their_digests_alone():
    page = document("a page", ["common", "gallery"], {}, {}).decode()
    rules = dict(rule.split(" ", 1) for rule in policy_of(page).split("; "))
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert rules["script-src"] == f"'sha256-{digest_of(script)}'"
    assert rules["style-src"] == f"'sha256-{digest_of(style)}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"


def test_a_page_in_a_folder_may_also_show_pictures_beside_it():
    assert "img-src data: 'self';" in policy_of(document("a page", [], {}, {}, beside=True).decode())


@pytest.mark.parametrize("part", ["common", "gallery"])
def test_the_scripts_name_no_address_and_make_no_markup(part):
    page = document("a page", [part], {}, {}).decode()
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|\bfetch\b|XMLHttp", page)


@given(st.text())
def test_any_text_comes_back_as_it_was(page_data, text):
    page = page_data(document(text, ["common"], {"name": text}, {}))
    assert page.data["name"] == text
    assert page.unpacked(packed([text])) == [text]


def test_markup_in_a_text_stays_text(page_data):
    page = page_data(document(NASTY, ["common"], {"name": NASTY}, {}))
    assert page.data["name"] == NASTY
    assert page.text.count("<script") == 2
    assert "<img" not in page.text
    assert "<!--" not in page.text


def test_what_cannot_be_written_as_unicode_is_replaced(page_data):
    assert page_data(document("\udc80", [], {"name": "a\udc80"}, {})).data["name"] == "a?"


def test_pages_of_ours_are_known_by_their_first_bytes():
    assert is_ours(document("a page", [], {}, {}))
    assert not is_ours(b"<!doctype html>\n<html>")
