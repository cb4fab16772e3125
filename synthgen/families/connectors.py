"""Parts that rules hold for, and images that break one: logical anomalies made to order.

A flat connector on black cloth (Saghir 2024, section 4.2), or a tray of screws and washers, as the data sets of
Bergmann et al. show them (Beyond Dents and Scratches, IJCV 2022). Each anomaly has its mask and its saturation.
"""

from typing import Annotated, Literal

import msgspec

from synthgen.families._inspection import Blur, Layout, Light, SensorNoise
from synthgen.families._records import new_record
from synthgen.options import check_unique
from synthgen.sample import FieldSpec
from synthgen.seeding import generator

NAME = "connectors"
VERSION = 1
LIBRARIES = ("numba",)
# A lossy codec would change pixels outside of the masks.
LOSSLESS = True
HELP = """
Draw metal parts that rules hold for - a flat connector, or a tray of screws and washers - and parts that break
one rule: missing, additional, misplaced, of the wrong size, swapped, off by one; or that are damaged. Each anomaly
has its mask, and the saturation of MVTec LOCO.

\b
synthgen connectors --per-class 200 --out normal
synthgen connectors --layout test --holes 8 --out test
synthgen connectors --layout test --product tray --anomalies missing,swapped --fields clean
synthgen export mvtec-loco normal test --out loco
"""

Anomaly = Literal[
    "missing",
    "additional",
    "misplaced",
    "wrong_size",
    "swapped",
    "count",
    "damaged_edge",
    "cut_corner",
    "scratch",
    "broken",
]
LOGICAL = ("missing", "additional", "misplaced", "wrong_size", "swapped", "count")
STRUCTURAL = {
    "connector": ("damaged_edge", "cut_corner", "scratch"),
    "tray": ("damaged_edge", "broken"),
}
# Stains of a connector, mm: the cell of their grid.
STAIN_CELL = 9.0
# Metal and light of a test set are those of plates from this class on: no image is also one for training.
TEST_PLATES = 1000


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    layout: Annotated[
        Layout,
        msgspec.Meta(
            description="train: one class of normal parts. test: `good` and a class for each kind of anomaly."
        ),
    ] = "train"
    product: Annotated[
        Literal["connector", "tray"],
        msgspec.Meta(
            description="connector: a plate with holes on black cloth. tray: screws and washers in compartments."
        ),
    ] = "connector"
    holes: Annotated[
        int,
        msgspec.Meta(ge=4, le=8, description="Holes of a normal connector."),
    ] = 6
    anomalies: Annotated[
        tuple[Anomaly, ...] | None,
        msgspec.Meta(description="Kinds of anomalies (layout test).  [default: all of the part]"),
    ] = None
    light: Annotated[
        Light,
        msgspec.Meta(description="The light, as of `stains`; random: another for each image."),
    ] = "random"
    stains: Annotated[
        bool,
        msgspec.Meta(description="Water stains on the connector: no anomaly, with a mask of their own."),
    ] = False
    rotation: Annotated[
        float,
        msgspec.Meta(ge=0, le=12, description="Degrees by which a part is turned at most, either way."),
    ] = 10.0
    shift: Annotated[
        float,
        msgspec.Meta(ge=0, le=5, description="How far a part lies off the middle at most, mm."),
    ] = 4.0
    tone: Annotated[
        float,
        msgspec.Meta(
            ge=0, le=1, description="How much exposure and metal differ from image to image, 0 for not at all."
        ),
    ] = 1.0
    blur: Blur = 0.6
    noise: SensorNoise = 2.0
    fields: Annotated[
        tuple[Literal["clean"], ...],
        msgspec.Meta(description="Further fields of each sample: clean, the part as it was meant to be."),
    ] = ()

    def __post_init__(self):
        check_unique(self, "anomalies", "fields")
        self._check_anomalies()
        if self.product == "tray" and self.stains:
            raise ValueError("stains must be left out for product tray, got on")

    def _check_anomalies(self):
        """Refuse anomalies that the layout or the part cannot have."""
        if self.anomalies is None:
            return
        if self.layout == "train":
            raise ValueError(f"anomalies must be left out for --layout train, got {','.join(self.anomalies)}")
        if self.anomalies == ():
            raise ValueError("anomalies must name at least one kind for --layout test, got none")

        known = (*LOGICAL, *STRUCTURAL[self.product])
        strange = [kind for kind in self.anomalies if kind not in known]
        if strange:
            raise ValueError(
                f"anomalies must be of {', '.join(known)} for product {self.product}, got {strange[0]}"
            )


def kinds(options: Options) -> tuple[str, ...]:
    """Return the kinds of anomalies that there are, in the order of their classes."""
    if options.layout == "train":
        return ()
    return options.anomalies or (*LOGICAL, *STRUCTURAL[options.product])


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    per_class = 200 if options.layout == "train" else 30
    return {"classes": most_classes(options), "per_class": per_class, "size": 512}


