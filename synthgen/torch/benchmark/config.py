"""What a benchmark is: YAML -> checked, frozen `Benchmark` -> dict again.

No model is loaded and no folder is opened here: that is said when jobs are made.
"""

import copy
import difflib
import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.metrics import registry
from synthgen.options import check_unique, convert, named, parse_size, parse_yaml
from synthgen.recipe import Recipe, installed_benchmarks, load_recipe, read_recipe_file
from synthgen.seeding import MAX_SEED
from synthgen.torch.models import differentiable, kinds, load
from synthgen.torch.refinement.options import RefineOptions

Meta = msgspec.Meta
Keep = Literal["scores", "maps", "models", "pictures"]
Rule = Literal["held-out", "synthetic", "test"]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Natural = Annotated[int, Meta(ge=1, le=10**6)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,99}")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h|d)?")
_SIDE = 16384


class Slice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some of the normal images, by their places in the order of names, as Python slices them."""

    start: int | None = None
    stop: int | None = None
    step: Annotated[int, Meta(ge=1)] | None = None


class Drawn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A category that is drawn: recipes, as plain values or by name.

    Parameters
    ----------
    test : dict or str
        A test set: a class ``good`` and a class for each kind of defect.
    normal : dict or str
        The images that models are fitted to.
    """

    test: dict[str, Any] | str
    normal: dict[str, Any] | str


class DataSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One data set of a benchmark.

    Parameters
    ----------
    path : str, optional
        Folder of one category or of several, each in a layout of `synthgen.layouts`.
    normal : str, optional
        Normal images to fit models to, for a data set of one category whose own are for testing.
    draw : dict, optional
        Instead of a path: categories that are drawn, by name.
    classes : tuple of str
        Categories; by default all that are found.
    shots : int, float or Slice, optional
        How many normal images models are fitted to, the first by name: a number, a share in (0, 1), or a slice.
    """

    path: str | None = None
    normal: str | None = None
    draw: dict[str, Drawn] | None = None
    classes: tuple[str, ...] = ()
    shots: int | float | Slice | None = None

    def __post_init__(self):
        check_unique(self, "classes")
        if (self.path is None) == (self.draw is None):
            raise ValueError("path must be given, or draw in its place")
        if self.draw is not None and self.normal is not None:
            raise ValueError("normal must be left out where data is drawn")
        _check_shots(self.shots)


def _check_shots(shots) -> None:
    """Refuse a number of images that is none; shares lie below 1."""
    if isinstance(shots, int) and shots < 1:
        raise ValueError(f"shots must be at least 1, got {shots}")
    if isinstance(shots, float) and not 0 < shots < 1:
        raise ValueError(f"shots must be a number of images, or a share in (0, 1), got {shots:g}")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a benchmark, or several that a grid makes.

    Parameters
    ----------
    kind : str, optional
        A kind of `synthgen fit`, or ``module:Class``; a grid may give it.
    backbone : str, optional
        ``{seed}`` in it stands for the seed of the job.
    size : (int, int), optional
        Height and width at which the model sees images; by default those of the benchmark.
    batch : int, optional
        Images at a time; by default those of the benchmark.
    calibrate : float, optional
        Share of the backbone's batch-norm statistics that come from the normal images; 0 for none.
    members : tuple of str
        Of an ensemble: models that stand above it, by name; for ``feature-ensemble`` also backbones.
    refine : RefineOptions, optional
        Refine the masks of the model with these options, and measure IoU and DICE before and after.
    sets : tuple of str
        Data sets that the model is measured on; by default all.
    grid : dict
        Values of options to try, each with each; a text with a ``*`` stands for the files that match.
    options : dict
        All other keys: options of the kind.
    """

    kind: str | None = None
    backbone: str | None = None
    size: tuple[int, int] | None = None
    batch: Natural | None = None
    calibrate: Annotated[float, Meta(ge=0, le=1)] | None = None
    members: tuple[str, ...] = ()
    refine: RefineOptions | None = None
    sets: tuple[str, ...] = ()
    grid: dict[str, Any] = {}
    options: dict[str, Any] = {}


# Keys of a model that are no options of its kind.
OWN_KEYS = tuple(name for name in Entry.__struct_fields__ if name != "options")


