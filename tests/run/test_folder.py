"""Whose a folder is: what begins, goes on, is replaced or refused."""

import msgspec
import pytest

import synthgen
from synthgen.errors import FormatError, LockedError, StorageError, UsageError
from synthgen.run import folder as folders
from synthgen.run import target
from synthgen.run.lock import part_lock
from synthgen.run.plan import make_plan
from synthgen.shards.manifest import encode_json, read_run


@pytest.fixture
def run(make_recipe):
    return make_plan(make_recipe()).run


@pytest.fixture(scope="module")
def finished(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "d"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    return folder


def test_a_folder_where_nothing_was_begun_has_no_record(tmp_path, run):
    assert folders.begun_record(tmp_path, run) is None
    assert folders.begun_record(tmp_path / "new", run) is None


def test_a_file_is_no_folder(tmp_path, run):
    (tmp_path / "d").write_text("")
    with pytest.raises(UsageError, match="must be a folder, got a file"):
        folders.begun_record(tmp_path / "d", run)


# What another part that is just starting may have left.
OF_A_START = [".part-1-of-2.lock", ".parts.json", ".run.json.4711.tmp"]


@pytest.mark.parametrize("name", OF_A_START)
def test_what_another_part_leaves_as_it_starts_is_no_stranger(tmp_path, run, name):
    (tmp_path / name).write_text("")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / ".train-000000.h5.4711.tmp").write_text("")
    assert folders.begun_record(tmp_path, run) is None


@pytest.mark.parametrize("name", ["notes.txt", "classes.jsonl", "shards/train-000000.h5"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_are_never_written_over(tmp_path, run, name, overwrite):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"got 1 other files, for example {name.split('/')[0]}"):
        folders.begun_record(tmp_path, run, overwrite)


def damaged(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"{")


DAMAGES = [(), ("run.json",), ("dataset.json",), ("run.json", "dataset.json")]


@pytest.mark.parametrize("names", DAMAGES)
def test_any_file_that_is_left_tells_what_a_folder_was_begun_with(finished, copy_of, run, names):
    folder = copy_of(finished)
    damaged(folder, *names)
    assert folders.agree(folders.begun_record(folder, run), read_run(finished))


def test_without_a_file_that_tells_the_shards_are_left_alone(finished, copy_of, run):
    folder = copy_of(finished)
    damaged(folder, "run.json", "dataset.json", *(f"shards/{path.name}" for path in folder.glob("shards/.*.json")))
    with pytest.raises(FormatError, match="no other file tells that the shards are of this recipe"):
        folders.begun_record(folder, run)


def test_other_data_is_refused_and_returned_only_to_be_replaced(finished, make_recipe):
    other = make_plan(make_recipe(points=501)).run
    with pytest.raises(UsageError, match="holds other data: points is 500 there, 501 here;"):
        folders.begun_record(finished, other)
    assert folders.begun_record(finished, other, overwrite=True) == read_run(finished)


def test_the_same_data_in_another_form_is_called_so(finished, make_recipe):
    other = make_plan(make_recipe(storage={"shard_size": 8})).run
    with pytest.raises(UsageError, match="the same data, stored in another way: shard_size is 9 there, 8 here"):
        folders.begun_record(finished, other)


@pytest.mark.parametrize("names", DAMAGES[:3])
def test_a_data_set_that_grew_is_not_written_over_by_one_of_another_form(tmp_path, make_recipe, names):
    for per_class in (2, 6):
        grown = make_recipe(classes=1, per_class=per_class, storage={"shard_size": 2})
        synthgen.generate(grown, tmp_path, workers=0, progress=False)
    damaged(tmp_path, *names)

    other = make_plan(make_recipe(classes=1, per_class=6, storage={"shard_size": 3})).run
    with pytest.raises(UsageError, match=r"the same data, stored in another way: .*shard_size is 2 there, 3 here"):
        folders.begun_record(tmp_path, other)


@pytest.mark.parametrize(
    ("tolerance", "device", "any_device"), [(0.0, "b", False), (0.5, "a", False), (0.5, "b", True)]
)
def test_a_run_goes_on_where_the_device_changes_nothing_or_may_change(tmp_path, run, tolerance, device, any_device):
    begun = msgspec.structs.replace(run, tolerance=tolerance, device="a")
    folders.check_device(tmp_path, begun, msgspec.structs.replace(begun, device=device), any_device)


def test_a_run_does_not_go_on_where_another_device_draws_differently(tmp_path, run):
    begun = msgspec.structs.replace(run, tolerance=0.5, device="a")
    with pytest.raises(UsageError, match=r"was begun on a, this is b; images differ by up to 0\.5 gray levels"):
        folders.check_device(tmp_path, begun, msgspec.structs.replace(begun, device="b"), False)


def test_records_agree_whatever_they_are_called_and_wherever_files_lie(run):
    def named(**changes):
        return msgspec.structs.replace(run, recipe={**run.recipe, **changes})

    assert folders.agree(named(name="x", source="/a/b.png"), named(name="y", source="/c/b.png"))
    assert not folders.agree(named(points=500), named(points=501))
    assert not folders.agree(run, msgspec.structs.replace(run, seed=run.seed + 1))


def test_what_is_listed_is_removed_and_the_rest_stays(finished, copy_of, run):
    folder = copy_of(finished)
    (folder / "notes.txt").write_text("mine")
    folders.remove_listed(folder, run)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"run.json", "notes.txt"}
    assert (folder / "run.json").read_bytes() == encode_json(run)


