"""A finished data set grows: old bytes stay, new shards follow, and whoever reads meanwhile is not disturbed."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

import synthgen
from synthgen.errors import FormatError, LockedError, UsageError, WorkerError
from synthgen.recipe import Recipe, load_recipe
from synthgen.run import growth, merge, records, target
from synthgen.run.lock import part_lock
from synthgen.run.plan import make_plan
from synthgen.shards.manifest import Sidecar, encode_json

LARGER = {"classes": 6, "per_class": 11}


def draw(recipe, folder, **options):
    return synthgen.generate(recipe, folder, **{"workers": 0, "progress": False, **options})


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(params=["hdf5", "webdataset"])
def storage(request):
    return {"format": request.param}


@pytest.fixture(scope="module")
def grown(make_recipe, tmp_path_factory):
    """A data set of 5 x 8 that grew to 5 x 11 in one step; tests must not change it."""
    folder = tmp_path_factory.mktemp("grown") / "d"
    draw(make_recipe(), folder)
    draw(make_recipe(per_class=11), folder)
    return folder


def test_the_old_bytes_stay_and_the_samples_are_those_of_the_larger_recipe(make_recipe, tmp_path, storage):
    draw(make_recipe(storage=storage), tmp_path)
    table = (tmp_path / "classes.jsonl").read_bytes()
    before = files_of(tmp_path / "shards")
    report = draw(make_recipe(storage=storage, **LARGER), tmp_path)
    after = files_of(tmp_path / "shards")

    assert (report.drawn, report.resumed, report.finished) == (26, 40, True)
    assert {name: after[name] for name in before} == before
    assert (tmp_path / "classes.jsonl").read_bytes().startswith(table)
    assert synthgen.verify(tmp_path, pixels=True).ok
    assert report.fingerprint == make_recipe(**LARGER).data_fingerprint

    dataset = synthgen.open(tmp_path)
    keys = set()
    for i, sample in enumerate(dataset):
        drawn = synthgen.render(make_recipe(**LARGER), sample.label, sample.params["index"])
        assert drawn.key == sample.key
        assert np.array_equal(drawn.image, sample.image)
        assert dataset.find(sample.label, sample.params["index"]) == i
        keys.add(sample.key)
    assert len(keys) == 66


STEPS = [
    [{"per_class": 9}, {"per_class": 20}],
    [{"classes": 6}, {"classes": 9}],
    [{"classes": 6}, {"classes": 6, "per_class": 10}],
]


@pytest.mark.parametrize("steps", STEPS)
def test_growing_and_drawing_the_recipe_of_the_result_give_the_same_files(make_recipe, tmp_path, steps):
    draw(make_recipe(), tmp_path / "grown")
    for step in steps:
        draw(make_recipe(**step), tmp_path / "grown")
    draw(tmp_path / "grown", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(tmp_path / "grown")
    assert synthgen.verify(tmp_path / "grown", pixels=True).ok


def test_a_data_set_that_grew_has_the_samples_of_one_drawn_at_once_in_another_order(grown, make_recipe, tmp_path):
    draw(make_recipe(per_class=11), tmp_path)
    once, stepwise = (synthgen.open(folder) for folder in (tmp_path, grown))
    assert once.manifest.fingerprints.data == stepwise.manifest.fingerprints.data
    assert once.manifest.fingerprints.storage != stepwise.manifest.fingerprints.storage
    keys = [[sample.key for sample in dataset] for dataset in (once, stepwise)]
    assert keys[0] != keys[1]
    assert sorted(keys[0]) == sorted(keys[1])


def test_the_recipe_of_a_data_set_that_grew_goes_out_and_comes_back(grown):
    recipe = load_recipe(grown)
    assert recipe.storage.grown_from == ((5, 8, 9),)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert encode_json(make_plan(recipe).run) == (grown / "run.json").read_bytes()


def test_a_data_set_grows_by_its_own_recipe(grown, copy_of, make_recipe):
    folder = copy_of(grown)
    recipe = load_recipe(folder, {"per_class": 13})
    assert draw(recipe, folder).drawn == 10
    assert [stage.per_class for stage in synthgen.open(folder).manifest.stages] == [8, 11, 13]


def test_a_grown_folder_is_left_as_it_is(grown, copy_of, make_recipe):
    folder = copy_of(grown)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert draw(make_recipe(per_class=11), folder).drawn == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


REFUSED = [
    ({}, "holds other data: per_class is 11 there, 8 here; choose"),
    ({"per_class": 9}, "per_class is 11 there, 9 here"),
    ({"per_class": 12, "seed": 1}, "seed is 0 there, 1 here"),
    ({"per_class": 12, "points": 501}, "points is 500 there, 501 here"),
    ({"per_class": 12, "storage": {"format": "webdataset"}}, "format is hdf5 there, webdataset here"),
    ({"per_class": 12, "storage": {"codec": "jpeg"}}, "codec is png there, jpeg here"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_does_not_grow_from_a_folder_is_refused_with_what_differs(grown, make_recipe, changes, message):
    before = files_of(grown)
    with pytest.raises(UsageError, match=message):
        draw(make_recipe(**changes), grown)
    assert files_of(grown) == before


def test_an_unfinished_data_set_does_not_grow(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path, part="1/2")
    with pytest.raises(UsageError, match=r"per_class is 8 there, 11 here; finish it as it was begun, then it can"):
        draw(make_recipe(per_class=11), tmp_path)


@pytest.fixture
def half_grown(make_recipe, tmp_path, storage):
    """A data set of 5 x 8 on its way to `LARGER`: two of its new shards are there."""
    folder = tmp_path / "half"
    draw(make_recipe(storage=storage), folder)
    shutil.copytree(folder, tmp_path / "small")
    draw(make_recipe(storage=storage, **LARGER), folder, part="1/2")
    return folder


def test_a_data_set_that_grows_reads_as_it_was(half_grown, tmp_path):
    small = synthgen.open(tmp_path / "small")
    growing = synthgen.open(half_grown)
    assert growing.manifest == small.manifest
    assert growing.classes == small.classes
    assert [sample.key for sample in growing] == [sample.key for sample in small]
    assert synthgen.verify(half_grown, pixels=True) == synthgen.verify(tmp_path / "small", pixels=True)


def test_growth_that_was_interrupted_goes_on(half_grown, make_recipe, tmp_path, storage):
    reader = synthgen.open(half_grown)
    draw(make_recipe(storage=storage, **LARGER), tmp_path / "small")
    for other in ({"per_class": 12}, {"per_class": 8}):
        with pytest.raises(UsageError, match=r"is growing to 6 classes x 11 images .*: finish that first"):
            draw(make_recipe(storage=storage, **other), half_grown)
    report = draw(make_recipe(storage=storage, **LARGER), half_grown)
    assert report.finished
    assert files_of(half_grown) == files_of(tmp_path / "small")
    # one that was opened before goes on reading what it knew
    assert len(list(reader)) == 40
    assert len(reader.classes) == 5


def test_growth_is_replaced_as_a_whole(half_grown, make_recipe, tmp_path, storage):
    draw(make_recipe(storage=storage), half_grown, overwrite=True)
    assert files_of(half_grown) == files_of(tmp_path / "small")


def test_growth_is_merged_from_copies_that_drew_their_parts(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path / "whole")
    for k in (1, 2):
        shutil.copytree(tmp_path / "whole", tmp_path / f"p{k}")
        draw(make_recipe(**LARGER), tmp_path / f"p{k}", part=(k, 2))
    merge([tmp_path / "p1", tmp_path / "p2"], tmp_path / "new")
    merge([tmp_path / "p1", tmp_path / "p2"], tmp_path / "whole")
    draw(tmp_path / "whole", tmp_path / "again")
    expected = files_of(tmp_path / "again")
    assert files_of(tmp_path / "new") == expected
    assert files_of(tmp_path / "whole") == expected


def failing(plan, folder, shard, advance):
    raise WorkerError("it fails")


def test_growth_that_fails_before_its_first_shard_leaves_the_data_set_as_it_was(make_recipe, tmp_path, monkeypatch):
    draw(make_recipe(), tmp_path)
    before = files_of(tmp_path)
    monkeypatch.setattr(target, "write_shard", failing)
    with pytest.raises(WorkerError):
        draw(make_recipe(**LARGER), tmp_path)
    assert files_of(tmp_path) == before


def test_growth_that_was_killed_before_its_first_shard_binds_nobody(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    plan = growth.continued(tmp_path, make_plan(make_recipe(**LARGER)))
    (tmp_path / "run.json").write_bytes(json.dumps(msgspec.to_builtins(plan.run)).encode())
    assert synthgen.verify(tmp_path).ok
    assert draw(make_recipe(per_class=9), tmp_path).drawn == 5
    assert synthgen.open(tmp_path).manifest.per_class == 9


def of_other_numpy(folder):
    """Make the records of a data set say that another version of NumPy drew it."""
    for path in (folder / "run.json", folder / "dataset.json", *folder.glob("shards/.*.json")):
        change_numpy(path)


def change_numpy(path):
    values = json.loads(path.read_text())
    values["versions"]["numpy"] = "1.0"
    values["fingerprints"]["storage"] = "0" * 64
    if "crc32" in values:
        del values["crc32"]
        path.write_bytes(encode_json(Sidecar.signed(**values)))
    else:
        path.write_text(json.dumps(values))


def test_a_data_set_grows_after_libraries_changed_and_each_stage_names_its_own(make_recipe, tmp_path):
    draw(make_recipe(), tmp_path)
    of_other_numpy(tmp_path)
    with pytest.raises(UsageError, match=r"stored in another way: numpy is 1\.0 there, "):
        draw(make_recipe(), tmp_path)
    draw(make_recipe(per_class=11), tmp_path, workers=1)
    manifest = synthgen.open(tmp_path).manifest
    assert [stage.versions["numpy"] for stage in manifest.stages] == ["1.0", np.__version__]
    assert synthgen.verify(tmp_path, pixels=True).ok

    (tmp_path / "shards" / "train-000002.h5").unlink()
    with pytest.raises(UsageError, match=r"train-000002\.h5 must be drawn again by the libraries .*numpy is 1\.0"):
        draw(make_recipe(per_class=11), tmp_path)


@pytest.fixture
def stuck(half_grown):
    """The data set that grows, as another version of NumPy began to let it."""
    added = [path for path in half_grown.glob("shards/.*.json") if json.loads(path.read_text())["shard"] >= 5]
    assert added
    for path in (half_grown / "run.json", *added):
        change_numpy(path)
    return half_grown


def test_growth_that_other_libraries_began_is_dropped_and_begun_anew(stuck, make_recipe, tmp_path, storage, capsys):
    with pytest.raises(
        UsageError, match=r"with the libraries .*numpy is 1\.0.*, or --drop-growth removes what was"
    ):
        draw(make_recipe(storage=storage, **LARGER), stuck)
    report = draw(make_recipe(storage=storage, **LARGER), stuck, drop_growth=True, progress="plain")
    assert (report.drawn, report.resumed, report.finished) == (26, 40, True)
    assert "what was added is removed: 5 classes x 8 images stay" in capsys.readouterr().err
    draw(make_recipe(storage=storage, **LARGER), tmp_path / "small")
    assert files_of(stuck) == files_of(tmp_path / "small")

    # nothing grows now: the same command changes nothing
    assert draw(make_recipe(storage=storage, **LARGER), stuck, drop_growth=True).drawn == 0


def test_growth_is_dropped_for_good_where_no_more_is_asked_for(stuck, make_recipe, tmp_path, storage):
    report = draw(make_recipe(storage=storage), stuck, drop_growth=True)
    assert (report.drawn, report.resumed, report.samples, report.finished) == (0, 40, 40, True)
    assert files_of(stuck) == files_of(tmp_path / "small")


class Killed(BaseException):
    """Ends a run as a kill does."""


@pytest.fixture(scope="module")
def growing(make_recipe, tmp_path_factory):
    """A data set of 5 x 8 on its way to `LARGER`, and the one that it was; tests must not change them."""
    home = tmp_path_factory.mktemp("growing")
    draw(make_recipe(), home / "small")
    shutil.copytree(home / "small", home / "half")
    draw(make_recipe(**LARGER), home / "half", part="1/2")
    return home


@pytest.mark.parametrize("changes", [{"seed": 1}, {"points": 501}, {"per_class": 7}])
def test_nothing_is_dropped_for_other_data(growing, make_recipe, changes):
    before = files_of(growing / "half")
    with pytest.raises(UsageError, match="is growing to"):
        draw(make_recipe(**{**LARGER, **changes}), growing / "half", drop_growth=True)
    assert files_of(growing / "half") == before


def test_nothing_is_dropped_while_another_process_draws(growing, make_recipe):
    before = files_of(growing / "half")
    with part_lock(growing / "half", (2, 2)), pytest.raises(LockedError):
        draw(make_recipe(**LARGER), growing / "half", drop_growth=True)
    assert files_of(growing / "half") == before


@contextmanager
def killed_after(most):
    """Raise `Killed` in place of the step that follows so many: a file of a shard, the record, the class table."""
    steps = []

    def counted(genuine, is_step=lambda path: True):
        def step(path, *arguments, **options):
            if is_step(path):
                steps.append(path)
                if len(steps) > most:
                    raise Killed
            return genuine(path, *arguments, **options)

        return step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", counted(Path.unlink, lambda path: "train-" in path.name))
        patch.setattr(records, "ensure", counted(records.ensure))
        patch.setattr(records, "cut_classes", counted(records.cut_classes))
        yield


@pytest.mark.parametrize("after", range(8))
def test_dropping_that_was_killed_anywhere_leaves_the_data_set_and_goes_on(growing, copy_of, make_recipe, after):
    small = files_of(growing / "small")
    folder = copy_of(growing / "half")
    with killed_after(after), pytest.raises(Killed):
        draw(make_recipe(), folder, drop_growth=True)

    left = files_of(folder)
    shards = [name for name in small if name.startswith("shards/")]
    assert [left[name] for name in shards] == [small[name] for name in shards]
    assert synthgen.verify(folder).ok
    draw(make_recipe(), folder, drop_growth=True)
    assert files_of(folder) == small


def test_growth_goes_on_after_dropping_that_was_killed(growing, make_recipe, tmp_path):
    folder = shutil.copytree(growing / "half", tmp_path / "half")
    with killed_after(1), pytest.raises(Killed):
        draw(make_recipe(), folder, drop_growth=True)
    small = shutil.copytree(growing / "small", tmp_path / "small")
    for each in (folder, small):
        draw(make_recipe(**LARGER), each)
    assert files_of(folder) == files_of(small)


REFUSED_DROPS = [
    ({"part": "1/2"}, "drop_growth must not go with part 1/2"),
    ({"overwrite": True}, "drop_growth must not go with overwrite"),
    ({"out": "memory://bucket/x"}, "drop_growth must not go with an address"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED_DROPS)
def test_what_does_not_go_with_dropping_is_refused(make_recipe, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        draw(make_recipe(), **{"folder": options.pop("out", tmp_path), **options, "drop_growth": True})


FILES = ["run.json", "dataset.json", "classes.jsonl", "shards/.train-000002.json", "shards/train-000002.h5"]


@pytest.mark.parametrize("name", [*FILES, "shards/.train-000006.json", "shards/train-000006.h5"])
def test_drawing_again_brings_any_missing_file_of_a_grown_data_set_back(grown, copy_of, make_recipe, name):
    folder = copy_of(grown)
    (folder / name).unlink()
    draw(make_recipe(per_class=11), folder)
    assert files_of(folder) == files_of(grown)


LIES = {
    "a stage that is larger": ({"per_class": 12}, "must grow"),
    "a stage of another size of shards": ({"shard_size": 7}, "shards must be"),
    "a stage of no classes": ({"classes": 0}, "Expected `int` >= 1"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies_about_its_growth_is_refused(grown, copy_of, lie):
    changes, message = LIES[lie]
    path = copy_of(grown) / "dataset.json"
    values = json.loads(path.read_text())
    values["grown_from"][0].update(changes)
    path.write_text(json.dumps(values))
    with pytest.raises(FormatError, match=message):
        synthgen.open(path.parent)