class Benchmark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the results of a benchmark depend on. Make one with `load_benchmark`.

    Parameters
    ----------
    benchmark : str
        Its name.
    sets : dict of str to DataSet
    models : dict of str to Entry
    size : (int, int)
        Height and width at which models see images that say nothing of their own.
    seeds : tuple of int
    batch : int
        Images at a time.
    time_limit : float, optional
        Most seconds that fitting may take, reading included. A model that learns in steps ends there and is
        measured as it is; another is stopped with its worker, and its job has failed.
    thresholds : {'held-out', 'synthetic', 'test'}
        Which images give the thresholds that F1 and recall are measured at.
    metrics : tuple of str
        Columns of the tables; by default all that have a value.
    pools : dict of str to tuple of str
        Data sets whose categories are pooled; by default each set, and all together.
    compare : tuple of (str, str)
        Pools whose means are subtracted from each other.
    groups : dict of str to tuple of str
        Categories that spider charts put together; by default those of Ugwu et al. 2024, section 5.1.
    keep : tuple of str
        What is kept beside the records.
    threads : int, optional
        Threads of torch in each worker; by default as many as torch takes.
    device : str, optional
        Where models compute; by default a GPU where there is one.
    """

    benchmark: str
    sets: dict[str, DataSet]
    models: dict[str, Entry]
    size: tuple[int, int] = (256, 256)
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    batch: Natural = 8
    time_limit: float | None = None
    thresholds: Rule = "held-out"
    metrics: tuple[str, ...] = ()
    pools: dict[str, tuple[str, ...]] = {}
    compare: tuple[tuple[str, str], ...] = ()
    groups: dict[str, tuple[str, ...]] = {}
    keep: tuple[Keep, ...] = ("scores",)
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    device: str | None = None

    def __post_init__(self):
        check_unique(self, "seeds", "metrics", "keep")

    def to_dict(self) -> dict:
        """Return the benchmark as plain values; `from_dict` makes an equal one of them."""
        values = msgspec.to_builtins(self)
        values["size"] = _size_text(self.size)
        values["sets"] = {name: _stated(msgspec.to_builtins(each)) for name, each in self.sets.items()}
        values["models"] = {name: _entry_dict(each) for name, each in self.models.items()}
        return _stated(values)

    @classmethod
    def from_dict(cls, values: dict, place: str = "benchmark") -> "Benchmark":
        """Check plain values and return them as a benchmark.

        Raises
        ------
        UsageError
            With the place, the rule and the value.
        """
        values = dict(values)
        check_name(values.get("benchmark"), place, "benchmark")

        sets = _section(values, "sets", place)
        values["sets"] = {name: _data_set(each, place, f"sets.{name}") for name, each in sets.items()}
        entries = _section(values, "models", place)
        values["models"] = {name: _entry(each, place, f"models.{name}") for name, each in entries.items()}

        if "size" in values:
            values["size"] = checked_size(values["size"], place, "size")
        if values.get("time_limit") is not None:
            values["time_limit"] = _seconds(values["time_limit"], place)

        made = convert(values, cls, place)
        _check_names(made, place)
        return made

    def pooled(self) -> dict[str, tuple[str, ...]]:
        """Return the pools of the tables, the first of which is the main one."""
        if self.pools:
            return self.pools
        everything = tuple(self.sets)
        pools: dict[str, tuple[str, ...]] = {}
        if len(everything) > 1:
            pools[self.benchmark] = everything
        for name in everything:
            pools[name] = (name,)
        return pools


def load_benchmark(source, overrides: dict | None = None) -> Benchmark:
    """Return the benchmark of a name, a YAML file, or a `Benchmark` itself.

    Parameters
    ----------
    source : Benchmark, str or Path
    overrides : dict, optional
        Keys to replace: ``models.patchcore.coreset`` reaches into sections.

    Raises
    ------
    UsageError
        If there is no such benchmark, or it breaks a rule.
    """
    if isinstance(source, Benchmark):
        values = source.to_dict()
        place = source.benchmark
    else:
        path = _file_of(source)
        place = str(path)
        values = parse_yaml(read_recipe_file(path), place)

    if "benchmark" not in values:
        raise UsageError(f"{place}: benchmark must be the name of a benchmark, got none: is this a recipe of data?")
    for key, value in (overrides or {}).items():
        # a copy: a later key may reach into what an earlier one gave
        _replace(values, key.split("."), copy.deepcopy(value), place, key)
    return Benchmark.from_dict(values, place)


def _file_of(source) -> Path:
    """Return the file of a benchmark; the name of an installed one wins."""
    known = installed_benchmarks()
    if str(source) in known:
        return known[str(source)]

    path = Path(source)
    if path.is_file():
        return path
    close = difflib.get_close_matches(str(source), known, 1)
    listed = ", ".join(known)
    hint = f"did you mean {close[0]}?" if close else f"installed are {listed}"
    raise UsageError(f"config must be a file or an installed benchmark, got {str(source)!r}; {hint}")


def _replace(values: dict, keys: list[str], value, place: str, whole: str) -> None:
    """Replace a value of a tree of mappings in place."""
    *sections, last = keys
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            hint = did_you_mean(section, values)
            raise UsageError(f"{named(place, whole)} is not a known key: there is no section {section}{hint}")
        values = inner
    values[last] = value


def _section(values: dict, key: str, place: str) -> dict:
    """Return a section of names, of which there is at least one."""
    section = values.get(key)
    where = named(place, key)
    if not isinstance(section, dict) or not section:
        raise UsageError(f"{where} must be a mapping of names, got {reprlib.repr(section)}")
    for name in section:
        check_name(name, place, f"{key}.{name}")
    return section


def check_name(name, place: str, key: str) -> None:
    """Refuse a name that cannot be a folder's."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        rule = "must be a name of letters, digits and . _ + = -"
        raise UsageError(f"{named(place, key)} {rule}, got {reprlib.repr(name)}")


