"""Drawing and encoding inspected plates on one core: 2448 x 2050 with a 5 mm stain field and all masks.

The baseline is what a user of the paper's method would write first: the same plate, Algorithm 1 evaluated at every
pixel, Pillow for the PNGs. Then the parts of ours, one by one.

    python benchmarks/plates.py
"""

import io
from functools import partial

import numpy as np
from PIL import Image
from timing import compare, on_one_core, seconds_of

from synthgen.families import stains
from synthgen.recipe import Recipe
from synthgen.run import make_plan
from synthgen.run.draw import draw_sample
from synthgen.run.shard import encode_sample
from synthgen.surface.optics.camera import develop
from synthgen.surface.plate.brightness import prepare, radiance
from synthgen.surface.plate.draw import draw_plate
from synthgen.surface.plate.view import view_of
from synthgen.surface.stains.field import stain_field

RECIPE = Recipe.from_dict({"family": "stains", "cell_size": 5, "size": "2448x2050"})
PLAN = make_plan(RECIPE)


def plain_plate(index: int) -> None:
    """Draw, stain and encode a plate by the shortest way."""
    params = stains.sample(RECIPE.options, 0, 0, index)
    view = view_of(RECIPE.size)
    picture = radiance(prepare(params["texture"], params["light"], view), view)
    rows, columns = np.indices(RECIPE.size)
    y, x = view.corner
    points = np.stack([x + columns * view.pitch, y + rows * view.pitch, np.zeros(RECIPE.size)], axis=-1)
    reflectance, mask = stain_field(params["stains"]).evaluate(points + params["stains"]["offset"], 1.0)
    for image in (np.clip(picture * reflectance * 255, 0, 255).astype(np.uint8), mask.astype(np.uint8) * 255):
        Image.fromarray(image).save(io.BytesIO(), "PNG")


def our_plate(index: int) -> None:
    encode_sample(draw_sample(RECIPE, 0, index), PLAN.run.fields)


def parts() -> dict:
    params = stains.sample(RECIPE.options, 0, 0, 0)
    view = view_of(RECIPE.size)
    plate = prepare(params["texture"], params["light"], view)
    picture = radiance(plate, view)
    y, x = view.corner
    field, origin = stain_field(params["stains"]), np.add(params["stains"]["offset"], (x, y, 0))
    under = np.ones(RECIPE.size, np.float32)
    sample = draw_sample(RECIPE, 0, 0)
    return {
        "texture and light": partial(prepare, params["texture"], params["light"], view),
        "clean plate": partial(radiance, plate, view),
        "stain field": partial(field.paint, under, origin, (0, view.pitch, 0), (view.pitch, 0, 0)),
        "camera": partial(develop, picture, 1.0, 0.0, None),
        "all of the drawing": partial(draw_plate, params, RECIPE.size),
        "encoding of image and masks": partial(encode_sample, sample, PLAN.run.fields),
    }


if __name__ == "__main__":
    on_one_core()
    print("2448 x 2050, 5 mm cells, one core")
    compare({"plain": (partial(plain_plate, 0), 1), "synthgen": (partial(our_plate, 0), 1)}, "plates", rounds=3)
    for name, work in parts().items():
        work()
        print(f"  {name:44s} {1000 * min(seconds_of(work) for _ in range(5)):8.1f} ms")
