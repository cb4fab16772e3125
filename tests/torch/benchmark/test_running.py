"""Runs: they go on where they ended, parts make a whole, and other settings are refused with what differs."""

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from synthgen.errors import LockedError, UsageError
from synthgen.run.lock import part_lock
from synthgen.torch.benchmark import jobs, merge, running
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark
from synthgen.torch.benchmark.tables import as_values, make_grid, write_tables


def run(values, out, **given):
    changes = given.pop("changes", {})
    made = load_benchmark(Benchmark.from_dict(values), changes)
    return run_benchmark(made, out, **{"workers": 0, "progress": "none", **given})


def told(folder):
    """Return all that a folder says, but for what it took."""
    everything = as_values(read_results(folder))
    return {name: value for name, value in everything.items() if name != "costs"}


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished benchmark."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_a_finished_benchmark_is_not_done_again(values, copied):
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("seed-*")}
    report = run(values, copied)
    assert (report.done, report.resumed, report.failed, report.left) == (0, 8, 0, 0)
    assert before == {path: path.stat().st_mtime_ns for path in copied.rglob("seed-*")}


class Stopped(BaseException):
    """What ends a run at a moment that nobody expects."""


@pytest.mark.parametrize("moment", [0, 1, 2, 4])
def test_a_run_that_ended_anywhere_goes_on_and_tells_the_same(values, finished, copied, monkeypatch, moment):
    """The moments are those between two files that are written."""
    from synthgen.torch.benchmark import keeping, record

    for kind in ("jobs", "samples", "scores"):
        shutil.rmtree(copied / kind / "floor" / "parts" / "brick")
    count = 0

    def stopping(write):
        def written(*arguments):
            nonlocal count
            count += 1
            if count > moment:
                raise Stopped
            return write(*arguments)

        return written

    for module in (keeping, record):
        monkeypatch.setattr(module, "write_atomically", stopping(module.write_atomically))
    with suppress(Stopped):
        run(values, copied)
    monkeypatch.undo()
    run(values, copied)
    assert told(copied) == told(finished)


def test_parts_in_folders_of_their_own_merge_into_the_same(values, finished, tmp_path):
    parts = [tmp_path / f"part-{k}" for k in (1, 2, 3)]
    for k, part in enumerate(parts, 1):
        report = run(values, part, part=(k, 3))
        assert report.left == 8 - report.done
    assert merge(tmp_path / "whole", parts) == 8
    assert told(tmp_path / "whole") == told(finished)


def test_parts_may_share_a_folder_and_a_part_is_done_by_one(values, finished, tmp_path):
    out = tmp_path / "out"
    given = {"only": ["chance/parts/pcb"]}
    run(values, out, part="1/2", **given)
    with part_lock(out, (2, 2)), pytest.raises(LockedError, match="part-2-of-2 is being written by"):
        run(values, out, part="2/2", **given)
    assert run(values, out, part="2/2", **given).done == 1
    expected = read_results(finished).records
    for name, record in read_results(out).records.items():
        assert record.rows == expected[name].rows


def test_other_settings_are_refused_with_both_fingerprints_and_what_differs(values, copied):
    with pytest.raises(UsageError) as caught:
        run(values, copied, changes={"models.floor.sigma": 2})
    line = str(caught.value)
    assert "fingerprint" in line
    assert "options.sigma is 2.0 here and 1.0 there; --overwrite replaces them" in line
    report = run(values, copied, changes={"models.floor.sigma": 2}, overwrite=True)
    assert (report.done, report.resumed) == (4, 4)


def test_only_the_jobs_that_are_named_are_done(values, tmp_path):
    report = run(values, tmp_path / "out", only=["chance/parts/pcb"])
    assert (report.done, report.left) == (2, 6)
    results = read_results(tmp_path / "out")
    assert set(results.records) == {"chance/parts/pcb/0", "chance/parts/pcb/1"}
    assert len(results.missing) == 6


def test_a_model_whose_package_is_not_installed_is_skipped_by_name(values, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "has_extra", lambda extra: extra != "anomalib")
    models = {"floor": {"kind": "floor"}, "rd": {"kind": "stfpm", "backbone": "random:test_resnet"}}
    both = {"kind": "score-ensemble", "members": ["floor", "rd"]}
    lines = []
    changes = {"models": {**models, "both": both}, "seeds": [0]}
    report = run(values, tmp_path / "out", changes=changes, only=["floor/parts/pcb", "rd"], log=lines.append)
    assert (report.done, report.failed, report.left) == (1, 0, 5)
    assert lines[0].startswith("models.rd is skipped: stfpm needs anomalib, pip install ")
    assert lines[1].startswith("models.both is skipped: stfpm needs anomalib")

    results = read_results(tmp_path / "out")
    assert results.missing == ["floor/parts/brick/0"]
    grid = make_grid(results, "parts", "pl")
    assert {row[0]: row[-1] for row in grid.rows} == {
        "floor": "0 +1 missing", "rd": "0 +2 skipped", "both": "0 +2 skipped"
    }  # fmt: skip
    assert "rd is skipped: stfpm needs anomalib" in "\n".join(grid.notes)


def test_a_job_that_failed_is_done_again_on_request_alone(values, copied):
    results = read_results(copied)
    record = results.records["floor/parts/brick/0"]
    failed = msgspec.structs.replace(record, error="OSError: no", rows=[], images=None, times=None, memory=None)
    path = copied / "jobs" / "floor" / "parts" / "brick" / "seed-0.json"
    path.write_bytes(msgspec.json.encode(failed))
    assert run(values, copied).failed == 1
    report = run(values, copied, retry_failed=True)
    assert (report.done, report.failed) == (1, 0)


MISTAKES = {
    "sets.parts.path": ("/nowhere", r"^sets.parts.path must be a folder of images, got /nowhere"),
    "sets.parts.classes": (["brik"], r"got brik; did you mean brick\?"),
    "models.floor.kind": ("theirs:Bright", r"^models.floor.kind must be trusted to run"),
}


@pytest.mark.parametrize("key", MISTAKES)
def test_what_cannot_be_done_is_refused_before_anything_is_written(values, tmp_path, key):
    value, rule = MISTAKES[key]
    changes = {key: value} if key != "models.floor.kind" else {"models.floor": {"kind": value}}
    with pytest.raises(UsageError, match=rule):
        run(values, tmp_path / "out", changes=changes)
    assert not (tmp_path / "out").exists()


def test_the_number_of_workers_is_checked(values, tmp_path):
    with pytest.raises(UsageError, match=r"^workers must lie in 0..4096, got -1"):
        run(values, tmp_path, workers=-1)


def test_folders_of_other_benchmarks_are_not_merged(values, finished, copied, tmp_path):
    other = tmp_path / "other"
    run(values, other, only=["chance/parts/pcb"], changes={"models.floor.sigma": 2})
    with pytest.raises(
        UsageError, match=r"other: must be of the same benchmark as .*models.floor.sigma is 1.0 here"
    ):
        merge(tmp_path / "whole", [finished, other])
    with pytest.raises(UsageError, match="parts must be folders of a benchmark, got none"):
        merge(tmp_path / "whole", [])
    (copied / "benchmark.json").write_bytes((finished / "benchmark.json").read_bytes())
    assert merge(copied, [finished]) == 8


def test_the_parent_of_a_run_needs_no_torch():
    assert "torch" not in vars(running)


def test_tables_are_written_whole(finished):
    before = (finished / "table.json").read_bytes()
    assert write_tables(finished) == ["table.json", "table.csv", "table.md"]
    assert (finished / "table.json").read_bytes() == before
