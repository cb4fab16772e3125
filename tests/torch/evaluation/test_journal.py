"""A journal of long work: whatever happens to its process, what was written is gone on with."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import StorageError
from synthgen.torch.evaluation.journal import Journal

SETTINGS = {"model": "a", "choices": {"maps": None}}
entries = st.lists(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=3), max_size=5
)


def entries_of(path):
    """Return what a journal of the settings holds."""
    journal = Journal(path, SETTINGS)
    journal.close(finished=False)
    return journal.entries


@given(entries, st.integers(0, 400))
def test_whole_lines_survive_a_kill_at_any_byte(tmp_path_factory, written, cut):
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path, SETTINGS)
    for entry in written:
        journal.add(entry)
    journal.close(finished=False)

    data = path.read_bytes()
    head = len(json.dumps(SETTINGS)) + 1
    path.write_bytes(data[: head + cut])
    whole = data[head : head + cut].count(b"\n")
    resumed = Journal(path, SETTINGS)
    assert written[:whole] == resumed.entries[:whole]
    assert len(resumed.entries) - whole in (0, 1)  # a last line may lack its end alone
    resumed.add({"new": 1})
    resumed.close(finished=False)
    assert entries_of(path) == [*resumed.entries, {"new": 1}]


def test_other_work_begins_anew_and_finished_work_leaves_nothing(tmp_path):
    path = tmp_path / "j"
    first = Journal(path, SETTINGS)
    first.add({"a": 1})
    first.close(finished=False)
    other = Journal(path, {**SETTINGS, "model": "b"})
    assert (other.is_others, other.entries) == (True, [])
    other.close(finished=True)
    assert list(tmp_path.iterdir()) == []
    fresh = Journal(path, SETTINGS)
    fresh.close(finished=True)
    assert (fresh.is_others, fresh.entries) == (False, [])


@pytest.mark.parametrize("data", [b"", b"\0\0", b"[1]\n", b"3\n{}\n", b"\xff\xfe\n", b"[" * 99_999])
def test_a_file_that_is_no_journal_is_no_work(tmp_path, data):
    (tmp_path / "j").write_bytes(data)
    assert entries_of(tmp_path / "j") == []


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match="none"):
        Journal(tmp_path / "none" / "j", SETTINGS)
