"""Reading an export back."""

import hashlib
import json
import re

import pytest

from synthgen.errors import FormatError, UsageError
from synthgen.layouts.export import check, export
from synthgen.layouts.export.record import record_path
from synthgen.shards.codecs import encode_png


@pytest.fixture
def out(plates, tmp_path):
    export("mvtec", plates, tmp_path / "out")
    return tmp_path / "out"


def test_a_whole_export_is_well(out):
    found = check(out)
    assert (found.ok, found.files, found.images, found.masks) == (True, 35, 20, 15)


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "a bit": (flipped, "has other bytes than the record says"),
    "its end": (lambda path: path.write_bytes(path.read_bytes()[:-3]), "has other bytes than the record says"),
    "all": (lambda path: path.unlink(), "no such file|cannot be read"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_found_and_named(out, case):
    change, message = DAMAGE[case]
    path = "plates/test/dent/001.png"
    change(out / path)
    ((name, reason),) = check(out).problems
    assert name == path
    assert re.search(message, reason, re.IGNORECASE)


def test_a_picture_too_many_is_found(out):
    (out / "plates" / "test" / "good" / "sheet.png").write_bytes(b"")
    assert check(out).problems == [("plates/test/good/sheet.png", "is not of this export")]


def test_pixels_are_compared_with_the_data_set(out, plates):
    """A record that agrees with wrong pixels does not hide them."""
    import numpy as np

    path = out / "plates" / "test" / "dent" / "001.png"
    data = encode_png(np.zeros((60, 72), np.uint8))
    path.write_bytes(data)
    text = record_path(out).read_text().splitlines()
    number = next(k for k, line in enumerate(text) if "test/dent/001.png" in line)
    row = json.loads(text[number].removesuffix(","))
    row |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    text[number] = json.dumps(row) + ","
    record_path(out).write_text("\n".join(text) + "\n")
    ((_, reason),) = check(out).problems
    assert "pixels that add up to" in reason


def test_without_a_record_there_is_nothing_to_compare(out):
    record_path(out).unlink()
    with pytest.raises(UsageError, match=r"must be a finished export, there is no out\.export\.json"):
        check(out)


def test_a_damaged_record_is_named(out):
    text = record_path(out).read_text()
    record_path(out).write_text(text[: len(text) // 2])
    with pytest.raises(FormatError, match=r"out\.export\.json: is (damaged|cut off)"):
        check(out)
