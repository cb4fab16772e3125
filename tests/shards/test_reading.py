"""The gate: kilobytes on disk never cost gigabytes of memory, nothing is waited for, few files stay open."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

import synthgen
from synthgen.errors import FormatError, SynthgenError
from synthgen.shards.reading import read_lines, read_whole

# Far below what the files below pretend to be, above what Python and NumPy take.
MEMORY = 2 * 2**30


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    # sockets have short names only: it moves there
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/s")
        shutil.move(f"{short}/s", path)


def device(path):
    path.symlink_to("/dev/zero")


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("name", ["dataset.json", "run.json", "classes.jsonl", "shards/train-000000"])
@pytest.mark.parametrize("kind", [fifo, unix_socket, device, folder])
def test_anything_but_a_plain_file_is_refused_at_once(data_set, copy_of, name, kind):
    copy = copy_of(data_set)
    path = next(copy.glob(name + "*"))
    path.unlink()
    kind(path)
    if name == "dataset.json":
        with pytest.raises(FormatError, match=r"dataset\.json"):
            synthgen.open(copy)
    else:
        assert [found for found, _ in synthgen.verify(copy).problems] == [path.name]


# Has little memory. For each folder that it is told: opens what can be opened, verifies, and prints what was found,
# in one line.
CODE = """
import resource, sys
import synthgen
from synthgen.shards import verify
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)

def answer(path):
    try:
        dataset = synthgen.open(path)
        found = verify(path, workers=0)
        for read in (lambda: dataset[0], lambda: dataset.classes, lambda: dataset[len(dataset) - 1]):
            try:
                read()
            except synthgen.SynthgenError as error:
                assert str(error).count(chr(10)) == 0
        return " ".join([name for name, _ in found.problems] or ["ok"])
    except synthgen.SynthgenError as error:
        return "refused"

for line in sys.stdin:
    print(answer(line[:-1]), flush=True)
"""


@pytest.fixture(scope="module")
def with_little_memory():
    """A function: a folder -> what a process with little memory says of it. One process answers all."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(MEMORY)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    def ask(folder):
        print(folder, file=process.stdin)
        answer = process.stdout.readline()
        assert answer, process.communicate()[1]
        return answer

    assert ask("none") == "refused\n"
    yield ask
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def sparse(name):
    def change(folder):
        path = next(folder.glob(name + "*"))
        with open(path, "wb") as file:
            file.truncate(3 * 10**9)

    return change


def line_ends(folder):
    (folder / "classes.jsonl").write_bytes(b"\n" * 200_000_000)


def one_long_line(folder):
    (folder / "classes.jsonl").write_bytes(b'{"id": 0, "name": "' + b"x" * 50_000_000)


def many_samples(folder):
    """Promise 3e9 samples, coherently, in one shard that is a sparse file."""
    path = folder / "dataset.json"
    values = json.loads(path.read_text())
    entry = values["shard_list"][0]
    entry.update(count=3 * 10**9, bytes=10**13)
    values.update(count=3 * 10**9, classes=3, per_class=10**9, shard_size=3 * 10**9, shards=1)
    values.update(shard_list=[entry], splits={"train": [entry["name"]]})
    path.write_text(json.dumps(values))
    os.truncate(folder / "shards" / entry["name"], 10**9)


# As many bytes as a manifest may have, nearly.
MANY = 60 * 2**20


def full_of(part, value):
    """Return what fills a part of the manifest with small values, up to the size that a manifest may have."""

    def change(folder):
        path = folder / "dataset.json"
        text = path.read_text()
        begin = f'"{part}": {{'
        assert begin in text
        values = f"{value}," * (MANY // (len(value) + 1))
        path.write_text(text.replace(begin, f'{begin}"x": [{values}{value}], ', 1))

    return change


CHANGES = {
    "a recipe of lists": full_of("recipe", "[]"),
    "a recipe of words": full_of("recipe", '""'),
    "many splits": full_of("splits", '"train-000000.h5"'),
    "a sparse manifest": sparse("dataset.json"),
    "a sparse record": sparse("run.json"),
    "a sparse class table": sparse("classes.jsonl"),
    "a sparse shard": sparse("shards/train-000000"),
    "200 MB of line ends": line_ends,
    "one long line": one_long_line,
    "3e9 samples": many_samples,
}


@pytest.mark.parametrize("change", CHANGES)
def test_small_files_take_little_memory(data_set, copy_of, change, with_little_memory):
    copy = copy_of(data_set)
    CHANGES[change](copy)
    assert with_little_memory(copy) != "ok\n"


# With 64 descriptors, 100 shards are read at random, verified, and read while others hold nearly all descriptors.
FEW = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
import synthgen
dataset = synthgen.open(sys.argv[1])
keys = {dataset[7 * i % 100].key for i in range(100)}
assert synthgen.verify(sys.argv[1], workers=0).ok
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
keys |= {dataset[11 * i % 100].key for i in range(100)}
print(len(keys))
"""


@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
def test_few_descriptors_are_enough(make_recipe, tmp_path, fmt):
    recipe = make_recipe(classes=10, per_class=10, size=16, points=10, storage={"format": fmt, "shard_size": 1})
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    run = subprocess.run([sys.executable, "-c", FEW, tmp_path / "d"], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout == "100\n"


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_whole(path, 5) == b"12345"
    with pytest.raises(FormatError, match="must have at most 4 bytes, got 5"):
        read_whole(path, 4)


@pytest.mark.parametrize("text", [b"", b"a", b"a\n", b"a\n\nb", b"x" * 300_000 + b"\ny\n"])
def test_lines_are_those_of_the_text(tmp_path, text):
    path = tmp_path / "x"
    path.write_bytes(text)
    assert list(read_lines(path, 3)) == text.splitlines()


def test_more_lines_than_promised_are_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a\nb\nc\n")
    with pytest.raises(SynthgenError, match="must have at most 2 lines"):
        list(read_lines(path, 2))
