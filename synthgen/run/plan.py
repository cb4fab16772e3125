"""The plan of a run: which sample lies in which shard. It does not depend on workers or parts."""

from importlib.metadata import PackageNotFoundError, version
from math import ceil

import msgspec
import numpy as np

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, storage_fingerprint
from synthgen.shards.codecs import ENCODER, codec_of
from synthgen.shards.manifest import MAX_COUNT, MAX_SHARDS, VERSION, FieldEntry, Fingerprints, RunRecord
from synthgen.shards.order import Permutation

# Shards of about this size stream well from disks and object stores and cost little when a worker dies.
_SHARD_BYTES = 128 * 2**20
# Small data sets are cut finer, so that workers and loaders have something to share out.
_LEAST_SHARDS, _LEAST_SAMPLES = 16, 64


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
        start = shard * self.run.shard_size
        ids = self.order.forward(np.arange(start, start + self.run.shard_count(shard)))
        labels, indices = np.divmod(ids, self.run.per_class)
        return labels.tolist(), indices.tolist()

    @property
    def order(self) -> Permutation:
        """The order in which samples are stored."""
        return Permutation(self.run.count, self.run.seed)


def make_plan(recipe: Recipe) -> Plan:
    """Cut a recipe into shards.

    The work and the memory do not depend on the number of samples.
    """
    family = families.load(recipe.family)
    fields = {
        name: FieldEntry(spec.dtype, list(spec.shape), spec.kind, codec_of(spec, recipe.storage.codec))
        for name, spec in sorted(family.fields(recipe.options, recipe.size).items())
    }
    size = recipe.storage.shard_size or _shard_size(
        recipe.count, family.bytes_per_sample(recipe.options, recipe.size)
    )
    size = min(size, recipe.count)
    shards = ceil(recipe.count / size)
    if recipe.count > MAX_COUNT or shards > MAX_SHARDS:
        raise UsageError(
            f"a data set must have at most {MAX_COUNT:,} images in {MAX_SHARDS:,} shards, "
            f"got {recipe.count:,} in {shards:,}"
        )
    versions = library_versions(recipe)
    run = RunRecord(
        format=VERSION,
        recipe=recipe.to_dict(),
        fingerprints=Fingerprints(recipe.data_fingerprint, storage_fingerprint(recipe, size, versions)),
        count=recipe.count,
        classes=recipe.classes,
        per_class=recipe.per_class,
        seed=recipe.seed,
        storage=recipe.storage.format,
        shard_size=size,
        shards=shards,
        fields=fields,
        versions=versions,
        tolerance=families.tolerance_of(family, recipe.options),
    )
    return Plan(recipe, run)


def _shard_size(count: int, bytes_per_sample: int) -> int:
    fine = max(_LEAST_SAMPLES, ceil(count / _LEAST_SHARDS))
    return max(1, min(_SHARD_BYTES // bytes_per_sample, fine))


def library_versions(recipe: Recipe) -> dict[str, str]:
    """Return the versions of all libraries that the bytes of a shard depend on."""
    names = ["synthgen", "numpy", "isal", "msgspec", *families.load(recipe.family).LIBRARIES]
    names += ["h5py"] if recipe.storage.format == "hdf5" else []
    names += ["pillow"] if recipe.storage.codec == "jpeg" else []
    return {"encoder": ENCODER, **{name: _version(name) for name in sorted(set(names))}}


def _version(name: str) -> str:
    if name == "synthgen":
        from synthgen.version import __version__

        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
