"""Telling people how far a long piece of work is, on stderr."""

import sys
import time
from contextlib import suppress

_PLAIN_SECONDS = 10.0


def tell(text: str) -> None:
    """Print a line on stderr, if anybody still listens there: a closed one must not end the work."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


class Progress:
    """A bar on a terminal, a line every ten seconds elsewhere, or nothing.

    Parameters
    ----------
    mode : {'auto', 'plain', 'none'} or bool
        ``auto`` (or True) chooses by whether stderr is a terminal.
    total : int
        Units of the whole work.
    done : int
        Units that are there already.
    unit : str
        What is counted.
    """

    def __init__(self, mode, total: int, done: int = 0, unit: str = "images"):
        names = {True: "auto", False: "none"}
        mode = names.get(mode, mode)
        now = time.monotonic()
        self._total = total
        self._done = done
        self._first = done
        self._unit = unit
        self._start = now
        self._told = now

        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        if mode == "auto" and not on_terminal:
            mode = "plain"

        self._plain = mode == "plain"
        self._bar = None
        if mode == "auto":
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit=f" {unit}", smoothing=0.1, file=sys.stderr)

    def advance(self, units: int) -> None:
        """Count units as done; negative ones are taken back."""
        self._done += units
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.update(units)
        elif self._plain:
            self._tell_now_and_then()

    def _tell_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._told >= _PLAIN_SECONDS:
            self._told = now
            self.note(self._state())

    def _state(self) -> str:
        done = self._done - self._first
        left = self._total - self._done
        rate = done / (self._told - self._start)
        seconds = left / rate if rate > 0 else float("inf")
        return f"{self._done:,} of {self._total:,} {self._unit}, {rate:,.0f}/s, {seconds:,.0f} s left"

    def note(self, text: str) -> None:
        """Print a line without breaking the bar."""
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.write(text, file=sys.stderr)
        elif self._plain:
            tell(text)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
