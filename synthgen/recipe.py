"""Recipes: YAML or options -> checked, frozen `Recipe` -> dict again."""

import difflib
import hashlib
import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from synthgen import families
from synthgen.errors import UsageError
from synthgen.naming import default_name
from synthgen.options import check_text, convert, named, parse_size, parse_yaml
from synthgen.seeding import MAX_SEED
from synthgen.shards.codecs import LOSSY, Codec
from synthgen.shards.files import is_remote

VERSION = 1
_MAX_BYTES = 2**20

_LEAST_SIDE = 16
_MOST_SIDE = 4096
Side = Annotated[int, msgspec.Meta(ge=_LEAST_SIDE, le=_MOST_SIDE)]
Natural = Annotated[int, msgspec.Meta(ge=1)]


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How samples are stored, which does not change what they are."""

    format: Annotated[Literal["hdf5", "webdataset"], msgspec.Meta(description="File format of the shards.")] = (
        "hdf5"
    )
    shard_size: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None,
        msgspec.Meta(
            description="Samples in a shard; by default about a second of work or more, 128 MB of them at most."
        ),
    ] = None
    codec: Annotated[
        Codec,
        msgspec.Meta(
            description="How images are encoded: png, png-stored (larger, read faster), raw (largest, read "
            "fastest), jpeg (lossy)."
        ),
    ] = "png"
    # Classes, images in each and samples in a shard, at each earlier stage of a data set that grew.
    grown_from: tuple[tuple[Natural, Natural, Natural], ...] = ()


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a data set depends on. Make one with `load_recipe` or `Recipe.from_dict`.

    Attributes
    ----------
    name : str
        For people, and for the default folder; no part of the fingerprints.
    family : str
        One of `synthgen.families.known`.
    classes, per_class : int
        Number of classes, images in each.
    size : (int, int)
        Height and width of the images in pixels, 16..4096.
    seed : int
        0 <= seed < 2**63.
    options : msgspec.Struct
        The family's own options.
    storage : Storage
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
    family: str
    classes: Annotated[int, msgspec.Meta(ge=1, le=10**6)]
    per_class: Annotated[int, msgspec.Meta(ge=1, le=10**8)]
    size: tuple[Side, Side]
    seed: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEED)] = 0
    options: Any
    storage: Storage = Storage()

    @property
    def count(self) -> int:
        """Number of images."""
        return self.classes * self.per_class

    def to_dict(self) -> dict:
        """Return the recipe as plain values; `from_dict` makes an equal recipe of them."""
        height, width = self.size
        storage = msgspec.to_builtins(self.storage)
        stages = storage.pop("grown_from")
        if stages:
            storage["grown_from"] = [list(stage) for stage in stages]
        return {
            "synthgen": VERSION,
            "name": self.name,
            "family": self.family,
            "classes": self.classes,
            "per_class": self.per_class,
            "size": height if height == width else f"{width}x{height}",
            "seed": self.seed,
            **msgspec.to_builtins(self.options),
            "storage": storage,
        }

    def to_yaml(self) -> str:
        """Return the recipe as a YAML text that `load_recipe` reads."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None)

    @classmethod
    def from_dict(cls, values: dict, place: str = "recipe") -> "Recipe":
        """Check plain values and return them as a recipe.

        Parameters
        ----------
        values : dict
            ``family`` is required; other missing keys take the family's defaults. Numbers may be text.
        place : str
            What errors call the source, such as the name of a file; empty for arguments of a call.

        Raises
        ------
        UsageError
            With the place, the rule and the value.
        """
        values = dict(values)
        version = values.pop("synthgen", VERSION)
        _check_head(version, values, place)

        family = families.load(values["family"])
        common = {key: value for key, value in values.items() if key in cls.__struct_fields__}
        own = {key: value for key, value in values.items() if key not in common}
        known = [*cls.__struct_fields__, *family.Options.__struct_fields__]
        known.remove("options")

        options = convert(own, family.Options, place, "", known)
        common = {**family.defaults(options), **common, "options": options}
        storage = common.get("storage", {})
        common["size"] = _checked_size(common["size"], place)
        common["storage"] = _checked_storage(storage, family, place)
        recipe = convert({"name": family.NAME, **common}, cls, place, "", known)
        if "name" not in common:
            recipe = msgspec.structs.replace(recipe, name=default_name(recipe, family))

        most = family.most_classes(options)
        if recipe.classes > most:
            where = named(place, "classes")
            raise UsageError(f"{where} must be <= {most:,}, got {recipe.classes:,}")
        if hasattr(family, "resolve"):
            resolved = family.resolve(options, recipe.classes)
            recipe = msgspec.structs.replace(recipe, options=resolved)
        texts = msgspec.structs.asdict(recipe.options)
        check_text({"name": recipe.name, **texts}, place)
        return recipe

    @property
    def data_fingerprint(self) -> str:
        """SHA-256 of all that the samples depend on."""
        values = self.to_dict()
        for key in ("storage", "name", "synthgen"):
            del values[key]

        family = families.load(self.family)
        inputs = family.inputs(self.options) if hasattr(family, "inputs") else {}
        return _fingerprint({**values, **inputs, "family_version": family.VERSION})


