"""What a gallery says of its data set as a whole."""

import re
import shlex
from importlib.resources import files
from pathlib import Path

import msgspec

from synthgen.cards.croissant import details_in
from synthgen.cards.details import Details, license_of, texts_of
from synthgen.cards.readme import recipe_text
from synthgen.cards.writing import CARD, CROISSANT
from synthgen.errors import FormatError, UsageError
from synthgen.look.page import packed
from synthgen.machine import counted
from synthgen.options import parse_json
from synthgen.shards.dataset import Dataset
from synthgen.shards.reading import exists, read_whole

_MOST_BYTES = 2**24
_MOST_CARD = 20_000  # characters
_DRAWN = 1024  # the longer side that a sample is drawn again at, in pixels
_LARGEST = 4096
_HEAD = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)  # of a card: for machines
_COMMENTS = re.compile(r"<!-- synthgen .*? -->")


def head_of(dataset: Dataset) -> dict:
    """Return what the head of a gallery shows, JSON-able."""
    manifest = dataset.manifest
    recipe = manifest.recipe
    form = files("synthgen.shards").joinpath("FORMAT.md").read_text(encoding="utf-8")
    return {
        "title": recipe["name"],
        "summary": texts_of(recipe["family"])["summary"],
        "facts": _facts(dataset),
        "recipe": recipe_text(manifest),
        "again": "synthgen run recipe.yaml --out FOLDER",
        "render": {"folder": shlex.quote(dataset.path.resolve().name), "size": _drawn_size(manifest)},
        "card": packed(_card(dataset.path)),
        "format": packed(form),
    }


def _facts(dataset: Dataset) -> list[list[str]]:
    manifest = dataset.manifest
    height, width = manifest.fields["image"].shape[:2]
    versions = [f"{name} {version}" for name, version in manifest.versions.items()]
    classes = counted(manifest.classes, "class", "classes")
    facts = {
        "family": manifest.recipe["family"],
        "images": f"{manifest.count:,}, in {classes} of {manifest.per_class:,}",
        "size": f"{width} x {height}",
        "fields": ", ".join(manifest.fields),
        "license": _license(dataset),
        "data fingerprint": manifest.fingerprints.data,
        "storage fingerprint": manifest.fingerprints.storage,
        "format": f"{manifest.storage}, version {manifest.format}",
        "versions": ", ".join(versions),
        "device": manifest.device,
    }
    return [[name, str(value)] for name, value in facts.items()]


def _license(dataset: Dataset) -> str:
    """Return the license that the data set's description names; without one, that of its family."""
    details = Details()
    if exists(dataset.path / CROISSANT):
        try:
            described = parse_json(read_whole(dataset.path / CROISSANT, _MOST_BYTES), CROISSANT)
            details = details_in(described)
        except (FormatError, UsageError, ValueError, KeyError, TypeError, AttributeError, msgspec.ValidationError):
            return f"unknown: {CROISSANT} cannot be read"
    return license_of(dataset.manifest, details)


def _card(folder: Path) -> str:
    """Return the text of the card that lies in a data set, without what is for machines; empty if there is none."""
    if not exists(folder / CARD):
        return ""
    try:
        text = read_whole(folder / CARD, _MOST_BYTES).decode("utf-8", "replace")
    except FormatError:
        return f"{CARD} cannot be read."
    shown = _COMMENTS.sub("", _HEAD.sub("", text)).strip()
    return shown if len(shown) <= _MOST_CARD else shown[:_MOST_CARD] + "\n.."


def _drawn_size(manifest) -> str:
    """Return the size at which the page draws a sample again: large, of the same proportions."""
    height, width = manifest.fields["image"].shape[:2]
    longer = max(height, width)
    wanted = _DRAWN if longer < _DRAWN else min(2 * longer, _LARGEST)
    scale = wanted / longer
    tall = round(height * scale)
    wide = round(width * scale)
    return str(wide) if tall == wide else f"{wide}x{tall}"
