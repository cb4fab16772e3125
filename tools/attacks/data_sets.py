"""Damaged data sets: every reader gives the right sample or one error, and `verify` names what is damaged."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

import synthgen
from attacks import damage
from attacks.isolated import command, isolated
from attacks.trials import Trial, Wrong
from synthgen.cards import is_beside_data
from synthgen.errors import SynthgenError
from synthgen.recipe import Recipe

FIELDS = ("mask", "instances")
_STORAGES = (
    {"format": "hdf5"},
    {"format": "webdataset"},
    {"format": "hdf5", "codec": "png-stored"},
    {"format": "webdataset", "codec": "jpeg"},
)


def recipe_of(storage: dict) -> Recipe:
    """Return the recipe of a small data set with masks and ids: 4 classes x 5 images in 4 shards."""
    return Recipe.from_dict({
        "family": "multiformula", "source": "fractals", "source_classes": 4, "groups": 4, "classes": 4,
        "per_class": 5, "size": 32, "points": 500, "systems": 2, "storage": {"shard_size": 5, **storage},
    })  # fmt: skip


class Original:
    """An undamaged data set, and what its readers give."""

    def __init__(self, folder: Path, storage: dict):
        from synthgen.torch import ShardDataset

        self.folder = folder
        synthgen.generate(recipe_of(storage), folder, workers=0, progress=False)

        dataset = synthgen.open(folder)
        tensors = ShardDataset(folder, fields=FIELDS)

        self.classes = dataset.classes
        self.files = {path.relative_to(folder): path.read_bytes() for path in files_of(folder)}
        self.samples = [digest_of_sample(sample) for sample in dataset]
        self.items = [digest_of_item(tensors[i]) for i in range(len(tensors))]
        self.digest = synthgen.verify(folder, pixels=True).digest


def files_of(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted."""
    found = folder.rglob("*")
    return sorted(path for path in found if path.is_file())


def digest_of_sample(sample) -> str:
    """Return a digest of all that a sample is."""
    digest = hashlib.sha256(f"{sample.key} {sample.label}".encode())
    digest.update(json.dumps(sample.params, sort_keys=True).encode())

    arrays = {"image": sample.image, **sample.fields}
    for name in sorted(arrays):
        values = arrays[name]
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values))

    return digest.hexdigest()


def digest_of_item(item: tuple) -> str:
    """Return a digest of what a data set for torch gives."""
    image, label, *others = item
    digest = hashlib.sha256(f"{label}".encode())
    for tensor in (image, *others):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()


class DataSets:
    """Damages one file of a data set at a time."""

    kind = "damage"
    count = 1918

    def __init__(self, folder: Path):
        self.folder = folder
        self.originals = []
        for number, storage in enumerate(_STORAGES):
            original = Original(folder / f"set-{number}", storage)
            self.originals.append(original)

    def trial(self, rng: np.random.Generator) -> Trial:
        """Damage a copy of a data set, and read it in every way."""
        original = damage.one_of(rng, self.originals)
        copy = self.folder / "copy"
        shutil.copytree(original.folder, copy)

        try:
            what = _damaged_file(copy, rng)
            findings = isolated(_steps(copy, original))
        finally:
            shutil.rmtree(copy)
        return Trial(f"{original.folder.name}/{what}", findings)


def _damaged_file(folder: Path, rng) -> str:
    """Damage a file of a data set; return which and how."""
    path = damage.one_of(rng, files_of(folder))
    more = {".h5": (labels_swapped, offsets_moved, params_swapped) * 2, ".tar": (), ".md": ()}
    return damage.damaged(path, rng, more.get(path.suffix, damage.TEXTS))


def labels_swapped(path: Path, rng) -> str:
    """Exchange two labels of an HDF5 shard."""
    return _column_changed(path, "label", rng)


def offsets_moved(path: Path, rng) -> str:
    """Exchange two offsets of an HDF5 shard, or move all by one sample."""
    field = damage.one_of(rng, ("image", *FIELDS))
    return _column_changed(path, f"{field}_offsets", rng)


def params_swapped(path: Path, rng) -> str:
    """Exchange the ends of parameters of an HDF5 shard."""
    return _column_changed(path, "params_offsets", rng)


