"""Multi-formula images: objects of a group of source classes in one image (Ugwu et al. 2024, section 3.3)."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.families import Drawer
from synthgen.families._objects import draw_object, drawn_sources, family_of, source_of
from synthgen.families._records import new_record
from synthgen.options import check_ranges
from synthgen.sample import FieldSpec, id_dtype
from synthgen.seeding import generator

NAME = "multiformula"
VERSION = 3
LIBRARIES = ("numba", "pillow")
HELP = """
Paste objects of several formulas into one image, with a mask and instance ids. A class is a group of the source's
classes; an image holds some of their objects, drawn at the size in which they are pasted.

\b
synthgen multiformula --source fractals --classes 200 --per-class 2000
synthgen multiformula --source hybrid --classes 10 --objects 2:5 --background diamond-square
synthgen multiformula --source mandelbulb-1037x1 --grouping similar
"""

Count = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Maps = Annotated[int, msgspec.Meta(ge=2, le=8)]
_LEAST_SIDE = 4


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    source: Annotated[
        str,
        msgspec.Meta(
            description="What the objects are: fractals, mandelbulb, hybrid, another family that draws objects, or "
            "the folder of a data set."
        ),
    ] = "fractals"
    source_classes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="Use only the first N classes of the source.  [default: all; 1,000 for fractals]"),
    ] = None
    groups: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(
            description="Into how many groups the source's classes are divided; the first are the classes.  "
            "[default: a fifth of the source's classes, at most 200; more where more classes are asked for]"
        ),
    ] = None
    grouping: Annotated[
        Literal["random", "similar", "distinct"],
        msgspec.Meta(description="Which classes of the source make a group: any, similar ones, or different ones."),
    ] = "random"
    objects: Annotated[
        tuple[Count, Count], msgspec.Meta(description="Objects in an image, LOW:HIGH, at most 65,535.")
    ] = (
        4,
        10,
    )
    capped: Annotated[
        bool,
        msgspec.Meta(
            description="Paste at most as many objects as the group has classes, as the published generator does."
        ),
    ] = False
    scale: Annotated[
        tuple[Share, Share],
        msgspec.Meta(description="Side of an object as a share of the image's shorter side, LOW:HIGH in (0, 1]."),
    ] = (0.15, 0.6)
    background: Annotated[
        Literal["black", "diamond-square"], msgspec.Meta(description="What lies behind the objects.")
    ] = "black"
    gray: Annotated[
        bool, msgspec.Meta(description="One gray channel instead of colors: their luma, whatever the source.")
    ] = False
    flips: Annotated[bool, msgspec.Meta(description="Flip and transpose objects at random.")] = True
    transforms: Annotated[bool, msgspec.Meta(description="Rotate, shear and stretch objects at random.")] = False
    blur: Annotated[
        bool, msgspec.Meta(description="Blur the objects of half of the images by a 3 x 3 Gaussian.")
    ] = False
    points: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=20_000_000,
            description="Points of a fractal whose side is half of the image's. Others get as many a pixel.",
        ),
    ] = 100_000
    systems: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Systems in each class of fractals.")] = (
        100
    )
    maps: Annotated[
        tuple[Maps, Maps], msgspec.Meta(description="Number of maps of a fractal, or a range LOW:HIGH within 2:8.")
    ] = (2, 4)

    def __post_init__(self):
        check_ranges(self, "objects", "scale", "maps")
        if family_of(self.source) is None and not Path(self.source).is_dir():
            choices = ", ".join(drawn_sources())
            raise ValueError(f"source must be {choices} or the folder of a data set, got {self.source!r}")

        known = source_of(self).classes
        if (self.source_classes or 1) > known:
            rule = f"must be <= {known:,}, the source's classes"
            raise ValueError(f"source_classes {rule}, got {self.source_classes:,}")

        used = source_classes(self)
        if (self.groups or 1) > used:
            raise ValueError(f"groups must be <= {used:,}, the source's classes, got {self.groups:,}")


def source_classes(options: Options) -> int:
    """Return how many classes of the source are used."""
    return options.source_classes or source_of(options).classes


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    return {
        "classes": options.groups or _usual_groups(options),
        "per_class": source_of(options).per_class,
        "size": 224,
    }


def _usual_groups(options: Options) -> int:
    return min(200, max(1, source_classes(options) // 5))


def most_classes(options: Options) -> int:
    """Return how many classes there can be: one for each group."""
    return options.groups or source_classes(options)


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the number of groups and the absolute path of the source written out.

    Groups do not depend on the number of classes, as long as no more are asked for than there are by default:
    fewer classes are the first of the same groups.
    """
    source = options.source
    if family_of(source) is None:
        source = str(Path(source).absolute())
    groups = options.groups or max(classes, _usual_groups(options))
    return msgspec.structs.replace(options, source=source, groups=groups)


