"""Codecs for 256 x 256 fractals: size, and CPU time of writing and reading, on one core.

Writing is encoding the drawn image; reading is decoding into an array of RGB. Prints the table of FORMAT.md. A
second table has what each level of ISA-L costs of drawing whole samples, beside level 1 in one go, whose bytes
differ from process to process.

    python benchmarks/codecs.py [codecs] [levels]
"""

import gc
import io
import statistics
import sys
import time
import zlib
from unittest import mock

import numpy as np
from isal import isal_zlib
from PIL import Image
from timing import on_one_core

from synthgen.recipe import Recipe
from synthgen.run.draw import draw_sample, draw_samples
from synthgen.run.plan import make_plan
from synthgen.run.shard import encode_sample
from synthgen.sample import FieldSpec
from synthgen.shards import codecs
from synthgen.shards.codecs import decode, encode
from synthgen.torch.data.planes import decode_into

IMAGES, ROUNDS = 200, 5
SPEC = FieldSpec("uint8", (256, 256, 3))
# Side -> samples that are drawn at a time, and how often.
SIDES = {64: (64, 80), 256: (16, 60), 512: (4, 60)}


def pillow(fmt: str, **options):
    def write(pixels):
        out = io.BytesIO()
        Image.fromarray(pixels.to_rgb()).save(out, fmt, **options)
        return out.getvalue()

    def read(data):
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    return write, read


def ours(codec: str):
    planes = np.empty((3, 256, 256), np.uint8)
    return (lambda pixels: encode(pixels, codec)), (lambda data: decode_into(data, SPEC, codec, planes))


CODECS = {
    "`png` (default): palette, ISA-L level 1 after 4 stored bytes": ours("png"),
    "`png-stored`: palette, not compressed": ours("png-stored"),
    "`raw`: planes": ours("raw"),
    "`jpeg`: quality 90, lossy": ours("jpeg"),
    "`png` read into (H, W, 3)": (lambda p: encode(p, "png"), lambda data: decode(data, SPEC)),
    "RGB PNG, Pillow level 6": pillow("PNG"),
    "RGB PNG, Pillow level 1": pillow("PNG", compress_level=1),
    "lossless WebP, Pillow": pillow("WEBP", lossless=True, quality=0, method=0),
    "raw RGB": (
        lambda p: p.to_rgb().tobytes(),
        lambda data: np.frombuffer(data, np.uint8).reshape(256, 256, 3).transpose(2, 0, 1).copy(),
    ),
    "raw RGB, zlib level 1": (
        lambda p: zlib.compress(p.to_rgb(), 1),
        lambda data: np.frombuffer(zlib.decompress(data), np.uint8).reshape(256, 256, 3).transpose(2, 0, 1).copy(),
    ),
    "raw RGB, ISA-L level 1": (
        lambda p: isal_zlib.compress(p.to_rgb(), 1),
        lambda data: (
            np.frombuffer(isal_zlib.decompress(data), np.uint8).reshape(256, 256, 3).transpose(2, 0, 1).copy()
        ),
    ),
}


def cpu_seconds_of(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def at_level(level: int):
    """Return a function that deflates rows at a level of ISA-L, in one go."""
    return lambda rows: isal_zlib.compress(rows.data, level)


LEVELS = {
    "level 1, not reproducible": at_level(1),
    "level 1 after 4 stored bytes": codecs._deflate,
    "level 0": at_level(0),
    "level 3": at_level(3),
}


def levels() -> None:
    """Print what the levels cost of drawing whole fractals."""
    print("| side | deflated at | ms a sample | ratio | bytes |\n|---|---|---|---|---|")
    for side, (count, rounds) in SIDES.items():
        work = drawing(side, count)
        times, sizes = in_turn(work, rounds)
        first = times["level 1, not reproducible"]

        for name, spent in times.items():
            ratio = statistics.median(a / b for a, b in zip(spent, first, strict=True))
            milliseconds = 1e3 * statistics.median(spent) / count
            size = sizes[name] / count
            print(f"| {side} | {name} | {milliseconds:.3f} | {ratio:.3f} | {size:,.0f} |", flush=True)


def drawing(side: int, count: int):
    """Return a function that draws and encodes some fractals with all their fields, and returns their bytes."""
    recipe = Recipe.from_dict({"family": "fractals", "classes": count, "per_class": 1, "size": side})
    fields = make_plan(recipe).run.fields
    labels = list(range(count))

    def work() -> int:
        size = 0
        for sample in draw_samples(recipe, labels, [0] * count):
            columns, _ = encode_sample(sample, fields)
            size += sum(map(len, columns.values()))
        return size

    return work


def in_turn(work, rounds: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return the CPU times of a work with each level, and the bytes that it makes; the order changes each round."""
    times = {name: [] for name in LEVELS}
    sizes = {}
    names = list(LEVELS)
    work()

    gc.disable()
    for _ in range(rounds):
        for name in names:
            with mock.patch.object(codecs, "_deflate", LEVELS[name]):
                start = time.process_time()
                sizes[name] = work()
                times[name].append(time.process_time() - start)
        names.append(names.pop(0))
    gc.enable()
    return times, sizes


def main() -> None:
    on_one_core()
    parts = {"codecs": compare_codecs, "levels": levels}
    for name in sys.argv[1:] or parts:
        parts[name]()


def compare_codecs() -> None:
    """Print the size of images with each codec, and the time of writing and reading them."""
    recipe = Recipe.from_dict({"family": "fractals", "classes": IMAGES, "per_class": 1})
    images = [draw_sample(recipe, label, 0).pixels for label in range(IMAGES)]
    print("| codec | bytes | write, ms | read, ms |\n|---|---|---|---|")
    stored = {name: [write(image) for image in images] for name, (write, _) in CODECS.items()}
    times = {name: ([], []) for name in CODECS}
    for _ in range(ROUNDS):
        for name, (write, read) in CODECS.items():
            times[name][0].append(cpu_seconds_of(lambda w=write: [w(image) for image in images]))
            times[name][1].append(cpu_seconds_of(lambda r=read, n=name: [r(data) for data in stored[n]]))
    for name in CODECS:
        size = statistics.mean(map(len, stored[name]))
        write, read = (statistics.median(t) / IMAGES * 1e3 for t in times[name])
        print(f"| {name} | {size:,.0f} | {write:.2f} | {read:.2f} |")


if __name__ == "__main__":
    main()