@pytest.mark.parametrize("left", ["a record", "a record and an unfinished shard"])
def test_a_run_that_was_killed_before_its_first_shard_does_not_keep_the_folder(tmp_path, make_recipe, left):
    stale = make_plan(make_recipe(seed=1)).run
    (tmp_path / "run.json").write_bytes(encode_json(stale))
    (tmp_path / "classes.jsonl").write_text("{}")
    (tmp_path / "shards").mkdir()
    if left != "a record":
        (tmp_path / "shards" / ".train-000000.h5.4711-00.tmp").write_text("")
    synthgen.generate(make_recipe(), tmp_path, workers=0, progress=False)
    assert synthgen.verify(tmp_path).ok
    assert read_run(tmp_path).seed == 0
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_record_without_shards_is_left_to_other_parts_that_are_at_work(tmp_path, make_recipe):
    (tmp_path / "run.json").write_bytes(encode_json(make_plan(make_recipe(seed=1)).run))
    with part_lock(tmp_path, (2, 2)), pytest.raises(LockedError, match="part-2-of-2 is being written"):
        synthgen.generate(make_recipe(), tmp_path, workers=0, progress=False, part="1/2")
    assert read_run(tmp_path).seed == 1


@pytest.mark.parametrize("was_there", [False, True])
def test_a_run_that_fails_before_its_first_shard_leaves_no_record(tmp_path, make_recipe, monkeypatch, was_there):
    def fails(*_):
        raise StorageError("it fails")

    folder = tmp_path / "d"
    if was_there:
        folder.mkdir()
    monkeypatch.setattr(target, "write_shard", fails)
    with pytest.raises(StorageError):
        synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    assert folder.exists() == was_there
    assert not list(tmp_path.glob("d/*"))


def test_an_unfinished_folder_is_called_what_the_command_calls_it(tmp_path, make_recipe):
    synthgen.generate(make_recipe(name="right"), tmp_path / "whole", workers=0, progress=False)
    for name in ("right", "wrong"):
        synthgen.generate(make_recipe(name=name), tmp_path / "d", workers=0, progress=False, part="1/2")
        assert read_run(tmp_path / "d").recipe["name"] == name
    synthgen.generate(make_recipe(name="right"), tmp_path / "d", workers=0, progress=False)
    for name in ("run.json", "dataset.json"):
        assert (tmp_path / "d" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
