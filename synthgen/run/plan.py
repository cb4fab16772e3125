"""The plan of a run: which sample lies in which shard. It does not depend on workers or parts."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from math import ceil, prod
from types import ModuleType

import msgspec

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, storage_fingerprint
from synthgen.shards.arrangement import Arrangement
from synthgen.shards.codecs import ENCODER, RAW, codec_of
from synthgen.shards.manifest import MAX_COUNT, MAX_SHARDS, VERSION, FieldEntry, Fingerprints, RunRecord, Stage

# Shards of about this size stream well from disks and object stores and cost little when a worker dies.
_SHARD_BYTES = 128 * 2**20
# How fine a data set is cut, so that workers and loaders have something to share out: into so many shards, if each
# takes this many seconds or more.
_CUTS = ((0.1, 16), (1.0, 64), (4.0, 256))


class Plan(msgspec.Struct, frozen=True):
    """A recipe, cut into shards.

    Attributes
    ----------
    recipe : Recipe
    run : RunRecord
        What ``run.json`` will hold.
    """

    recipe: Recipe
    run: RunRecord

    def samples(self, shard: int) -> tuple[list[int], list[int]]:
        """Return the labels and the indices of the samples of a shard, in stored order."""
        places = self.run.arrangement
        labels, indices = places.samples(places.positions_of(shard))
        return labels.tolist(), indices.tolist()


def make_plan(recipe: Recipe, earlier: Sequence[Stage] | None = None) -> Plan:
    """Cut a recipe into shards.

    The work and the memory do not depend on the number of samples.

    Parameters
    ----------
    recipe : Recipe
    earlier : sequence of Stage, optional
        The stages that the data set grew from, as its record has them; by default as this version would draw them.

    Raises
    ------
    UsageError
        If there would be too many images or shards, or if the recipe does not grow from its earlier stages.
    """
    family = families.load(recipe.family)
    versions = library_versions(recipe)
    stages = _earlier_stages(recipe, versions) if earlier is None else list(earlier)
    last = _stage(recipe, stages, versions)
    shards = _shards_of(recipe, [*stages, last])

    run = RunRecord(
        format=VERSION,
        recipe=recipe.to_dict(),
        fingerprints=last.fingerprints,
        count=recipe.count,
        classes=recipe.classes,
        per_class=recipe.per_class,
        seed=recipe.seed,
        storage=recipe.storage.format,
        shard_size=last.shard_size,
        shards=shards,
        fields=_fields(recipe, family),
        versions=versions,
        tolerance=families.tolerance_of(family, recipe.options),
        grown_from=stages,
    )
    return Plan(recipe, run)


def _fields(recipe: Recipe, family: ModuleType) -> dict[str, FieldEntry]:
    fields = {}
    for name, spec in sorted(family.fields(recipe.options, recipe.size).items()):
        codec = codec_of(spec, recipe.storage.codec)
        fields[name] = FieldEntry(spec.dtype, list(spec.shape), spec.kind, codec)
    return fields


def _earlier_stages(recipe: Recipe, versions: dict[str, str]) -> list[Stage]:
    """Return the stages that a recipe says that it grew from."""
    stages: list[Stage] = []
    for classes, per_class, shard_size in recipe.storage.grown_from:
        storage = msgspec.structs.replace(recipe.storage, shard_size=shard_size)
        smaller = msgspec.structs.replace(recipe, classes=classes, per_class=per_class, storage=storage)
        stages.append(_stage(smaller, stages, versions))
    return stages


def _stage(recipe: Recipe, before: list[Stage], versions: dict[str, str]) -> Stage:
    """Return the stage at which a data set has grown to a recipe."""
    added = recipe.count
    if before:
        added -= before[-1].classes * before[-1].per_class
    asked = recipe.storage.shard_size or _shard_size(recipe, added)
    size = max(1, min(asked, added))

    known = [f"{stage.classes}x{stage.per_class} {stage.fingerprints.storage}" for stage in before]
    storage = storage_fingerprint(recipe, size, versions, known)
    prints = Fingerprints(recipe.data_fingerprint, storage)
    return Stage(recipe.classes, recipe.per_class, size, prints, versions)


def _shards_of(recipe: Recipe, stages: list[Stage]) -> int:
    """Return the number of shards of all stages; refuse what no manifest can hold."""
    cuts = [(stage.classes, stage.per_class, stage.shard_size) for stage in stages]
    try:
        shards = Arrangement(cuts, recipe.seed).shards
    except ValueError as error:
        raise UsageError(f"storage.grown_from must name smaller data sets: {error}") from None

    if recipe.count > MAX_COUNT or shards > MAX_SHARDS:
        raise UsageError(
            f"a data set must have at most {MAX_COUNT:,} images in {MAX_SHARDS:,} shards, "
            f"got {recipe.count:,} in {shards:,}"
        )
    return shards


def _shard_size(recipe: Recipe, count: int) -> int:
    """Return how many of `count` samples lie in a shard: that follows from the recipe, never from the machine."""
    family = families.load(recipe.family)
    cost = families.seconds_of(family, recipe.options, recipe.size)
    sizes = [max(ceil(seconds / cost), ceil(count / shards)) for seconds, shards in _CUTS]
    fitting = _SHARD_BYTES // _sample_bytes(recipe, family)
    return max(1, min(fitting, *sizes))


def _sample_bytes(recipe: Recipe, family: ModuleType) -> int:
    """Return about how many bytes a sample takes."""
    size = family.bytes_per_sample(recipe.options, recipe.size)
    if recipe.storage.codec != RAW:
        return size
    image = family.fields(recipe.options, recipe.size)["image"]
    return size + prod(image.shape)


def library_versions(recipe: Recipe) -> dict[str, str]:
    """Return the versions of all libraries that the bytes of a shard depend on."""
    family = families.load(recipe.family)
    names = ["synthgen", "numpy", "isal", "msgspec", *family.LIBRARIES]
    names += ["h5py"] if recipe.storage.format == "hdf5" else []
    names += ["pillow"] if recipe.storage.codec == "jpeg" else []
    libraries = {name: _version(name) for name in sorted(set(names))}
    return {"encoder": ENCODER, f"family {family.NAME}": str(family.VERSION), **libraries}


def _version(name: str) -> str:
    if name == "synthgen":
        from synthgen.version import __version__

        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
