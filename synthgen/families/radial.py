"""Radial contours: visual atoms (Takashima et al., CVPR 2023) and RCDB (Kataoka et al., CVPR 2022)."""

import math
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.options import check_ranges
from synthgen.sample import FieldSpec
from synthgen.seeding import generator

NAME = "radial"
VERSION = 2
LIBRARIES = ("numba",)
HELP = """
Draw radial contours: orbits of vertices around a center. A class has its number of vertices and orbits, its noise
and its waves.

\b
synthgen radial --classes 1000 --per-class 1000 --size 512
synthgen radial --kind rcdb --per-class 100
synthgen radial --per-class 1 --frequencies 0:200
"""

Vertices = Annotated[int, msgspec.Meta(ge=3, le=4000)]
Orbits = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Frequency = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Strength = Annotated[float, msgspec.Meta(ge=0, le=100)]
# Of the authors' programs: vertices, radius of the first orbit at 512 pixels, how far off the middle the center is
# at most, and the largest drift of an orbit.
_VERTICES = {"visualatom": (200, 1000), "rcdb": (3, 200)}
_RADII = {"visualatom": (10, 60), "rcdb": (0, 100)}
_OFF_MIDDLE = {"visualatom": 256, "rcdb": 200}
_DRIFT = 0.1
_WAVE = 0.5
# Vertices of RCDB are drawn from an exponential distribution with this mean.
_MEAN_VERTICES = 100


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    kind: Annotated[
        Literal["visualatom", "rcdb"],
        msgspec.Meta(
            description="visualatom: orbits with two sine waves, on black. rcdb: polygons with noise, on white."
        ),
    ] = "visualatom"
    vertices: Annotated[
        tuple[Vertices, Vertices] | None,
        msgspec.Meta(description="Vertices of an orbit, LOW:HIGH.  [default: 200:1000; of rcdb 3:200]"),
    ] = None
    orbits: Annotated[
        tuple[Orbits, Orbits],
        msgspec.Meta(description="Orbits of a contour, LOW:HIGH."),
    ] = (1, 200)
    frequencies: Annotated[
        tuple[Frequency, Frequency],
        msgspec.Meta(description="Periods of each wave in one turn, LOW:HIGH (visualatom)."),
    ] = (0, 20)
    noise: Annotated[
        tuple[Strength, Strength],
        msgspec.Meta(description="Strength of the noise of a step, LOW:HIGH."),
    ] = (0.0, 4.0)
    oval: Annotated[
        tuple[Annotated[float, msgspec.Meta(ge=1, le=10)], Annotated[float, msgspec.Meta(ge=1, le=10)]],
        msgspec.Meta(description="How far an orbit is stretched along each axis, LOW:HIGH."),
    ] = (1.0, 2.0)

    def __post_init__(self):
        check_ranges(self, "vertices", "orbits", "frequencies", "noise", "oval")


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    return {"classes": 1000, "per_class": 1000, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are: contours are drawn, not listed."""
    return 10**6


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    return {
        "image": FieldSpec("uint8", size),
        "mask": FieldSpec("uint8", size, kind="mask"),
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    return int(height * width * 0.25) + 600


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    steps = sum(options.orbits) * sum(_vertices_of(options)) / 4
    return 5e-4 + steps * 40e-9 + height * width * 15e-9


def _vertices_of(options: Options) -> tuple[int, int]:
    return options.vertices or _VERTICES[options.kind]


def sample_class(options: Options, seed: int, label: int) -> dict:
    """Draw what all images of a class have in common.

    Returns
    -------
    dict
        ``vertices`` and ``orbits``; ``noise`` and ``drift`` of a step; ``waves``, two frequencies, None for RCDB;
        ``radius`` of the first orbit and ``oval``, its stretch along rows and columns, None where each image has
        its own.
    """
    rng = generator(seed, label, 0, "radial.class")
    low, high = _vertices_of(options)
    if options.kind == "rcdb":
        vertices = _exponential(rng, low, high)
    else:
        vertices = int(rng.integers(low, high + 1))
    least, most = options.orbits
    orbits = int(rng.integers(least, most + 1))
    noise = round(float(rng.uniform(*options.noise)), 4)
    drift = round(_DRIFT * rng.random(), 4)
    shape = _sample_shape(rng, options)
    first, second = _two_frequencies(rng, options.frequencies)

    is_atom = options.kind == "visualatom"
    return {
        "vertices": vertices,
        "orbits": orbits,
        "noise": noise,
        "drift": drift,
        "waves": [first, second] if is_atom else None,
        **(shape if is_atom else {"radius": None, "oval": None}),
    }


def _exponential(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw an integer of a range from an exponential distribution, which is cut off at its ends."""
    # rounded: the last bits of exp differ between CPUs
    begin = round(math.exp(-low / _MEAN_VERTICES), 9)
    end = round(math.exp(-(high + 1) / _MEAN_VERTICES), 9)
    left = begin + rng.random() * (end - begin)
    drawn = int(-_MEAN_VERTICES * round(math.log(left), 9))
    return min(max(drawn, low), high)


def _sample_shape(rng: np.random.Generator, options: Options) -> dict:
    """Draw radius and stretch of a first orbit."""
    low, high = _RADII[options.kind]
    radius = int(rng.integers(low, high + 1))
    oval = rng.uniform(*options.oval, 2)
    return {"radius": radius, "oval": oval.round(4).tolist()}


def _two_frequencies(rng: np.random.Generator, limits: tuple[int, int]) -> tuple[int, int]:
    """Draw two frequencies, equal only where they are 0 or there is no other."""
    low, high = limits
    first = int(rng.integers(low, high + 1))
    if first == 0 or low == high:
        return first, int(rng.integers(low, high + 1))
    second = int(rng.integers(low, high))
    return first, second + (second >= first)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``, ``kind``; those of `sample_class`; ``center``, (row, column) at 512 pixels; ``seed``
        of the steps and gray levels.
    """
    own = sample_class(options, seed, label)
    rng = generator(seed, label, index, "radial.image")
    far = _OFF_MIDDLE[options.kind]
    center = 256 + rng.integers(-2 * far, 2 * far + 1, 2) / 2
    noise_seed = int(rng.integers(2**63))
    if options.kind == "rcdb":
        own |= _sample_shape(rng, options)
    return {
        "class": label,
        "index": index,
        "kind": options.kind,
        **own,
        "center": center.tolist(),
        "seed": noise_seed,
    }


def draw(params: dict, size: tuple[int, int]):
    """Return one image.

    Parameters
    ----------
    params : dict
        As returned by `sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    pixels : ndarray of uint8, (H, W)
    fields : dict
        ``mask``, uint8 (H, W): 255 at every pixel of an orbit.
    params : dict
        As given.
    """
    from synthgen.radial import Contour, render

    is_atom = params["kind"] == "visualatom"
    stretch_down, stretch_right = params["oval"]
    contour = Contour(
        vertices=params["vertices"],
        orbits=params["orbits"],
        center=tuple(params["center"]),
        radii=(params["radius"] * stretch_down, params["radius"] * stretch_right),
        drift=params["drift"],
        noise=params["noise"],
        noise_factor=1.0 if is_atom else 2.0,
        waves=tuple(params["waves"] or (0, 0)),
        wave_height=_WAVE if is_atom else 0.0,
    )
    drawn = render(contour, size, params["seed"])

    touched = drawn >= 0
    background = 0 if is_atom else 255
    pixels = np.where(touched, drawn, background).astype(np.uint8)
    mask = touched.view(np.uint8) * np.uint8(255)
    return pixels, {"mask": mask}, params


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name, and what its images have in common."""
    own = sample_class(options, seed, label)
    return {"name": f"{options.kind}-{label:06d}", **own}
