"""Procedural textures: a class is one texture, an image a window of it, or several textures side by side."""

from functools import lru_cache
from typing import Annotated, Literal, get_args

import msgspec
import numpy as np

from synthgen.families._records import new_record
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec, id_dtype
from synthgen.seeding import generator

NAME = "textures"
VERSION = 2
# A lossy codec would change pixels outside of the masks of defects.
LOSSLESS = True
LIBRARIES = ("numba",)
HELP = """
Draw procedural textures. A class is one texture, endless and without a seam; an image is a window of it, or
several textures with irregular borders, each with its exact place.

\b
synthgen textures --classes 1000 --per-class 100
synthgen textures --regions 1:4 --classes 2000 --per-class 50 --size 96
synthgen textures --kinds periodic,cellular --fields height,normal
synthgen textures --layout test --texture 7
"""

Kind = Literal[
    "spectral", "periodic", "cellular", "leaves", "stamps", "fibers", "wood", "gabor", "craters", "reaction"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Defect = Literal["patch", "displaced", "blur", "tear", "missing"]
DEFECTS: tuple[Defect, ...] = ("patch", "displaced", "blur", "tear", "missing")
Area = Annotated[float, msgspec.Meta(ge=1e-4, le=0.25)]
Factor = Annotated[float, msgspec.Meta(ge=0.1, le=10)]
Number = Annotated[int, msgspec.Meta(ge=1, le=32)]
# Ids of textures have 16 bits, and 0 is none.
MOST = 65_535


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    layout: Annotated[
        Literal["train", "test"],
        msgspec.Meta(
            description="train: a class is a texture. test: one texture, `good` and a class for each defect kind."
        ),
    ] = "train"
    texture: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            lt=MOST,
            description="Number of the texture of class 0, or of all images for --layout test.",
        ),
    ] = 0
    kinds: Annotated[
        tuple[Kind, ...],
        msgspec.Meta(
            description="What textures are made of: spectral (noise), periodic (gratings, weaves, bricks ..), "
            "cellular, leaves (dead leaves), stamps (of fractals), fibers, wood, gabor (noise of short waves), "
            "craters (blasted and hammered metal), reaction (and diffusion: spots, mazes)."
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
    defects: Annotated[
        tuple[Defect, ...] | None,
        msgspec.Meta(
            description="Kinds of defects (layout test): patch (of another texture), displaced (a piece, moved and "
            "turned), blur, tear, missing (an element).  [default: all]"
        ),
    ] = None
    objects: Annotated[
        tuple[Number, Number],
        msgspec.Meta(description="Defects in an image (layout test), LOW:HIGH."),
    ] = (1, 2)
    area: Annotated[
        tuple[Area, Area],
        msgspec.Meta(description="Share of the image that a defect takes (layout test), LOW:HIGH."),
    ] = (0.002, 0.03)
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
        tuple[Literal["height", "normal", "clean"], ...],
        msgspec.Meta(
            description="Further fields of each sample: height and normal of the relief; clean, the image without "
            "defects (layout test)."
        ),
    ] = ()

    def __post_init__(self):
        check_ranges(self, "regions", "scale", "objects", "area")
        check_unique(self, "kinds", "fields", "defects")
        for name in ("kinds", "defects"):
            if getattr(self, name) == ():
                raise ValueError(f"{name} must name at least one, got none")
        if self.layout == "train":
            self._check_train()
        else:
            self._check_test()

    def _check_train(self):
        """Refuse options of the other layout, and more textures in an image than there are."""
        if self.defects is not None:
            raise ValueError(f"defects must be left out for --layout train, got {','.join(self.defects)}")
        if "clean" in self.fields:
            raise ValueError("fields must not have clean for --layout train: nothing is wrong there")

        _, most = self.regions
        for name in ("textures", "block"):
            given = getattr(self, name)
            if given is not None and given < most:
                raise ValueError(f"{name} must be >= {most}, the textures of an image, got {given}")
        if self.textures is not None and self.textures <= self.texture:
            raise ValueError(f"textures must be > {self.texture}, the first texture, got {self.textures}")

    def _check_test(self):
        """Refuse options of the other layout."""
        low, high = self.regions
        if high > 1:
            raise ValueError(f"regions must be 1 for --layout test, got {low}:{high}")
        surface = [name for name in self.fields if name != "clean"]
        if surface:
            raise ValueError(f"fields must be clean or none for --layout test, got {','.join(surface)}")


def defect_kinds(options: Options) -> tuple[str, ...]:
    """Return the kinds of defects that there are, in the order of their classes."""
    if options.layout == "train":
        return ()
    return options.defects or DEFECTS


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    if options.layout == "test":
        return {"classes": most_classes(options), "per_class": 50, "size": 256}
    usual = 1000 if options.textures is None else options.textures - options.texture
    return {"classes": usual, "per_class": 100, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are: textures are drawn, not listed, but an id has 16 bits."""
    if options.layout == "test":
        return 1 + len(defect_kinds(options))
    textures = options.textures or MOST
    return textures - options.texture


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the number of textures written out."""
    if options.textures is not None:
        return options
    _, most = options.regions
    used = 1 if options.layout == "test" else classes
    textures = max(options.texture + used, most)
    return msgspec.structs.replace(options, textures=textures)


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    image = FieldSpec("uint8", (*size, 3))
    specs = {
        "image": image,
        "mask": FieldSpec("uint8", size, kind="mask"),
        "instances": FieldSpec("uint8", size, kind="ids"),
    }
    if options.layout == "train":
        specs["semantic"] = FieldSpec(_semantic_dtype(options), size, kind="ids")

    further = {
        "height": FieldSpec("float32", size, kind="array"),
        "normal": FieldSpec("float32", (*size, 3), kind="normal"),
        "clean": image,
    }
    return {**specs, **{name: further[name] for name in options.fields}}


def _semantic_dtype(options: Options) -> str:
    return id_dtype(options.textures or MOST)


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    further = {"height": 4.0, "normal": 2.0, "clean": 2.2}
    per_pixel = 2.3 + sum(further[name] for name in options.fields)
    _, regions = options.regions
    return int(height * width * per_pixel) + 1500 * regions + 1000


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    _, regions = options.regions
    return 2e-3 + height * width * (250e-9 + 60e-9 * regions)


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
        ``class``, ``index``; ``base``, what an image of layout test shows beside its defects, else None; ``light``,
        its ``azimuth`` and ``slope``; ``fields``, those asked for; ``ids``, the type of the semantic map;
        ``objects``, the regions or the defects, see FORMAT.md. The ``params`` of a region are
        ``source_class``, the number of its texture; ``texture``, see `synthgen.texture.mixture.sample_texture`;
        ``view``, the window; ``exposure``; and ``region``, its border.
    """
    from synthgen.texture.paint import sample_light

    rng = generator(seed, label, index, f"textures.{options.layout}")
    light = sample_light(rng, options.light)
    params = {
        "class": label,
        "index": index,
        "base": None,
        "light": {"azimuth": light.azimuth, "slope": list(light.slope)},
        "fields": list(options.fields),
        "ids": _semantic_dtype(options),
    }
    if options.layout == "test":
        base = _shown(rng, options, seed, options.texture)
        return {**params, "base": base, "objects": _sample_defects(options, seed, label, index)}
    return {**params, "objects": _sample_regions(rng, options, seed, label, index)}


def _sample_regions(rng: np.random.Generator, options: Options, seed: int, label: int, index: int) -> list[dict]:
    """Return the records of the regions of an image."""
    from synthgen.texture.regions import sample_regions

    low, high = options.regions
    count = int(rng.integers(low, high + 1))
    textures = _textures_of(rng, options, options.texture + label, count)
    borders = generator(seed, label, index, "textures.regions")
    regions = sample_regions(borders, count)

    objects = []
    for number, (texture, region) in enumerate(zip(textures, regions, strict=True), 1):
        # a stream of its own, so that more regions leave the first ones as they were
        own = generator(seed, label, index, f"textures.region{number}")
        shown = _shown(own, options, seed, texture)
        kind = shown["texture"]["kind"]
        objects.append(new_record(number, kind, {**shown, "region": region}))
    return objects


def _sample_defects(options: Options, seed: int, label: int, index: int) -> list[dict]:
    """Return the records of the defects of an image, which are of one kind, that of its class."""
    from synthgen.texture.defects import sample_defect

    # class 0 is good images
    if label == 0:
        return []
    kind = defect_kinds(options)[label - 1]
    rng = generator(seed, label, index, "textures.defects")
    low, high = options.objects
    count = int(rng.integers(low, high + 1))

    objects = []
    for number in range(1, count + 1):
        own = generator(seed, label, index, f"textures.defect{number}")
        params = sample_defect(own, kind, options.area)
        # any other texture
        other = (options.texture + 1 + int(own.integers(MOST - 1))) % MOST
        params["shown"] = _shown(own, options, seed, other) if kind == "patch" else None
        objects.append(new_record(number, kind, params))
    return objects


def _textures_of(rng: np.random.Generator, options: Options, number: int, count: int) -> list[int]:
    """Return the numbers of different textures of an image: its own, and others of its block."""
    textures = options.textures or MOST
    size = min(options.block or textures, textures)
    # the last block is as large as the others, and overlaps the one before it
    first = min(number // size * size, textures - size)
    if count == 1:
        return [number]

    steps = rng.choice(size - 1, count - 1, replace=False)
    place = number - first
    others = [first + (place + 1 + int(step)) % size for step in steps]
    return [number, *others]


def _shown(rng: np.random.Generator, options: Options, seed: int, number: int) -> dict:
    """Return a texture, and which window of it is seen in what light."""
    from synthgen.texture.paint import sample_exposure
    from synthgen.texture.view import sample_view

    view = sample_view(rng, options.scale, options.rotation, options.flips)
    exposure = sample_exposure(rng, options.light)
    return {
        "source_class": number,
        "texture": texture_of(options, seed, number),
        "view": {**view._asdict(), "center": list(view.center)},
        "exposure": exposure._asdict(),
    }


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
        (H, W), number of the texture of each pixel, from 1; where asked for ``height`` and ``normal``. In layout
        test ``mask`` and ``instances`` are those of the defects; where asked for ``clean``.
    params : dict
        As given, with ``box``, ``area``, ``visible_area`` and ``center`` of each region.
    """
    from synthgen.texture.paint import Light

    light = Light(params["light"]["azimuth"], tuple(params["light"]["slope"]))
    if params["base"] is None:
        return _draw_regions(params, light, size)
    return _draw_defects(params, light, size)


def _draw_regions(params: dict, light, size: tuple[int, int]):
    """Return an image of regions."""
    from synthgen.texture.composite import compose

    things = params["objects"]
    parts = [_part(thing["params"], thing["params"]["region"]) for thing in things]
    drawn = compose(parts, light, size, tuple(params["fields"]))

    sources = [thing["params"]["source_class"] + 1 for thing in things]
    table = np.array([0, *sources], params["ids"])
    fields = {
        "mask": np.full(size, 255, np.uint8),
        "instances": drawn.top,
        "semantic": np.take(table, drawn.top),
        **drawn.surface,
    }
    objects = []
    for number, (thing, cover) in enumerate(zip(things, drawn.covers, strict=True), 1):
        seen = int(np.count_nonzero(drawn.top == number))
        objects.append({**thing, **_measured_region(thing["params"]["region"], cover, seen, size)})
    return drawn.pixels, fields, {**params, "objects": objects}


def _draw_defects(params: dict, light, size: tuple[int, int]):
    """Return an image of one texture with defects."""
    from synthgen.texture.composite import WHOLE, compose
    from synthgen.texture.defects import Scene, draw_defects

    base = _part(params["base"], WHOLE)
    clean = compose([base], light, size).pixels
    things = params["objects"]
    defects = []
    for thing in things:
        own = thing["params"]
        foreign = None if own["shown"] is None else _part(own["shown"], WHOLE)
        defects.append((thing["kind"], own, foreign))

    pixels, instances, measured = draw_defects(Scene(base, light, clean), defects)
    objects = [{**thing, **facts} for thing, facts in zip(things, measured, strict=True)]
    mask = (instances != 0).view(np.uint8) * np.uint8(255)
    fields = {"mask": mask, "instances": instances}
    if "clean" in params["fields"]:
        fields["clean"] = clean
    return pixels, fields, {**params, "objects": objects}


def _part(shown: dict, region: dict):
    """Return what a region shows, of its parameters."""
    from synthgen.texture.composite import Part
    from synthgen.texture.paint import Exposure
    from synthgen.texture.view import View

    center = tuple(shown["view"]["center"])
    view = View(**{**shown["view"], "center": center})
    exposure = Exposure(**shown["exposure"])
    return Part(region, shown["texture"], view, exposure)


def _measured_region(region: dict, cover: np.ndarray, visible: int, size: tuple[int, int]) -> dict:
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
    """Return the line of the class table: what the texture is; or ``good``, or the kind of the defects."""
    if options.layout == "test":
        names = ("good", *defect_kinds(options))
        return {"name": names[label]}

    number = options.texture + label
    texture = texture_of(options, seed, number)
    return {"name": f"texture-{number:06d}", "kind": texture["kind"], "mix": texture["mix"]}
