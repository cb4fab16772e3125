"""The log file of a command: all that it says on stderr, with the time, and how it began and ended."""

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.version import __version__


class LoggedStream:
    """A text stream whose whole lines go to a file as well; of a line that was drawn anew, what it became.

    Parameters
    ----------
    stream : text stream
        Where the text goes as before.
    path : str or Path
        Lines are added to this file.

    Attributes
    ----------
    stream : text stream

    Raises
    ------
    UsageError
        If the file cannot be written.
    """

    def __init__(self, stream, path):
        self.stream = stream
        self._line = ""
        place = Path(path)
        if place.is_fifo():
            raise UsageError(f"log must be a file that can be written, got {path}: it is a pipe")
        try:
            self._file = place.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise UsageError(f"log must be a file that can be written, got {path}: {reason}") from None

    def write(self, text: str) -> int:
        """Write text to the stream, and to the file what ends in it."""
        *ended, self._line = (self._line + text).split("\n")
        for line in ended:
            self.log(line.rpartition("\r")[2])
        return self.stream.write(text)

    def log(self, line: str) -> None:
        """Write one line to the file only; a full disk does not end the work."""
        now = datetime.now().astimezone()
        stamp = now.isoformat(timespec="seconds")
        try:
            self._file.write(f"{stamp} {line}\n")
            self._file.flush()
        except (OSError, ValueError):
            return

    def end(self, line: str) -> None:
        """Write a last line to the file, and close it."""
        self.log(line)
        self._file.close()

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


def start_log(path) -> None:
    """Write to a file, from now on, all that goes to stderr."""
    if isinstance(sys.stderr, LoggedStream):
        return
    stream = LoggedStream(sys.stderr, path)
    words = shlex.join(sys.argv[1:])
    stream.log(f"synthgen {__version__} begins in {os.getcwd()}: synthgen {words}")
    sys.stderr = stream


def end_log(code: int) -> None:
    """Write down how the command ended, if it has a log; stderr is as it was before."""
    logged = sys.stderr
    if isinstance(logged, LoggedStream):
        logged.end(f"synthgen ends with exit status {code}")
        sys.stderr = logged.stream
