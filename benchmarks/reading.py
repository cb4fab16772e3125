"""Reading 256 x 256 fractals into batches on one core, against six other ways to keep the same images.

The others hold the same PNG bytes (`readers.py`), but for ImageFolder: RGB files as Pillow writes them, level 6.
Batches of 64, no workers, no shuffling; every image ends as uint8 (C, H, W). All are read in turn, and CPU seconds
of this process are counted, so that other programs on the machine matter little. Then: two threads against one, how
soon a loader's workers give their first batch, what masks, checksums and a shuffled order cost, and the floor that
memory sets.

    python benchmarks/reading.py             # the readers of others: pip install array_record grain litdata pylance
    python benchmarks/reading.py short peers # fewer images, and one part of it: threads, starts, peers or options
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from readers import BATCH, readers_of
from timing import compare, on_one_core, seconds_of
from torch.utils.data import DataLoader

import synthgen
from synthgen.recipe import Recipe
from synthgen.shards.manifest import SHARDS
from synthgen.torch import ShardDataset, StreamDataset

CLASSES = 20
PER_CLASS = 50
ROUNDS = 5
PER_CLASS_SHORT = 10
ROUNDS_SHORT = 2
CODECS = ("png", "png-stored", "raw")
FORMATS = ("hdf5", "webdataset")
STARTS = ("fork", "forkserver", "spawn")
# Run by itself, so that its workers import no more than a user's would: seconds to the first batch of two workers.
START = """
import json, sys, time
from torch.utils.data import DataLoader
from synthgen.torch import ShardDataset
begin = time.perf_counter()
loader = DataLoader(ShardDataset(sys.argv[1]), 64, num_workers=2, multiprocessing_context=sys.argv[2])
next(iter(loader))
print(json.dumps(time.perf_counter() - begin))
"""


def draw(folder: Path, per_class: int) -> None:
    for storage in FORMATS:
        for codec in CODECS:
            values = {"family": "fractals", "classes": CLASSES, "per_class": per_class,
                      "storage": {"format": storage, "codec": codec}}  # fmt: skip
            recipe = Recipe.from_dict(values)
            synthgen.generate(recipe, folder / f"{storage}-{codec}", progress=False)


class Reading:
    """Ways to read what was drawn into a folder."""

    def __init__(self, folder: Path, count: int, rounds: int):
        self.folder = folder
        self._count = count
        self._rounds = rounds

    def read(self, batches) -> None:
        """Go through batches, which must hold all images."""
        found = sum(len(images) for images, *_ in batches)
        assert found == self._count, found

    def ours(self, kind: Callable, name: str, shuffle: bool | None = None, **options) -> Callable:
        """Return what reads a data set by a loader of torch."""
        dataset = kind(self.folder / name, **options)
        return lambda: self.read(DataLoader(dataset, BATCH, shuffle=shuffle))

    def theirs(self, batches: Callable) -> Callable:
        """Return what reads the batches of another reader."""
        return lambda: self.read(batches())

    def floor(self, name: str) -> Callable:
        """Return what copies the files of a data set into one batch, and does nothing else."""
        paths = sorted((self.folder / name / SHARDS).glob("train-*"))
        batch = torch.empty(BATCH * 3 * 256 * 256, dtype=torch.uint8).numpy()

        def copy():
            for path in paths:
                with open(path, "rb", buffering=0) as file:
                    while file.readinto(batch):
                        pass

        return copy

    def compare(self, title: str, works: dict[str, Callable], clock=time.process_time) -> None:
        """Run some works in turn and print their rates."""
        print(title)
        compare({name: (work, self._count) for name, work in works.items()}, "images", self._rounds, clock)


def peers(reading: Reading) -> None:
    """Print the table of all readers."""
    on_one_core()
    dataset = synthgen.open(reading.folder / "hdf5-png")
    others = readers_of(dataset, reading.folder)
    works = {name: reading.theirs(batches) for name, batches in others.items()}
    for codec in CODECS:
        works[f"ShardDataset, HDF5, {codec}"] = reading.ours(ShardDataset, f"hdf5-{codec}")
        works[f"StreamDataset, HDF5, {codec}"] = reading.ours(StreamDataset, f"hdf5-{codec}")
        works[f"ShardDataset, tar, {codec}"] = reading.ours(ShardDataset, f"webdataset-{codec}")
    reading.compare("images a CPU second of one core (ratio to the first)", works)


def options(reading: Reading) -> None:
    """Print what masks, checksums and a shuffled order cost, and the floor."""
    on_one_core()
    for name in ("hdf5-png", "hdf5-png-stored", "hdf5-raw", "webdataset-png"):
        works = {
            "as it is": reading.ours(ShardDataset, name),
            'fields=("mask",)': reading.ours(ShardDataset, name, fields=("mask",)),
            'check="none"': reading.ours(ShardDataset, name, check="none"),
            "shuffled": reading.ours(ShardDataset, name, shuffle=True),
        }
        if name == "hdf5-raw":
            works["the floor: its bytes from the page cache"] = reading.floor(name)
        reading.compare(f"{name} (ratio to the first)", works)


def threads(reading: Reading) -> None:
    """Print what two threads do; by the clock, so that only a machine with two idle cores shows it."""
    for name in ("hdf5-png", "hdf5-raw"):
        works = {f"threads={count}": reading.ours(ShardDataset, name, threads=count) for count in (1, 2)}
        reading.compare(f"{name}, by the clock, two cores (ratio to one thread)", works, time.perf_counter)


def starts(reading: Reading) -> None:
    """Print how soon two workers give their first batch, and how long torch alone takes to load."""
    command = [sys.executable, "-c", "import torch.utils.data"]
    print("seconds to the first batch of a loader with two workers")
    print(f"  {'a process that imports torch':44s} {seconds_of(lambda: subprocess.run(command, check=True)):.2f}")
    for context in STARTS:
        found = subprocess.run(
            [sys.executable, "-c", START, reading.folder / "hdf5-png", context],
            check=True,
            capture_output=True,
        )
        print(f"  {context:44s} {json.loads(found.stdout):.2f}")


# In this order: those that keep to one core come last.
PARTS = {"threads": threads, "starts": starts, "peers": peers, "options": options}


def main() -> None:
    is_short = "short" in sys.argv
    per_class = PER_CLASS_SHORT if is_short else PER_CLASS
    rounds = ROUNDS_SHORT if is_short else ROUNDS
    chosen = [name for name in PARTS if name in sys.argv] or list(PARTS)

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    try:
        draw(folder, per_class)
        reading = Reading(folder, CLASSES * per_class, rounds)
        for name in chosen:
            PARTS[name](reading)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
