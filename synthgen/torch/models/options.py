"""Options that all anomaly models share. No torch here: help pages read them."""

from typing import Annotated, Literal

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.options import check_unique, convert
from synthgen.seeding import MAX_SEED

Meta = msgspec.Meta
# Options that say how features are taken: an `Extractor` that is given has its own.
FEATURE_OPTIONS = ("layers", "pool", "border", "pool_padding", "alignment")
# Thresholds from normal images: the share that is held out, of how many at least, and how many may reach them.
HOLD_OUT = 0.2
LEAST_IMAGES = 10
FALSE_ALARMS = 0.01
Layers = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=99)], ...],
    Meta(
        min_length=1,
        description="Layers of the backbone: some of 1 to 4, for 1/4 to 1/32 of the image; of a vision transformer "
        "the numbers of its blocks.",
    ),
]


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of every model; a model's own ``Options`` extend them."""

    layers: Layers = (2, 3)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 3
    pool_padding: Annotated[
        Literal["zeros", "none"],
        Meta(
            description="What the local average finds beyond the edge: zeros, as in the published code, or nothing."
        ),
    ] = "zeros"
    alignment: Annotated[
        Literal["bilinear", "nearest"], Meta(description="How smaller layers are enlarged to the largest.")
    ] = "bilinear"
    border: Annotated[
        int, Meta(ge=0, le=9999, description="Places of the features that are left out at each edge.")
    ] = 0
    interpolation: Annotated[
        Literal["bilinear", "nearest"], Meta(description="How maps are enlarged to the size of the image.")
    ] = "bilinear"
    sigma: Annotated[
        float, Meta(ge=0, le=1000, description="Pixels by which maps are smoothed, by a Gaussian; 0 for none.")
    ] = 4.0
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Seed of all random choices.")] = 0

    def __post_init__(self):
        check_unique(self, "layers")
        ascending = sorted(self.layers)
        if list(self.layers) != ascending:
            given = ",".join(map(str, self.layers))
            raise ValueError(f"layers must ascend, got {given}")


def with_preset(presets: dict[str, dict], preset: str, given: dict) -> dict:
    """Return the options of a preset of some, with those that are given in their place.

    Examples
    --------
    >>> with_preset({"paper": {"points": 2048, "pool": 2}}, "paper", {"pool": 3})
    {'points': 2048, 'pool': 3}

    Raises
    ------
    UsageError
        If there is no such preset.
    """
    if preset not in presets:
        known = ", ".join(presets)
        raise UsageError(f"preset must be one of {known}, got {preset!r}{did_you_mean(preset, presets)}")
    return {**presets[preset], **given}


def make_options(kind: type[ModelOptions], given: dict) -> ModelOptions:
    """Return the checked options of a model; numbers may be NumPy's.

    Raises
    ------
    UsageError
        That names the argument.
    """
    plain = dict(given)
    for name, value in given.items():
        if hasattr(value, "item"):
            plain[name] = value.item()
    return convert(plain, kind, "")
