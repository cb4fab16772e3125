"""Drawing radial contours on one core: 512 x 512, in the way of the published programs, against ours.

The baseline is what the programs of VisualAtom and RCDB do: vertices moved one by one in Python, with a call of
``noise.pnoise1`` for each step, and a line of Pillow's for each edge. Neither side encodes its images.

    python benchmarks/radial.py
    python benchmarks/radial.py FILE.png   # some contours of both, side by side
"""

import math
import random
import sys
from functools import partial

import noise
import numpy as np
from PIL import Image, ImageDraw
from timing import compare, on_one_core

from synthgen.families import radial

IMAGES, SIZE = 6, 512


def plain(params: dict) -> Image.Image:
    """Return a contour, drawn vertex by vertex and edge by edge."""
    is_atom = params["kind"] == "visualatom"
    draws = random.Random(params["seed"])
    picture = Image.new("L", (SIZE, SIZE), 0 if is_atom else 255)
    pen = ImageDraw.Draw(picture)
    down, right = params["oval"]
    row, column = params["center"]
    angles = [2 * math.pi * k / params["vertices"] for k in range(params["vertices"])]
    xs = [column + params["radius"] * right * math.cos(angle) for angle in angles]
    ys = [row + params["radius"] * down * math.sin(angle) for angle in angles]

    for _ in range(params["orbits"]):
        level = draws.randint(0, 255)
        for places, direction in ((xs, math.cos), (ys, math.sin)):
            for k, angle in enumerate(angles):
                step = noise.pnoise1(draws.uniform(0, 10_000)) * params["noise"]
                if is_atom:
                    step -= 0.5 * sum(math.sin(wave * angle) for wave in params["waves"])
                else:
                    step *= 2
                places[k] -= direction(angle) * (step - params["noise"] - params["drift"])
        for k in range(len(angles)):
            after = (k + 1) % len(angles)
            pen.line((xs[k], ys[k], xs[after], ys[after]), fill=level, width=1)
    return picture


def ours(params: dict) -> np.ndarray:
    """Return a contour as the family draws it."""
    pixels, _, _ = radial.draw(params, (SIZE, SIZE))
    return pixels


def all_of(draw, chosen: list[dict]) -> None:
    for params in chosen:
        draw(params)


def samples(kind: str) -> list[dict]:
    options = radial.Options(kind=kind)
    return [radial.sample(options, 0, label, 0) for label in range(IMAGES)]


def side_by_side() -> Image.Image:
    """Return contours of both kinds: a row in the plain way, a row of ours below."""
    rows = []
    for kind in ("visualatom", "rcdb"):
        rows.append([np.asarray(plain(params)) for params in samples(kind)])
        rows.append([ours(params) for params in samples(kind)])
    return Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))


def main() -> None:
    if len(sys.argv) > 1:
        side_by_side().save(sys.argv[1])
        return

    on_one_core()
    for kind in ("visualatom", "rcdb"):
        print(kind)
        chosen = samples(kind)
        works = {
            "Python, noise, Pillow's lines": (partial(all_of, plain, chosen), IMAGES),
            "synthgen": (partial(all_of, ours, chosen), IMAGES),
        }
        compare(works, "images", rounds=3)


if __name__ == "__main__":
    main()
