"""The log file: what a command said, when, and how it ended."""

import io
import os
import re
import sys
import warnings

import pytest

from synthgen.cli import cli, main
from synthgen.cli.log import LoggedStream, start_log
from synthgen.errors import UsageError

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d "


def lines_of(path):
    """Return the lines of a log without their times."""
    lines = path.read_text().splitlines()
    assert all(re.match(STAMP, line) for line in lines)
    return [re.sub(STAMP, "", line, count=1) for line in lines]


def test_whole_lines_are_logged_and_all_text_goes_on(tmp_path):
    stream = io.StringIO()
    logged = LoggedStream(stream, tmp_path / "log")
    for text in ("a", "b\nc", "\r 10 %", "\r 20 %", "\n", "\n", "rest"):
        logged.write(text)
    logged.end("end")
    logged.write("lost\n")
    assert stream.getvalue() == "ab\nc\r 10 %\r 20 %\n\nrestlost\n"
    assert lines_of(tmp_path / "log") == ["ab", " 20 %", "", "end"]


def test_a_second_run_adds_to_the_file(tmp_path):
    for word in ("first", "second"):
        LoggedStream(io.StringIO(), tmp_path / "log").end(word)
    assert lines_of(tmp_path / "log") == ["first", "second"]


@pytest.mark.parametrize("place", [".", "none/log"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, place):
    with pytest.raises(UsageError, match=r"^log must be a file that can be written, got "):
        LoggedStream(io.StringIO(), tmp_path / place)


def test_a_log_has_the_command_its_errors_and_its_end(tmp_path, command):
    done = command("run", "tiny-fractal", "--log", "log", cwd=tmp_path)
    first, *middle, last = lines_of(tmp_path / "log")
    assert first.endswith(": synthgen run tiny-fractal --log log")
    assert middle == done.stderr.splitlines()
    assert middle[0].endswith("did you mean tiny-fractals?")
    assert last == "synthgen ends with exit status 2"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log")
    with pytest.raises(UsageError, match=r"log: it is a pipe$"):
        LoggedStream(io.StringIO(), tmp_path / "log")


def test_a_log_has_the_end_of_a_command_that_chose_its_exit_status(tmp_path, monkeypatch):
    def damaged(**_):
        start_log(tmp_path / "log")
        raise SystemExit(3)

    # Neither the handlers of signals nor that of warnings are for the tests that follow.
    monkeypatch.setattr("synthgen.cli.prepare", lambda: None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(cli, "main", damaged)
    with pytest.raises(SystemExit, match="3"):
        main()
    assert lines_of(tmp_path / "log")[-1] == "synthgen ends with exit status 3"
