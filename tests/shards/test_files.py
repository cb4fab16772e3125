"""Files that are whole or absent, readable as the umask says, on systems that lack this or that."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import FormatError, StorageError, UsageError
from synthgen.shards import files
from synthgen.shards.files import (
    RawFile,
    make_folder,
    read_error,
    refuse_remote,
    remove_temporaries,
    replacing,
    reserve,
    write_atomically,
)

REMOTE = [
    "s3://bucket/x",
    "s3:/bucket/x",
    "gs://a",
    "https://host/path",
    "hdfs://a/b",
    "memory:/x",
    "file:///tmp/x",
]
LOCAL = ["data", "./s3", "a/b", "/tmp/x", "C:/data", "c:\\data", "x:y", "dir.with:colon", ".", "s3", "a/s3://b"]


@pytest.mark.parametrize("path", REMOTE)
def test_addresses_are_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given_path in (path, Path(path)):
        with pytest.raises(UsageError, match="out must be a path on this machine, got"):
            refuse_remote(given_path)
    for write in (make_folder, lambda p: write_atomically(p, b"")):
        with pytest.raises(UsageError, match="must be a path on this machine"):
            write(Path(path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", LOCAL)
def test_paths_of_this_machine_are_taken(path):
    refuse_remote(path)
    refuse_remote(Path(path))


def by_hand(path):
    path.write_bytes(b"x")


def by_a_private_temporary(path):
    """As safetensors and `tempfile` write: a file for the owner alone, moved into place."""
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=path.parent)
    os.write(descriptor, b"x")
    os.close(descriptor)
    os.replace(name, path)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000])
@pytest.mark.parametrize("write", [by_hand, by_a_private_temporary])
def test_written_files_follow_the_umask(tmp_path, mask, write):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "file") as temporary:
            write(temporary)
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask
    finally:
        os.umask(before)


def test_a_hard_link_keeps_the_mode_of_its_file(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    source.chmod(0o600)
    with replacing(tmp_path / "file") as temporary:
        temporary.unlink()
        os.link(source, temporary)
    assert stat.S_IMODE(source.stat().st_mode) == 0o600


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_without_replacing_the_first_file_stays(tmp_path_factory, first, second):
    path = tmp_path_factory.mktemp("x") / "file"
    write_atomically(path, first, replace=False)
    write_atomically(path, second, replace=False)
    assert path.read_bytes() == first
    write_atomically(path, second)
    assert path.read_bytes() == second
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_without_hard_links_the_first_file_stays(tmp_path, monkeypatch, code):
    def no_link(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_link)
    for data in (b"first", b"second"):
        write_atomically(tmp_path / "file", data, replace=False)
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("lacks", ["the function", "the file system"])
def test_disk_is_reserved_where_the_system_cannot(tmp_path, monkeypatch, lacks):
    if lacks == "the function":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:

        def unsupported(*_):
            raise OSError(errno.EINVAL, "no")

        monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    with open(tmp_path / "file", "wb") as file:
        file.write(b"head")
        reserve(file, 1000)
    assert (tmp_path / "file").read_bytes() == b"head" + bytes(996)
    with open(tmp_path / "large", "wb") as file, pytest.raises(OSError, match="No space left"):
        reserve(file, 2**60)


SYSTEM = [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM]
ABSENT = [errno.ENOENT, errno.ENOTDIR, errno.EISDIR]


@pytest.mark.parametrize("code", SYSTEM + ABSENT)
def test_an_error_of_the_system_is_not_damage(code):
    error = read_error(OSError(code, os.strerror(code)), "a/b")
    assert isinstance(error, StorageError if code in SYSTEM else FormatError)
    assert str(error) == f"a/b: cannot be read: {os.strerror(code)}"


def test_a_pipe_in_place_of_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "file")
    with pytest.raises(FormatError, match="must be a plain file"):
        RawFile(tmp_path / "file")


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_file_is_read_at_offsets_also_without_pread(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("x") / "file"
    path.write_bytes(content)
    offset = data.draw(st.integers(0, len(content)))
    size = data.draw(st.integers(0, len(content) - offset))
    with pytest.MonkeyPatch.context() as patch:
        for lacking in (False, True):
            if lacking:
                patch.delattr(os, "pread")
            file = RawFile(path)
            assert file.read(offset, size) == content[offset : offset + size]
            with pytest.raises(FormatError, match="lie outside the file"):
                file.read(offset, len(content) - offset + 1)
            file.close()


def test_only_the_temporaries_of_names_are_removed(tmp_path):
    for name in (".a.json.12-ab.tmp", "..a.json.12-ab.tmp", ".b.json.12-ab.tmp", ".a.json.tmp", "a.json"):
        (tmp_path / name).write_text("")
    remove_temporaries(tmp_path, ["a.json", ".a.json"])
    assert sorted(os.listdir(tmp_path)) == [".a.json.tmp", ".b.json.12-ab.tmp", "a.json"]


# What other systems lack, and a data set is read without it.
_ELSEWHERE = """
import builtins, os, sys
real = builtins.__import__
def refuse(name, *rest, **options):
    if name in ("fcntl", "resource", "pwd", "grp"):
        raise ImportError(name)
    return real(name, *rest, **options)
