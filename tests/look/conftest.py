"""What the tests of pages read from them."""

import base64
import json
import re
import zlib

import pytest


class PageData:
    """What the script of a page reads: its data, and what is packed in it."""

    def __init__(self, page: bytes):
        self.text = page.decode()
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', self.text, re.DOTALL)
        self.data = json.loads(found[1])

    @staticmethod
    def unpacked(text: str):
        return json.loads(zlib.decompress(base64.b64decode(text)))

    def details(self, place: int):
        return self.unpacked(self.data["classes"][place]["details"])

    def picture(self, name: str) -> bytes:
        return base64.b64decode(self.data["pictures"][name])


@pytest.fixture(scope="session")
def page_data():
    return PageData
