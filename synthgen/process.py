"""The process of a command: signals from its first moment on, and standard streams that are always there.

This module is loaded before all others of a command, so it imports nothing that takes time.
"""

import os
import signal
import sys

EXIT_INTERRUPTED = 130

# Commands that keep nothing of what they have done; all others go on where they were.
BEGIN_ANEW = (
    "card", "completion", "doctor", "evaluate", "export-model", "fit", "info", "plan", "preview", "recipes",
    "render", "verify", "weights",
)  # fmt: skip

# Kinds of `fit` that train, and go on where they were; a test compares them with the models.
GO_ON = (
    "cflow", "cutpaste", "efficientad", "fastflow", "panda", "puad", "reverse-distillation", "simplenet", "stfpm",
)  # fmt: skip

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_IMPORT = "<frozen importlib._bootstrap>"


def prepare() -> None:
    """Make Ctrl-C and SIGTERM interrupt the work, and give the process all its streams."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _open_streams()
    if not isinstance(sys.stderr, _Enduring):
        sys.stderr = _Enduring(sys.stderr)


def interrupted() -> str:
    """Return what the end of an interrupted command says: whether the same command goes on where it was."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    trains = words[:1] == ["fit"] and words[1:2] and words[1] in GO_ON
    if words and words[0] in BEGIN_ANEW and not trains:
        return "interrupted; the same command begins anew"
    return "interrupted; run the same command again to resume"


def _interrupt(number, frame) -> None:
    """Answer a signal; a batch system ends a job by SIGTERM.

    While modules are imported the process ends at once: nothing is begun then, and an exception would be lost in
    other people's code, or end in a traceback.
    """
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            sys.stderr.write(f"synthgen: {interrupted()}\n")
            sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def _open_streams() -> None:
    """Open the standard streams that the process was started without: no file of ours must take their numbers.

    Letters that a terminal's encoding does not have are printed as escapes.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - it stays open
        stream = getattr(sys, name)
        if mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class _Enduring:
    """A text stream that goes on when nobody reads it any more: its text is lost, the work is not."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._fall_silent()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._fall_silent()

    def _fall_silent(self) -> None:
        """Send what is still to be written nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)
