"""Mandelbulb variants and hybrids of two, drawn as their authors drew them (Ugwu et al. 2024, section 3.2)."""

import sys
from functools import lru_cache
from itertools import product
from typing import Annotated, Literal

import msgspec

from synthgen.families import Drawer, Source
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec
from synthgen.seeding import generator
from synthgen.shards.order import Permutation

NAME = "mandelbulb"
VERSION = 3
HELP = """
Draw Mandelbulb variants, or hybrids of two, from all sides and in random colors. A class is a formula.

\b
synthgen mandelbulb
synthgen mandelbulb --hybrid --classes 1000 --per-class 10 --fields depth,normal
synthgen mandelbulb --power 9:9 --rules 40,222 --size 512
"""
LIBRARIES = ("numba", "pillow")

Power = Annotated[int, msgspec.Meta(ge=2, le=20)]
Rule = Annotated[int, msgspec.Meta(ge=0, le=511)]
Degrees = Annotated[float, msgspec.Meta(ge=-360, le=360)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    hybrid: Annotated[bool, msgspec.Meta(description="Draw the 21,365 hybrids instead of the 1,037 variants.")] = (
        False
    )
    power: Annotated[
        tuple[Power, Power] | None,
        msgspec.Meta(description="Only formulas with powers in LOW:HIGH, within 2:20."),
    ] = None
    rules: Annotated[
        tuple[Rule, ...] | None,
        msgspec.Meta(description="Only formulas with these rules, 0 to 511, for example 40,222."),
    ] = None
    latitude: Annotated[
        tuple[Degrees, Degrees] | None,
        msgspec.Meta(
            description="Range of the latitude. Its numbers are used as radians, as in the published generator. "
            "[default: -90:90, hybrids -30:30]"
        ),
    ] = None
    longitude: Annotated[
        tuple[Degrees, Degrees], msgspec.Meta(description="Range of the longitude, used as the latitude is.")
    ] = (
        0.0,
        360.0,
    )
    supersample: Annotated[int, msgspec.Meta(ge=1, le=8, description="Samples along each side of a pixel.")] = 2
    background: Annotated[Literal["white", "black"], msgspec.Meta(description="What lies behind the object.")] = (
        "white"
    )
    filter: Annotated[
        Literal["lanczos", "box"],
        msgspec.Meta(
            description="How samples become pixels: lanczos, as published, or box, their mean, for objects that "
            "are to be pasted by their coverage."
        ),
    ] = "lanczos"
    normal_radius: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=16,
            description="A normal is the mean over so many pixels around its own. With 0 normals are speckled "
            "where the surface is rougher than a pixel.",
        ),
    ] = 1
    fields: Annotated[
        tuple[Literal["depth", "normal", "normal_length", "coverage"], ...],
        msgspec.Meta(description="Further fields of each sample. The mask is always there."),
    ] = ()

    def __post_init__(self):
        check_ranges(self, "power", "latitude", "longitude")
        check_unique(self, "rules", "fields")
        if not formulas(self):
            raise ValueError("rules must leave at least one formula of the catalogue, got none")


@lru_cache(maxsize=8)
def _formulas(hybrid: bool, power, rules) -> tuple:
    """Return the formulas that classes are made of, in the order of the catalogue.

    Variants may go beyond it: all powers and rules that were named are crossed.
    """
    from synthgen.mandelbulb import Formula, Variant, catalogue

    listed = catalogue("hybrid-21k" if hybrid else "var-1k")
    if not hybrid and (power or rules):
        known = sorted({formula.first.rule for formula in listed})
        low, high = power or (2, 18)
        powers = range(low, high + 1)
        pairs = product(rules or known, powers)
        return tuple(Formula(Variant(n, rule)) for rule, n in pairs)

    low, high = power or (2, 20)

    def allowed(formula) -> bool:
        for variant in formula.variants:
            right_power = low <= variant.power <= high
            right_rule = rules is None or variant.rule in rules
            if not (right_power and right_rule):
                return False
        return True

    return tuple(filter(allowed, listed))


def formulas(options: Options) -> tuple:
    """Return the formulas that the options allow."""
    return _formulas(options.hybrid, options.power, options.rules)


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say: one image of every formula."""
    return {"classes": len(formulas(options)), "per_class": 1, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are."""
    return len(formulas(options))


