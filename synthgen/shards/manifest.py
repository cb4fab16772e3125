"""The JSON files of a data set: run record, sidecars, class table, manifest. FORMAT.md describes them.

All of them are read into typed structures with limits; a value out of place is an error that names file and field.
"""

import zlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from synthgen.errors import FormatError, UsageError
from synthgen.sample import FieldSpec
from synthgen.shards import hdf5, webdataset
from synthgen.shards.arrangement import Arrangement, arrangement
from synthgen.shards.codecs import CODECS, StoredCodec
from synthgen.shards.files import write_atomically
from synthgen.shards.reading import exists, read_whole

VERSION = 1
FORMATS = {"hdf5": hdf5, "webdataset": webdataset}
RUN = "run.json"
DATASET = "dataset.json"
CLASSES = "classes.jsonl"
SHARDS = "shards"
MAX_JSON = 64 * 2**20
# Of a sidecar, and of each part of a manifest that does not grow with the shards, bytes: read JSON takes up to 25
# times the memory of its text.
MAX_PART = 2**20
# Of a class table that is fetched from a store, bytes; one in a folder is read line by line.
MAX_TABLE = 2**30
# So that a manifest, 250 bytes a shard, stays within it, and its splits, 30 bytes a shard, within `_MAX_SPLITS`.
MAX_SHARDS = 200_000
MAX_COUNT = 10**12
MAX_CLASSES = 10**6
_MAX_STAGES = 1000
_MAX_SPLITS = 8 * 2**20

Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
ShardName = Annotated[str, msgspec.Meta(pattern=r"^train-[0-9]{6,9}\.(h5|tar)\Z")]

# For each kind of field but `array`: the types, and the numbers of dimensions, that it may have.
_KINDS = {
    "image": (("uint8",), (2, 3)),
    "mask": (("uint8",), (2,)),
    "coverage": (("uint8",), (2,)),
    "ids": (("uint8", "uint16"), (2,)),
    "depth": (("float32",), (2,)),
    "normal": (("float32",), (3,)),
}


class FieldEntry(msgspec.Struct, frozen=True):
    """One field of every sample, and how it is stored."""

    dtype: Annotated[str, msgspec.Meta(pattern="^(u?int(8|16|32)|float(16|32))$")]
    shape: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=16384)]], msgspec.Meta(min_length=2, max_length=3)]
    kind: Literal["image", "mask", "coverage", "ids", "depth", "normal", "array"]
    codec: StoredCodec

    def __post_init__(self):
        if self.kind == "array":
            self._check_codec(("npy",))
            return

        self._check_pixels()
        self._check_codec(CODECS if self.kind == "image" else ("png",))

    def _check_pixels(self) -> None:
        dtypes, dimensions = _KINDS[self.kind]
        channels = self.shape[2:]
        has_type = self.dtype in dtypes
        has_shape = len(self.shape) in dimensions and channels in ([], [3])
        if not has_type or not has_shape:
            rule = " or ".join(dtypes)
            found = f"{self.dtype} {self.shape}"
            raise ValueError(f"{self.kind} must be {rule} (H, W) or (H, W, 3), got {found}")

    def _check_codec(self, allowed: tuple[str, ...]) -> None:
        if self.codec not in allowed:
            rule = " or ".join(allowed)
            raise ValueError(f"codec of {self.kind} must be {rule}, got {self.codec}")

    def spec(self) -> FieldSpec:
        """Return the field without its storage."""
        shape = tuple(self.shape)
        return FieldSpec(self.dtype, shape, self.kind)


class Fingerprints(msgspec.Struct, frozen=True):
    """Of the data: equal means equal samples. Of the storage: equal means equal bytes."""

    data: Sha256
    storage: Sha256

    @property
    def short(self) -> str:
        """Both, cut to what people compare."""
        return f"{self.data[:12]}/{self.storage[:12]}"


class Stage(msgspec.Struct, frozen=True):
    """What a data set holds after a stage of its growth, and what made the shards of that stage."""

    classes: Count
    per_class: Count
    shard_size: Count
    fingerprints: Fingerprints
    versions: dict[str, str]


