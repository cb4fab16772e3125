"""Where Numba keeps compiled code, also on machines that can write neither the package nor the home folder.

Numba writes beside our modules, or else below the home folder; without either, importing a module of ours would
fail. `place_cache` is called before any of them is imported, and imports nothing that takes time.
"""

import os
import stat
import sys
import time
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
# Compilations that together take less are not worth a word.
_LONG = 1.0
_BESIDE = Path(__file__).parent / "ifs" / "__pycache__"


def place_cache() -> None:
    """Give Numba a private temporary folder if it could write nowhere else; leave all other cases to Numba."""
    if any(map(_is_writable, _usual_places())):
        return
    folder = _temporary_folder()
    if folder is None:
        return

    os.environ[VARIABLE] = str(folder)
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.config.CACHE_DIR = str(folder)


def cache_place() -> Path | None:
    """Return the folder in which Numba keeps our compiled code, or None if it can write nowhere."""
    return next(filter(_is_writable, _usual_places()), None)


def _usual_places() -> list[Path]:
    """Return where Numba would write, in its order."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    places = [_BESIDE]
    # A user without a home: the folder "~" would be made wherever a command is run.
    if not cache.startswith("~"):
        places.append(Path(cache) / "numba")
    chosen = os.environ.get(VARIABLE)
    return [Path(chosen), *places] if chosen else places


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or the folder itself where it is not there yet."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _temporary_name() -> str:
    return f"synthgen-numba-{_user()}"


def _user() -> int:
    """Return the number of the user; 0 on Windows, whose temporary folders are a user's own."""
    return os.getuid() if hasattr(os, "getuid") else 0


def _temporary_folder() -> Path | None:
    """Return a folder that only this user can write: cached code is run by whoever loads it."""
    return private_folder("numba")


def private_folder(name: str) -> Path | None:
    """Return a folder below the temporary one that only this user can write, or None if it cannot be made."""
    import tempfile

    try:
        folder = Path(tempfile.gettempdir()) / f"synthgen-{name}-{_user()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None

    is_private = stat.S_ISDIR(found.st_mode) and (os.name == "nt" or not found.st_mode & 0o077)
    return folder if is_private and found.st_uid == _user() else None


def why_not_compiled(error: Exception) -> str | None:
    """Return the sentence for an error of Numba that found no folder to write to, or None for another error."""
    if not str(error).startswith("cannot cache function"):
        return None
    return f"no folder can be written for compiled code: set {VARIABLE} to one that can"


@contextmanager
def announced(say):
    """Call `say` with one sentence as soon as compiling takes long within the block."""
    from numba.core import event

    listener = _listener(say, event)
    with event.install_listener("numba:compile", listener):
        yield


def _listener(say, event):
    """Return what Numba tells of each compilation; functions that one calls are compiled within its time."""

    class Listener(event.Listener):
        depth = 0
        begin = 0.0
        spent = 0.0
        is_told = False

        def on_start(self, _):
            now = time.monotonic()
            if self.depth == 0:
                self.begin = now
            self.depth += 1

            seconds = self.spent + now - self.begin
            if seconds > _LONG and not self.is_told:
                self.is_told = True
                say(_sentence())

        def on_end(self, _):
            self.depth -= 1
            if self.depth == 0:
                self.spent += time.monotonic() - self.begin

    return Listener()


def _sentence() -> str:
    note = temporary_note()
    if note is None:
        return "compiling, once: it takes some seconds"
    return f"compiling: it takes some seconds; {note}"


def temporary_note() -> str | None:
    """Return why compiled code is kept in a temporary folder, and how to keep it elsewhere; None if it is not."""
    place = cache_place()
    if place is None or place.name != _temporary_name():
        return None
    return (
        f"compiled code is kept in {place}, since neither the package nor the home folder can be written; "
        f"{VARIABLE} names another place"
    )
