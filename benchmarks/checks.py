"""What checks cost of reading: CPU time of batches with and without them, in turn, on one core.

Of 256 x 256 fractals, in batches of 64 as loaders ask for them. Checksums are compared each time that a sample is
read, keys and labels with the plan once, when a shard is opened.

    python benchmarks/checks.py [hdf5-png ..]
"""

import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from timing import on_one_core

import synthgen
from synthgen.recipe import Recipe
from synthgen.shards import opened
from synthgen.torch import ShardDataset

CLASSES, PER_CLASS, BATCH, ROUNDS = 4, 160, 64, 40
CHECKS = ("none", "crc")
SETS = {
    "hdf5-png": ("hdf5", "png"),
    "hdf5-png-stored": ("hdf5", "png-stored"),
    "hdf5-raw": ("hdf5", "raw"),
    "webdataset-png": ("webdataset", "png"),
}


def draw(folder: Path, storage: str, codec: str) -> None:
    """Draw a data set."""
    values = {
        "family": "fractals",
        "classes": CLASSES,
        "per_class": PER_CLASS,
        "storage": {"format": storage, "codec": codec, "shard_size": CLASSES * PER_CLASS},
    }
    synthgen.generate(Recipe.from_dict(values), folder, workers=0, progress=False)


def batch_times(folder: Path) -> dict[str, list[float]]:
    """Return the CPU time of each round over all batches: each is read in both ways, one after the other."""
    datasets = {check: ShardDataset(folder, check=check) for check in CHECKS}
    names = list(CHECKS)
    times = {name: [] for name in names}

    for _ in range(1 + ROUNDS):
        spent = dict.fromkeys(names, 0.0)
        for first in range(0, CLASSES * PER_CLASS, BATCH):
            for name in names:
                start = time.process_time()
                datasets[name].__getitems__(range(first, first + BATCH))
                spent[name] += time.process_time() - start
            names.reverse()

        for name in names:
            times[name].append(spent[name])
    return {name: spent[1:] for name, spent in times.items()}  # the first round opens and compiles


def order_seconds(folder: Path) -> float:
    """Return the CPU time of comparing all keys and labels with the plan, once."""
    dataset = synthgen.open(folder)
    shards = range(dataset.manifest.shards)
    readers = [opened.open_shard(folder, dataset.manifest, shard) for shard in shards]

    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for shard, reader in zip(shards, readers, strict=True):
            opened.check_order(reader, dataset.manifest, shard)
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def main() -> None:
    """Print the table, of all data sets or of those that are named."""
    on_one_core()
    torch.set_num_threads(1)
    gc.disable()
    count = CLASSES * PER_CLASS
    print("microseconds of a sample:")
    print("| data set | unchecked | checksums | share | keys and labels |\n|---|---|---|---|---|")

    with tempfile.TemporaryDirectory() as place:
        for name in sys.argv[1:] or SETS:
            storage, codec = SETS[name]
            folder = Path(place) / name
            draw(folder, storage, codec)

            times = batch_times(folder)
            pairs = zip(times["crc"], times["none"], strict=True)
            share = statistics.median(a / b for a, b in pairs) - 1
            each = 1e6 * statistics.median(times["none"]) / count
            order = 1e6 * order_seconds(folder) / count
            print(f"| {name} | {each:.1f} | {share * each:.1f} | {share:.1%} | {order:.1f} |", flush=True)


if __name__ == "__main__":
    main()
