"""Inspected plates of brushed aluminium with water stains, other impurities and defects (paper 002)."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from synthgen.errors import UsageError
from synthgen.families import ANY_CPU, Drawer
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec
from synthgen.seeding import generator
from synthgen.shards.files import sha256_of

NAME = "stains"
VERSION = 1
LIBRARIES = ("numba",)
# A lossy codec would change pixels outside of the masks.
LOSSLESS = True
HELP = """
Draw inspected plates of brushed aluminium under a ring light: water stains, fingerprints, stickers, scratches,
dents and bumps, each with its own exact mask, all of them numbered.

\b
synthgen stains --cell-size 5
synthgen stains --no-stains --per-class 80 --light ring-rotated
synthgen stains --layout test --impurities fingerprint,sticker --defects scratch,dent --clean
synthgen stains --layout test --mesh bolt --size 1224x1025
"""

Defect = Literal["scratch", "dent", "bump"]
Impurity = Literal["fingerprint", "sticker"]
Millimetres = Annotated[float, msgspec.Meta(gt=0, le=1000)]
# More of each kind would leave no ids for stains.
Count = Annotated[int, msgspec.Meta(ge=1, le=40)]

# Farthest point of the plate from its middle along an axis, mm, and some more.
PLATE_REACH = 62.0
# Objects keep this share of the view between their middle and its edge.
MARGIN = 0.08


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    layout: Annotated[
        Literal["train", "test"],
        msgspec.Meta(
            description="train: one class, without defects. test: `good` and a class for each kind of defect."
        ),
    ] = "train"
    stains: Annotated[bool, msgspec.Meta(description="Water stains on the plate.")] = True
    cell_size: Annotated[
        float, msgspec.Meta(gt=0, le=200, description="Side of the grid cells, mm, that have one stain each.")
    ] = 5.0
    radius: Annotated[
        tuple[Millimetres, Millimetres] | None,
        msgspec.Meta(description="Radius of a stain, mm, LOW:HIGH.  [default: 0.25 to 0.45 cell sizes]"),
    ] = None
    impurities: Annotated[
        tuple[Impurity, ...], msgspec.Meta(description="Other impurities: fingerprint, sticker, or both.")
    ] = ()
    defects: Annotated[
        tuple[Defect, ...] | None,
        msgspec.Meta(description="Kinds of defects (layout test).  [default: scratch,dent,bump]"),
    ] = None
    count: Annotated[
        tuple[Count, Count],
        msgspec.Meta(description="Defects of a defective plate, and impurities of each kind, LOW:HIGH."),
    ] = (1, 3)
    light: Annotated[
        Literal["ring", "ring-rotated", "ring-large", "random"],
        msgspec.Meta(
            description="The ring light, turned by 90 degrees, doubled in size, or another for each plate."
        ),
    ] = "ring"
    field_of_view: Annotated[
        Annotated[float, msgspec.Meta(ge=1, le=1000)] | None,
        msgspec.Meta(description="Width of what the image shows, mm.  [default: as much as lies on the plate]"),
    ] = None
    exposure: Annotated[
        tuple[Annotated[float, msgspec.Meta(ge=0.05, le=20)], Annotated[float, msgspec.Meta(ge=0.05, le=20)]],
        msgspec.Meta(description="Factor of the brightness, LOW:HIGH."),
    ] = (1.0, 1.0)
    blur: Annotated[
        float, msgspec.Meta(ge=0, le=20, description="Lens blur, standard deviation in pixels; masks grow with it.")
    ] = 0.0
    noise: Annotated[
        float,
        msgspec.Meta(ge=0, le=64, description="Sensor noise of a white pixel, standard deviation in grey levels."),
    ] = 0.0
    mesh: Annotated[
        str | None,
        msgspec.Meta(description="A part in place of the plate: plate (with holes), ring, bolt, or a mesh file."),
    ] = None
    clean: Annotated[
        bool, msgspec.Meta(description="Store the clean twin: the same plate without stains, impurities, defects.")
    ] = False

    def __post_init__(self):
        check_ranges(self, "radius", "count", "exposure")
        check_unique(self, "impurities", "defects")
        if self.radius is not None and self.radius[1] > self.cell_size:
            raise ValueError(
                f"radius must be <= {self.cell_size:g}, the cell size (the search for stains sees no further), "
                f"got {self.radius[0]:g}:{self.radius[1]:g}"
            )
        if self.radius is not None and self.stains:
            from synthgen.surface.stains.field import warn_of_crowding

            warn_of_crowding(self.radius, self.cell_size)
        if self.mesh is not None:
            if self.impurities:
                raise ValueError(f"impurities must be left out with a mesh, got {','.join(self.impurities)}")
            _check_mesh(self.mesh)
        if self.layout == "train" and self.defects:
            raise ValueError(f"defects must be left out for --layout train, got {','.join(self.defects)}")
        if self.layout == "test" and self.defects == ():
            raise ValueError("defects must name at least one kind for --layout test, got none")


@lru_cache(maxsize=16)
def _check_mesh(name: str) -> None:
    from synthgen.surface.mesh.parts import part_mesh

    try:
        part_mesh(name)
    except UsageError as error:
        raise ValueError(f"mesh must be plate, ring, bolt or a mesh file: {error}") from None


def defect_kinds(options: Options) -> tuple[str, ...]:
    """Return the kinds of defects that there are, in the order of their classes."""
    if options.layout == "train":
        return ()
    return options.defects or ("scratch", "dent", "bump")


def kinds(options: Options) -> tuple[str, ...]:
    """Return all kinds that have a mask, in painter's order of their ids."""
    return (("stain",) if options.stains else ()) + options.impurities + defect_kinds(options)


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say: 80 plates, as in paper 002."""
    classes = most_classes(options)
    return {"classes": classes, "per_class": 80 // classes, "size": [2050, 2448]}


def most_classes(options: Options) -> int:
    """Return how many classes there are: good plates, and one for each kind of defect."""
    return 1 + len(defect_kinds(options))


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    mask = FieldSpec("uint8", size, kind="mask")
    return {
        "image": FieldSpec("uint8", size),
        "mask": mask,
        **dict.fromkeys(kinds(options), mask),
        "instances": FieldSpec("uint8", size, kind="ids"),
        **({"clean": FieldSpec("uint8", size)} if options.clean else {}),
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    per_pixel = 0.65 * (1 + options.clean) + 0.02 * (2 + len(kinds(options)))
    return int(size[0] * size[1] * per_pixel) + 20_000


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Draw the parameters of one plate, each part from a stream of its own.

    Returns
    -------
    dict
        ``class``, ``index``, ``kinds``; ``texture``, ``light`` and ``camera`` (``field_of_view``, ``exposure``,
        ``blur``, ``noise``) of the clean plate; ``stains``, or None; ``impurities`` and ``defects``, each with its
        place as a share of what is seen of the plate, ``at`` (row, column); ``clean``; ``objects``, empty here.
    """
    from synthgen.surface.marks.impurities import sample_fingerprint, sample_sticker
    from synthgen.surface.optics.brushed import sample_brushed
    from synthgen.surface.optics.light import sample_light

    def stream(name: str):
        return generator(seed, label, index, f"stains.{name}")

    defects = defect_kinds(options)[label - 1 : label] if label > 0 else ()  # a plate has one kind
    # around the middle: `at` says where
    impurities = {
        "fingerprint": lambda rng: sample_fingerprint(rng, (0, 0, 0, 0)),
        "sticker": lambda rng: sample_sticker(rng, (0, 0, 0, 0)),
    }
    params = {
        "class": label,
        "index": index,
        "kinds": list(kinds(options)),
        "texture": sample_brushed(stream("texture")),
        "light": sample_light(stream("light"), options.light),
        "camera": _sample_camera(stream("camera"), options),
        "stains": _sample_stains(stream("stains"), options) if options.stains else None,
        "impurities": [
            entry
            for kind in options.impurities
            for entry in _sample_several(stream(kind), options.count, impurities[kind])
        ],
        "defects": [
            entry
            for kind in defects
            for entry in _sample_several(stream(kind), options.count, partial(_sample_turned, kind))
        ],
        "clean": options.clean,
        "objects": [],
    }
    return params if options.mesh is None else {**params, **_sample_part(params, options, stream)}