def inputs(options: Options) -> dict[str, str]:
    """Return what the fingerprint must know of the source: its version, or the fingerprint of a data set."""
    return source_of(options).inputs


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    shape = size if options.gray else (*size, 3)
    return {
        "image": FieldSpec("uint8", shape),
        "mask": FieldSpec("uint8", size, kind="mask"),
        "instances": FieldSpec(_ids(options), size, kind="ids"),
    }


def _ids(options: Options) -> str:
    """Return the type of ids: 8 bits, where they are enough for the largest number of objects."""
    return id_dtype(options.objects[1])


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    per_pixel = 0.6 if options.background == "black" else 2.5
    if not options.gray:
        per_pixel *= 1.5
    return int(height * width * per_pixel) + 700 * options.objects[1]


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core: that of its objects, and that of the image."""
    source = source_of(options)
    height, width = size
    scale = sum(options.scale) / 2
    side = max(1, round(scale * min(size)))
    objects = sum(options.objects) / 2
    image = height * width * (60e-9 if options.background == "black" else 260e-9)
    return image + objects * source.seconds((side, side))


@lru_cache(maxsize=4)
def members(options: Options, seed: int) -> list[list[int]]:
    """Return the classes of the source in each group.

    Descriptors for ``similar`` and ``distinct``: of fractals the means over the first 8 systems of the number of
    maps, the sigma factor a map, the summed area of the maps and their mean shift; of Mandelbulbs powers and rule
    bits; of a data set the mean mask of the first 4 images at 8 x 8 pixels.
    """
    from synthgen.compose.grouping import group

    count = source_classes(options)
    descriptors = None
    if options.grouping != "random":
        descriptors = source_of(options).descriptors(seed, count)

    groups = options.groups or _usual_groups(options)
    distinct = options.grouping == "distinct"
    return group(count, groups, seed, descriptors, distinct)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Fractals get their points by area: ``points`` for one of half the image's side, and so many a pixel for all.
    Thus they look equally dense whatever their size.

    Returns
    -------
    dict
        ``class``, ``index``, ``source``, ``gray``; ``ids``, the type of the instance ids; ``background``, None
        where it is black; ``objects`` in painter's order, see FORMAT.md. The ``params`` of an object are
        ``source_class``; ``scale``, its side over the image's shorter side; ``at``, the row and the column of its
        center as shares of the image; ``orientation``, three bits; ``blur`` and ``transform``, None where it has
        none; ``drawn``, the parameters of the source.
    """
    from synthgen import compose

    rng = generator(seed, label, index, "multiformula.image")
    low, high = options.objects
    count = int(rng.integers(low, high + 1))
    background = None
    if options.background == "diamond-square":
        own = generator(seed, label, index, "multiformula.background")
        background = compose.sample_diamond_square(own)

    # Drawn for all objects and options, so that one option does not shift the chance of another.
    shares = rng.random((count, 4)).tolist()
    picks = rng.integers(0, 2**31, (count, 2)).tolist()

    source = source_of(options)
    group = members(options, seed)[label]
    blur = _blur_of(options, seed, label, index)
    if options.capped:
        shares = shares[: len(group)]
        picks = picks[: len(group)]
    objects = []
    for number, (share, (pick, member)) in enumerate(zip(shares, picks, strict=True), start=1):
        params = _object_params(options, share, blur)
        source_class = group[pick % len(group)]
        params["source_class"] = source_class
        params["drawn"] = source.sample(seed, source_class, member, 2 * params["scale"])
        if options.transforms:
            own = generator(seed, label, index, f"multiformula.transform.{number}")
            params["transform"] = compose.sample_transform(own)
        objects.append(new_record(number, source.kind, params))

    return {
        "class": label,
        "index": index,
        "source": options.source,
        "gray": options.gray,
        "ids": _ids(options),
        "background": background,
        "objects": objects,
    }