def _column_changed(path: Path, name: str, rng) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        offset = file[name].id.get_offset()
        values = file[name][:]

    first, second = rng.choice(len(values), 2, replace=False)
    if rng.random() < 0.5:
        values[[first, second]] = values[[second, first]]
        said = f"{name} {first} and {second} swapped"
    else:
        values = np.roll(values, 1)
        said = f"{name} moved by one"

    with path.open("r+b") as file:
        file.seek(offset)
        file.write(values.tobytes())
    return said


def _steps(folder: Path, original: Original) -> dict:
    """Return the readers that a damaged data set is given to."""
    return {
        "open": lambda: read_all(folder, original),
        "ShardDataset": lambda: read_tensors(folder, original),
        "StreamDataset": lambda: read_stream(folder, original),
        "verify": lambda: _verify(folder, original),
        "synthgen verify": lambda: command("verify", folder, "--pixels", "--progress", "none"),
        "synthgen info": lambda: command("info", folder),
    }


def read_all(folder: Path, original: Original) -> None:
    """Read a folder by `synthgen.open`; raise `Wrong` unless it gives what the original does."""
    dataset = synthgen.open(folder)
    _compare(lambda i: digest_of_sample(dataset[i]), len(dataset), original.samples)
    if dataset.classes != original.classes:
        raise Wrong("another class table")


def read_tensors(folder: Path, original: Original) -> None:
    """Read a folder by `ShardDataset`, as `read_all` does."""
    from synthgen.torch import ShardDataset

    dataset = ShardDataset(folder, fields=FIELDS)
    _compare(lambda i: digest_of_item(dataset[i]), len(dataset), original.items)


def _compare(read, count: int, wanted: list[str]) -> None:
    """Read all samples, also those after an error; raise `Wrong` for a wrong one, or else the first error."""
    if count != len(wanted):
        raise Wrong(f"{count} samples")

    refusal = None
    for i, digest in enumerate(wanted):
        try:
            found = read(i)
        except SynthgenError as error:
            refusal = refusal or error
            continue
        if found != digest:
            raise Wrong(f"sample {i} is another")

    if refusal is not None:
        raise refusal


def read_stream(folder: Path, original: Original) -> None:
    """Read a folder by `StreamDataset`, as `read_all` does."""
    from synthgen.torch import StreamDataset

    found = [digest_of_item(item) for item in StreamDataset(folder, fields=FIELDS)]
    if found != original.items:
        raise Wrong(f"{len(found)} samples, other ones")


def _verify(folder: Path, original: Original) -> None:
    report = synthgen.verify(folder, pixels=True)
    changed = changed_files(folder, original)

    if report.ok:
        if report.digest != original.digest:
            raise Wrong("ok, with another digest")
        if changed:
            raise Wrong(f"ok, though {changed[0]} is damaged")
        return

    named = {name for name, _ in report.problems}
    unnamed = [path.name for path in changed if path.suffix in (".h5", ".tar") and path.name not in named]
    if unnamed:
        raise Wrong(f"does not name {unnamed[0]}")
    name, reason = (*report.problems, *report.unread)[0]
    raise SynthgenError(f"{name}: {reason}")


def changed_files(folder: Path, original: Original) -> list[Path]:
    """Return the files whose contents are others than they were; JSON that says the same is not changed.

    A card and a description for other programs are no part of the data: everybody may change them.
    """
    files = {path: data for path, data in original.files.items() if not is_beside_data(path.name)}
    return [path for path, data in files.items() if not _equal(folder / path, data)]


def _equal(path: Path, data: bytes) -> bool:
    if not path.is_file() or path.stat().st_size > 2 * len(data) + 2**20:
        return False

    found = path.read_bytes()
    if found == data:
        return True
    return path.suffix == ".json" and _says_the_same(found, data)


def _says_the_same(found: bytes, expected: bytes) -> bool:
    """Compare JSON texts; keys that the format does not know are ignored, as it says."""
    known = json.loads(expected)
    try:
        values = json.loads(found)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and all(values.get(key) == value for key, value in known.items())
