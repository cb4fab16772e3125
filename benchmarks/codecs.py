"""Codecs for 256 x 256 fractals: size, and CPU time of writing and reading, on one core.

Writing is encoding the drawn image; reading is decoding into an array of RGB. Prints the table of FORMAT.md.

    python benchmarks/codecs.py
"""

import io
import statistics
import time
import zlib

import numpy as np
from isal import isal_zlib
from PIL import Image
from timing import on_one_core

from synthgen.recipe import Recipe
from synthgen.run.draw import draw_sample
from synthgen.sample import FieldSpec
from synthgen.shards.codecs import decode, encode
from synthgen.torch.data.planes import decode_into

IMAGES, ROUNDS = 200, 5
SPEC = FieldSpec("uint8", (256, 256, 3))


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
    "`png` (default): palette, ISA-L level 1, begun by 4 bytes": ours("png"),
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


def main() -> None:
    on_one_core()
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
