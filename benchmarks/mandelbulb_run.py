"""A run of 100 classes of Mandelbulbs, 512 x 512, as a worker draws and encodes them.

Is the rate steady, is the memory flat? Prints both for each quarter. What the device does in an image is in
``mandelbulb.py``; here is the share of encoding, which runs beside the drawing.

    python benchmarks/mandelbulb_run.py
"""

import os
import resource
import statistics
import time

from synthgen.recipe import Recipe
from synthgen.run import make_plan
from synthgen.run.draw import draw_sample
from synthgen.run.shard import encode_sample

IMAGES, SIZE = 100, 512


def resident_mb() -> float:
    """Return the memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    for hybrid in (False, True):
        values = {
            "family": "mandelbulb",
            "hybrid": hybrid,
            "classes": IMAGES,
            "size": SIZE,
            "fields": "depth,normal",
        }
        plan = make_plan(Recipe.from_dict(values))
        encode_sample(draw_sample(plan.recipe, 0, 0), plan.run.fields)  # builds the kernels
        print("hybrids" if hybrid else "variants")
        drawing, encoding = [], []
        for label in range(IMAGES):
            start = time.perf_counter()
            sample = draw_sample(plan.recipe, label, 0)
            middle = time.perf_counter()
            encode_sample(sample, plan.run.fields)
            drawing.append(middle - start)
            encoding.append(time.perf_counter() - middle)
            if (label + 1) % (IMAGES // 4) == 0:
                quarter = drawing[-IMAGES // 4 :]
                rate = 1 / statistics.mean(quarter)
                print(f"  up to image {label + 1:3d}: {rate:5.2f} images/s, {resident_mb():6.1f} MB")
        share = sum(encoding) / sum(drawing)
        print(
            f"  encoding image, mask, depth and normals: {share:.1%} of the time of drawing, on one core beside it"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