class RunRecord(msgspec.Struct, frozen=True):
    """``run.json``: what the folder is going to hold. Written first; what a resumed run compares with."""

    format: int
    recipe: dict
    fingerprints: Fingerprints
    count: Count
    classes: Count
    per_class: Count
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    storage: Literal["hdf5", "webdataset"]
    shard_size: Count
    shards: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHARDS)]
    fields: dict[Name, FieldEntry]
    versions: dict[str, str]
    device: str = "any CPU"
    tolerance: Annotated[float, msgspec.Meta(ge=0, le=255)] = 0.0
    grown_from: Annotated[list[Stage], msgspec.Meta(max_length=_MAX_STAGES)] = []

    def __post_init__(self):
        if self.count != self.classes * self.per_class:
            raise ValueError(f"count must be classes * per_class, got {self.count}")
        needed = self.arrangement.shards
        if self.shards != needed:
            raise ValueError(f"shards must be count / shard_size rounded up, stage by stage, got {self.shards}")
        image = self.fields.get("image")
        if image is None or image.kind != "image":
            raise ValueError("fields must have an image")

        name = self.recipe.get("name")
        family = self.recipe.get("family")
        if not isinstance(name, str) or not isinstance(family, str):
            raise ValueError("recipe must have a name and a family")

    def shard_name(self, shard: int) -> str:
        """Return the file name of a shard."""
        suffix = FORMATS[self.storage].SUFFIX
        return f"train-{shard:06d}.{suffix}"

    def shard_count(self, shard: int) -> int:
        """Return how many samples a shard has."""
        return len(self.arrangement.positions_of(shard))

    @property
    def arrangement(self) -> Arrangement:
        """Where each sample lies."""
        cuts = []
        for stage in self.stages:
            cut = (stage.classes, stage.per_class, stage.shard_size)
            cuts.append(cut)
        return arrangement(tuple(cuts), self.seed)

    @property
    def stages(self) -> list[Stage]:
        """All stages of the growth, that of this record last."""
        last = Stage(self.classes, self.per_class, self.shard_size, self.fingerprints, self.versions)
        return [*self.grown_from, last]

    def stage_of(self, shard: int) -> Stage:
        """Return the stage that a shard belongs to."""
        number = self.arrangement.stage_of(shard)
        return self.stages[number]

    def grows_from(self, other: "RunRecord") -> bool:
        """Return whether another record is that of an earlier stage of this data set."""
        known = other.stages
        return self.grown_from[: len(known)] == known

    @property
    def order_fingerprint(self) -> str:
        """Equal means equal samples in equal order: that of the data, and how it grew."""
        sizes = [f"-{stage.classes}x{stage.per_class}" for stage in self.grown_from]
        return self.fingerprints.data + "".join(sizes)


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """``shards/.train-000000.json``: says that its shard is finished, and what it is. `signed` makes one."""

    shard: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    name: ShardName
    count: Count
    bytes: Count
    sha256: Sha256
    fingerprints: Fingerprints
    versions: dict[str, str]
    device: str
    crc32: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]

    def __post_init__(self):
        values = msgspec.structs.asdict(self)
        stored = values.pop("crc32")
        found = _checksum(values)
        if stored != found:
            raise ValueError(f"crc32 must be {found}, got {stored}")

    @classmethod
    def signed(cls, **values) -> "Sidecar":
        """Return a sidecar of these values, with their checksum."""
        return cls(**values, crc32=_checksum(values))


def _checksum(values: dict) -> str:
    """Return the CRC32 of values as JSON without blanks, keys sorted."""
    text = msgspec.json.encode(values, order="sorted")
    return f"{zlib.crc32(text):08x}"


class ShardEntry(msgspec.Struct, frozen=True):
    """What the manifest says of a shard."""

    name: ShardName
    count: Count
    bytes: Count
    sha256: Sha256
    device: str


class Manifest(RunRecord, frozen=True, kw_only=True):
    """``dataset.json``: the run record, the splits and all shards. Written last: its presence says whole."""

    classes_sha256: Sha256
    splits: dict[str, list[ShardName]]
    shard_list: list[ShardEntry]

    def __post_init__(self):
        super().__post_init__()
        if len(self.shard_list) != self.shards:
            raise ValueError(f"shard_list must have {self.shards} entries, got {len(self.shard_list)}")

        for k, entry in enumerate(self.shard_list):
            name = self.shard_name(k)
            count = self.shard_count(k)
            if (entry.name, entry.count) != (name, count):
                raise ValueError(f"shard_list[{k}] must be {name} with {count} samples")

        known = {entry.name for entry in self.shard_list}
        for names in self.splits.values():
            if not known.issuperset(names):
                raise ValueError("splits must name shards of shard_list")


def encode_json(value, indent=2) -> bytes:
    """Return canonical JSON: keys in a fixed order, a newline at the end."""
    text = msgspec.json.encode(value, order="deterministic")
    return msgspec.json.format(text, indent=indent) + b"\n"


def read_json(path: Path, kind: type):
    """Read one of the structures above; raise `FormatError` with place, rule and value."""
    raw = read_whole(path, most_bytes(kind))
    return decode_json(raw, kind, path)


def most_bytes(kind: type) -> int:
    """Return how many bytes one of the structures above may have, wherever it is read from."""
    return MAX_JSON if issubclass(kind, RunRecord) else MAX_PART


def decode_json(raw: bytes, kind: type, place):
    """Return one of the structures above from its bytes; errors as for `read_json`, which name `place`."""
    most = most_bytes(kind)
    if len(raw) > most:
        raise FormatError(f"{place}: must have at most {most:,} bytes, got {len(raw):,}")
    try:
        if issubclass(kind, RunRecord):
            outline = msgspec.json.decode(raw, type=_Outline)
            _check_version(place, outline.format)
            _check_parts(place, outline)
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{place}: is damaged: {error}") from None


