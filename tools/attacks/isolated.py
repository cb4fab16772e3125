"""Steps that run in a child: with a limit of time and memory, and without harm to who looks on."""

import contextlib
import io
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from attacks.trials import Finding, Outcome, Refused, Wrong
from synthgen.errors import SynthgenError

Step = Callable[[], object]
_TEXT = 300


def isolated(steps: dict[str, Step], seconds: float = 60, room: int = 2**30) -> list[Finding]:
    """Run steps one after the other in a forked child.

    Parameters
    ----------
    steps : dict
        Name -> function. It returns where all is right, and raises `Wrong`, `Refused` or a `SynthgenError` where it
        is not; any other exception counts as a traceback.
    seconds : float
        Time for all of them.
    room : int
        Bytes of address space that the child may take beside what is taken already.

    Returns
    -------
    list of Finding
        One for each step, up to the one that ended the child.
    """
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _serve(steps, sender, room)

    os.close(sender)
    lines, ended = _lines_of(receiver, seconds)
    os.close(receiver)

    if not ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)

    findings = [Finding(line["step"], Outcome(line["outcome"]), line["text"]) for line in lines]
    left = list(steps)[len(findings) :]
    if left:
        findings.append(_unfinished(left[0], ended, status, seconds))
    return findings


def _unfinished(step: str, ended: bool, status: int, seconds: float) -> Finding:
    """Return what came of a step that sent nothing."""
    if not ended:
        return Finding(step, Outcome.HANG, f"not done after {seconds:g} s")

    code = os.waitstatus_to_exitcode(status)
    return Finding(step, Outcome.TRACEBACK, f"the process ended with code {code}")


def _lines_of(receiver: int, seconds: float) -> tuple[list[dict], bool]:
    """Return the lines that a child sent, and whether it closed the pipe in time."""
    end = time.monotonic() + seconds
    sent = b""

    while True:
        ready, _, _ = select.select([receiver], [], [], max(0.0, end - time.monotonic()))
        block = os.read(receiver, 2**16) if ready else b""
        if not block:
            break
        sent += block

    lines = sent.split(b"\n")[:-1]
    return [json.loads(line) for line in lines], bool(ready)


def _serve(steps: dict[str, Step], sender: int, room: int) -> None:
    """Run the steps of a child and end it."""
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)

    limit = _address_space() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    for name, step in steps.items():
        outcome, text = judged(step)
        line = {"step": name, "outcome": outcome, "text": text}
        os.write(sender, json.dumps(line).encode() + b"\n")

    os._exit(0)


def _address_space() -> int:
    """Return the bytes of address space that this process takes."""
    statistics = Path("/proc/self/statm").read_text()
    pages, *_ = statistics.split()
    return int(pages) * resource.getpagesize()


def judged(step: Step) -> tuple[Outcome, str]:
    """Run a step; return what came of it and what it said."""
    try:
        step()
    except Wrong as error:
        return Outcome.WRONG, shortened(error)
    except (Refused, SynthgenError) as error:
        several = "\n" in str(error).strip()
        return (
            (Outcome.TRACEBACK, f"several lines: {shortened(error)}")
            if several
            else (Outcome.REFUSED, shortened(error))
        )
    except BaseException as error:  # noqa: BLE001
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Outcome.TRACEBACK, f"{type(error).__name__} in {where}: {shortened(error)}"
    return Outcome.RIGHT, ""


def shortened(error) -> str:
    """Return a message in one line of bounded length."""
    words = str(error).split()
    return " ".join(words)[:_TEXT]


def command(*arguments) -> str:
    """Run the command line in this process; return what it printed.

    Raises
    ------
    Refused
        If it ends with another code than 0; the text is what it wrote to stderr.
    """
    from synthgen import cli

    out = io.StringIO()
    errors = io.StringIO()
    code = 0
    sys.argv = ["synthgen", *map(str, arguments)]

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0

    if code:
        lines = errors.getvalue().strip().splitlines()
        raise Refused(lines[-1] if lines else f"exit code {code}")
    return out.getvalue()
