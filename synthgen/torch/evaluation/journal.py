"""What is done of a long piece of work: a file of lines that grows with the work, and goes when it is finished."""

import json
from pathlib import Path

from synthgen.shards.files import storage_errors, write_atomically


class Journal:
    """The lines of an unfinished piece of work.

    Parameters
    ----------
    path : Path
        A journal of the same work is gone on with, one of other work is begun anew.
    settings : dict
        What makes work the same: JSON-able.

    Attributes
    ----------
    entries : list of dict
        What was written before, by an earlier process.
    is_others : bool
        Whether there was a journal of other work, which is given up.
    """

    def __init__(self, path: Path, settings: dict):
        self.path = path
        known = _lines_of(path)
        self.is_others = bool(known) and known[0] != settings
        self.entries: list[dict] = [] if self.is_others else known[1:]

        # a line that a kill cut off is not there any more
        lines = [json.dumps(line) + "\n" for line in (settings, *self.entries)]
        write_atomically(path, "".join(lines).encode())
        with storage_errors(path):
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - it stays open

    def add(self, entry: dict) -> None:
        """Append an entry; it outlives this process, however that ends."""
        with storage_errors(self.path):
            line = json.dumps(entry)
            self._file.write(line + "\n")
            self._file.flush()

    def close(self, finished: bool) -> None:
        """Close the file; remove it where the work is finished."""
        self._file.close()
        if finished:
            self.path.unlink(missing_ok=True)


def _lines_of(path: Path) -> list[dict]:
    """Return the whole lines of a journal, up to the first that is damaged; none if there is no journal."""
    if not path.is_file():
        return []

    lines = []
    for text in path.read_bytes().split(b"\n"):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if not isinstance(line, dict):
            break
        lines.append(line)
    return lines
