"""Damage of any kind is found, named by its shard, and never crashes a reader."""

import errno
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.errors import FormatError, StorageError, SynthgenError
from synthgen.shards.manifest import Sidecar, encode_json


def shards_of(folder):
    return sorted(p for p in (folder / "shards").iterdir() if p.suffix in (".h5", ".tar"))


def test_a_whole_data_set_passes(data_set):
    found = synthgen.verify(data_set, pixels=True)
    assert found.ok
    assert (found.shards, found.samples) == (5, 40)
    assert len(found.digest) == 64


def damage(kind, folder):
    first, second = shards_of(folder)[:2]
    if kind == "flipped":
        raw = bytearray(first.read_bytes())
        raw[len(raw) // 2] ^= 16
        first.write_bytes(raw)
    elif kind == "truncated":
        first.write_bytes(first.read_bytes()[:-100])
    elif kind == "missing":
        first.unlink()
    elif kind == "swapped":
        a, b = first.read_bytes(), second.read_bytes()
        first.write_bytes(b)
        second.write_bytes(a)
    elif kind == "empty":
        first.write_bytes(b"")


@pytest.mark.parametrize("kind", ["flipped", "truncated", "missing", "swapped", "empty"])
def test_the_broken_shard_is_named(data_set, copy_of, kind):
    copy = copy_of(data_set)
    damage(kind, copy)
    found = synthgen.verify(copy)
    broken = {name for name, _ in found.problems}
    assert broken == {p.name for p in shards_of(data_set)[: 2 if kind == "swapped" else 1]}
    assert found.digest is None


def test_shards_swapped_with_their_sidecars_and_manifest_are_found(data_set, copy_of):
    # bytes match the manifest then; the order of samples does not match the plan
    import json

    copy = copy_of(data_set)
    damage("swapped", copy)
    path = copy / "dataset.json"
    values = json.loads(path.read_text())
    a, b = values["shard_list"][:2]
    for key in ("bytes", "sha256"):
        a[key], b[key] = b[key], a[key]
    path.write_text(json.dumps(values))
    for number, entry in ((0, a), (1, b)):
        sidecar = copy / "shards" / f".train-{number:06d}.json"
        text = json.loads(sidecar.read_text())
        text.update(bytes=entry["bytes"], sha256=entry["sha256"])
        del text["crc32"]
        sidecar.write_bytes(encode_json(Sidecar.signed(**text)))
    assert len(synthgen.verify(copy).problems) == 2


def test_a_broken_shard_is_redrawn_by_the_same_command(data_set, copy_of, make_recipe):
    copy = copy_of(data_set)
    victim = shards_of(copy)[2]
    victim.unlink()
    recipe = make_recipe(storage={"format": synthgen.open(data_set).manifest.storage})
    report = synthgen.generate(recipe, copy, workers=0, progress=False)
    assert report.drawn == 9
    assert synthgen.verify(copy).ok
    assert victim.read_bytes() == (data_set / "shards" / victim.name).read_bytes()


def test_a_broken_class_table_is_named(data_set, copy_of):
    copy = copy_of(data_set)
    (copy / "classes.jsonl").write_text('{"id": 0}\n')
    assert [name for name, _ in synthgen.verify(copy).problems] == ["classes.jsonl"]


@pytest.mark.parametrize("name", ["classes.jsonl", "run.json", "shards/train-000001"])
def test_a_terabyte_of_holes_behind_a_file_is_named_and_mended_by_the_same_command(
    data_set, copy_of, make_recipe, name
):
    copy = copy_of(data_set)
    victim = next(copy.glob(name + "*"))
    whole = victim.read_bytes()
    os.truncate(victim, 2**40)
    assert [problem for problem, _ in synthgen.verify(copy).problems] == [victim.name]

    recipe = make_recipe(storage={"format": synthgen.open(data_set).manifest.storage})
    synthgen.generate(recipe, copy, workers=0, progress=False)
    assert victim.read_bytes() == whole
    assert synthgen.verify(copy).ok


CHANGES = {
    "classes.jsonl": ('"name":"fractals-000001"', '"name":"fractals-00000x"'),
    "run.json": ('"seed": 0', '"seed": 1'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_metadata_is_named(data_set, copy_of, name):
    copy = copy_of(data_set)
    text = (copy / name).read_text()
    before, after = CHANGES[name]
    assert before in text
    (copy / name).write_text(text.replace(before, after, 1))
    assert [problem for problem, _ in synthgen.verify(copy).problems] == [name]


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_readers_survive_any_damage(data_set, tmp_path_factory, data):
    """Flip, cut or overwrite anything: verify finds it, and reading ends in samples or in our error."""
    copy = tmp_path_factory.mktemp("damaged") / "d"
    shutil.copytree(data_set, copy)
    victim = shards_of(copy)[0]
    raw = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)) | st.integers(0, min(4000, max(0, len(raw) - 1))))
        kind = data.draw(st.sampled_from(["flip", "zero", "cut", "noise"]))
        if kind == "flip" and raw:
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "zero":
            raw[at : at + 64] = bytes(min(64, len(raw) - at))
        elif kind == "cut":
            del raw[at:]
        elif kind == "noise":
            noise = data.draw(st.binary(min_size=1, max_size=16))
            raw[at : at + len(noise)] = noise
    victim.write_bytes(raw)
    changed = bytes(raw) != shards_of(data_set)[0].read_bytes()
    assert synthgen.verify(copy).ok != changed
    ds = synthgen.open(copy)
    for i in range(9):
        try:
            ds[i]
        except SynthgenError as error:
            assert "\n" not in str(error).strip()
    shutil.rmtree(copy)