class _Outline(msgspec.Struct):
    """The version of a record, and the text of its parts, which is not read yet."""

    format: int
    recipe: msgspec.Raw = msgspec.Raw()
    fields: msgspec.Raw = msgspec.Raw()
    versions: msgspec.Raw = msgspec.Raw()
    grown_from: msgspec.Raw = msgspec.Raw()
    splits: msgspec.Raw = msgspec.Raw()


def _check_parts(place, outline: _Outline) -> None:
    """Refuse a part that is larger than any of ours: it would take gigabytes when it is read."""
    for name in ("recipe", "fields", "versions", "grown_from", "splits"):
        text = memoryview(getattr(outline, name))
        most = _MAX_SPLITS if name == "splits" else MAX_PART
        if len(text) > most:
            raise FormatError(f"{place}: {name} must have at most {most:,} bytes, got {len(text):,}")


def _check_version(place, version: int) -> None:
    if version != VERSION:
        hint = "install a newer synthgen" if version > VERSION else "no such version exists"
        raise FormatError(f"{place}: format version must be {VERSION}, got {version} ({hint})")


def read_run(folder: Path) -> RunRecord | None:
    """Return the run record of a folder, or None where there is none."""
    path = folder / RUN
    return read_json(path, RunRecord) if exists(path) else None


def growing_from(folder, manifest: RunRecord) -> RunRecord | None:
    """Return the run record of a larger data set that a finished one is growing to, or None."""
    try:
        run = read_run(Path(folder))
    except FormatError:
        return None
    return run if run is not None and run.grows_from(manifest) else None


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a finished data set; raise `FormatError` for a folder that is not one."""
    path = folder / DATASET
    if exists(path):
        return read_json(path, Manifest)
    if not folder.is_dir():
        raise FormatError(f"{folder}: no such folder")

    run = read_run(folder)
    if run is None:
        raise FormatError(f"{folder}: is not a synthgen data set: it has no {DATASET}")
    sidecars = list((folder / SHARDS).glob(".train-*.json"))
    state = f"{len(sidecars)} of {run.shards} shards"
    raise FormatError(f"{folder}: is not finished: {state}; run the command that began it again to resume")


def sidecar_path(folder: Path, run: RunRecord, shard: int) -> Path:
    """Return where the sidecar of a shard lies."""
    return folder / SHARDS / sidecar_name(run, shard)


def sidecar_name(run: RunRecord, shard: int) -> str:
    """Return the name of the sidecar of a shard: a hidden one, so that no loader takes it for data."""
    stem, _, _ = run.shard_name(shard).partition(".")
    return f".{stem}.json"


def read_sidecar(folder: Path, run: RunRecord, shard: int) -> Sidecar | None:
    """Return the sidecar of a finished shard of this run, or None if the shard has to be drawn.

    A shard counts as missing if its size is not the one in the sidecar, or if the sidecar is damaged. A sidecar of
    other data is an error.
    """
    path = sidecar_path(folder, run, shard)
    if not exists(path):
        return None
    try:
        sidecar = read_json(path, Sidecar)
    except FormatError:
        return None

    file = folder / SHARDS / run.shard_name(shard)
    size = file.stat().st_size if file.is_file() else 0
    return sidecar if says_of(sidecar, run, shard, size, path) else None


def says_of(sidecar: Sidecar, run: RunRecord, shard: int, size: int, place) -> bool:
    """Return whether a sidecar says that a shard of so many bytes is finished.

    Parameters
    ----------
    sidecar : Sidecar
    run : RunRecord
    shard : int
    size : int
        Bytes of the file of the shard.
    place : str or Path
        Where the sidecar lies.

    Raises
    ------
    UsageError
        If the sidecar is of other data.
    """
    expected = run.stage_of(shard)
    if sidecar.fingerprints != expected.fingerprints:
        difference = _difference(sidecar, expected)
        raise UsageError(f"{place}: is of other data than this run: {difference}")

    name = run.shard_name(shard)
    count = run.shard_count(shard)
    return (sidecar.name, sidecar.count, sidecar.bytes) == (name, count, size)


def _difference(sidecar: Sidecar, expected: Stage) -> str:
    """Return in words what tells a sidecar from that of this run, as far as it says."""
    if sidecar.fingerprints.data != expected.fingerprints.data:
        there = sidecar.fingerprints.data[:12]
        return f"its recipe has the fingerprint {there}, this one {expected.fingerprints.data[:12]}"

    changes = version_changes(sidecar.versions, expected.versions)
    return ", ".join(changes) or "format, codec or shard size differ"


def version_changes(there: dict[str, str], here: dict[str, str]) -> list[str]:
    """Return for each library whose versions differ a few words that say so."""
    changes = []
    for name in sorted(there.keys() | here.keys()):
        before = there.get(name, "missing")
        now = here.get(name, "missing")
        if before != now:
            changes.append(f"{name} is {before} there, {now} here")
    return changes


def write_sidecar(folder: Path, run: RunRecord, sidecar: Sidecar) -> None:
    """Write the sidecar of a shard."""
    write_atomically(sidecar_path(folder, run, sidecar.shard), encode_json(sidecar))
