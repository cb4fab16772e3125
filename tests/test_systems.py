"""Data sets are read, and commands imported, where the system lacks what Linux has: as on Windows and macOS."""

import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"

# What Windows does not have. macOS lacks a part of it.
MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
OF_OS = (
    "sched_getaffinity", "posix_fallocate", "O_DIRECT", "fdatasync", "memfd_create", "pread", "pwrite", "preadv",
    "getuid", "geteuid", "fork", "wait4", "killpg", "setsid", "sysconf", "statvfs", "O_NONBLOCK", "O_CLOEXEC",
    "O_DIRECTORY", "O_NOFOLLOW", "getloadavg", "nice", "fchmod",
)  # fmt: skip
OF_SIGNAL = ("SIGKILL", "SIGHUP", "SIGALRM", "setitimer", "pthread_sigmask")

# Import all that reads, runs and answers commands, and read each golden data set whole. The standard library and
# what we build on know their own system: they are loaded before.
CODE = """
import importlib, os, pkgutil, signal, sys
import numpy, h5py, PIL.Image, msgspec, isal, deflate, click, tqdm, yaml
import shutil, subprocess, multiprocessing, tempfile
shutil._use_fd_functions = False  # as on Windows, where it knows of no flags
for name in {modules!r}:
    sys.modules[name] = None
for module, gone in ((os, {of_os!r}), (signal, {of_signal!r})):
    for name in gone:
        vars(module).pop(name, None)

import synthgen
for package in ("shards", "run", "layouts", "cards", "cli"):
    folder = importlib.import_module("synthgen." + package)
    for found in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        importlib.import_module(found.name)
import synthgen.compiled, synthgen.machine
assert synthgen.machine.available_cpus() > 0
synthgen.compiled._temporary_folder()
for folder in sys.argv[1:]:
    dataset = synthgen.open(folder)
    print(len(list(dataset)), len(dataset.classes), synthgen.verify(folder, workers=0).ok)
"""


def test_modules_are_imported_and_data_sets_read_without_what_linux_alone_has():
    code = CODE.format(modules=MODULES, of_os=OF_OS, of_signal=OF_SIGNAL)
    folders = sorted(map(str, GOLDEN.glob("v*")))
    run = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert len(lines) == len(folders) > 0
    assert all(line.endswith("True") for line in lines)
