"""Any one file of a data set is damaged: doing what the messages say brings the same bytes back."""

import errno
import os
import subprocess
import sys

import msgspec
import pytest

import synthgen
from synthgen.errors import FormatError
from synthgen.run import merge

FILES = ["run.json", "dataset.json", "classes.jsonl", "a sidecar", "a shard"]


def draw(recipe, folder, **options):
    return synthgen.generate(recipe, folder, **{"workers": 0, "progress": False, **options})


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def flip(path, place):
    raw = bytearray(path.read_bytes())
    raw[int(place * (len(raw) - 1))] ^= 1
    path.write_bytes(raw)


DAMAGES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\n{}\n"),
    **{f"a bit at {place}": lambda path, place=place: flip(path, place) for place in (0.03, 0.3, 0.5, 0.77, 0.98)},
}


def path_of(folder, name):
    if name == "a sidecar":
        return next(path for path in sorted((folder / "shards").iterdir()) if "000002.json" in path.name)
    return folder / "shards" / "train-000002.h5" if name == "a shard" else folder / name


@pytest.fixture(scope="module")
def whole(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "d"
    draw(make_recipe(), folder)
    return folder


def verified(folder) -> list[str]:
    """Return the names of the files that `synthgen verify` names: those that it says to delete."""
    run = subprocess.run(
        [sys.executable, "-m", "synthgen", "verify", folder, "--json", "--progress", "none"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in run.stderr
    if run.returncode == 1:
        assert "running the same recipe again makes it anew" in run.stderr
        return []
    assert run.returncode == 3, run.stderr
    assert "delete the files named above and run the same recipe again" in run.stderr
    return [name for name, _ in msgspec.json.decode(run.stdout)["problems"]]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_drawing_again_brings_a_damaged_record_back(whole, copy_of, make_recipe, name, damage):
    folder = copy_of(whole)
    path = path_of(folder, name)
    DAMAGES[damage](path)
    if name == "a shard" and path.exists() and path.stat().st_size == path_of(whole, name).stat().st_size:
        path.unlink()  # of a shard of the right size only `verify` knows, and says so
    draw(make_recipe(), folder)
    assert files_of(folder) == files_of(whole)


@pytest.mark.parametrize("name", ["run.json", "dataset.json", "classes.jsonl", "a shard"])
def test_doing_what_verify_says_brings_a_damaged_file_back(whole, copy_of, make_recipe, name):
    folder = copy_of(whole)
    flip(path_of(folder, name), 0.5)
    for problem in verified(folder):
        (folder / problem).unlink(missing_ok=True)
        (folder / "shards" / problem).unlink(missing_ok=True)
    draw(make_recipe(), folder)
    assert files_of(folder) == files_of(whole)
    assert synthgen.verify(folder, pixels=True).ok


def test_a_wrong_class_table_is_not_signed(whole, copy_of, make_recipe):
    folder = copy_of(whole)
    table = folder / "classes.jsonl"
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:2] + lines[3:4] + lines[2:3] + lines[4:]).replace(b'"id":3', b'"id":2'))
    (folder / "dataset.json").unlink()
    draw(make_recipe(), folder)
    assert files_of(folder) == files_of(whole)


def test_verify_compares_a_signed_table_with_the_recipe(whole, copy_of):
    folder = copy_of(whole)
    table = folder / "classes.jsonl"
    old = synthgen.open(folder).manifest.classes_sha256
    table.write_bytes(table.read_bytes().replace(b'"name":"', b'"name":"x', 1))
    from synthgen.shards.files import sha256_of

    manifest = folder / "dataset.json"
    manifest.write_text(manifest.read_text().replace(old, sha256_of(table)))
    assert synthgen.verify(folder).ok
    assert verified(folder) == ["classes.jsonl"]


def test_a_finished_folder_is_not_written(whole, copy_of, make_recipe):
    folder = copy_of(whole)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    draw(make_recipe(), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_an_unfinished_folder_gets_its_run_record_back(whole, tmp_path, make_recipe):
    for damage in ("cut off", "zeros", "missing", "a bit at 0.3"):
        folder = tmp_path / damage
        draw(make_recipe(), folder, part="1/2")
        DAMAGES[damage](folder / "run.json")
        draw(make_recipe(), folder)
        assert files_of(folder) == files_of(whole)


def test_a_changed_sidecar_of_an_unfinished_folder_is_not_signed(whole, tmp_path, make_recipe):
    """It may say anything: the shard is drawn again, and the manifest says what is true."""
    folder = tmp_path / "d"
    draw(make_recipe(), folder, part="1/2")
    path = path_of(folder, "a sidecar")
    right = path.read_text()
    digest = msgspec.json.decode(right)["sha256"]
    for old, new in ((digest, digest[::-1]), ('"device": "', '"device": "An'), ('"crc32"', '"CRC32"')):
        assert old in right
        path.write_text(right.replace(old, new))
        assert draw(make_recipe(), folder, part="1/2").drawn == 9
        assert path.read_text() == right
    draw(make_recipe(), folder)
    assert files_of(folder) == files_of(whole)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_class_table_that_cannot_be_read_is_named_once_and_as_unread(whole, monkeypatch, capsys, number):

    from synthgen.cli import cli

    genuine = os.open

    def failing(path, *arguments, **options):
        if str(path).endswith("classes.jsonl"):
            raise OSError(number, os.strerror(number))
        return genuine(path, *arguments, **options)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", str(whole), "--json", "--progress", "none"], standalone_mode=False)
    found = msgspec.json.decode(capsys.readouterr().out)
    assert ended.value.code == 3
    assert found["problems"] == []
    assert [name for name, _ in found["unread"]] == ["classes.jsonl"]


def test_a_damaged_class_table_is_named_once(whole, copy_of):
    folder = copy_of(whole)
    flip(folder / "classes.jsonl", 0.5)
    assert verified(folder) == ["classes.jsonl"]


def test_shards_that_nobody_knows_are_not_replaced(whole, copy_of, make_recipe):
    folder = copy_of(whole)
    for path in (*folder.glob("*.json"), *(folder / "shards").glob("*.json"), *(folder / "shards").glob(".*.json")):
        path.write_text("{")
    before = files_of(folder)
    with pytest.raises(FormatError, match=r"run\.json: is damaged.*no other file tells"):
        draw(make_recipe(), folder)
    assert files_of(folder) == before


@pytest.mark.parametrize("name", FILES)
def test_merge_gives_the_right_files_or_names_the_wrong_one(whole, tmp_path, make_recipe, name):
    for k in (1, 2):
        draw(make_recipe(), tmp_path / f"p{k}", part=(k, 2))
    if name == "dataset.json":
        return  # parts have none
    path = path_of(tmp_path / "p1", name)
    flip(path, 0.5)
    out = tmp_path / "merged"
    try:
        merge([tmp_path / "p1", tmp_path / "p2"], out)
    except (FormatError, ValueError) as error:
        assert path.name in str(error) or "train-000002" in str(error) or "p1" in str(error)
        if name == "a shard":
            assert "delete it and draw its part again" in str(error)
            path.unlink()
        draw(make_recipe(), tmp_path / "p1", part=(1, 2))
        merge([tmp_path / "p1", tmp_path / "p2"], out)
    assert files_of(out) == files_of(whole)
