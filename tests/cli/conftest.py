"""Commands as a user types them, without a process of their own."""

import io
import signal
import sys
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from synthgen.__main__ import main


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run_here(*arguments, cwd=".", **environment):
    """Run a command from its first line on, as a process of its own does, but here: starting one takes longer."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch, own_signals(), warnings.catch_warnings():
        warnings.simplefilter("default")
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["synthgen", *map(str, arguments)])
        patch.setattr("synthgen.cli._told", set())
        patch.chdir(cwd)
        with pytest.raises(SystemExit) as end:
            main()

    texts = {name: stream.buffer.getvalue().decode() for name, stream in streams.items()}
    return Done(end.value.code, **texts)


@contextmanager
def own_signals():
    """Give back the signals that a command answers while it runs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def command():
    """A function: the words of a command -> its exit code, and what it wrote."""
    return run_here
