"""Where a gallery goes: only a gallery is replaced, and a failure leaves what was there."""

from pathlib import Path

import pytest

from synthgen.errors import StorageError, UsageError
from synthgen.look.gallery import writing
from synthgen.look.gallery.writing import check_out, is_one_file, write_folder, write_one
from synthgen.look.page import document

PAGE = document("a page", [], {}, {})


def test_the_ending_says_what_is_written():
    assert [is_one_file(Path(name)) for name in ("a.html", "b.HTM", "site", "a.html.d")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_gallery_is_replaced_whole(tmp_path):
    out = tmp_path / "new" / "site"
    check_out(out)
    assert write_folder(out, PAGE, {"a": b"1", "b": b"2"}) == [len(PAGE), 1, 1]
    check_out(out)
    write_folder(out, PAGE, {"c": b"3"})
    assert sorted(path.name for path in out.rglob("*")) == ["c.webp", "index.html", "pictures"]
    assert [path.name for path in out.parent.iterdir()] == ["site"]

    write_one(tmp_path / "new" / "a.html", PAGE)
    check_out(tmp_path / "new" / "a.html")


@pytest.mark.parametrize("name", ["notes.html", "file", "folder", "page", "more", "folder.html"])
def test_anything_else_is_refused_and_stays(tmp_path, name):
    for path in (tmp_path / "notes.html", tmp_path / "file"):
        path.write_text("<!doctype html>mine")
    for folder in ("folder", "page", "more", "folder.html"):
        (tmp_path / folder).mkdir()
    (tmp_path / "folder" / "a.txt").write_text("mine")
    (tmp_path / "page" / "index.html").write_text("mine")
    (tmp_path / "page" / "pictures").mkdir()
    write_folder(tmp_path / "more", PAGE, {})
    (tmp_path / "more" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=name):
        check_out(tmp_path / name)


def test_addresses_are_refused():
    with pytest.raises(UsageError, match="out must be a path on this machine"):
        check_out(Path("s3://bucket/a.html"))


def test_a_failure_leaves_the_gallery_that_was_there(tmp_path, monkeypatch):
    out = tmp_path / "site"
    write_folder(out, PAGE, {"a": b"1"})
    replace = writing.os.replace

    def failing(source, target):
        if target == out and source.name.endswith(".tmp") and (source / "pictures" / "b.webp").exists():
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(writing.os, "replace", failing)
    with pytest.raises(StorageError, match="the disk is full"):
        write_folder(out, PAGE, {"b": b"2"})
    assert (out / "pictures" / "a.webp").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