def _blur_of(options: Options, seed: int, label: int, index: int) -> float | None:
    """Return the blur that all objects of an image have in common; None for half of the images."""
    from synthgen import compose

    own = generator(seed, label, index, "multiformula.blur")
    is_blurred, width = own.random(2).tolist()
    if not options.blur or is_blurred >= 0.5:
        return None
    return compose.gaussian_weight(0.5 + 0.5 * width)


def _object_params(options: Options, shares: list[float], blur: float | None) -> dict:
    """Return where and how an object is pasted, made of four uniform numbers."""
    size, down, right, orientation = shares
    low, high = options.scale
    width = high - low

    return {
        "source_class": None,
        "scale": round(low + width * size, 6),
        "at": [round(down, 6), round(right, 6)],
        "orientation": int(8 * orientation) if options.flips else 0,
        "blur": blur,
        "transform": None,
        "drawn": None,
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
    pixels : ndarray of uint8, (H, W) or (H, W, 3)
    fields : dict
        ``instances``, uint8 or uint16 (H, W): id of the object on top, 0 for the background; ``mask``, uint8
        (H, W): 255 where there is any.
    params : dict
        As given, with ``box``, ``area``, ``visible_area`` and ``center`` of each object.
    """
    from synthgen import compose

    scene = compose.Scene(_background(params, size), np.dtype(params["ids"]))
    for thing in params["objects"]:
        own = thing["params"]
        pixels, cover = _object(own, params["source"], params["gray"], size)
        top, left = _corner(own["at"], size, cover.shape)
        scene.paste(pixels, cover, top, left, own["blur"] or 0.0)

    visible_areas = scene.visible_areas()
    objects = []
    for number, thing in enumerate(params["objects"]):
        objects.append({
            **thing,
            "box": scene.boxes[number],
            "area": scene.areas[number],
            "visible_area": visible_areas[number],
            "center": scene.centers[number],
        })  # fmt: skip

    mask = (scene.instances != 0).view(np.uint8) * np.uint8(255)
    fields = {"mask": mask, "instances": scene.instances}
    return scene.image, fields, {**params, "objects": objects}


def _background(params: dict, size: tuple[int, int]) -> np.ndarray:
    """Return what lies behind the objects."""
    from synthgen import compose

    if params["background"] is None:
        return np.zeros(size if params["gray"] else (*size, 3), np.uint8)
    image = compose.diamond_square(params["background"], size)
    return compose.to_gray(image) if params["gray"] else image


def _corner(at: list[float], size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Return top and left of an object of a shape whose center lies at these shares of an image."""
    down, right = at
    image_height, image_width = size
    height, width = shape
    top = down * image_height - height / 2
    left = right * image_width - width / 2
    return round(top), round(left)


def _object(own: dict, source: str, gray: bool, size: tuple[int, int]) -> tuple:
    """Return pixels and cover of an object as it is pasted."""
    from synthgen.compose.transform import orient, transform

    wanted = own["scale"] * min(size)
    side = max(_LEAST_SIDE, round(wanted))
    pixels, cover = draw_object(source, own["drawn"], side, gray)
    if own["transform"] is not None:
        pixels, cover = transform(pixels, cover, own["transform"])

    orientation = own["orientation"]
    pixels = orient(pixels, orientation)
    cover = orient(cover, orientation)
    return pixels, cover


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name, and numbers and names of the group's source classes."""
    group = members(options, seed)[label]
    source = source_of(options)
    return {
        "name": f"multi-{Path(options.source).name}-{label:06d}",
        "source_classes": group,
        "source_names": [source.name(seed, number) for number in group],
    }


def device(options: Options) -> Drawer:
    """Return what draws the objects."""
    return source_of(options).device()


def tolerance(options: Options) -> float:
    """Return the gray levels by which other devices may differ, on average over an image."""
    return source_of(options).tolerance()
