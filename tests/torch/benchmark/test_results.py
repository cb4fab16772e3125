"""Results: what is there, what is missing, what makes numbers hard to compare."""

import os

import msgspec
import pytest

from synthgen.errors import FormatError, UsageError
from synthgen.torch.benchmark.record import read_record
from synthgen.torch.benchmark.results import Results, mean, read_results, spread


def test_values_are_found_by_model_category_seed_and_kind(finished):
    results = read_results(finished)
    assert (results.models, results.seeds, len(results.cells)) == (["floor", "chance"], [0, 1], 2)
    brick = results.cells[0]
    row = results.record("floor", brick, 0).rows[1]
    assert results.value("floor", brick, 0, "pl", row["kind"]) == row["pl"]
    assert results.value("floor", brick, 0, "pl", "nothing") is None
    seeds = [results.value("chance", brick, seed, "image_auroc") for seed in (0, 1)]
    assert results.mean_of_seeds("chance", brick, "image_auroc") == pytest.approx(sum(seeds) / 2)
    assert results.missing == results.failures == []


def test_other_data_and_other_versions_are_said(finished):
    results = read_results(finished)
    assert not any("different sets of files" in line for line in results.warnings())
    record = results.records["floor/parts/brick/0"]
    changed = msgspec.structs.replace(
        record, data=record.data | {"sha256": "other"}, versions=record.versions | {"torch": "0.1"}
    )
    others = {**results.records, record.name: changed}
    begun = type("Begun", (), {"benchmark": results.benchmark.to_dict(), "jobs": results.jobs, "skipped": {}})
    lines = Results(finished, begun, others.values()).warnings()
    assert "parts/brick: models saw 2 different sets of files" in lines
    assert any(line.startswith("records were made by several versions of torch: 0.1, ") for line in lines)


def test_a_folder_of_no_benchmark_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must be the folder of a benchmark, got none"):
        read_results(tmp_path)
    (tmp_path / "benchmark.json").write_text("{")
    with pytest.raises(FormatError, match="must be what a benchmark was begun with"):
        read_results(tmp_path)


def test_a_record_that_is_damaged_or_newer_is_refused(tmp_path):
    path = tmp_path / "seed-0.json"
    assert read_record(path) is None
    path.write_text("{")
    with pytest.raises(FormatError, match="must be the whole record of a job; without the file"):
        read_record(path)
    path.write_text(
        '{"format": 9, "model": "", "set": "", "category": "", "seed": 0, "fingerprint": "", "spec": {}}'
    )
    with pytest.raises(FormatError, match="format must be 1, got 9; a newer synthgen reads it"):
        read_record(path)


def test_a_file_that_is_no_plain_one_is_not_waited_for(tmp_path):
    for path in (tmp_path / "seed-0.json", tmp_path / "benchmark.json"):
        os.mkfifo(path)
    with pytest.raises(FormatError, match=r"seed-0\.json: must be a plain file"):
        read_record(tmp_path / "seed-0.json")
    with pytest.raises(FormatError, match=r"benchmark\.json: must be a plain file"):
        read_results(tmp_path)


def test_a_mean_of_what_is_missing_is_none():
    assert mean([1, 2]) == 1.5
    assert mean([1, None]) is mean([]) is spread([1]) is spread([1, None]) is None
    assert spread([1, 3]) == pytest.approx(2**0.5)
