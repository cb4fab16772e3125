"""Data sets in an S3 store, one of moto's: kills, two writers, damage, and a store that goes away."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import synthgen
from synthgen.errors import FormatError
from synthgen.shards.places import Place

ARGUMENTS = [
    "fractals",
    "--classes",
    "6",
    "--per-class",
    "20",
    "--size",
    "64",
    "--points",
    "20000",
    "--shard-size",
    "8",
    "--progress",
    "none",
]
KILLS = 20
# Only so that a hang ends.
SECONDS = 300


@pytest.fixture(scope="module")
def server():
    """The address of a store with a bucket; credentials are in the environment."""
    from moto.server import ThreadedMotoServer

    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    values = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
        served.stop()


def start(address, scratch, *more):
    """Start a run into a store."""
    words = [*ARGUMENTS, "--out", address, "--workers", "1", "--scratch", scratch, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "synthgen", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    return out


def contents(address):
    place = Place(address)
    return dict(place.read_all(place.sizes(), 2**30))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "d"
    words = [*ARGUMENTS, "--out", str(folder), "--workers", "2"]
    subprocess.run([sys.executable, "-m", "synthgen", *words], check=True, capture_output=True)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_twenty_times_and_resumed_leaves_the_files_of_a_folder(server, expected, tmp_path):
    address = f"{server}/killed"
    place = Place(address)
    chance = random.Random(0)
    for _ in range(KILLS):
        before = len(place.sizes())
        process = start(address, tmp_path)
        end = time.monotonic() + SECONDS
        while process.poll() is None and len(place.sizes()) <= before and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(chance.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    finish(start(address, tmp_path))
    assert contents(address) == expected
    assert synthgen.verify(address, pixels=True).ok


def test_two_writers_of_one_address_leave_the_same_files(server, expected, tmp_path):
    address = f"{server}/two"
    for process in [start(address, tmp_path) for _ in range(2)]:
        finish(process)
    assert contents(address) == expected


def test_two_writers_of_other_data_at_once_leave_the_files_of_one(server, expected, tmp_path):
    address = f"{server}/other"
    processes = [start(address, tmp_path), start(address, tmp_path, "--seed", "5")]
    told = [process.communicate(timeout=SECONDS)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], told
    assert "holds other data: seed is" in told[codes.index(2)]
    assert synthgen.verify(address).ok
    assert (contents(address) == expected) == (codes[0] == 0)


def test_a_damaged_object_is_named_by_its_key(server, tmp_path):
    address = f"{server}/damaged"
    finish(start(address, tmp_path))
    place = Place(address)
    name = "shards/train-000002.h5"
    data = place.read(name, 2**30)
    place.write(name, data[:500] + bytes([data[500] ^ 1]) + data[501:])

    dataset = synthgen.open(address, cache=tmp_path / "cache")
    row = dataset.manifest.arrangement.positions_of(2).start
    with pytest.raises(FormatError, match=rf"{address}/{name}: SHA-256 must be"):
        dataset[row]
    assert [problem[0] for problem in synthgen.verify(address).problems] == ["train-000002.h5"]


def test_a_bucket_that_is_not_there_is_a_sentence(server, tmp_path):
    process = start("s3://no-such-bucket/x", tmp_path)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors == (
        "synthgen: s3://no-such-bucket/x/run.json: cannot be written: The specified bucket does not exist\n"
    )


def remove_bucket(store, name):
    """Remove a bucket into which somebody still writes."""
    while store.exists(name):
        with suppress(OSError):
            store.rm(name, recursive=True)
        store.invalidate_cache()


def test_a_bucket_that_goes_away_is_a_sentence_and_the_run_goes_on_when_it_is_back(server, expected, tmp_path):
    import s3fs

    address = f"{server}-away/x"
    store = s3fs.S3FileSystem()
    store.mkdir("bucket-away")
    process = start(address, tmp_path)
    while process.poll() is None and "shards/train-000001.h5" not in Place(address).sizes():
        time.sleep(0.05)
    remove_bucket(store, "bucket-away")
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith(f"synthgen: {address}/shards/")

    store.mkdir("bucket-away")
    finish(start(address, tmp_path))
    assert contents(address) == expected


def test_a_store_that_cannot_be_reached_is_a_sentence():
    values = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = subprocess.run(
        [sys.executable, "-m", "synthgen", "info", "s3://away/x"],
        env={**os.environ, **values}, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("synthgen: s3://away/x/dataset.json: cannot be read: Could not connect")
    assert done.stderr.count("\n") == 1


def test_processes_of_a_loader_read_from_a_store(server, tmp_path):
    pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    from synthgen.torch import StreamDataset

    address = f"{server}/read"
    finish(start(address, tmp_path))
    stream = StreamDataset(address, shuffle_buffer=20, cache=tmp_path / "cache")
    labels = [int(label) for _, label in DataLoader(stream, batch_size=None, num_workers=2)]
    assert sorted(labels) == sorted(list(range(6)) * 20)
    assert len(list(Path(tmp_path / "cache").glob("*/shards/train-*"))) == stream.dataset.manifest.shards


def test_leases_of_killed_parts_end_with_the_run(server, expected, tmp_path):
    address = f"{server}/parts"
    place = Place(address)
    for k in (1, 2):
        process = start(address, tmp_path, "--part", f"{k}/2")
        end = time.monotonic() + SECONDS
        while f".lease-{k}-of-2.json" not in place.sizes() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    finish(start(address, tmp_path))
    assert contents(address) == expected