def _check_head(version, values: dict, place: str) -> None:
    """Raise `UsageError` for a recipe of another version, without a family, or with a section of options."""
    if version != VERSION:
        where = named(place, "synthgen")
        found = reprlib.repr(version)
        raise UsageError(f"{where} must be {VERSION} for this version of synthgen, got {found}")

    if not isinstance(values.get("family"), str):
        where = named(place, "family")
        known = ", ".join(families.known())
        raise UsageError(f"{where} must be one of {known}")

    if "options" in values:
        where = named(place, "options")
        raise UsageError(f"{where} is not a key: the family's options stand beside the others")


def _checked_size(value, place: str) -> tuple[int, int]:
    """Return the height and width that ``N``, ``WIDTHxHEIGHT`` or a pair stands for."""
    sides = parse_size(value, place)
    try:
        return msgspec.convert(sides, tuple[Side, Side], strict=False)
    except msgspec.ValidationError:
        where = named(place, "size")
        rule = f"must be N or WIDTHxHEIGHT, of {_LEAST_SIDE} to {_MOST_SIDE} pixels"
        found = value if isinstance(value, str) else reprlib.repr(value)
        raise UsageError(f"{where} {rule}, got {found}") from None


def _checked_storage(values, family, place: str) -> Storage:
    """Return how samples are stored; refuse a lossy codec where it would make masks wrong."""
    storage = convert(values, Storage, place, "storage.")
    needs_lossless = getattr(family, "LOSSLESS", False)
    if needs_lossless and storage.codec in LOSSY:
        where = named(place, "storage.codec")
        rule = f"must be lossless for {family.NAME}, or pixels outside the masks would change"
        raise UsageError(f"{where} {rule}, got {storage.codec}")
    return storage


def _fingerprint(value) -> str:
    text = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(text).hexdigest()


def storage_fingerprint(
    recipe: Recipe, shard_size: int, versions: dict[str, str], earlier: Sequence[str] = ()
) -> str:
    """Return the SHA-256 of all else that the bytes of the shards depend on.

    `earlier` are the storage fingerprints of the stages that the data set grew from, with their sizes.
    """
    storage = {"format": recipe.storage.format, "codec": recipe.storage.codec}
    grown = {"grown_from": list(earlier)} if earlier else {}
    return _fingerprint({**storage, "shard_size": shard_size, "versions": versions, **grown})


def installed() -> dict[str, Path]:
    """Return the recipes of data sets that come with the package: name -> file."""
    return {name: path for name, path in _files().items() if not _is_benchmark(path)}


def installed_benchmarks() -> dict[str, Path]:
    """Return the recipes of benchmarks that come with the package, for `synthgen benchmark`: name -> file."""
    return {name: path for name, path in _files().items() if _is_benchmark(path)}


