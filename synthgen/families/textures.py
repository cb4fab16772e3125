"""Procedural textures: a class is one texture, an image a window of it, or several textures side by side."""

from functools import lru_cache
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.families._records import new_record
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec, id_dtype
from synthgen.seeding import generator

NAME = "textures"
VERSION = 1
LIBRARIES = ("numba",)
HELP = """
Draw procedural textures. A class is one texture, endless and without a seam; an image is a window of it, or
several textures with irregular borders, each with its exact place.

\b
synthgen textures --classes 1000 --per-class 100
synthgen textures --regions 1:4 --classes 2000 --per-class 50 --size 96
synthgen textures --kinds periodic,cellular --fields height,normal
"""

Kind = Literal["spectral", "periodic", "cellular", "leaves", "stamps"]
KINDS = ("spectral", "periodic", "cellular", "leaves", "stamps")
Factor = Annotated[float, msgspec.Meta(ge=0.1, le=10)]
Number = Annotated[int, msgspec.Meta(ge=1, le=32)]
# Ids of textures have 16 bits, and 0 is none.
MOST = 65_535


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    kinds: Annotated[
        tuple[Kind, ...],
        msgspec.Meta(
            description="What textures are made of: spectral (noise), periodic (gratings, weaves, bricks ..), "
            "cellular, leaves (dead leaves), stamps (of fractals)."
        ),
    ] = KINDS
    regions: Annotated[
        tuple[Number, Number],
        msgspec.Meta(description="Textures in an image, LOW:HIGH. The first is the class."),
    ] = (1, 1)
    textures: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None,
        msgspec.Meta(description="Number of textures that regions are made of.  [default: as many as classes]"),
    ] = None
    block: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None,
        msgspec.Meta(
            description="The other textures of an image come from the same block of N neighboring classes, so that "
            "images of a block share them.  [default: from all]"
        ),
    ] = None
    scale: Annotated[
        tuple[Factor, Factor],
        msgspec.Meta(description="How small a texture is seen, LOW:HIGH: units of the texture in a pixel."),
    ] = (0.7, 1.4)
    rotation: Annotated[
        float,
        msgspec.Meta(ge=0, le=180, description="Degrees by which a window is turned at most."),
    ] = 15.0
    flips: Annotated[bool, msgspec.Meta(description="Mirror windows at random.")] = True
    light: Annotated[
        float,
        msgspec.Meta(ge=0, le=4, description="How much light and contrast differ from image to image, 0 for none."),
    ] = 1.0
    warps: Annotated[
        float, msgspec.Meta(ge=0, le=1, description="Share of the fields of textures that are warped.")
    ] = 0.3
    mixtures: Annotated[
        float, msgspec.Meta(ge=0, le=1, description="Share of the textures that are made of two fields.")
    ] = 0.6
    gray_share: Annotated[float, msgspec.Meta(ge=0, le=1, description="Share of the textures without colors.")] = (
        0.5
    )
    fields: Annotated[
        tuple[Literal["height", "normal"], ...],
        msgspec.Meta(description="Further fields of each sample: height and normal of the relief."),
    ] = ()

    def __post_init__(self):
        check_ranges(self, "regions", "scale")
        check_unique(self, "kinds", "fields")
        if not self.kinds:
            raise ValueError("kinds must name at least one, got none")
        _, most = self.regions
        for name in ("textures", "block"):
            given = getattr(self, name)
            if given is not None and given < most:
                raise ValueError(f"{name} must be >= {most}, the textures of an image, got {given}")


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    return {"classes": options.textures or 1000, "per_class": 100, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are: textures are drawn, not listed, but an id has 16 bits."""
    return options.textures or MOST


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the number of textures written out."""
    _, most = options.regions
    textures = options.textures or max(classes, most)
    return msgspec.structs.replace(options, textures=textures)


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    specs = {
        "image": FieldSpec("uint8", (*size, 3)),
        "mask": FieldSpec("uint8", size, kind="mask"),
        "instances": FieldSpec("uint8", size, kind="ids"),
        "semantic": FieldSpec(_semantic_dtype(options), size, kind="ids"),
    }
    surface = {
        "height": FieldSpec("float32", size, kind="array"),
        "normal": FieldSpec("float32", (*size, 3), kind="normal"),
    }
    return {**specs, **{name: surface[name] for name in options.fields}}


def _semantic_dtype(options: Options) -> str:
    return id_dtype(options.textures or MOST)


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    per_pixel = 2.3
    per_pixel += 4 * ("height" in options.fields) + 2 * ("normal" in options.fields)
    _, regions = options.regions
    return int(height * width * per_pixel) + 1500 * regions + 1000


@lru_cache(maxsize=4096)
def _texture(kinds: tuple[str, ...], shares: tuple[float, float, float], seed: int, number: int) -> dict:
    from synthgen.texture import sample_texture

    rng = generator(seed, number, 0, "textures.texture")
    return sample_texture(rng, kinds, *shares)


def texture_of(options: Options, seed: int, number: int) -> dict:
    """Return the parameters of a texture: a function of its number alone, never of a table."""
    shares = options.warps, options.mixtures, options.gray_share
    return _texture(options.kinds, shares, seed, number)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``; ``light``, its ``azimuth`` and ``slope``; ``fields``, those asked for; ``ids``, the
        type of the semantic map; ``objects``, the regions, see FORMAT.md. The ``params`` of a region are
        ``source_class``, the number of its texture; ``texture``, see `synthgen.texture.mixture.sample_texture`;
        ``view``, the window; ``exposure``; and ``region``, its border.
    """
    from synthgen.texture.paint import sample_light
    from synthgen.texture.regions import sample_regions

    rng = generator(seed, label, index, "textures.image")
    light = sample_light(rng, options.light)
    low, high = options.regions
    count = int(rng.integers(low, high + 1))
    numbers = _textures_of(rng, options, label, count)
    regions = sample_regions(generator(seed, label, index, "textures.regions"), count)

    objects = []
    for number, (texture, region) in enumerate(zip(numbers, regions, strict=True), 1):
        # a stream of its own, so that more regions leave the first ones as they were
        own = generator(seed, label, index, f"textures.region{number}")
        objects.append(_object(own, options, seed, number, texture, region))

    return {
        "class": label,
        "index": index,
        "light": {"azimuth": light.azimuth, "slope": list(light.slope)},
        "fields": list(options.fields),
        "ids": _semantic_dtype(options),
        "objects": objects,
    }


def _textures_of(rng: np.random.Generator, options: Options, label: int, count: int) -> list[int]:
    """Return the numbers of different textures of an image: its class, and others of its block."""
    textures = options.textures or MOST
    size = min(options.block or textures, textures)
    # the last block is as large as the others, and overlaps the one before it
    first = min(label // size * size, textures - size)
    steps = rng.choice(size - 1, count - 1, replace=False) if count > 1 else []
    place = label - first
    others = [first + (place + 1 + int(step)) % size for step in steps]
    return [label, *others]


def _object(rng: np.random.Generator, options: Options, seed: int, number: int, texture: int, region: dict) -> dict:
    """Return the record of a region: its texture, and which window of it is seen in what light."""
    from synthgen.texture.paint import sample_exposure
    from synthgen.texture.view import sample_view

    drawn = texture_of(options, seed, texture)
    view = sample_view(rng, options.scale, options.rotation, options.flips)
    exposure = sample_exposure(rng, options.light)
    params = {
        "source_class": texture,
        "texture": drawn,
        "view": {**view._asdict(), "center": list(view.center)},
        "exposure": exposure._asdict(),
        "region": region,
    }
    return new_record(number, drawn["kind"], params)


def draw(params: dict, size: tuple[int, int]):
    """Return one image.

    Parameters
    ----------
    params : dict
        As returned by `sample`.
    size : (int, int)
        Height and width in pixels. A larger image shows more of its textures.

    Returns
    -------
    pixels : ndarray of uint8, (H, W, 3)
    fields : dict
        ``mask``, 255 everywhere; ``instances``, uint8 (H, W), ids of the regions; ``semantic``, uint8 or uint16
        (H, W), number of the texture of each pixel, from 1; where asked for ``height`` and ``normal``.
    params : dict
        As given, with ``box``, ``area``, ``visible_area`` and ``center`` of each region.
    """
    from synthgen.texture.composite import compose
    from synthgen.texture.paint import Light

    things = params["objects"]
    light = Light(params["light"]["azimuth"], tuple(params["light"]["slope"]))
    parts = [_part(thing["params"]) for thing in things]
    drawn = compose(parts, light, size, tuple(params["fields"]))

    sources = [thing["params"]["source_class"] + 1 for thing in things]
    table = np.array([0, *sources], params["ids"])
    fields = {
        "mask": np.full(size, 255, np.uint8),
        "instances": drawn.top,
        "semantic": table[drawn.top],
        **drawn.surface,
    }
    visible = np.bincount(drawn.top.ravel(), minlength=len(things) + 1).tolist()
    objects = []
    for thing, cover, seen in zip(things, drawn.covers, visible[1:], strict=True):
        objects.append({**thing, **_measured(thing["params"]["region"], cover, seen, size)})
    return drawn.pixels, fields, {**params, "objects": objects}


def _part(own: dict):
    """Return what a region shows, of its parameters."""
    from synthgen.texture.composite import Part
    from synthgen.texture.paint import Exposure
    from synthgen.texture.view import View

    view = View(**{**own["view"], "center": tuple(own["view"]["center"])})
    return Part(own["region"], own["texture"], view, Exposure(**own["exposure"]))


def _measured(region: dict, cover: np.ndarray, visible: int, size: tuple[int, int]) -> dict:
    """Return what is measured of a region."""
    from synthgen.texture.composite import box_of

    height, width = size
    down, right = region["at"]
    return {
        "box": list(box_of(cover) or (0, 0, 0, 0)),
        "area": int(np.count_nonzero(cover)),
        "visible_area": visible,
        "center": [down * height - 0.5, right * width - 0.5],
    }


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name, and the kind of the texture."""
    texture = texture_of(options, seed, label)
    return {"name": f"texture-{label:06d}", "kind": texture["kind"], "mix": texture["mix"]}
