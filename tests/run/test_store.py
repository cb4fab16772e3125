"""Runs into a store: the same files as in a folder, wherever a run was killed."""

import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

import synthgen
from synthgen.cli import cli
from synthgen.errors import FormatError, StorageError, UsageError
from synthgen.run import executors, target
from synthgen.run.estimate import Estimate
from synthgen.run.target import Target, sweep_scratch
from synthgen.shards.manifest import MAX_PART
from synthgen.shards.places import Place


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Return a function that draws into a store by way of `tmp_path / "scratch"`, without the probe."""

    def quick(plan, todo):
        return Estimate(0.01, 100.0, sum(map(plan.run.shard_count, todo)), len(todo))

    def draw(recipe, out, **options):
        return synthgen.generate(recipe, out, progress=False, scratch=tmp_path / "scratch", **options)

    monkeypatch.setattr(executors, "probe", quick)
    return draw


def contents(address):
    place = Place(address)
    return dict(place.read_all(place.sizes(), 2**30))


@pytest.fixture(scope="module")
def expected(make_recipe, tmp_path_factory):
    """The files of the small data set as two workers draw it into a folder."""
    folder = tmp_path_factory.mktemp("local") / "d"
    synthgen.generate(make_recipe(), folder, workers=2, progress=False)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_gets_the_files_of_a_folder(draw, make_recipe, memory, expected, tmp_path):
    report = draw(make_recipe(), f"{memory}/whole", workers=2)
    assert (report.path, report.drawn, report.finished) == (f"{memory}/whole", 40, True)
    assert contents(f"{memory}/whole") == expected

    parts = [draw(make_recipe(), f"{memory}/parts", part=(k, 3)) for k in (1, 2, 3)]
    assert [part.finished for part in parts] == [False, False, True]
    assert sum(part.drawn for part in parts) == 40
    assert contents(f"{memory}/parts") == expected
    assert list((tmp_path / "scratch").iterdir()) == []


def test_workers_put_their_shards_themselves(draw, make_recipe, expected, tmp_path):
    address = f"file://{tmp_path}/d"
    draw(make_recipe(), address, workers=2)
    assert contents(address) == expected


class Killed(BaseException):
    """Ends a run as a kill does: nothing of the store can be reached any more."""


STORING = ("pipe_file", "put_file", "cat_file", "find", "rm_file", "info")


@pytest.mark.parametrize("after", range(1, 40, 3))
def test_killed_anywhere_and_resumed_leaves_the_same_files(
    draw, make_recipe, memory, expected, monkeypatch, recwarn, after
):
    calls = 0

    def counted(genuine):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls > after:
                raise Killed
            return genuine(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in STORING:
            patch.setattr(MemoryFileSystem, name, counted(getattr(MemoryFileSystem, name)))
        with pytest.raises(Killed):
            draw(make_recipe(), f"{memory}/d")

    report = draw(make_recipe(), f"{memory}/d")
    assert report.finished
    assert contents(f"{memory}/d") == expected
    assert all("goes on, or was killed" in str(warning.message) for warning in recwarn)


def test_a_finished_data_set_is_not_drawn_again_but_what_is_missing_is(draw, make_recipe, memory, expected):
    draw(make_recipe(), f"{memory}/d")
    assert draw(make_recipe(), f"{memory}/d").drawn == 0

    place = Place(f"{memory}/d")
    place.remove(["shards/train-000001.h5"])
    place.write("shards/train-000003.h5", b"cut off")
    place.write("shards/.train-000004.json", b"{}")
    place.write("classes.jsonl", b"damaged")
    place.remove(["dataset.json"])
    assert draw(make_recipe(), f"{memory}/d").drawn == 9 + 9 + 4
    assert contents(f"{memory}/d") == expected


def test_a_sidecar_that_is_larger_than_any_of_ours_counts_as_damaged_as_in_a_folder(
    draw, make_recipe, memory, expected, tmp_path
):
    name = "shards/.train-000001.json"
    padded = expected[name] + b" " * MAX_PART

    draw(make_recipe(), f"{memory}/d")
    Place(f"{memory}/d").write(name, padded)
    assert draw(make_recipe(), f"{memory}/d").drawn == 9
    assert contents(f"{memory}/d") == expected

    synthgen.generate(make_recipe(), tmp_path / "d", workers=0, progress=False)
    (tmp_path / "d" / "dataset.json").unlink()
    (tmp_path / "d" / name).write_bytes(padded)
    assert synthgen.generate(make_recipe(), tmp_path / "d", workers=0, progress=False).drawn == 9


def test_a_run_record_that_is_lost_is_written_again_where_the_shards_are_of_the_same_data(
    draw, make_recipe, memory, expected
):
    draw(make_recipe(), f"{memory}/d", part=(1, 2))
    Place(f"{memory}/d").remove(["run.json"])
    with pytest.raises(UsageError, match=r"\.train-000000\.json: is of other data than this run"):
        draw(make_recipe(seed=3), f"{memory}/d")
    assert draw(make_recipe(), f"{memory}/d").resumed == 9 + 9 + 4
    assert contents(f"{memory}/d") == expected


def test_other_data_is_refused_unless_it_is_to_be_replaced(draw, make_recipe, memory, expected):
    draw(make_recipe(seed=3), f"{memory}/d")
    before = contents(f"{memory}/d")
    with pytest.raises(UsageError, match=rf"{memory}/d: holds other data: seed is 3 there, 0 here"):
        draw(make_recipe(), f"{memory}/d")
    assert contents(f"{memory}/d") == before

    Place(f"{memory}/d").write("LICENSE", b"mine")
    draw(make_recipe(), f"{memory}/d", overwrite=True)
    assert contents(f"{memory}/d") == {**expected, "LICENSE": b"mine"}


def test_other_objects_are_left_alone(draw, make_recipe, memory):
    Place(f"{memory}/d").write("thesis.txt", b"mine")
    with pytest.raises(UsageError, match="must be empty or hold this data set, got 1 other objects"):
        draw(make_recipe(), f"{memory}/d")
    assert contents(f"{memory}/d") == {"thesis.txt": b"mine"}


def test_a_damaged_run_record_is_named_by_its_key(draw, make_recipe, memory):
    Place(f"{memory}/d").write("run.json", b"{")
    with pytest.raises(FormatError, match=rf"{memory}/d/run.json: is damaged"):
        draw(make_recipe(), f"{memory}/d")


def test_a_run_that_is_refused_before_its_first_shard_leaves_nothing(draw, make_recipe, memory, monkeypatch):
    def expired(*_, **__):
        raise PermissionError("The provided token has expired.")

    monkeypatch.setattr(MemoryFileSystem, "put_file", expired)
    with pytest.raises(StorageError, match=r"train-000000.h5: cannot be written: The provided token has expired"):
        draw(make_recipe(), f"{memory}/d")
    assert contents(f"{memory}/d") == {}


def test_shards_that_do_not_arrive_are_an_error(draw, make_recipe, memory, monkeypatch):
    monkeypatch.setattr(target.Target, "write", lambda *_: None)
    with pytest.raises(StorageError, match=r"5 of 5 are missing, for example train-000000.h5"):
        draw(make_recipe(), f"{memory}/d")


def test_who_draws_a_part_is_written_down_and_said(draw, make_recipe, memory):
    Place(f"{memory}/d").write(".lease-1-of-1.json", b'{"host": "node7", "pid": 5, "since": "2026-11-26"}')
    with pytest.warns(UserWarning, match="a run on node7, begun at 2026-11-26, goes on, or was killed"):
        draw(make_recipe(), f"{memory}/d")
    assert not any(name.startswith(".lease") for name in contents(f"{memory}/d"))


@pytest.mark.parametrize("scheme", ["file", "memory"])
@pytest.mark.parametrize("last", [None, (2, 2), (3, 3)])
def test_leases_of_killed_parts_end_with_the_run_however_it_was_cut_into_parts(
    draw, make_recipe, memory, expected, tmp_path, monkeypatch, recwarn, scheme, last
):
    """Each part of three is killed while it draws; the rest is drawn as a whole, or in parts."""
    address = f"file://{tmp_path}/d" if scheme == "file" else f"{memory}/d"

    with monkeypatch.context() as patch:
        patch.setattr(target.Target, "write", _killed)
        patch.setattr("synthgen.run.store.Place.remove", _killed)
        for k in (1, 2, 3):
            with pytest.raises(Killed):
                draw(make_recipe(), address, part=(k, 3), workers=0)
    assert sum(name.startswith(".lease") for name in contents(address)) == 3

    parts = [None] if last is None else [(k, last[1]) for k in range(1, last[1] + 1)]
    reports = [draw(make_recipe(), address, part=part, workers=0) for part in parts]
    assert reports[-1].finished
    assert contents(address) == expected


def _killed(*_):
    raise Killed


def test_a_scratch_folder_that_is_too_small_is_refused(make_recipe, memory, tmp_path, monkeypatch):
    monkeypatch.setattr("synthgen.run.estimate._free_bytes", lambda folder: 1000)
    with pytest.raises(StorageError, match=r"scratch .*: needs about .* for 2 shards at a time"):
        synthgen.generate(make_recipe(), f"{memory}/d", workers=2, progress=False, scratch=tmp_path)


def test_what_killed_processes_left_in_a_scratch_folder_is_removed(tmp_path):
    code = (
        "import os; from synthgen.run.target import scratch_folder; "
        f"kept = scratch_folder({str(tmp_path)!r}); kept.__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    other = tmp_path / "synthgen-another.host-1-00000000"
    other.mkdir()
    with target.scratch_folder(tmp_path) as own:
        assert len(list(tmp_path.iterdir())) == 3
        sweep_scratch(tmp_path)
        assert set(tmp_path.iterdir()) == {own, other}


def test_a_target_comes_back_from_json():
    for each in (Target("folder"), Target("scratch", "s3://bucket/x")):
        assert msgspec.convert(msgspec.to_builtins(each), Target) == each


def test_commands_take_addresses(make_recipe, memory, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    recipe = tmp_path / "small.yaml"
    recipe.write_text(make_recipe().to_yaml())

    def run(*words):
        return CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)

    drawn = run("run", recipe, "--out", f"{memory}/d", "--workers", 0, "--progress", "none", "--scratch", tmp_path)
    assert drawn.stdout.startswith(f"{memory}/d: finished.")
    assert run("verify", f"{memory}/d").stdout == f"{memory}/d: 5 shards, 40 samples: ok\n"
    assert isinstance(run("info", "nonsense://bucket/x").exception, UsageError)
    lonely = run("run", recipe, "--out", f"{memory}/d", "--address", "auto").exception
    assert str(lonely) == "--address must go with the executor ray, got local"


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_what_is_a_pattern_elsewhere_is_a_plain_character_of_an_address(
    draw, make_recipe, memory, tmp_path, scheme
):
    above = f"file://{tmp_path}" if scheme == "file" else memory
    address = f"{above}/a[1]/b*?/[!c]"
    recipe = make_recipe(classes=2, per_class=2, storage={"shard_size": 2})
    # What such a pattern would find.
    Place(f"{above}/a1/bcc/d").write("run.json", b"{}")

    draw(recipe, address, part=(1, 2), workers=0)
    assert draw(recipe, address, part=(2, 2), workers=0).finished
    assert draw(recipe, address, workers=0).resumed == 4
    assert synthgen.verify(address, pixels=True).problems == []
    keys = [sample.key for sample in synthgen.open(address, cache=tmp_path / "cache")]
    assert len(keys) == 4