def _files() -> dict[str, Path]:
    """Return the YAML files that come with the package, by name."""
    folder = resources.files("synthgen.recipes")
    found = {}
    for file in folder.iterdir():
        name, _, suffix = file.name.rpartition(".")
        if suffix == "yaml":
            found[name] = Path(str(file))
    return dict(sorted(found.items()))


def _is_benchmark(path: Path) -> bool:
    """Return whether a file has the key of benchmarks at its top."""
    return re.search(rb"^benchmark:", path.read_bytes(), re.MULTILINE) is not None


def load_recipe(source, overrides: dict | None = None) -> Recipe:
    """Return the recipe of a name, a YAML file, a data set, a mapping, or a `Recipe` itself.

    Parameters
    ----------
    source : Recipe, dict, str or Path
        A recipe of the package by name, the path of a YAML file, or the folder, or the address, of a data set; or
        the keys of a recipe, as `Recipe.from_dict` takes them.
    overrides : dict, optional
        Keys to replace; ``storage.format`` reaches into a section.

    Raises
    ------
    UsageError
        If there is no such recipe, or it breaks a rule.
    """
    if isinstance(source, Recipe):
        values = source.to_dict()
        place = source.name
    elif isinstance(source, Mapping):
        values = dict(source)
        place = ""
    elif isinstance(source, (str, os.PathLike)):
        values, place = _read(source)
    else:
        raise UsageError(f"recipe must be a Recipe, a mapping, a name or a path, got {type(source).__name__}")

    for key, value in (overrides or {}).items():
        _replace(values, key, value, place)
    return Recipe.from_dict(values, place)


def _replace(values: dict, key: str, value, place: str) -> None:
    """Replace a key of a recipe in place; ``storage.format`` reaches into a section."""
    section, _, name = key.rpartition(".")
    if not section:
        values[name] = value
        return

    if section != "storage":
        where = named(place, key)
        raise UsageError(f"{where} is not a known key: the only section is storage")
    storage = values.get("storage", {})
    if not isinstance(storage, dict):
        where = named(place, "storage")
        raise UsageError(f"{where} must be a mapping of names")
    values["storage"] = {**storage, name: value}


def _read(source) -> tuple[dict, str]:
    """Return the values of a recipe, and the place that they come from."""
    if is_remote(source):
        return _read_address(source)
    path = Path(source)
    known = installed()
    # The name of an installed recipe wins over a data set of the same name in this folder: that is ./NAME.
    if str(source) in known:
        path = known[str(source)]
    elif path.is_dir() and (path / "run.json").is_file():
        from synthgen.shards.manifest import read_run

        record = read_run(path)
        if record is not None:
            return dict(record.recipe), str(path / "run.json")
    elif str(source) in installed_benchmarks():
        raise UsageError(f"recipe must be one of a data set, got {source}: `synthgen benchmark {source}` runs it")
    elif not path.is_file():
        close = difflib.get_close_matches(str(source), known, 1)
        hint = f"did you mean {close[0]}?" if close else "`synthgen recipes` lists those that are installed"
        raise UsageError(f"recipe must be a file, a data set or an installed recipe, got {str(source)!r}; {hint}")

    raw = read_recipe_file(path)
    values = parse_yaml(raw, str(path))
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)
    name = name.lstrip("._-")
    return {"name": name[:100], **values}, str(path)


def _read_address(address) -> tuple[dict, str]:
    """Return the recipe of a data set in a store, and the key that it comes from."""
    from synthgen.shards.manifest import RUN, RunRecord, decode_json, most_bytes
    from synthgen.shards.places import place_of

    place = place_of(address)
    key = place.key(RUN)
    raw = place.read(RUN, most_bytes(RunRecord))
    record = decode_json(raw, RunRecord, key)
    return dict(record.recipe), key


def read_recipe_file(path: Path) -> bytes:
    """Return the bytes of a recipe; raise `UsageError` if it cannot be read, or is far too large for one."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UsageError(f"{path}: must be smaller than {_MAX_BYTES} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