def formula_of(options: Options, seed: int, label: int):
    """Return the formula of a class: a seeded subset of the catalogue begins any number of classes."""
    known = formulas(options)
    order = Permutation(len(known), seed)
    return known[int(order.forward(label))]


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    further = {
        "depth": FieldSpec("float32", size, kind="depth"),
        "normal": FieldSpec("float32", (*size, 3), kind="normal"),
        "normal_length": FieldSpec("uint8", size, kind="array"),
        "coverage": FieldSpec("uint8", size, kind="coverage"),
    }
    return {
        "image": FieldSpec("uint8", (*size, 3)),
        "mask": FieldSpec("uint8", size, kind="mask"),
        **{name: further[name] for name in options.fields},
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    per_pixel = 1.6 + 1.2 * len(options.fields)
    return int(height * width * per_pixel) + 600


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    rays = height * width * options.supersample**2
    per_ray = 700e-9 if options.hybrid else 550e-9
    return 0.002 + rays * per_ray


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``; ``formula``, its name; ``latitude`` and ``longitude`` in radians; ``colors`` of the
        three orbit traps, RGB in [0, 1]; ``supersample``, ``background``, ``filter``,
        ``normal_radius``, ``fields``.
    """
    rng = generator(seed, label, index, "mandelbulb.image")
    latitude, longitude, *shares = rng.random(11).tolist()
    usual = (-30, 30) if options.hybrid else (-90, 90)
    colors = [round(share, 6) for share in shares]

    return {
        "class": label,
        "index": index,
        "formula": formula_of(options, seed, label).name,
        "latitude": _between(options.latitude or usual, latitude),
        "longitude": _between(options.longitude, longitude),
        "colors": [colors[0:3], colors[3:6], colors[6:9]],
        "supersample": options.supersample,
        "background": options.background,
        "filter": options.filter,
        "normal_radius": options.normal_radius,
        "fields": list(options.fields),
    }


def _between(limits: tuple[float, float], share: float) -> float:
    low, high = limits
    return round(low + (high - low) * share, 6)


def draw(params: dict, size: tuple[int, int]):
    """Return one image, drawn on the chosen device.

    Parameters
    ----------
    params : dict
        As returned by `sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    pixels : ndarray of uint8, (H, W, 3)
    fields : dict
        ``mask``, uint8 (H, W): 255 at every pixel of which a sample hit the object. Where asked for ``depth``,
        float32 (H, W), and ``normal``, float32 (H, W, 3), rounded as the file format stores them;
        ``normal_length`` and ``coverage``, uint8 (H, W), where 255 stands for 1.
    params : dict
        As given.
    """
    from synthgen import mandelbulb

    formula = mandelbulb.Formula.parse(params["formula"])
    view = mandelbulb.View(params["latitude"], params["longitude"], params["colors"])
    drawn = mandelbulb.render(
        formula,
        view,
        size,
        params["supersample"],
        background=params["background"],
        filter=params["filter"],
        normal_radius=params["normal_radius"],
    )

    further = {name: _further(drawn, name) for name in params["fields"]}
    return drawn.image, {"mask": drawn.mask, **further}, params


def _further(drawn, name: str):
    """Return a field of a picture, rounded as the file format stores it."""
    import numpy as np

    from synthgen.shards.codecs import as_stored

    values = getattr(drawn, name)
    if name in ("coverage", "normal_length"):
        levels = np.rint(255 * values)
        return np.clip(levels, 0, 255).astype(np.uint8)
    return as_stored(values, name)


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: the name of the formula, powers and rules."""
    formula = formula_of(options, seed, label)
    variants = [{"power": v.power, "rule": v.rule} for v in formula.variants]
    return {"name": formula.name, "variants": variants}


def device(options: Options) -> Drawer:
    """Return the chosen device; one process uses all of it, Numba too."""
    from synthgen.mandelbulb.renderer import renderer_for

    chosen = renderer_for().device
    return Drawer(chosen.label, exclusive=True, beside=chosen.kind == "gpu")


def tolerance(options: Options) -> float:
    """Return the gray levels by which other devices may differ, on average over an image."""
    return 2.0


def as_source(wanted, hybrid: bool = False) -> "MandelbulbSource":
    """Return Mandelbulb variants, or hybrids of two, as objects of multi-formula images."""
    options = Options(hybrid=hybrid, background="black", filter="box", fields=("coverage",))
    return MandelbulbSource(sys.modules[__name__], options, kind="mandelbulb", per_class=50)


class MandelbulbSource(Source):
    """Mandelbulb variants or hybrids."""

    def descriptors(self, seed: int, count: int):
        """Return for each class the power over 20 and the nine bits of the rule, of one variant or of two."""
        import numpy as np

        formulas = [formula_of(self.options, seed, label) for label in range(count)]
        return np.array([_descriptor(formula) for formula in formulas])


def _descriptor(formula) -> list[float]:
    numbers = []
    for variant in formula.variants:
        bits = [variant.rule >> bit & 1 for bit in range(9)]
        numbers += [variant.power / 20, *bits]
    return numbers
