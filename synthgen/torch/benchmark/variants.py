"""From the models of a benchmark to single models: a grid makes one of each combination of its values."""

import glob
import itertools
import math
import re
from pathlib import Path
from typing import Any

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.options import convert, named
from synthgen.torch.benchmark.config import (
    OWN_KEYS,
    Benchmark,
    Entry,
    check_kind,
    check_refinable,
    checked_options,
    checked_size,
    is_calibrated,
    is_ensemble,
    is_plugin,
    plain,
)
from synthgen.torch.models import load
from synthgen.torch.refinement.options import RefineOptions

# In the name of a backbone: the seed of the job.
_SEED = "{seed}"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+=-]+")
_LONGEST = 100


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One model of a benchmark, with all that it depends on.

    Parameters
    ----------
    name : str
    kind : str
    backbone : str or None
    size : (int, int)
    batch : int
    calibrate : float or None
    sets : tuple of str
    options : dict
        Those that are given.
    members : tuple of Variant or str
        Of an ensemble: models that are fitted for it, or backbones.
    refine : RefineOptions or None
        How its masks are refined.
    """

    name: str
    kind: str
    backbone: str | None
    size: tuple[int, int]
    batch: int
    calibrate: float | None
    sets: tuple[str, ...]
    options: dict[str, Any]
    members: tuple["Variant | str", ...] = ()
    refine: RefineOptions | None = None

    def seeded(self, seed: int) -> "Variant":
        """Return the model with the weights of a seed, which ``{seed}`` in the name of a backbone stands for."""
        backbone = None if self.backbone is None else self.backbone.replace(_SEED, str(seed))
        members = tuple(_seeded(member, seed) for member in self.members)
        return msgspec.structs.replace(self, backbone=backbone, members=members)

    def resolved(self) -> dict:
        """Return all options of the kind, also those not given; of a class of other code those that are given."""
        if is_plugin(self.kind):
            return self.options
        made = msgspec.convert(self.options, load(self.kind).Options, strict=False)
        values = plain(made)
        values.pop("seed", None)
        return values

    def models(self) -> list["Variant"]:
        """Return the model itself, and before it all models that are fitted for it."""
        found = []
        for member in self.members:
            if isinstance(member, Variant):
                found += member.models()
        return [*found, self]


def _seeded(member: Variant | str, seed: int) -> Variant | str:
    """Return a member of an ensemble, a model or a backbone, with the weights of a seed."""
    return member.replace(_SEED, str(seed)) if isinstance(member, str) else member.seeded(seed)


def variants(benchmark: Benchmark, place: str = "benchmark") -> list[Variant]:
    """Return all models of a benchmark, in the order of its file.

    Raises
    ------
    UsageError
        If a value of a grid is none of its option, or two models get one name.
    """
    found: list[Variant] = []
    for name, entry in benchmark.models.items():
        above = {variant.name: variant for variant in found}
        found += _of_entry(name, entry, benchmark, above, place)

    names = [variant.name for variant in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{named(place, 'models')} must have different names, got {twice} twice")
    return found


def _of_entry(name: str, entry: Entry, benchmark: Benchmark, above: dict, place: str) -> list[Variant]:
    """Return the models of an entry, of which ensembles are made of those `above` it."""
    if not entry.grid:
        return [_variant(name, entry, {}, benchmark, above, place)]

    axes = []
    for key, given in entry.grid.items():
        where = named(place, f"models.{name}.grid.{key}")
        values = _matching(given, where) if isinstance(given, str) else given
        axes.append([(key, value) for value in values])

    found = []
    for combination in itertools.product(*axes):
        chosen = dict(combination)
        words = [f"{key}={_word(value)}" for key, value in combination]
        own = "-".join([name, *words])[:_LONGEST]
        found.append(_variant(own, entry, chosen, benchmark, above, place))
    return found


def _matching(pattern: str, where: str) -> list[str]:
    """Return the files of a pattern, by name."""
    found = sorted(glob.glob(pattern))
    if not found:
        raise UsageError(f"{where} must match files, got none for {pattern}")
    return found


def _word(value) -> str:
    """Return a value as a part of a name: of a file its stem."""
    if isinstance(value, list | tuple):
        text = "+".join(map(str, value))
    else:
        text = str(value)
    if text.endswith(".safetensors"):
        text = Path(text).stem
    return _NOT_IN_NAMES.sub("-", text)


def _variant(name: str, entry: Entry, chosen: dict, benchmark: Benchmark, above: dict, place: str) -> Variant:
    """Return the model of one combination of a grid."""
    own = {key: value for key, value in chosen.items() if key in OWN_KEYS}
    options = {**entry.options, **{key: value for key, value in chosen.items() if key not in OWN_KEYS}}
    where = f"models.{name}"
    kind = str(own.get("kind", entry.kind))
    check_kind(kind, place, f"{where}.kind")
    if "size" in own:
        own["size"] = checked_size(own["size"], place, f"{where}.size")
    checked = convert(own, Entry, place, f"{where}.", OWN_KEYS)
    own = {key: getattr(checked, key) for key in own}

    def chosen_of(key: str, default):
        given = own.get(key, getattr(entry, key))
        return default if given is None else given

    members = _members(kind, chosen_of("members", ()), above, place, where)
    sizes = [member.size for member in members if isinstance(member, Variant)]
    made = Variant(
        name=name,
        kind=kind,
        backbone=chosen_of("backbone", None),
        size=chosen_of("size", max(sizes, key=math.prod, default=benchmark.size)),
        batch=chosen_of("batch", benchmark.batch),
        calibrate=chosen_of("calibrate", None),
        sets=entry.sets or tuple(benchmark.sets),
        options=checked_options(kind, options, place, f"{where}."),
        members=members,
        refine=entry.refine,
    )
    _check_parts(made, place, where)
    if made.refine is not None:
        _check_refined(made, benchmark, place, where)
    return made


def _members(kind: str, given, above: dict, place: str, where: str) -> tuple[Variant | str, ...]:
    """Return the members of an ensemble: models by their names, and backbones where the kind takes them."""
    found: list[Variant | str] = []
    for name in given:
        member = above.get(str(name), str(name))
        if isinstance(member, str) and is_calibrated(kind):
            listed = ", ".join(above) or "no model"
            rule = f"must be names of models that stand above ({listed})"
            raise UsageError(f"{named(place, where)}.members {rule}, got {name}{did_you_mean(member, above)}")
        if isinstance(member, Variant) and is_plugin(member.kind):
            rule = "must be models of a kind that is known here"
            raise UsageError(f"{named(place, where)}.members {rule}, got {name} of {member.kind}")
        found.append(member)
    return tuple(found)


def _check_refined(made: Variant, benchmark: Benchmark, place: str, where: str) -> None:
    """Refuse to refine the masks of a model that has no gradients, or at thresholds of the test set itself."""
    check_refinable(made.kind, place, f"{where}.refine")
    if benchmark.thresholds == "test":
        rule = "must go with thresholds of other images: held-out or synthetic"
        raise UsageError(f"{named(place, where)}.refine {rule}, got test")


def _check_parts(made: Variant, place: str, where: str) -> None:
    """Refuse an ensemble without members or with a backbone of its own, and members of another kind of model."""
    if not is_ensemble(made.kind):
        if made.members:
            rule = "must be left out: only ensembles have any"
            raise UsageError(f"{named(place, where)}.members {rule}, got a model of kind {made.kind}")
        return
    if not made.members:
        raise UsageError(f"{named(place, where)}.members must be names of models, got none")
    for key in ("backbone", "calibrate"):
        if getattr(made, key) is not None:
            raise UsageError(f"{named(place, where)}.{key} must be left out: the members have their own")
