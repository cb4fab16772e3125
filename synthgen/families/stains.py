"""Inspected plates of brushed aluminium with water stains, other impurities and defects (Mao et al. 2025)."""

import math
import re
from collections.abc import Iterable
from functools import lru_cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from synthgen.errors import UsageError
from synthgen.families import ANY_CPU, Drawer
from synthgen.families._inspection import Blur, Layout, Light, SensorNoise
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec, id_dtype
from synthgen.seeding import generator
from synthgen.shards.files import sha256_of

NAME = "stains"
VERSION = 7
LIBRARIES = ("numba",)
# A lossy codec would change pixels outside of the masks.
LOSSLESS = True
HELP = """
Draw inspected plates of brushed aluminium under a ring light: water stains, fingerprints, stickers, scratches,
dents and bumps, each with its own exact mask, all of them numbered.

\b
synthgen stains --cell-size 5
synthgen stains --no-stains --per-class 80 --light ring-rotated
synthgen stains --layout test --impurities fingerprint,sticker --defects scratch,dent --fields clean
synthgen stains --layout test --mesh bolt --size 1224x1025
"""

Defect = Literal["scratch", "dent", "bump"]
Impurity = Literal["fingerprint", "sticker"]
Millimeters = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=40)]
NumberOrZero = Annotated[int, msgspec.Meta(ge=0, le=40)]
Factor = Annotated[float, msgspec.Meta(ge=0.05, le=20)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Inside = Annotated[float, msgspec.Meta(ge=0, le=0.9)]
Frequency = Annotated[float, msgspec.Meta(gt=0, le=1.5)]
Amplitude = Annotated[float, msgspec.Meta(ge=0, le=200)]
Decay = Annotated[float, msgspec.Meta(ge=0, le=40)]
Change = Annotated[float, msgspec.Meta(ge=-1, le=1)]

# Height and width of the plate, and the longest side of a part, mm.
PLATE_HEIGHT = 100.0
PLATE_WIDTH = 120.0
PART_SIDE = 80.0
# Limits of its own scale: any smaller, and the camera sees a speck; any larger, and it may reach the camera.
LEAST_PART = 1.0
MOST_PART = 300.0
# Farthest point of the plate from its middle along an axis, mm, and some more.
PLATE_REACH = 62.0
# Objects keep this share of the view between their middle and its edge.
MARGIN = 0.08
# Squared distance, as shares of the view, that objects of a kind keep from each other where there is room.
APART = 0.03
# Places that are tried for an object, and for a defect of a part.
TRIES = 12
PART_TRIES = 4
# A defect of less contrast, in gray levels, is drawn again, so many times at most.
LEAST_CONTRAST = 6.0
SHOW_TRIES = 12
# Facets of a machined part lie this much more unevenly than those of a brushed plate, and a gentle slope shows so
# much less: bumps of parts are higher by it.
BUMPS_OF_PARTS = 2.7
# Their sides are smaller than a plate, and bumps narrower, by up to this share.
BUMPS_NARROWER = 0.6
# Drops of a cell, and how far they lie from its first one in its radii (`synthgen.surface.stains.drops`).
DROPS_OF_A_CELL = 21
DRIED_REACH = 6.5
# The keys of all entries of `impurities` and of `defects`. Those that do not apply to a kind are null, so that all
# samples of a data set have the same keys.
IMPURITY_KEYS = (
    *("kind", "at", "center", "angle", "seed"),
    *("pattern", "semi_axes", "spacing", "core", "delta", "contrast", "haze", "matte", "pressure", "smudge"),
    *("size", "corner", "paper", "ink", "number", "digit", "light", "shadow", "relief", "bubbles", "wrinkles"),
)
DEFECT_KEYS = (
    *("kind", "at", "angle", "center", "normal"),
    *("vertices", "depths", "width", "radii", "height", "bend", "rim", "tip", "tilt"),
)


RANGES = (
    *("radius", "ring", "heterogeneity", "ring_width", "frequency", "amplitude", "decay", "intensity"),
    *("objects", "impurity_objects", "exposure"),
)
# Options of one kind of water alone, with what they are where nothing is said.
DRIED_ONLY = {"size_law": "power", "ring_width": (0.05, 0.3), "older": 0.3}
PAPER_ONLY = dict.fromkeys(("frequency", "amplitude", "decay", "intensity", "cells"))
# So many stains can be told apart on a plate.
MOST_STAINS = 60_000
# Rows and columns of places over a plate.
MOST_PLACES = 40


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    layout: Annotated[
        Layout,
        msgspec.Meta(
            description="train: one class, without defects. test: `good` and a class for each kind of defect."
        ),
    ] = "train"
    stains: Annotated[
        bool,
        msgspec.Meta(description="Water stains on the plate."),
    ] = True
    water: Annotated[
        Literal["dried", "paper"] | None,
        msgspec.Meta(description="Stains as dried water, or as Algorithm 1 of Mao et al. 2025.  [default: dried]"),
    ] = None
    cell_size: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=200, description="Side of the grid cells, mm, that have one stain each: the density."
        ),
    ] = 5.0
    radius: Annotated[
        tuple[Millimeters, Millimeters] | None,
        msgspec.Meta(
            description="Radius of a stain, mm, LOW:HIGH, at most the cell size.  [default: 0.08:4; paper "
            "1.25:2.25]"
        ),
    ] = None
    ring: Annotated[
        tuple[Share, Share] | None,
        msgspec.Meta(
            description="How much a drying ring hides, LOW:HIGH; 0 for none.  [default: 0.45:0.9; paper 0:0.16]"
        ),
    ] = None
    heterogeneity: Annotated[
        tuple[Inside, Inside] | None,
        msgspec.Meta(
            description="Haze, specks and grain inside a stain, LOW:HIGH; 0 for none.  [default: 0.3:0.9; paper "
            "0.25:0.65]"
        ),
    ] = None
    size_law: Annotated[
        Literal["power", "even"],
        msgspec.Meta(
            description="Dried water: power, half as many stains of twice the radius; even, all radii alike likely."
        ),
    ] = "power"
    ring_width: Annotated[
        tuple[Millimeters, Millimeters],
        msgspec.Meta(description="Dried water: width of the ring, mm, LOW:HIGH."),
    ] = (0.05, 0.3)
    older: Annotated[
        float,
        msgspec.Meta(
            ge=0, le=1, description="Dried water: share of the stains that dried before the others fell on them."
        ),
    ] = 0.3
    frequency: Annotated[
        tuple[Frequency, Frequency] | None,
        msgspec.Meta(
            description="Water paper: frequency of the outline's noise, per mm, LOW:HIGH.  [default: drawn]"
        ),
    ] = None
    amplitude: Annotated[
        tuple[Amplitude, Amplitude] | None,
        msgspec.Meta(description="Water paper: amplitude of the outline's noise, mm, LOW:HIGH.  [default: drawn]"),
    ] = None
    decay: Annotated[
        tuple[Decay, Decay] | None,
        msgspec.Meta(
            description="Water paper: exponent of the decay towards the center, LOW:HIGH.  [default: 1.5:5]"
        ),
    ] = None
    intensity: Annotated[
        tuple[Change, Change] | None,
        msgspec.Meta(
            description="Water paper: change of the reflectance at the edge, each stain its own, LOW:HIGH.  "
            "[default: drawn]"
        ),
    ] = None
    cells: Annotated[
        Literal["layer", "solid"] | None,
        msgspec.Meta(
            description="Water paper: cells in one layer about the plate, or in all of space as in Mao et al. "
            "2025.  [default: layer; solid on a part]"
        ),
    ] = None
    impurities: Annotated[
        tuple[Impurity, ...],
        msgspec.Meta(description="Other impurities: fingerprint, sticker, or both."),
    ] = ()
    defects: Annotated[
        tuple[Defect, ...] | None,
        msgspec.Meta(description="Kinds of defects (layout test).  [default: scratch,dent,bump]"),
    ] = None
    objects: Annotated[
        tuple[Number, Number],
        msgspec.Meta(description="Defects of a defective plate, and impurities of each kind, LOW:HIGH."),
    ] = (1, 3)
    impurity_objects: Annotated[
        tuple[NumberOrZero, NumberOrZero] | None,
        msgspec.Meta(description="Impurities of each kind on a plate, LOW:HIGH.  [default: as --objects]"),
    ] = None
    light: Annotated[
        Light,
        msgspec.Meta(
            description="The ring light, turned by 90 degrees, doubled in size, or another for each plate."
        ),
    ] = "ring"
    light_output: Annotated[
        Literal["radiance", "power"],
        msgspec.Meta(description="What stays the same where a light is larger: its radiance, or its power."),
    ] = "radiance"
    field_of_view: Annotated[
        Annotated[float, msgspec.Meta(ge=1, le=1000)] | None,
        msgspec.Meta(description="Width of what the image shows, mm.  [default: as much as lies on the plate]"),
    ] = None
    places: Annotated[
        str | None,
        msgspec.Meta(
            description="Images of each plate, ROWSxCOLUMNS: camera and light stand over a grid of places.  "
            "[default: one, over the middle]"
        ),
    ] = None
    exposure: Annotated[
        tuple[Factor, Factor],
        msgspec.Meta(description="Factor of the brightness, LOW:HIGH."),
    ] = (1.0, 1.0)
    blur: Blur = 0.0
    noise: SensorNoise = 0.0
    mesh: Annotated[
        str | None,
        msgspec.Meta(description="A part in place of the plate: plate (with holes), ring, bolt, or a mesh file."),
    ] = None
    mesh_scale: Annotated[
        Literal["fit", "mm", "m"],
        msgspec.Meta(
            description="Size of a part from a mesh file: fit, its longest side is 80 mm; mm or m, its own, in the "
            "unit of the file."
        ),
    ] = "fit"
    fields: Annotated[
        tuple[Literal["clean", "region"], ...],
        msgspec.Meta(
            description="Further fields of each sample: clean, the same plate without stains, impurities, defects; "
            "region, a mask of what is plate and not its edge. The masks of the objects are always there."
        ),
    ] = ()

    def __post_init__(self):
        check_ranges(self, *RANGES)
        check_unique(self, "impurities", "defects", "fields")
        _grid_of(self.places)
        self._check_water()
        if self.mesh is not None:
            if self.places:
                raise ValueError(f"places must be left out with a mesh, got {self.places}")
            if self.impurities:
                raise ValueError(f"impurities must be left out with a mesh, got {','.join(self.impurities)}")
            _check_mesh(self.mesh, self.mesh_scale)
        self._check_radius()
        if self.layout == "train" and self.defects:
            raise ValueError(f"defects must be left out for --layout train, got {','.join(self.defects)}")
        if self.layout == "test" and self.defects == ():
            raise ValueError("defects must name at least one kind for --layout test, got none")

    def _check_water(self):
        """Refuse options of the other kind of water, and what a part cannot have."""
        water = water_of(self)
        if self.mesh is not None and self.cells == "layer":
            raise ValueError("cells must be solid with a mesh, got layer")

        others = PAPER_ONLY if water == "dried" else DRIED_ONLY
        for name, default in others.items():
            if getattr(self, name) != default:
                raise ValueError(f"{name} must be left out for water {water}, got {as_text(getattr(self, name))}")

    def _check_radius(self):
        """Refuse stains that do not fit, and warn of those that leave no metal."""
        from synthgen.surface.stains.sampled import largest_reach

        if not self.stains:
            return
        self._check_cells()
        cell = self.cell_size
        dried = water_of(self) == "dried"
        if self.radius is not None and self.radius[1] > cell:
            low, high = self.radius
            why = "" if dried else " (the search for stains sees no further)"
            raise ValueError(f"radius must be <= {cell:g}, the cell size{why}, got {low:g}:{high:g}")

        reach = 0.0 if dried else largest_reach(_wanted(self))
        if reach > cell:
            least = math.ceil(1000 * reach) / 1000
            raise ValueError(f"cell_size must be >= {least:g}, radius and amplitude together, got {cell:g}")
        if self.radius is not None:
            from synthgen.surface.stains.field import warn_of_crowding

            warn_of_crowding(self.radius, cell)

    def _check_cells(self):
        """Refuse cells so small that the stains have no numbers."""
        if self.mesh is not None and water_of(self) == "paper":
            return
        width = min(PLATE_WIDTH, self.field_of_view or PLATE_WIDTH)
        area = PLATE_HEIGHT * width if self.mesh is None else _part_area(self)
        least = math.ceil(100 * math.sqrt(area / MOST_STAINS)) / 100
        if self.cell_size < least:
            of_what = f"plate {width:g} mm wide" if self.mesh is None else f"part of {area:.6g} square mm"
            raise ValueError(f"cell_size must be >= {least:g} for a {of_what}, got {self.cell_size:g}")