def _sample_part(params: dict, options: Options, stream) -> dict:
    """Return what is another for a part with a shape: its pose, its finish, and places of defects that are seen."""
    from synthgen.surface.mesh.parts import part_mesh, sample_places
    from synthgen.surface.mesh.scene import FIELD_OF_VIEW, sample_pose
    from synthgen.surface.optics.machined import sample_finish

    pose, width = sample_pose(stream("pose")), options.field_of_view or FIELD_OF_VIEW
    places = sample_places(stream("places"), part_mesh(options.mesh), pose, len(params["defects"]), width)
    # A part may show nothing, and then there is no place
    defects = [{**defect, **where} for defect, where in zip(params["defects"], places, strict=False)]
    finish = sample_finish(stream("texture"), options.mesh)
    return {"mesh": options.mesh, "pose": pose, "texture": finish, "defects": defects}


def _sample_camera(rng, options: Options) -> dict:
    low, high = options.exposure
    seed = int(rng.integers(2**63))
    return {
        "field_of_view": options.field_of_view,
        "exposure": round(low + (high - low) * rng.random(), 4),
        "blur": options.blur,
        "noise": {"sigma": options.noise, "seed": seed} if options.noise else None,
    }


def _sample_stains(rng, options: Options) -> dict:
    """Draw a stain field of paper 002 (section III), and where in its space the plate lies."""
    u = rng.random(9).tolist()
    cell = options.cell_size
    low, high = options.radius or (0.25 * cell, 0.45 * cell)
    # the search for the nearest centre sees one cell far
    amplitude = min((0.2 + 0.2 * u[0]) * low, 0.96 * (cell - high))
    # beyond +-100 the noise is coarse
    frequency = min((0.5 + 0.7 * u[1]) / (0.5 * (low + high)), 1.5)
    room = 100 / frequency - PLATE_REACH
    edge = -(0.16 + 0.2 * u[2])
    return {
        "cell_size": cell,
        "radius": [round(low, 6), round(high, 6)],
        "frequency": round(frequency, 6),
        "amplitude": round(amplitude, 6),
        "decay": round(1.5 + 3.5 * u[3], 4),
        "intensity": [round(edge, 4), round(0.3 * edge, 4)],
        "heterogeneity": round(0.25 + 0.4 * u[4], 4),
        "ring": round(-0.16 * u[5], 4),
        "seed": int(rng.integers(2**63)),
        "offset": [round(room * (2 * x - 1), 4) for x in u[6:9]],
    }


