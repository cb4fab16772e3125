"""Tables as files of comma-separated values."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from synthgen.shards.files import write_atomically


def write_csv(path: Path, rows: Iterable[dict], columns: Sequence[str]) -> None:
    """Write rows as comma-separated values, with a head; the file appears when it is whole.

    Parameters
    ----------
    path : Path
        A file that is there is replaced.
    rows : iterable of dict
        A column that a row lacks is left empty.
    columns : sequence of str
        The head, in order.

    Raises
    ------
    StorageError
        If the file cannot be written.
    ValueError
        If a row has a column that the head lacks.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)

    # names of files may hold bytes that are no UTF-8; they are written as they were
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))
