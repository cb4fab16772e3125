"""Tables as files: what is written is read back, whole or not at all."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import StorageError
from synthgen.tables import write_csv

COLUMNS = ("file", "score", "note")
# No half of a surrogate pair: it is no text. No NUL: Python's csv takes none.
words = st.text(
    st.sampled_from('\r\n,"') | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
rows = st.lists(
    st.fixed_dictionaries({"file": words}, optional={"score": st.integers(), "note": words}), max_size=4
)


@given(rows)
def test_a_table_is_read_back_with_empty_cells_where_a_row_lacks_them(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    write_csv(path, rows, COLUMNS)
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        read = list(reader)
    assert tuple(reader.fieldnames) == COLUMNS
    assert read == [{name: str(row.get(name, "")) for name in COLUMNS} for row in rows]


def test_a_name_that_is_no_utf8_keeps_its_bytes(tmp_path):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    write_csv(tmp_path / "a.csv", [{"file": name}], ["file"])
    assert (tmp_path / "a.csv").read_bytes() == b"file\ncaf\xe9.png\n"


def test_a_column_that_the_head_lacks_is_an_error_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="not in fieldnames"):
        write_csv(path, [{"file": "a"}, {"other": "b"}], ["file"])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"a\.csv"):
        write_csv(tmp_path / "none" / "a.csv", [], COLUMNS)
