"""Hugging Face: ``SPLIT/metadata.jsonl`` with image files and a card, or the tar shards themselves with theirs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from synthgen.cards import CARD, CROISSANT, Details
from synthgen.cards.readme import Files, card_of, label_type
from synthgen.cards.writing import card_files
from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts.export.pictures import image_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import File, Written, as_file, joined_names
from synthgen.layouts.export.writer import Writer as Base
from synthgen.shards.files import RawFile
from synthgen.shards.manifest import CLASSES, SHARDS

# The Hub takes at most 100,000 files, and 10,000 in a folder.
MOST_FILES = 100_000
IN_A_FOLDER = 5_000
_METADATA = "metadata.jsonl"
_BLOCK = 2**22
# Options that shards copied as they are do not follow.
_CHANGES = ("split", "limit", "classes", "rgb", "image")
# Fields beside the image stay as they are, whatever is asked of images.
_STORED = Options()


class Writer(Base):
    """Files for each field, or the shards."""

    def check(self) -> None:
        """Refuse what the Hub does not take."""
        self._names = self.sources[0].names
        if len(self.sources) > 1:
            self._names = joined_names(self.sources)
        self._fields = _common_fields(self.sources)
        if self.options.shards:
            self._check_shards()
            return

        count = sum(source.count for source in self.sources)
        files = count * (1 + len(self._fields))
        if files > MOST_FILES:
            raise UsageError(
                f"shards must be asked for above {MOST_FILES:,} files, which the Hub does not take, got {files:,}; "
                "--limit makes a smaller export"
            )

    def _check_shards(self) -> None:
        """Refuse options that would change shards, and data sets without tar shards."""
        plain = Options(shards=True)
        given = [name for name in _CHANGES if getattr(self.options, name) != getattr(plain, name)]
        if given:
            raise UsageError(f"{given[0]} must be left out with shards: they are copied as they are")
        if len(self.sources) > 1:
            raise UsageError(f"datasets must be one with shards, got {len(self.sources)}")

        source = self.sources[0]
        if source.manifest.storage != "webdataset":
            raise UsageError(
                f"{source.path}: must have tar shards for hf with shards, got {source.manifest.storage}; "
                "`--format webdataset` draws them"
            )

    @property
    def copies_shards(self) -> bool:
        """Whether whole shards are copied, and no sample is looked at."""
        return self.options.shards

    def put(self, sample: Picked) -> Written:
        """Return the files of the fields of a sample, and its line of the metadata."""
        number = sample.label * sample.source.manifest.per_class + sample.index
        chunk = f"{number // IN_A_FOLDER:04d}"
        name_in_chunk = f"{chunk}/{self.key(sample)}"
        encoded = image_of(sample, self.options)
        image = as_file(f"{sample.split}/image/{name_in_chunk}", encoded, "image")
        files = [image]
        row: dict[str, object] = {"file_name": _below(sample.split, image)}

        for name in self._fields:
            field = image_of(sample, _STORED, name)
            file = File(f"{sample.split}/{name}/{name_in_chunk}.{field.suffix}", field.data, "mask")
            files.append(file)
            row[f"{name}_file_name"] = _below(sample.split, file)

        row["label"] = sample.label if len(self.sources) == 1 else self._names.index(sample.kind)
        row["class"] = sample.kind
        row["key"] = self.key(sample)
        return Written(files, {"split": sample.split, "line": row})

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write metadata and card, or copy the shards and theirs."""
        if self.options.shards:
            _copy_shards(tree, self.sources[0].path)
            return

        for split, _ in self.splits:
            with tree.writing(f"{split}/{_METADATA}") as write:
                for row in rows():
                    if row["split"] == split:
                        write(json.dumps(row["line"]) + "\n")

        source = self.sources[0]
        count = sum(source.count for source in self.sources)
        card = card_of(source.manifest, self._names, self._files(), Details(), count)
        tree.put_text(CARD, card)

    def _files(self) -> Files:
        columns: dict[str, object] = {"image": "image", **dict.fromkeys(self._fields, "image")}
        columns |= {"label": label_type(self._names), "class": "string", "key": "string"}
        splits = [(split, f"{split}/**") for split, _ in self.splits]
        first, _ = self.splits[0]
        return Files(splits, columns, f'dataset = datasets.load_dataset("FOLDER", split="{first}")')

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return which fields are no pictures, or not in every data set, and so left out."""
        names = [name for source in self.sources for name in source.manifest.fields]
        others = [name for name in dict.fromkeys(names) if name not in ("image", *self._fields)]
        if self.options.shards or not others:
            return []
        return [f"left out, no pictures in every data set: {', '.join(others)}"]

    def usage(self, out: Path) -> str:
        """Return what `datasets` is told."""
        return f'datasets.load_dataset("{out}")\nhf upload-large-folder USER/NAME {out} --repo-type=dataset'


def _common_fields(sources) -> list[str]:
    """Return the fields beside the image that are pictures in all data sets."""
    found = [_picture_fields(source) for source in sources]
    return [name for name in found[0] if all(name in others for others in found)]


def _picture_fields(source) -> list[str]:
    """Return the fields of a data set beside the image that are pictures."""
    fields = source.manifest.fields
    return [name for name, entry in fields.items() if name != "image" and entry.kind != "array"]


def _below(split: str, file: File) -> str:
    return file.path.removeprefix(f"{split}/")


def _copy_shards(tree: Tree, folder: Path) -> None:
    """Copy the shards of a data set, its class table and its card."""
    for path in [*sorted((folder / SHARDS).glob("*.tar")), folder / CLASSES]:
        with tree.writing(path.relative_to(folder).as_posix()) as write:
            _copy(path, write)
    described = card_files(folder, Details())
    for name in (CARD, CROISSANT):
        own = folder / name
        data = own.read_bytes() if own.is_file() else described[name]
        with tree.writing(name) as write:
            write(data)


def _copy(path: Path, write: Callable) -> None:
    file = RawFile(path)
    try:
        for offset in range(0, file.size, _BLOCK):
            write(file.read(offset, min(_BLOCK, file.size - offset)))
    finally:
        file.close()
