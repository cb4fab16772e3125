"""Draw one recipe in every way there is, kill each on the way, and compare the files.

    python tools/everywhere.py [--classes 20] [--per-class 1000] [--kills 3] [--ways parts,ray]

Two workers draw the data set undisturbed. Then it is drawn anew by two workers, in three parts, by tasks of a
local Ray cluster, and by two workers into an S3 store (moto's, on this machine). Each command is killed as often as
asked, after a random number of further shards, and started again. All files must be equal to the byte, and none may
be left over. It needs the extra `consumers`. The exit status is 1 where files differ.
"""

import argparse
import contextlib
import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from synthgen.shards.places import Place

WAYS = ("workers", "parts", "ray", "store")
PARTS = 3
SHOWN = 5
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Draw(NamedTuple):
    """How the data set is drawn.

    Attributes
    ----------
    recipe : list of str
        Words of the command that say what is drawn.
    folder : Path
        For the data sets, and for shards before they are sent to a store.
    kills : int
        How often each command is killed.
    chance : random.Random
    """

    recipe: list[str]
    folder: Path
    kills: int
    chance: random.Random

    def start(self, out: str, *more: str) -> subprocess.Popen:
        """Start the command that draws into a folder or a store."""
        words = ["-m", "synthgen", *self.recipe, "--out", out, "--progress", "none", *more]
        return subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def complete(self, out: str, *more: str) -> int:
        """Draw into a folder or a store; return how many of the kills met a run."""
        met = 0
        for _ in range(self.kills):
            process = self.start(out, *more)
            wait_for_shards(process, out, self.chance.randint(1, 4))
            met += process.poll() is None
            end(process)

        process = self.start(out, *more)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{out}: exit code {process.returncode}: {errors.decode()[-500:]}")
        return met

    def by_workers(self) -> tuple[str, int]:
        """Draw with two workers; return where, and the kills."""
        out = str(self.folder / "workers")
        return out, self.complete(out, "--workers", "2")

    def by_parts(self) -> tuple[str, int]:
        """Draw in parts, one after the other."""
        out = str(self.folder / "parts")
        parts = [f"{number}/{PARTS}" for number in range(1, PARTS + 1)]
        met = [self.complete(out, "--workers", "2", "--part", part) for part in parts]
        finish = self._replace(kills=0)
        finish.complete(out)
        return out, sum(met)

    def by_ray(self) -> tuple[str, int]:
        """Draw by tasks of a cluster that each command starts for itself."""
        out = str(self.folder / "ray")
        return out, self.complete(out, "--executor", "ray")

    def by_store(self) -> tuple[str, int]:
        """Draw into an S3 store that lives as long as this process."""
        out = f"{serve_store()}/set"
        scratch = str(self.folder / "scratch")
        return out, self.complete(out, "--workers", "2", "--scratch", scratch)


def wait_for_shards(process: subprocess.Popen, out: str, more: int) -> None:
    """Wait until there are so many more shards than now, or a process has ended."""
    goal = shards_of(out) + more
    while process.poll() is None and shards_of(out) < goal:
        time.sleep(0.1)


def end(process: subprocess.Popen) -> None:
    """Kill a command with all that it started, and wait for the end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def serve_store() -> str:
    """Start an S3 store with a bucket, in this process; return the bucket's address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=f"http://{host}:{port}")

    import s3fs

    s3fs.S3FileSystem().mkdir("bucket")
    return "s3://bucket"


def place_at(out: str) -> Place:
    """Return a folder or a store as a place."""
    return Place(out if "://" in out else f"file://{out}")


def shards_of(out: str) -> int:
    """Return how many shards are finished."""
    return sum(name.endswith(".h5") for name in place_at(out).sizes())


def digests_of(out: str) -> dict[str, str]:
    """Return file -> SHA-256 of all that a run left, hidden files too."""
    place = place_at(out)
    sizes = place.sizes()
    return {name: hashlib.sha256(data).hexdigest() for name, data in place.read_all(sizes, 2**31)}


def differing(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return the names of files that differ, are missing, or are left over."""
    names = sorted(found.keys() | wanted.keys())
    return [name for name in names if found.get(name) != wanted.get(name)]


def main() -> None:
    """Draw in all ways, print a line for each, and end with 1 if any files differ."""
    given = parsed()
    recipe = ["fractals", "--classes", str(given.classes), "--per-class", str(given.per_class)]

    with tempfile.TemporaryDirectory(prefix="everywhere-") as name:
        draw = Draw(recipe, Path(name), given.kills, random.Random(given.seed))
        whole = str(draw.folder / "whole")
        draw._replace(kills=0).complete(whole, "--workers", "2")
        wanted = digests_of(whole)
        print(f"{given.classes * given.per_class:,} images, {shards_of(whole)} shards, {len(wanted)} files")

        wrong = []
        for way in given.ways:
            start = time.monotonic()
            out, kills = getattr(draw, f"by_{way}")()
            names = differing(digests_of(out), wanted)
            wrong += names
            seconds = time.monotonic() - start
            print(f"{way:8s} killed {kills} times  {seconds:6.0f} s  {differences(names)}", flush=True)

    sys.exit(bool(wrong))


def differences(names: list[str]) -> str:
    """Return in words which files differ."""
    if not names:
        return "all files equal"
    return f"{len(names)} files differ: {', '.join(names[:SHOWN])}"


def parsed() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3, help="of each command  [default: 3]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument(
        "--ways", type=lambda text: text.split(","), default=WAYS, help=f"some of {', '.join(WAYS)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