def _data_set(values, place: str, key: str) -> DataSet:
    values = dict(_mapping(values, place, key))
    shots = values.get("shots")
    if isinstance(shots, dict):
        values["shots"] = convert(shots, Slice, place, f"{key}.shots.")

    drawn = values.get("draw")
    if drawn is not None:
        of_classes = _mapping(drawn, place, f"{key}.draw")
        values["draw"] = {name: _drawn(each, place, f"{key}.draw.{name}") for name, each in of_classes.items()}
    return convert(values, DataSet, place, f"{key}.")


def _drawn(values, place: str, key: str) -> Drawn:
    """Return the recipes of a category; both are checked."""
    check_name(key.rpartition(".")[2], place, key)
    for name in Drawn.__struct_fields__:
        if name not in _mapping(values, place, key):
            raise UsageError(f"{named(place, key)}.{name} must be a recipe, got none")
    drawn = convert(values, Drawn, place, f"{key}.")
    for name in Drawn.__struct_fields__:
        recipe_of(getattr(drawn, name), named(place, f"{key}.{name}"))
    return drawn


def recipe_of(values: dict | str, place: str) -> Recipe:
    """Return the recipe of plain values, or of a name."""
    if isinstance(values, str):
        return load_recipe(values)
    return Recipe.from_dict(values, place)


def _entry(values, place: str, key: str) -> Entry:
    """Return a model of a benchmark; its options are checked where its kind is known."""
    values = dict(_mapping(values, place, key))
    options = {name: values.pop(name) for name in list(values) if name not in OWN_KEYS}
    if "size" in values:
        values["size"] = checked_size(values["size"], place, f"{key}.size")
    if values.get("refine") is not None:
        values["refine"] = convert(values["refine"], RefineOptions, place, f"{key}.refine.")
    if "grid" in values:
        _check_grid(values["grid"], place, f"{key}.grid")

    entry = convert({**values, "options": options}, Entry, place, f"{key}.", OWN_KEYS)
    if entry.kind is None and "kind" not in entry.grid:
        known = ", ".join(kinds())
        raise UsageError(f"{named(place, key)}.kind must be one of {known}, or module:Class, got none")
    if entry.kind is not None:
        check_kind(entry.kind, place, f"{key}.kind")
        options = checked_options(entry.kind, entry.options, place, f"{key}.")
        entry = msgspec.structs.replace(entry, options=options)
        _check_grid_keys(entry, place, key)
    return entry


def is_ensemble(kind: str) -> bool:
    """Return whether models of a kind are made of members."""
    return not is_plugin(kind) and load(kind).MODEL.is_ensemble


def is_calibrated(kind: str) -> bool:
    """Return whether a kind joins fitted models, and is fitted to images that none of them saw."""
    return not is_plugin(kind) and getattr(load(kind), "CALIBRATED", False)


def is_plugin(kind: str) -> bool:
    """Return whether a kind names a class of other code, as ``module:Class``."""
    return ":" in kind


def check_refinable(kind: str, place: str, key: str) -> None:
    """Refuse to refine the masks of a kind without a differentiable score."""
    known = differentiable()
    if kind not in known:
        listed = ", ".join(known)
        raise UsageError(f"{named(place, key)} must go with a differentiable score ({listed}), got {kind}")


def check_trust(kind: str, name: str, trust: bool) -> None:
    """Refuse code of other people unless it is trusted: a configuration alone must not run it."""
    if is_plugin(kind) and not trust:
        raise UsageError(f"models.{name}.kind must be trusted to run, got {kind}: --trust allows it")