def _sample_turned(kind: str, rng) -> dict:
    from synthgen.surface.marks.defects import sample_defect

    return {"angle": round(360 * rng.random(), 3), **sample_defect(rng, kind)}


def _sample_several(rng, count: tuple[int, int], sample_one) -> list[dict]:
    """Draw a number of objects, apart from each other where there is room."""
    number = int(rng.integers(count[0], count[1] + 1))
    places, entries = [], []
    for _ in range(number):
        tries = (MARGIN + (1 - 2 * MARGIN) * rng.random((12, 2))).round(4)
        apart = [min((float(((t - p) ** 2).sum()) for p in places), default=1.0) for t in tries]
        place = next((t for t, gap in zip(tries, apart, strict=True) if gap > 0.03), tries[apart.index(max(apart))])
        places.append(place)
        entries.append({"at": place.tolist(), **sample_one(rng)})
    return entries


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
        ``instances``, uint8 (H, W): numbers of ``params["objects"]``, 0 = none; where asked for ``clean``.
    params : dict
        With ``objects``, the list of all that lies on the plate: see `Layers`.
    """
    if "mesh" in params:
        from synthgen.surface.mesh.parts import draw_part

        drawn = draw_part(params, size)
    else:
        from synthgen.surface.inspected import draw_plate

        drawn = draw_plate(params, size)
    fields = {"mask": drawn.mask, **drawn.masks, "instances": drawn.instances}
    if params["clean"]:
        fields["clean"] = drawn.clean
    return drawn.image, fields, {**params, "objects": drawn.objects}


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: ``good``, or the kind of the defects."""
    return {"name": ("good", *defect_kinds(options))[label]}


def inputs(options: Options) -> dict[str, str]:
    """Return the digest of a mesh file, which may move but not change."""
    path = Path(options.mesh or "plate")
    return {"mesh": sha256_of(path)} if path.is_file() else {}


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the absolute path of a mesh file."""
    path = Path(options.mesh or "plate")
    return msgspec.structs.replace(options, mesh=str(path.absolute())) if path.is_file() else options


def tolerance(options: Options) -> float:
    """Return the gray levels by which machines may differ: OpenGL decides which triangle an edge pixel shows."""
    return 0.0 if options.mesh is None else 0.5


def device(options: Options) -> Drawer:
    """Return that any CPU gives the same, or OpenGL where it finds the triangles of a mesh."""
    return ANY_CPU if options.mesh is None else Drawer("OpenGL", exclusive=False)
