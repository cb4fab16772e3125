"""The card of a data set: Markdown with a head that Hugging Face reads.

``configs`` say which files are samples: without them loaders of the whole folder take its sidecars for data.
"""

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from synthgen.cards.details import Details, input_files, license_of, texts_of
from synthgen.machine import counted
from synthgen.shards.codecs import is_picture
from synthgen.shards.manifest import CLASSES, FORMATS, SHARDS, FieldEntry, Manifest
from synthgen.shards.webdataset import members
from synthgen.version import __version__

# Names of classes: in the head, where loaders read them, and in the text.
MOST_NAMES = 1000
_SHOWN = 20
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_MEANINGS = {
    "image": "the image",
    "mask": "0, or 255 where the field's object is",
    "coverage": "share of each pixel that the object covers",
    "ids": "0, or the id of the object on top",
    "depth": "distance along the ray, as FORMAT.md says",
    "normal": "unit vector out of the object, as FORMAT.md says",
    "array": "an array of NumPy",
}


class Files(NamedTuple):
    """Where the samples of a published folder lie.

    Attributes
    ----------
    splits : sequence of (str, str)
        Name of each split, and the pattern of its files.
    columns : dict
        Name of each column -> its type, as Hugging Face has it. Empty where loaders cannot read the files.
    loading : str
        The code that loads the samples.
    """

    splits: Sequence[tuple[str, str]]
    columns: dict[str, object]
    loading: str


def files_of(manifest: Manifest, names: Sequence[str]) -> Files:
    """Return where the samples of a data set of ours lie."""
    ending = FORMATS[manifest.storage].SUFFIX
    splits = [(split, f"{SHARDS}/*.{ending}") for split in manifest.splits]
    if manifest.storage != "webdataset":
        return Files(splits, {}, 'dataset = synthgen.open("FOLDER")  # load_dataset reads tar shards alone')

    columns: dict[str, object] = {"__key__": "string"}
    for name, member in members(manifest.fields).items():
        if name == "label":
            columns[member] = label_type(names)
        elif name != "params":
            columns[member] = column_type(manifest.fields[name])
    loading = 'dataset = datasets.load_dataset("FOLDER", split="train")  # or the name of the repository'
    has_arrays = "binary" in columns.values()
    return Files(splits, {} if has_arrays else columns, loading)


def column_type(entry: FieldEntry) -> str:
    """Return the type of a field's column."""
    return "image" if is_picture(entry.codec) else "binary"


def label_type(names: Sequence[str]) -> object:
    """Return the type of the column of labels: with names, where there are not too many."""
    if len(names) > MOST_NAMES:
        return "int64"
    return {"class_label": {"names": {str(number): name for number, name in enumerate(names)}}}


def head_of(manifest: Manifest, files: Files, details: Details, count: int) -> dict:
    """Return the head of a card."""
    fields = manifest.fields.values()
    has_masks = any(entry.kind in ("mask", "ids") for entry in fields)
    tasks = ["image-classification"]
    if has_masks:
        tasks.append("image-segmentation")

    data_files = [{"split": split, "path": path} for split, path in files.splits]
    head: dict[str, object] = {
        "license": license_of(manifest, details),
        "pretty_name": manifest.recipe["name"],
        "task_categories": tasks,
        "size_categories": [_size_of(count)],
        "tags": ["synthetic", "synthgen", manifest.recipe["family"], manifest.storage],
        "configs": [{"config_name": "default", "data_files": data_files}],
    }
    if files.columns:
        features = [{"name": name, "dtype": dtype} for name, dtype in files.columns.items()]
        head["dataset_info"] = [{"config_name": "default", "features": features}]
    return head


def _size_of(count: int) -> str:
    return next((name for limit, name in _SIZES if count < limit), _LARGEST)


def card_of(
    manifest: Manifest, names: Sequence[str], files: Files, details: Details, count: int, picture: str | None = None
) -> str:
    """Return the text of a card.

    Parameters
    ----------
    manifest : Manifest
    names : sequence of str
        Of the classes.
    files : Files
    details : Details
    count : int
        Samples that are published.
    picture : str, optional
        Path of a contact sheet beside the card.
    """
    head = yaml.safe_dump(head_of(manifest, files, details, count), sort_keys=False, allow_unicode=True)
    texts = {**texts_of(manifest.recipe["family"]), **details.texts}
    parts = [
        f"---\n{head}---",
        f"# {manifest.recipe['name']}",
        *([f"![Some samples]({picture})"] if picture else []),
        plain(texts["summary"]),
        _facts(manifest, details, count),
        f"## Load it\n\n{_fenced(files.loading, 'python')}",
        _fields(manifest, files),
        f"## Classes\n\n{_classes(names)}",
        _making(manifest),
        f"## Limits\n\n{plain(texts['limitations'])}\n\n{plain(texts['biases'])}",
        f"## Uses\n\n{plain(texts['uses'])}\n\n{plain(texts['impact'])}",
        f"## Personal data\n\n{plain(texts['sensitive'])}",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(manifest: Manifest, details: Details, count: int) -> str:
    facts = [
        f"- {counted(count, 'image')}, {counted(manifest.classes, 'class', 'classes')}",
        f"- license: {license_of(manifest, details)}",
        f"- data fingerprint: `{manifest.fingerprints.data}`",
        f"- storage fingerprint: `{manifest.fingerprints.storage}`",
        f"- made by synthgen {__version__}",
    ]
    if details.creator:
        facts.append(f"- creator: {plain(details.creator)}")
    if details.url:
        facts.append(f"- home: <{details.url}>")
    return "\n".join(facts)


def _fields(manifest: Manifest, files: Files) -> str:
    rows = ["## Fields", "", "| field | type | size | values |", "|---|---|---|---|"]
    for name, entry in manifest.fields.items():
        size = " x ".join(map(str, entry.shape))
        rows.append(f"| `{name}` | {entry.dtype} | {size} | {_MEANINGS[entry.kind]} |")
    if files.columns:
        columns = ", ".join(f"`{name}`" for name in files.columns)
        rows += ["", f"Columns: {columns}. Parameters are left out: they may be larger than images."]
    rows += ["", 'Palette images have the mode P in Pillow: `image.convert("RGB")` makes colors of them.']
    return "\n".join(rows)


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN:,} more, in `{CLASSES}`"
    return shown


def _making(manifest: Manifest) -> str:
    """Return the part that says how to make the same data set."""
    text = recipe_text(manifest)
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return "\n\n".join(
        (
            "## Make it again",
            _fenced(text, "yaml"),
            _fenced("synthgen run recipe.yaml --out FOLDER", "console"),
            f"Equal versions give equal bytes: {versions}.",
        )
    )


def recipe_text(manifest: Manifest) -> str:
    """Return the recipe of a data set as YAML; files of the user's are named, not their folders."""
    recipe = dict(manifest.recipe)
    for name in input_files(manifest):
        recipe[name] = re.split(r"[\\/]", recipe[name])[-1]
    text = yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text.rstrip("\n")


def _fenced(text: str, kind: str) -> str:
    """Return a block of code, whatever marks of blocks it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def plain(text: str) -> str:
    r"""Return a text of somebody's such that Markdown shows it as it is.

    Examples
    --------
    >>> plain("<b>a|b</b> [x](y)")
    '&lt;b&gt;a\\|b&lt;/b&gt; \\[x\\](y)'
    """
    one_line = " ".join(text.split())
    escaped = html.escape(one_line, quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", escaped)