def check_kind(kind: str, place: str, key: str) -> None:
    """Refuse a kind that is neither known nor ``module:Class``."""
    if is_plugin(kind) or kind in kinds():
        return
    known = ", ".join(kinds())
    hint = did_you_mean(kind, kinds())
    raise UsageError(f"{named(place, key)} must be one of {known}, or module:Class, got {kind!r}{hint}")


def checked_options(kind: str, options: dict, place: str, prefix: str) -> dict:
    """Return the options of a kind as plain values, checked; those of a class of other code stay as they are."""
    if "seed" in options:
        raise UsageError(f"{named(place, prefix)}seed must be left out: the benchmark's seeds are for all models")
    if is_plugin(kind):
        return options

    accepted = load(kind).Options
    known = [*OWN_KEYS, *accepted.__struct_fields__]
    made = convert(options, accepted, place, prefix, known)
    values = plain(made)
    return {name: values[name] for name in options}


def plain(value) -> Any:
    """Return a struct as the values that JSON has, lists in place of tuples."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _check_grid(grid, place: str, key: str) -> None:
    """Refuse a grid that is no mapping of names to lists, or to a pattern of files."""
    for name, values in _mapping(grid, place, key).items():
        where = named(place, f"{key}.{name}")
        is_pattern = isinstance(values, str) and "*" in values
        is_list = isinstance(values, list) and len(values) > 0
        if not (is_list or is_pattern):
            rule = "must be a list of values, or a pattern of files with a *"
            raise UsageError(f"{where} {rule}, got {reprlib.repr(values)}")
        if name in ("sets", "grid", "refine"):
            raise UsageError(f"{where} must be an option of a model, got {name}")


def _check_grid_keys(entry: Entry, place: str, key: str) -> None:
    """Refuse a grid over an option that the kind does not have."""
    if entry.kind is None or is_plugin(entry.kind):
        return
    known = [*OWN_KEYS, *load(entry.kind).Options.__struct_fields__]
    for name in entry.grid:
        if name not in known:
            where = named(place, f"{key}.grid.{name}")
            raise UsageError(f"{where} is not an option of {entry.kind}{did_you_mean(name, known)}")


def _check_names(made: Benchmark, place: str) -> None:
    """Refuse sets, pools and metrics that are named and not there."""
    _check_metrics(made.metrics, place)
    for name, entry in made.models.items():
        _check_known(entry.sets, made.sets, place, f"models.{name}.sets")
    for name, members in made.pools.items():
        _check_known(members, made.sets, place, f"pools.{name}")
    pools = made.pooled()
    for pair in made.compare:
        _check_known(pair, {**made.sets, **pools}, place, "compare")


def _check_metrics(names, place: str) -> None:
    """Refuse metrics that are not known; those of other code are looked at when they are trusted."""
    ours = [name for name in names if ":" not in name and name not in registry.REFINED]
    try:
        registry.columns_of(ours)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def _check_known(names, known, place: str, key: str) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(known)
            hint = did_you_mean(name, known)
            raise UsageError(f"{named(place, key)} must be some of {listed}, got {name}{hint}")


def _mapping(values, place: str, key: str) -> dict:
    if not isinstance(values, dict):
        raise UsageError(f"{named(place, key)} must be a mapping of names, got {reprlib.repr(values)}")
    return values


def checked_size(value, place: str, key: str) -> list[int]:
    """Return height and width of ``N`` or ``WxH``."""
    height, width = parse_size(value, place, key)
    if not (1 <= height <= _SIDE and 1 <= width <= _SIDE):
        raise UsageError(f"{named(place, key)} must be 1 to {_SIDE} pixels high and wide, got {value}")
    return [height, width]


def _seconds(value, place: str) -> float:
    """Return the seconds of ``2 h``, ``30 min``, or a number."""
    match = _TIME.fullmatch(str(value))
    if match is None or float(match[1]) <= 0:
        units = ", ".join(_SECONDS)
        where = named(place, "time_limit")
        raise UsageError(f"{where} must be a time such as 2 h (units are {units}), got {reprlib.repr(value)}")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def _size_text(size: tuple[int, int]) -> int | str:
    height, width = size
    return height if height == width else f"{width}x{height}"


def _stated(values: dict) -> dict:
    """Return the values that say something: no None, nothing empty."""
    return {name: value for name, value in values.items() if value is not None and value not in ([], {}, ())}


def _entry_dict(entry: Entry) -> dict:
    """Return a model as plain values, its options beside its other keys."""
    values = msgspec.to_builtins(entry)
    options = values.pop("options")
    if entry.size is not None:
        values["size"] = _size_text(entry.size)
    return {**_stated(values), **options}