def most_classes(options: Options) -> int:
    """Return how many classes there are: normal parts, and one for each kind of anomaly."""
    return 1 + len(kinds(options))


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    image = FieldSpec("uint8", size)
    mask = FieldSpec("uint8", size, kind="mask")
    specs = {
        "image": image,
        "mask": mask,
        "instances": FieldSpec("uint8", size, kind="ids"),
    }
    if options.stains:
        specs["stain"] = mask
    return {**specs, **dict.fromkeys(options.fields, image)}


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    images = 1 + len(options.fields)
    return int(height * width * (0.65 * images + 0.03)) + 3_000


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    images = 1 + len(options.fields)
    return 0.06 + height * width * (300e-9 + 100e-9 * images)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Draw the parameters of one image, each part from a stream of its own.

    Returns
    -------
    dict
        ``class``, ``index``, ``product``; ``texture``, ``light`` and ``camera`` as those of `stains`;
        ``stains``, or None; ``background``, what it lies on; ``room``, the direction (x, y) from which the room
        is lit; ``pose``, its ``angle`` in degrees and where its middle lies (x, y), mm; ``meant`` and ``made``,
        the part by the rules and as it is; ``fields``, those asked for; ``objects``, the anomaly. Its
        ``params`` are ``logical``; ``regions``, where it may be found; ``enough``, how many mm2 of these are
        enough, None for all; ``saturation``, the same in pixels.
    """
    from synthgen.surface.connector.parts import break_rule, sample_part

    def stream(name: str):
        return generator(seed, label, index, f"connectors.{options.layout}.{name}")

    made = meant = sample_part(stream("part"), options.product, options.holes)
    objects = []
    # class 0 is normal parts
    for kind in kinds(options)[max(label - 1, 0) : label]:
        made, finding = break_rule(stream(kind), options.product, meant, kind)
        params = {"logical": kind in LOGICAL, **finding, "saturation": None}
        objects.append(new_record(1, kind, params))

    pose = _sample_pose(stream("pose"), options)
    return {
        "class": label,
        "index": index,
        "product": options.product,
        **_sample_look(options, seed, label, index, stream, pose),
        "pose": pose,
        "meant": meant,
        "made": made,
        "fields": list(options.fields),
        "objects": objects,
    }


def _sample_pose(rng, options: Options) -> dict:
    """Draw how the part lies."""
    turn, down, right = (2 * x - 1 for x in rng.random(3).tolist())
    return {
        "angle": round(options.rotation * turn, 4),
        "at": [
            round(options.shift * right, 4),
            round(options.shift * down, 4),
        ],
    }


def _sample_look(options: Options, seed: int, label: int, index: int, stream, pose: dict) -> dict:
    """Draw metal, light, background and camera."""
    from synthgen.families import stains
    from synthgen.surface.chance import between, cosine_and_sine
    from synthgen.surface.connector.parts import sample_background

    plate = stains.Options(cell_size=STAIN_CELL, light=options.light, noise=options.noise, blur=options.blur)
    first = 0 if options.layout == "train" else TEST_PLATES
    plate_params = stains.sample(plate, seed, first + label, index)
    rng = stream("look")
    turned = pose["angle"] + between(rng, -3, 3)
    azimuth = between(rng, 0, 360)
    tone = options.tone
    along = between(rng, 0.03, 0.05)
    across = between(rng, 0.07, 0.11)

    return {
        "texture": {
            **plate_params["texture"],
            "direction": round(turned, 3),
            "roughness": [along, across],
            "reflectance": round(0.62 + tone * between(rng, -0.16, 0.16), 4),
        },
        "light": plate_params["light"],
        "camera": {
            **plate_params["camera"],
            "exposure": round(1.6 + tone * between(rng, -0.45, 0.45), 4),
        },
        "stains": plate_params["stains"] if options.stains else None,
        "background": sample_background(stream("background"), options.product),
        "room": list(cosine_and_sine(azimuth)),
    }


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
    pixels : ndarray of uint8, (H, W)
    fields : dict
        ``mask``, uint8 (H, W): 255 where the anomaly may be found, at every pixel that differs from the clean twin
        among others; ``instances``, uint8 (H, W); where asked for ``stain`` and ``clean``.
    params : dict
        As given, with what was measured of the objects; ``saturation`` is the number of pixels that are enough.
    """
    from synthgen.surface.connector.parts import draw_part

    drawn = draw_part(params, size)
    fields = {"mask": drawn.mask, "instances": drawn.instances}
    if drawn.stains is not None:
        fields["stain"] = drawn.stains
    if drawn.clean is not None:
        fields["clean"] = drawn.clean
    return drawn.image, fields, {**params, "objects": drawn.objects}


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: ``good``, or the kind of the anomaly and whether it is one of logic."""
    kind = ("good", *kinds(options))[label]
    return {"name": kind, "logical": kind in LOGICAL}
