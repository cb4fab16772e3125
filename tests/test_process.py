"""The process of a command: signals from the first moment on, and streams that are closed."""

import os
import signal
import subprocess
import sys

import pytest

INTERRUPTED = "synthgen: interrupted; run the same command again to resume\n"
ARGUMENTS = ["fractals", "--classes", "2", "--per-class", "2", "--size", "16", "--points", "50", "--workers", "0"]
COMMAND = [sys.executable, "-m", "synthgen", *ARGUMENTS]

# A module whose import lasts: the signal comes while it is imported.
SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.{name})
time.sleep(20)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["click", "msgspec", "numpy", "numba", "h5py"])
def test_a_signal_while_modules_are_imported_ends_in_one_line(tmp_path, module, name):
    (tmp_path / f"{module}.py").write_text(SLOW.format(name=name))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [*COMMAND, "--out", tmp_path / "d"], env=environment, capture_output=True, text=True, check=False
    )
    assert INTERRUPTED in run.stderr
    assert "Traceback" not in run.stderr
    assert run.returncode == 130


def shell(tmp_path, redirection):
    words = " ".join(map(str, COMMAND))
    return subprocess.run(
        ["bash", "-c", f"{words} --out {tmp_path / 'd'} --progress plain {redirection}"],
        stdout=subprocess.PIPE, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-", "0<&- 2>&-"])
def test_a_run_goes_on_without_its_streams(tmp_path, redirection):
    run = shell(tmp_path, redirection)
    assert run.returncode == 0
    assert "finished" in run.stdout
    assert (tmp_path / "d" / "dataset.json").exists()


def test_a_run_goes_on_when_nobody_reads_its_messages(tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        run = subprocess.run([*COMMAND, "--out", tmp_path / "d"], stderr=write, check=False)
    finally:
        os.close(write)
    assert run.returncode == 0
    assert (tmp_path / "d" / "dataset.json").exists()


def test_a_mistake_is_told_by_the_exit_code_where_stderr_is_closed(tmp_path):
    (tmp_path / "d").write_text("")
    assert shell(tmp_path, "2>&-").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_signals_to_their_parent(number):
    from synthgen.run.pool import _START

    code = _START.replace("from synthgen.run.worker import main\nmain()", "")
    code += f"import os; os.kill(os.getpid(), {int(number)}); print('alive')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "alive\n"
