"""Galleries of fractals: seconds of one core and bytes, of a small data set and of one with ten times the images.

python benchmarks/gallery.py
"""

import tempfile
import time
from pathlib import Path

import synthgen
from synthgen.look.gallery import gallery
from synthgen.recipe import Recipe


def draw(folder: Path, per_class: int) -> Path:
    values = {"family": "fractals", "classes": 64, "per_class": per_class, "size": 256, "points": 20_000}
    synthgen.generate(Recipe.from_dict(values), folder / str(per_class), progress=False)
    return folder / str(per_class)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for per_class in (8, 80):
            data = draw(folder, per_class)
            for out in ("one.html", "site"):
                start = time.process_time()
                report = gallery(data, folder / out)
                seconds = time.process_time() - start
                images = 64 * per_class
                megabytes = report.bytes / 1e6
                print(f"{images:6,} images, {out:8s} {report.samples} shown: {seconds:5.1f} s, {megabytes:.2f} MB")


if __name__ == "__main__":
    main()