@pytest.mark.parametrize("pixels", [False, True])
def test_the_result_does_not_depend_on_workers(data_set, copy_of, pixels):
    healthy = [synthgen.verify(data_set, pixels, workers=workers) for workers in (0, 1, 3)]
    assert healthy[0].ok
    assert healthy == [healthy[0]] * 3

    copy = copy_of(data_set)
    damage("flipped", copy)
    broken = [synthgen.verify(copy, pixels, workers=workers) for workers in (0, 2)]
    assert len(broken[0].problems) == 1
    assert broken[0] == broken[1]


def test_a_changed_sidecar_is_named(data_set, copy_of):
    copy = copy_of(data_set)
    path = copy / "shards" / ".train-000001.json"
    path.write_text(path.read_text().replace('"shard": 1', '"shard": 2'))
    assert [name for name, _ in synthgen.verify(copy).problems] == [".train-000001.json"]


@pytest.mark.parametrize("kind", ["removed", "a link to nothing"])
def test_a_missing_sidecar_is_named(data_set, copy_of, kind):
    copy = copy_of(data_set)
    path = copy / "shards" / ".train-000001.json"
    path.unlink()
    if kind == "a link to nothing":
        path.symlink_to("nothing")
    assert [name for name, _ in synthgen.verify(copy).problems] == [".train-000001.json"]


def test_any_changed_bit_of_the_class_table_is_an_error(data_set, copy_of):
    copy = copy_of(data_set)
    table = copy / "classes.jsonl"
    right = table.read_bytes()
    for at in range(0, len(right) - 1, 7):
        wrong = bytearray(right)
        wrong[at] ^= 1
        table.write_bytes(wrong)
        with pytest.raises(FormatError, match=r"classes\.jsonl"):
            _ = synthgen.open(copy).classes


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOMEM]
)
@pytest.mark.parametrize("call", ["open", "pread"])
def test_errors_of_the_system_are_no_damage(data_set, monkeypatch, number, call):
    """Every call that opens or reads one shard fails: it is named as not read, the others are checked."""
    victim = shards_of(data_set)[1]
    node = victim.stat().st_ino
    genuine = getattr(os, call)

    def failing(target, *arguments, **options):
        found = os.stat(target).st_ino if call == "open" else os.fstat(target).st_ino
        if found == node:
            raise OSError(number, os.strerror(number))
        return genuine(target, *arguments, **options)

    monkeypatch.setattr(os, call, failing)
    found = synthgen.verify(data_set, workers=0)
    assert found.problems == []
    assert [name for name, _ in found.unread] == [victim.name]
    assert os.strerror(number) in found.unread[0][1]
    assert not found.ok
    with pytest.raises(StorageError, match=victim.name) as caught:
        synthgen.open(data_set)[9]
    assert caught.value.errno == number
