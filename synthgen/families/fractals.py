"""Fractals: a class is a group of iterated function systems (paper 000 sections 3.1 and 4)."""

from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.options import check_ranges
from synthgen.sample import FieldSpec, PaletteImage
from synthgen.seeding import generator

NAME = "fractals"
VERSION = 1
LIBRARIES = ("numba",)
HELP = """
Draw fractals: attractors of random iterated function systems. A class is a group of systems.

\b
synthgen fractals --classes 1000 --per-class 1000
synthgen fractals --classes 10 --per-class 10 --out /tmp/ten --background diamond-square
synthgen fractals --scheme fractaldb --format webdataset --part 3/64
"""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    points: Annotated[
        int, msgspec.Meta(ge=1, le=20_000_000, description="Points of the chaos game in each image.")
    ] = 100_000
    scheme: Annotated[
        Literal["grouped", "fractaldb"],
        msgspec.Meta(
            description="grouped: a class is a group of systems. fractaldb: a class is one system, "
            "its images have perturbed parameters."
        ),
    ] = "grouped"
    systems: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Systems in each class (scheme grouped).")
    ] = 100
    maps: Annotated[
        tuple[
            Annotated[int, msgspec.Meta(ge=2, le=8)],
            Annotated[int, msgspec.Meta(ge=2, le=8)],
        ],
        msgspec.Meta(description="Number of maps of a system, or a range LOW:HIGH within 2:8."),
    ] = (2, 4)
    augment: Annotated[
        bool,
        msgspec.Meta(
            description="Vary the parameters from image to image (grouped: one map scaled by 0.8 to 1.1)."
        ),
    ] = True
    patch: Annotated[bool, msgspec.Meta(description="Draw each point as a random 3 x 3 pattern.")] = True
    flips: Annotated[bool, msgspec.Meta(description="Flip and transpose images at random.")] = True
    gray: Annotated[bool, msgspec.Meta(description="One grey channel instead of colours.")] = False
    blur: Annotated[bool, msgspec.Meta(description="Blur half of the images by a 3 x 3 Gaussian.")] = False
    window: Annotated[
        bool,
        msgspec.Meta(description="Show a random window of the fractal (scale 0.5 to 2, shift up to 0.2)."),
    ] = False
    background: Annotated[
        Literal["black", "diamond-square"], msgspec.Meta(description="What lies behind the fractal.")
    ] = "black"

    def __post_init__(self):
        check_ranges(self, "maps")
        if self.gray and self.background != "black":
            raise ValueError(f"background must be black for gray images, got {self.background}")


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    return {"classes": 1000, "per_class": 1000, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are: systems are drawn, not listed."""
    return 10**6


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    return {
        "image": FieldSpec("uint8", size if options.gray else (*size, 3)),
        "mask": FieldSpec("uint8", size, kind="mask"),
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    per_pixel = 0.5 if options.background == "black" and not options.blur else 2.5
    return int(size[0] * size[1] * per_pixel) + 600


def sample_system(options: Options, seed: int, label: int, member: int):
    """Return system `member` of a class: a function of its id alone, never of a table."""
    from synthgen import ifs

    return ifs.sample_system(generator(seed, label, member, "fractals.system"), options.maps)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Draw the parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``; ``system``, the number of the system in its class; ``maps`` after augmentation,
        (n, 2, 3); ``points`` and the ``seed`` of the chaos game; ``patch``, nine bits; ``orientation``, three
        bits; ``hue`` (256 is a full turn), ``saturation`` and ``value``; where asked for ``blur``, ``window``
        and ``background``.
    """
    from synthgen import compose, ifs

    grouped = options.scheme == "grouped"
    member = index % options.systems if grouped else 0
    system = sample_system(options, seed, label, member)
    rng = generator(seed, label, index, "fractals.image")
    # Drawn always and in this order, so that one option does not shift the chance of another.
    u = rng.random(10).tolist()
    noise_seed = int(rng.integers(2**63))
    varied = (ifs.scale_system if grouped else ifs.perturb_system)(rng, system)
    params = {
        "class": label,
        "index": index,
        "system": member,
        "maps": (varied if options.augment else system).maps.tolist(),
        "points": options.points,
        "seed": noise_seed,
        "patch": 1 + int(u[0] * 511) if options.patch else 0,
        "orientation": int(u[1] * 8) if options.flips else 0,
    }
    if options.gray:
        params["gray"] = True
    else:
        params["hue"] = int(u[2] * 256)
        params["saturation"] = round(0.3 + 0.7 * u[3], 4)
        params["value"] = round(0.5 + 0.5 * u[4], 4)
    if options.window:
        scale_x, scale_y = (round(0.5 + 1.5 * x, 6) for x in u[5:7])
        shift_x, shift_y = (round(0.4 * x - 0.2, 6) for x in u[7:9])
        params["window"] = [scale_x, scale_y, shift_x, shift_y]
    if options.blur and u[9] < 0.5:
        params["blur"] = compose.gaussian_weight(0.5 + u[9])
    if options.background == "diamond-square":
        params["background"] = compose.sample_diamond_square(rng)
    return params


def draw(params: dict, size: tuple[int, int]):
    """Draw one image.

    Parameters
    ----------
    params : dict
        As returned by `sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    pixels : PaletteImage, or ndarray of uint8, (H, W) or (H, W, 3)
    fields : dict
        ``mask``, uint8 (H, W): 255 at every pixel that the fractal changed.
    params : dict
        As given.
    """
    from synthgen import compose, ifs

    counts = ifs.density(
        ifs.System(params["maps"]),
        size,
        params["points"],
        params["seed"],
        patch=params["patch"],
        window=params.get("window", (1.0, 1.0, 0.0, 0.0)),
        orientation=params["orientation"],
    )
    levels = ifs.grey_levels(counts)
    pixels = levels
    if not params.get("gray"):
        colors = compose.hue_palette(params["hue"], params["saturation"], params["value"])
        pixels = PaletteImage(levels, colors)
    touched = levels != 0
    if "blur" in params or "background" in params:
        image = pixels.to_rgb() if isinstance(pixels, PaletteImage) else pixels
        behind = np.zeros_like(image)
        if "background" in params:
            behind = compose.diamond_square(params["background"], size)
        pixels, touched = compose.lay_over(behind, image, touched, params.get("blur", 0.0))
    return pixels, {"mask": touched.view(np.uint8) * np.uint8(255)}, params


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name and the systems of the class."""
    if options.scheme == "fractaldb":
        return {"name": f"system-{label:06d}", "maps": sample_system(options, seed, label, 0).maps.tolist()}
    return {"name": f"fractals-{label:06d}", "systems": options.systems}
