"""Multi-formula images: several objects of a group of source classes in one image (paper 000 section 3.3)."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.families import Drawer
from synthgen.families._objects import DRAWN, draw_object, source_of
from synthgen.options import check_ranges
from synthgen.sample import FieldSpec
from synthgen.seeding import generator

NAME = "multiformula"
VERSION = 1
LIBRARIES = ("numba", "pillow")
HELP = """
Paste objects of several formulas into one image, with a mask and instance ids. A class is a group of the source's
classes; an image holds some of their objects, drawn at the size in which they are pasted.

\b
synthgen multiformula --source fractals --classes 200 --per-class 2000
synthgen multiformula --source hybrid --classes 10 --objects 2:5 --background diamond-square
synthgen multiformula --source mandelbulb-1037x1 --grouping similar
"""

Count = Annotated[int, msgspec.Meta(ge=1, le=255)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Maps = Annotated[int, msgspec.Meta(ge=2, le=8)]
_LEAST_SIDE = 4


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    source: Annotated[
        str,
        msgspec.Meta(
            description="What the objects are: fractals, mandelbulb, hybrid, or the folder of a data set."
        ),
    ] = "fractals"
    source_classes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="Use only the first N classes of the source.  [default: all; 1,000 for fractals]"),
    ] = None
    groups: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(
            description="Groups that the source's classes are cut into; classes are the first of them.  "
            "[default: a fifth of the source's classes, at most 200; more where more classes are asked for]"
        ),
    ] = None
    grouping: Annotated[
        Literal["random", "similar", "distinct"],
        msgspec.Meta(description="Which classes of the source make a group: any, similar ones, or different ones."),
    ] = "random"
    objects: Annotated[
        tuple[Count, Count], msgspec.Meta(description="Objects in an image, LOW:HIGH, at most 255.")
    ] = (
        4,
        10,
    )
    scale: Annotated[
        tuple[Share, Share],
        msgspec.Meta(description="Side of an object as a share of the image's shorter side, LOW:HIGH in (0, 1]."),
    ] = (0.15, 0.6)
    background: Annotated[
        Literal["black", "diamond-square"], msgspec.Meta(description="What lies behind the objects.")
    ] = "black"
    gray: Annotated[bool, msgspec.Meta(description="One grey channel instead of colours.")] = False
    flips: Annotated[bool, msgspec.Meta(description="Flip and transpose objects at random.")] = True
    transforms: Annotated[bool, msgspec.Meta(description="Rotate, shear and stretch objects at random.")] = False
    blur: Annotated[bool, msgspec.Meta(description="Blur half of the objects by a 3 x 3 Gaussian.")] = False
    points: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=20_000_000,
            description="Points of a fractal of half the image's side; others get as many a pixel.",
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
        if self.source not in DRAWN and not Path(self.source).is_dir():
            raise ValueError(f"source must be {', '.join(DRAWN)} or the folder of a data set, got {self.source!r}")
        known = source_of(self).classes
        if (self.source_classes or 1) > known:
            raise ValueError(
                f"source_classes must be <= {known:,}, the source's classes, got {self.source_classes:,}"
            )
        if (self.groups or 1) > source_classes(self):
            raise ValueError(
                f"groups must be <= {source_classes(self):,}, the source's classes, got {self.groups:,}"
            )


def source_classes(options: Options) -> int:
    """Return how many classes of the source are used."""
    return options.source_classes or source_of(options).classes


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    per_class = 50 if options.source in ("mandelbulb", "hybrid") else 2000
    return {"classes": options.groups or _usual_groups(options), "per_class": per_class, "size": 224}


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
    source = options.source if options.source in DRAWN else str(Path(options.source).absolute())
    groups = options.groups or max(classes, _usual_groups(options))
    return msgspec.structs.replace(options, source=source, groups=groups)


def inputs(options: Options) -> dict[str, str]:
    """Return the data fingerprint of a source that is a data set: it may move, but not change."""
    fingerprint = source_of(options).fingerprint
    return {"source": fingerprint} if fingerprint else {}


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    return {
        "image": FieldSpec("uint8", size if options.gray else (*size, 3)),
        "mask": FieldSpec("uint8", size, kind="mask"),
        "instances": FieldSpec("uint8", size, kind="ids"),
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    per_pixel = 0.6 if options.background == "black" else 2.5
    return int(size[0] * size[1] * per_pixel * (1 if options.gray else 1.5)) + 700 * options.objects[1]


@lru_cache(maxsize=4)
def members(options: Options, seed: int) -> list[list[int]]:
    """Return the classes of the source in each group.

    Descriptors for ``similar`` and ``distinct``: of fractals the means over the first 8 systems of the number of
    maps, the sigma factor a map, the summed area of the maps and their mean shift; of Mandelbulbs powers and rule
    bits; of a data set the mean mask of the first 4 images at 8 x 8 pixels.
    """
    from synthgen.compose.grouping import group

    count, descriptors = source_classes(options), None
    if options.grouping != "random":
        descriptors = source_of(options).descriptors(seed, count)
    return group(count, options.groups, seed, descriptors, options.grouping == "distinct")


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Draw the parameters of one image.

    Fractals get their points by area: ``points`` for one of half the image's side, and so many a pixel for all.
    Thus they look equally dense whatever their size.

    Returns
    -------
    dict
        ``class``, ``index``, ``source``, ``gray``; ``background``, where there is one; ``objects`` in painter's
        order: ``id``, ``source_class``, ``scale`` (its side over the image's shorter side), ``center`` ([row,
        column] as shares of the image), ``orientation`` (three bits), where asked for ``blur`` and ``transform``,
        and ``params``, the object's own.
    """
    from synthgen import compose

    source = source_of(options)
    group = members(options, seed)[label]
    rng = generator(seed, label, index, "multiformula.image")
    low, high = options.objects
    count = int(rng.integers(low, high + 1))
    params = {"class": label, "index": index, "source": options.source, "gray": options.gray, "objects": []}
    if options.background == "diamond-square":
        params["background"] = compose.sample_diamond_square(
            generator(seed, label, index, "multiformula.background")
        )
    # Drawn for all objects and options, so that one option does not shift the chance of another.
    shares = rng.random((count, 6)).tolist()
    picks = rng.integers(0, 2**31, (count, 2)).tolist()
    for number, (u, (pick, member)) in enumerate(zip(shares, picks, strict=True), start=1):
        source_class = group[pick % len(group)]
        scale = round(options.scale[0] + (options.scale[1] - options.scale[0]) * u[0], 6)
        thing = {
            "id": number,
            "source_class": source_class,
            "scale": scale,
            "center": [round(u[1], 6), round(u[2], 6)],
            "orientation": int(8 * u[3]) if options.flips else 0,
            "params": source.sample(seed, source_class, member, 2 * scale),
        }
        if options.blur and u[4] < 0.5:
            thing["blur"] = compose.gaussian_weight(0.5 + u[5])
        if options.transforms:
            thing["transform"] = compose.sample_transform(
                generator(seed, label, index, f"multiformula.transform.{number}")
            )
        params["objects"].append(thing)
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
    pixels : ndarray of uint8, (H, W) or (H, W, 3)
    fields : dict
        ``instances``, uint8 (H, W): id of the object on top, 0 for the background; ``mask``, uint8 (H, W): 255
        where there is any.
    params : dict
        As given; each of ``objects`` also has ``box`` [top, left, bottom, right], the last two exclusive, and
        ``area`` of its pixels inside the image, hidden or not, and ``visible_area``, those that are on top.
    """
    from synthgen import compose

    behind = np.zeros(size if params["gray"] else (*size, 3), np.uint8)
    if "background" in params:
        behind = compose.diamond_square(params["background"], size)
        behind = compose.to_grey(behind) if params["gray"] else behind
    scene = compose.Scene(behind)
    for thing in params["objects"]:
        pixels, cover = _object(thing, params["source"], params["gray"], size)
        top, left = (round(c * n - side / 2) for c, n, side in zip(thing["center"], size, cover.shape, strict=True))
        scene.paste(pixels, cover, top, left, thing.get("blur", 0.0))
    facts = zip(params["objects"], scene.boxes, scene.areas, scene.visible_areas(), strict=True)
    objects = [{**thing, "box": box, "area": area, "visible_area": visible} for thing, box, area, visible in facts]
    mask = (scene.instances != 0).view(np.uint8) * np.uint8(255)
    return scene.image, {"mask": mask, "instances": scene.instances}, {**params, "objects": objects}


def _object(thing: dict, source: str, gray: bool, size) -> tuple:
    """Return pixels and cover of an object as it is pasted."""
    from synthgen import compose

    side = max(_LEAST_SIDE, round(thing["scale"] * min(size)))
    pixels, cover = draw_object(source, thing["params"], side, gray)
    if "transform" in thing:
        pixels, cover = compose.transform(pixels, cover, thing["transform"])
    return compose.orient(pixels, thing["orientation"]), compose.orient(cover, thing["orientation"])


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name, and numbers and names of the group's source classes."""
    group, source = members(options, seed)[label], source_of(options)
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