builtins.__import__ = refuse
import numpy, h5py, isal.isal_zlib, msgspec, shutil, tempfile, subprocess, threading, asyncio, selectors
shutil._use_fd_functions = False  # as on Windows, where it knows of no flags
for name in "posix_fallocate sched_getaffinity pread pwrite O_NONBLOCK O_CLOEXEC sysconf fork".split():
    if hasattr(os, name):
        delattr(os, name)
import synthgen, synthgen.run.lock
data = synthgen.open(sys.argv[1])
print(len(data), data[3].image.shape, synthgen.verify(sys.argv[1]).ok)
"""


def test_a_data_set_is_read_on_a_system_that_lacks_what_linux_has(data_set):
    run = subprocess.run([sys.executable, "-c", _ELSEWHERE, data_set], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["40", "(32,", "32,", "3)", "True"], run.stderr


def test_folders_are_not_synced_where_they_cannot_be_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EINVAL, "no")))
    write_atomically(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_link_to_itself_is_no_name_of_a_file(tmp_path):
    link = tmp_path / "x.png"
    link.symlink_to(link)
    with pytest.raises(UsageError, match=r"x\.png: must be the name of a plain file$"):
        write_atomically(link, b"x")
    assert os.listdir(tmp_path) == ["x.png"]


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
def test_a_file_becomes_a_link_to_one_that_cannot_be_written(tmp_path, monkeypatch):
    genuine = open

    def read_only(path, mode="r", *rest, **options):
        if str(path).endswith(".tmp") and mode != "rb":
            raise PermissionError(13, "Permission denied")
        return genuine(path, mode, *rest, **options)

    (tmp_path / "theirs").write_bytes(b"x")
    (tmp_path / "theirs").chmod(0o444)
    # root opens any file
    monkeypatch.setattr("builtins.open", read_only)
    with files.replacing(tmp_path / "ours") as temporary:
        temporary.unlink()
        os.link(tmp_path / "theirs", temporary)
    assert (tmp_path / "ours").stat().st_nlink == 2


# Where an open file may be kept until the program ends: the last ones are cleared after the modules that it uses.
_KEPT = """
import _thread, builtins, gc, os, posix, sys, threading
from pathlib import Path
from synthgen.shards import files

class Cycle:
    pass

def generator(file):
    yield file

gc.disable()
path = Path(sys.argv[1])
cycle = Cycle()
cycle.itself = cycle
cycle.file = files.RawFile(path)
begun = generator(files.RawFile(path))
next(begun)
threading.local().kept = files.RawFile(path)
for place in (sys, builtins, files, os, posix, threading, _thread, Cycle):
    setattr(place, "kept", files.RawFile(path))
gone = files.RawFile(path)
descriptor = gone.descriptor
del gone
try:
    os.fstat(descriptor)
except OSError:
    print("closed")
"""


@pytest.mark.skipif(os.name == "nt", reason="posix is a module of other systems")
def test_open_files_end_in_silence_wherever_they_are_kept_when_the_program_ends(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    code = [sys.executable, "-c", _KEPT, tmp_path / "x"]
    run = subprocess.run(code, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "closed\n", "")


def test_no_class_has_a_finalizer_that_the_end_of_a_program_can_break():
    home = Path(files.__file__).parents[1]
    assert [path.name for path in home.rglob("*.py") if "def __del__" in path.read_text()] == []
