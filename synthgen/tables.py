"""Tables as files of comma-separated values."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from synthgen.shards.files import write_atomically

# The csv module quotes a cell that holds a character of the line end: so a carriage return alone is quoted, too.
_LINE_END = "\r\n"


class _Lines(list):
    """What the csv module writes, a row each time, with plain line ends."""

    def write(self, line: str) -> None:
        """Append a row."""
        self.append(line.removesuffix(_LINE_END) + "\n")


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
    lines = _Lines()
    table = csv.DictWriter(lines, columns, lineterminator=_LINE_END)
    table.writeheader()
    table.writerows(rows)
    text = "".join(lines)

    # names of files may hold bytes that are no UTF-8; they are written as they were
    write_atomically(path, text.encode("utf-8", "surrogateescape"))
