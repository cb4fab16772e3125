"""Drawing and encoding inspected plates: 2448 x 2050 with dried water in cells of 5 mm and all masks.

The baseline is what a user of the paper's method would write first: the same plate, Algorithm 1 evaluated at every
pixel, Pillow for the PNGs. Ours is timed with the same stains and with dried water, then its parts one by one.
Before, one plate is drawn by one thread and by as many as there are cores.

    python benchmarks/plates.py
"""

import io
from functools import partial

import numpy as np
from PIL import Image
from timing import compare, on_one_core, seconds_of

from synthgen.families import stains
from synthgen.machine import available_cpus
from synthgen.recipe import Recipe
from synthgen.run import make_plan
from synthgen.run.draw import draw_sample
from synthgen.run.shard import encode_sample
from synthgen.surface.optics.camera import photograph
from synthgen.surface.plate.brightness import prepare, radiance
from synthgen.surface.plate.draw import draw_plate
from synthgen.surface.plate.view import view_of
from synthgen.surface.plate.water import residue_of, splashes_of
from synthgen.surface.stains.dried import Frame, paint_dried
from synthgen.surface.stains.drops import drops_in
from synthgen.surface.stains.field import stain_field
from synthgen.threads import drawing_threads

VALUES = {"family": "stains", "cell_size": 5, "size": "2448x2050", "blur": 0.8, "noise": 2}
RECIPE = Recipe.from_dict(VALUES)
PAPER = Recipe.from_dict({**VALUES, "water": "paper", "cells": "solid"})
PLAN = make_plan(RECIPE)


def plain_plate(index: int) -> None:
    """Draw, stain and encode a plate by the shortest way."""
    params = stains.sample(PAPER.options, 0, 0, index)
    view = view_of(RECIPE.size)
    picture = radiance(prepare(params["texture"], params["light"], view), view)
    rows, columns = np.indices(RECIPE.size)
    y, x = view.corner
    points = np.stack([x + columns * view.pitch, y + rows * view.pitch, np.zeros(RECIPE.size)], axis=-1)
    reflectance, mask = stain_field(params["stains"]).evaluate(points + params["stains"]["offset"], 1.0)
    for image in (np.clip(picture * reflectance * 255, 0, 255).astype(np.uint8), mask.astype(np.uint8) * 255):
        Image.fromarray(image).save(io.BytesIO(), "PNG")


def our_plate(recipe: Recipe, index: int) -> None:
    encode_sample(draw_sample(recipe, 0, index), PLAN.run.fields)


def by_threads(recipe: Recipe, count: int) -> None:
    """Draw and encode a plate by so many threads."""
    with drawing_threads(count):
        our_plate(recipe, 0)


def compare_threads() -> None:
    """Print what threads save, for both kinds of water."""
    cores = available_cpus()
    print(f"2448 x 2050, 5 mm cells, threads on {cores} cores")
    for name, recipe in (("paper", PAPER), ("dried", RECIPE)):
        works = {
            f"water {name}, 1 thread": (partial(by_threads, recipe, 1), 1),
            f"water {name}, {cores} threads": (partial(by_threads, recipe, cores), 1),
        }
        compare(works, "plates")


def dry(stains: dict, picture: np.ndarray, view) -> None:
    """Draw where the drops lie, and paint what they left."""
    top, left = view.corner
    height, width = view.shape
    window = (left, top, left + width * view.pitch, top + height * view.pitch)
    drops = drops_in(splashes_of(stains), window)
    frame = Frame(left=left, top=top, pitch=view.pitch, cosine=1.0, sine=0.0)
    paint_dried(picture, frame, drops, residue_of(stains))


def parts() -> dict:
    params = stains.sample(RECIPE.options, 0, 0, 0)
    view = view_of(RECIPE.size)
    plate = prepare(params["texture"], params["light"], view)
    picture = radiance(plate, view)
    sample = draw_sample(RECIPE, 0, 0)
    return {
        "texture and light": partial(prepare, params["texture"], params["light"], view),
        "clean plate": partial(radiance, plate, view),
        "stain field: dried water": partial(dry, params["stains"], picture, view),
        "camera, with blur and noise": partial(photograph, picture, params["camera"]),
        "all of the drawing": partial(draw_plate, params, RECIPE.size),
        "encoding of image and masks": partial(encode_sample, sample, PLAN.run.fields),
    }


if __name__ == "__main__":
    compare_threads()
    on_one_core()
    print("2448 x 2050, 5 mm cells, one core")
    compare(
        {
            "plain": (partial(plain_plate, 0), 1),
            "synthgen, water paper": (partial(our_plate, PAPER, 0), 1),
            "synthgen, water dried": (partial(our_plate, RECIPE, 0), 1),
        },
        "plates",
        rounds=3,
    )
    for name, work in parts().items():
        work()
        seconds = min(seconds_of(work) for _ in range(5))
        print(f"  {name:44s} {1000 * seconds:8.1f} ms")
