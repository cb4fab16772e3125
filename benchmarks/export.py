"""Exports of 256 x 256 images on one core, and the memory that they take.

Where bytes are copied (imagefolder, hf) the baseline is a loop that writes the same PNG files. coco, mvtec decode
masks. Rates are images a CPU second, user and system: other work on the machine does not count. Memory is the peak
of a process that exports, for two sizes of one data set.

    python benchmarks/export.py
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import synthgen
from synthgen.layouts.export import export
from synthgen.recipe import Recipe

COUNT = 120
# What a process takes at most while it exports, in kB.
PEAK = """
import resource, sys
from synthgen.layouts.export import export
export("imagefolder", sys.argv[1], sys.argv[2], workers=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def draw(folder: Path) -> None:
    recipes = {
        "plates": {"family": "stains", "layout": "test", "per_class": COUNT // 4, "cell_size": 10},
        "formulas": {"family": "multiformula", "classes": 4, "per_class": COUNT // 4, "source_classes": 20,
                     "points": 20_000},
        "fractals": {"family": "fractals", "classes": 4, "per_class": COUNT // 4},
    }  # fmt: skip
    for name, values in recipes.items():
        recipe = Recipe.from_dict({**values, "size": 256, "storage": {"format": "webdataset"}})
        synthgen.generate(recipe, folder / name, progress=False)
    for count in (1_000, 8_000):
        values = {"family": "fractals", "classes": 10, "per_class": count // 10, "size": 32, "points": 300}
        synthgen.generate(Recipe.from_dict(values), folder / f"small-{count}", progress=False)


def exporter(target: str, data: Path, folder: Path, **options):
    """Return a function that exports a data set anew."""

    def work() -> None:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.with_name("out.export.json").unlink(missing_ok=True)
        export(target, data, out, workers=0, **options)

    return work


def copier(data: Path, folder: Path):
    """Return a function that writes the stored images of a data set as files."""

    def work() -> None:
        out = folder / "copy"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        dataset = synthgen.open(data)
        for i in range(len(dataset)):
            (out / f"{i:08d}.png").write_bytes(dataset.encoded(i, "image"))

    return work


def compare(works: dict, rounds: int = 3) -> None:
    """Run all works in turn and print the median rate of each, and its ratio to the first."""
    for work in works.values():
        work()  # compile, and warm the page cache
    seconds: dict = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)

    rates = {name: COUNT / statistics.median(spent) for name, spent in seconds.items()}
    first = next(iter(rates.values()))
    for name, rate in rates.items():
        print(f"  {name:44s} {rate:10,.0f} images/CPU s   x{rate / first:6.2f}", flush=True)


def peak_of(data: Path, folder: Path) -> float:
    """Return the peak of memory of an export, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, data, folder / data.name.replace("small", "tree")],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) / 1000


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        draw(folder)
        plates = folder / "plates"
        formulas = folder / "formulas"
        fractals = folder / "fractals"

        print("copied bytes")
        compare(
            {
                "plain files, fractals": copier(fractals, folder),
                "imagefolder, fractals": exporter("imagefolder", fractals, folder),
                "hf, plates, 9 files a sample": exporter("hf", plates, folder),
                "hf --shards, plates": exporter("hf", plates, folder, shards=True),
            }
        )
        print("decoded masks")
        compare(
            {
                "mvtec, plates": exporter("mvtec", plates, folder),
                "mvtec --square pad, plates": exporter("mvtec", plates, folder, square="pad"),
                "coco, plates": exporter("coco", plates, folder),
                "coco --truth all, plates": exporter("coco", plates, folder, truth="all"),
                "coco, formulas": exporter("coco", formulas, folder),
                "coco --polygons, formulas": exporter("coco", formulas, folder, polygons=True),
                "yolo-seg, formulas": exporter("yolo-seg", formulas, folder),
            }
        )
        few, many = (peak_of(folder / f"small-{count}", folder) for count in (1_000, 8_000))
        print(f"peak of memory: {few:.0f} MB for 1,000 images, {many:.0f} MB for 8,000")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