def water_of(options: Options) -> str:
    """Return how stains look: ``dried`` or ``paper``."""
    return options.water or "dried"


def _wanted(options: Options):
    """Return what the user asks of the stains."""
    from synthgen.surface.stains.sampled import Wanted

    asked = {name: getattr(options, name) for name in Wanted._fields if name != "layer"}
    layer = options.mesh is None and options.cells != "solid"
    return Wanted(**asked, layer=layer)


def as_text(value) -> str:
    """Return an option as the command line takes it."""
    if isinstance(value, tuple):
        return ":".join(f"{part:g}" for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@lru_cache(maxsize=16)
def _check_mesh(name: str, scale: str) -> None:
    from synthgen.surface.mesh.files import part_mesh

    try:
        mesh = part_mesh(name, scale)
    except UsageError as error:
        raise ValueError(f"mesh must be plate, ring, bolt or a mesh file: {error}") from None

    longest = float(mesh.extents.max())
    if not LEAST_PART <= longest <= MOST_PART:
        rule = f"must make the part {LEAST_PART:g} to {MOST_PART:g} mm large, or be fit"
        raise ValueError(f"mesh_scale {rule}, got {scale} and {longest:.6g} mm")


def defect_kinds(options: Options) -> tuple[Defect, ...]:
    """Return the kinds of defects that there are, in the order of their classes."""
    if options.layout == "train":
        return ()
    return options.defects or ("scratch", "dent", "bump")


def kinds(options: Options) -> tuple[str, ...]:
    """Return all kinds that have a mask, in painter's order of their ids."""
    stains = ("stain",) if options.stains else ()
    return (*stains, *options.impurities, *defect_kinds(options))


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say: 80 plates, as Mao et al. 2025."""
    classes = most_classes(options)
    plates = 80 // classes
    return {"classes": classes, "per_class": plates * images_of_plate(options), "size": [2050, 2448]}


def images_of_plate(options: Options) -> int:
    """Return how many images there are of each plate."""
    rows, columns = _grid_of(options.places) or (1, 1)
    return rows * columns


def _grid_of(places: str | None) -> tuple[int, int] | None:
    """Return the rows and columns of places over a plate, or None for the one over its middle."""
    if places is None:
        return None
    found = re.fullmatch(r"(\d{1,3})x(\d{1,3})", places)
    grid = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(1 <= count <= MOST_PLACES for count in grid):
        raise ValueError(f"places must be ROWSxCOLUMNS, 1 to {MOST_PLACES} each, got {places}")
    return grid


def most_classes(options: Options) -> int:
    """Return how many classes there are: good plates, and one for each kind of defect."""
    return 1 + len(defect_kinds(options))


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    image = FieldSpec("uint8", size)
    mask = FieldSpec("uint8", size, kind="mask")
    return {
        "image": image,
        "mask": mask,
        **dict.fromkeys(kinds(options), mask),
        "instances": FieldSpec(_id_dtype(options), size, kind="ids"),
        **{name: image if name == "clean" else mask for name in options.fields},
    }


def most_objects(options: Options) -> int:
    """Return a number of objects that no plate of these options exceeds."""
    _, impurities = _impurity_objects(options)
    _, defects = options.objects
    others = impurities * len(options.impurities) + defects * (options.layout == "test")
    return others + (_most_stains(options) if options.stains else 0)


def _impurity_objects(options: Options) -> tuple[int, int]:
    """Return how many impurities of each kind lie on a plate, from and to."""
    return options.impurity_objects or options.objects


def _most_stains(options: Options) -> int:
    """Return a number of stains that no plate or part of these options exceeds."""
    from synthgen.surface.stains import sampled

    wanted = _wanted(options)
    sides = (PLATE_HEIGHT, min(PLATE_WIDTH, options.field_of_view or PLATE_WIDTH), 0.0)
    if water_of(options) == "dried":
        _, high = sampled.dried_radius(wanted)
        reach = DRIED_REACH * high
        in_a_cell = DROPS_OF_A_CELL
        if options.mesh is not None:
            return in_a_cell * math.ceil(_part_area(options) / options.cell_size**2)
    else:
        reach = sampled.largest_reach(wanted)
        in_a_cell = 1
    if options.mesh is not None:
        sides = (_part_side(options),) * 3

    most = in_a_cell
    for side in sides[: 2 if in_a_cell > 1 else 3]:
        most *= math.floor((side + 2 * reach) / options.cell_size) + 2
    return most


def _part_area(options: Options) -> float:
    """Return the area of the surface of a part, square mm."""
    from synthgen.surface.mesh.files import part_mesh

    return float(part_mesh(str(options.mesh), options.mesh_scale).area)


def _part_side(options: Options) -> float:
    """Return the longest side of a part, mm, at most twice the width that the camera sees."""
    if options.mesh is None or options.mesh_scale == "fit":
        return PART_SIDE
    from synthgen.surface.mesh.files import part_mesh
    from synthgen.surface.mesh.scene import FIELD_OF_VIEW

    mesh = part_mesh(options.mesh, options.mesh_scale)
    seen = 2 * (options.field_of_view or FIELD_OF_VIEW)
    return min(float(mesh.extents.max()), seen)


def _id_dtype(options: Options) -> str:
    """Return the type of the instances: 8 bits are read by more tools, and hold 255 objects."""
    return id_dtype(most_objects(options))


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    images = 1 + ("clean" in options.fields)
    masks = 3 + len(kinds(options))
    per_pixel = 0.65 * images + 0.02 * masks
    return int(size[0] * size[1] * per_pixel) + 20_000


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    per_pixel = 250e-9 if options.mesh is None else 300e-9
    images = 1 + ("clean" in options.fields)
    # defects of a part are judged at one size, whatever is drawn
    judged = 0.0 if options.mesh is None or options.layout == "train" else 0.3
    return 0.02 + judged + height * width * per_pixel * images


def shared_by_threads(options: Options) -> float:
    """Return the share of a sample's time that threads divide: most of a plate is drawn by bands of rows."""
    if options.mesh is not None:
        return 0.0
    return 0.75 if options.layout == "train" else 0.55


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Draw the parameters of one plate, each part from a stream of its own.

    Returns
    -------
    dict
        ``class``, ``index``, ``kinds``; ``texture``, ``light`` and ``camera`` (``field_of_view``, ``exposure``,
        ``blur``, ``noise``, and ``place`` on the grid of ``places``, or None) of the clean plate; ``stains``, or
        None; ``impurities`` and ``defects``, each with its
        place as a share of what is seen of the plate, ``at`` (row, column), or on a part its ``center`` and
        ``normal``; ``mesh`` and ``pose`` of a part, or None; ``mesh_scale``; ``fields``, those asked for; ``ids``,
        the type of the instances; ``objects``, empty here.
    """
    from synthgen.surface.optics.light import sample_light

    plate, place = divmod(index, images_of_plate(options))

    def stream(name: str):
        return generator(seed, label, plate, f"stains.{name}")

    texture, pose = _sample_metal(options, stream)
    params = {
        "class": label,
        "index": index,
        "kinds": list(kinds(options)),
        "texture": texture,
        "light": sample_light(stream("light"), options.light, options.light_output),
        "camera": _sample_camera(generator(seed, label, index, "stains.camera"), options, place),
        "stains": _sample_stains(stream("stains"), options) if options.stains else None,
        "impurities": _sample_impurities(options, stream),
        "defects": [],
        "mesh": options.mesh,
        "mesh_scale": options.mesh_scale,
        "pose": pose,
        "fields": list(options.fields),
        "ids": _id_dtype(options),
        "objects": [],
    }
    params["defects"] = _sample_defects(options, stream, label, params)
    return params


def _sample_metal(options: Options, stream) -> tuple[dict, dict | None]:
    """Draw the finish of a plate or part, and how a part lies."""
    if options.mesh is None:
        from synthgen.surface.optics.brushed import sample_brushed

        return sample_brushed(stream("texture")), None
    from synthgen.surface.mesh.machined import sample_finish
    from synthgen.surface.mesh.scene import sample_pose

    finish = sample_finish(stream("texture"), options.mesh)
    return finish, sample_pose(stream("pose"))


def _sample_impurities(options: Options, stream) -> list[dict]:
    """Draw the fingerprints and stickers of a plate."""
    from synthgen.surface.marks.impurities import sample_fingerprint, sample_sticker

    samplers = {"fingerprint": sample_fingerprint, "sticker": sample_sticker}
    entries = []
    for kind in options.impurities:
        # around the middle: `at` says where
        sample_shape = partial(samplers[kind], area=(0, 0, 0, 0))
        sample_one = partial(_sample_apart, sample_shape)
        entries += _sample_several(stream(kind), _impurity_objects(options), sample_one)
    return [_with_keys(entry, IMPURITY_KEYS) for entry in entries]


def _sample_defects(options: Options, stream, label: int, params: dict) -> list[dict]:
    """Draw the defects of a plate, which are of one kind, that of its class."""
    entries: list[dict] = []
    # class 0 is good plates
    for kind in defect_kinds(options)[max(label - 1, 0) : label]:
        on_what = _on_plate if options.mesh is None else _on_part
        sample_try, contrast = on_what(kind, options, params)
        sample_one = partial(_sample_shown, sample_try, contrast)
        entries += _sample_several(stream(kind), options.objects, sample_one)
    return [_with_keys(entry, DEFECT_KEYS) for entry in entries]


def _on_plate(kind: Defect, options: Options, params: dict):
    """Return what draws a defect of a plate, and what tells how well it shows."""
    from synthgen.surface.plate.contrast import Judge

    camera = params["camera"]
    if options.places is not None:
        # the images of a plate have exposures of their own, and the same defects
        camera = {**camera, "exposure": sum(options.exposure) / 2}
    judge = Judge(params["texture"], params["light"], camera)
    return partial(_sample_apart, partial(_sample_turned, kind)), judge.contrast


def _on_part(kind: Defect, options: Options, params: dict):
    """Return what draws a defect of a part, and what tells how well it shows."""
    from synthgen.surface.mesh.contrast import Judge
    from synthgen.surface.mesh.files import part_mesh
    from synthgen.surface.mesh.places import Places
    from synthgen.surface.mesh.scene import FIELD_OF_VIEW

    mesh = part_mesh(str(options.mesh), options.mesh_scale)
    width = options.field_of_view or FIELD_OF_VIEW
    places = Places(mesh, params["pose"], width)
    return partial(_sample_on_part, kind, places, width), Judge(mesh, params).contrast


def _with_keys(entry: dict, keys: tuple[str, ...]) -> dict:
    """Return an entry with all keys, null where they do not apply to its kind."""
    return {key: entry.get(key) for key in keys}


def _sample_camera(rng, options: Options, place: int) -> dict:
    """Draw the settings of the camera, which are those of one image of a plate."""
    low, high = options.exposure
    seed = int(rng.integers(2**63))
    exposure = low + (high - low) * rng.random()
    noise = {"sigma": options.noise, "seed": seed} if options.noise else None
    grid = _grid_of(options.places)
    return {
        "field_of_view": options.field_of_view,
        "place": list(divmod(place, grid[1])) if grid else None,
        "places": list(grid) if grid else None,
        "exposure": round(exposure, 4),
        "blur": options.blur,
        "noise": noise,
    }


def _sample_stains(rng, options: Options) -> dict:
    """Draw the water stains of a plate or part."""
    from synthgen.surface.stains.sampled import sample_dried, sample_texture

    wanted = _wanted(options)
    if water_of(options) == "dried":
        return sample_dried(rng, wanted)
    return sample_texture(rng, wanted, PLATE_REACH)


def _sample_turned(kind: Defect, rng) -> dict:
    """Draw a defect and the angle by which it is turned."""
    from synthgen.surface.marks.defects import sample_surface_defect

    angle = round(360 * rng.random(), 3)
    return {"angle": angle, **sample_surface_defect(rng, kind)}


def _sample_apart(sample_shape, rng, others: list[dict]) -> dict:
    """Draw an object of a plate, apart from others where there is room."""
    tries = MARGIN + (1 - 2 * MARGIN) * rng.random((TRIES, 2))
    places = [{"at": place} for place in tries.round(4).tolist()]
    return {**_first_apart(places, others, itemgetter("at")), **sample_shape(rng)}


def _sample_on_part(kind: Defect, places, width: float, rng, others: list[dict]) -> dict | None:
    """Draw a defect at a place of a part that the camera sees, or None where it sees none.

    It lies apart from others where there is room, as shares of `width`, that of the view.
    """
    from synthgen.surface.marks.defects import sample_surface_defect

    shape = sample_surface_defect(rng, kind)
    if kind == "bump":
        shape["height"] = round(BUMPS_OF_PARTS * shape["height"], 5)
        share = 1 - BUMPS_NARROWER * float(rng.random())
        shape["radii"] = [round(share * radius, 4) for radius in shape["radii"]]

    tries = (places.sample(rng) for _ in range(PART_TRIES))
    seen = (place for place in tries if place is not None)
    place = _first_apart(seen, others, partial(_share_of_view, width))
    return {**shape, **place} if place else None


def _share_of_view(width: float, place: dict) -> list[float]:
    return [value / width for value in place["center"]]


def _sample_several(rng, objects: tuple[int, int], sample_one) -> list[dict]:
    """Draw a number of objects, one after the other; a part that shows nothing has none."""
    low, high = objects
    number = int(rng.integers(low, high + 1))
    entries: list[dict] = []
    for _ in range(number):
        entry = sample_one(rng, entries)
        if entry is not None:
            entries.append(entry)
    return entries


def _sample_shown(sample_one, contrast, rng, others: list[dict]) -> dict | None:
    """Draw a defect again and again until it shows; return the clearest of those that were drawn."""
    best = None
    clearest = -math.inf
    for _ in range(SHOW_TRIES):
        entry = sample_one(rng, others)
        if entry is None:
            continue

        shown = contrast(entry)
        if shown > clearest:
            best = entry
            clearest = shown
        if shown >= LEAST_CONTRAST:
            break
    return best


def _first_apart(tries: Iterable[dict], others: list[dict], where) -> dict:
    """Return the first of some places that lies apart from others, or the one that lies farthest from them.

    `where` tells the coordinates of a place, as shares of the view. Empty where there are no places.
    """
    farthest: dict = {}
    widest = -math.inf
    taken = [where(other) for other in others]
    for place in tries:
        gap = min((_squared_distance(where(place), other) for other in taken), default=1.0)
        if gap > widest:
            farthest = place
            widest = gap
        if gap > APART:
            break
    return farthest


def _squared_distance(first: list[float], second: list[float]) -> float:
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return sum(difference * difference for difference in differences)


def draw(params: dict, size: tuple[int, int]):
    """Draw one plate.

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
        ``mask``, uint8 (H, W): 255 at every pixel that may differ from the clean twin; a mask of each kind;
        ``instances``, uint8 or uint16 (H, W): ids of ``params["objects"]``, 0 = none; where asked for ``clean``.
    params : dict
        With ``objects``, the list of all that lies on the plate: see `Annotations`.
    """
    if params["mesh"] is not None:
        from synthgen.surface.mesh.draw import draw_part as draw_object
    else:
        from synthgen.surface.plate.draw import draw_plate as draw_object

    drawn = draw_object(params, size)
    fields = {
        "mask": drawn.mask,
        **drawn.masks,
        "instances": drawn.instances,
    }
    further = {"clean": drawn.clean, "region": drawn.region}
    for name in params["fields"]:
        fields[name] = further[name]
    return drawn.image, fields, {**params, "objects": drawn.objects}


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: ``good``, or the kind of the defects."""
    names = ("good", *defect_kinds(options))
    return {"name": names[label]}


def inputs(options: Options) -> dict[str, str]:
    """Return the digest of a mesh file, which may move but not change."""
    path = _mesh_file(options)
    return {} if path is None else {"mesh": sha256_of(path)}


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the absolute path of a mesh file."""
    path = _mesh_file(options)
    if path is None:
        return options
    return msgspec.structs.replace(options, mesh=str(path.absolute()))


def _mesh_file(options: Options) -> Path | None:
    """Return the mesh file of the user's, or None for a plate or a built-in part."""
    if options.mesh is None:
        return None
    path = Path(options.mesh)
    return path if path.is_file() else None


def tolerance(options: Options) -> float:
    """Return the gray levels by which machines may differ: the arctangents of turned parts do."""
    return 0.0 if options.mesh is None else 0.5


def device(options: Options) -> Drawer:
    """Return that any CPU draws the same."""
    return ANY_CPU
