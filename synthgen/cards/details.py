"""What a publisher says of a data set, and what is known of it without them."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from synthgen.errors import SynthgenError, UsageError
from synthgen.options import parse_yaml
from synthgen.shards.manifest import RunRecord
from synthgen.shards.reading import read_whole

# What formulas draw is dedicated to the public domain unless a publisher says otherwise.
FREE = "cc0-1.0"
UNKNOWN = "unknown"
_TEXTS = Path(__file__).with_name("texts.yaml")
_ANY = "any"
# Of a file with texts.
_MOST_BYTES = 2**20
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
_License = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}\Z")]
_Date = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
_Address = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^https?://[^\s<>\"']+\Z")]


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a publisher says of a data set.

    Attributes
    ----------
    license : str, optional
        Hugging Face's name of a license, such as ``cc-by-4.0``.
    creator : str, optional
        A person or an organization.
    url : str, optional
        Where the data set is published.
    date : str, optional
        When: ``2026-11-26``.
    texts : dict of str
        Texts in place of those of the family: see ``texts.yaml``.
    """

    license: _License | None = None
    creator: _Line | None = None
    url: _Address | None = None
    date: _Date | None = None
    texts: dict[str, str] = {}

    def __post_init__(self):
        known = texts_of(_ANY)
        for name in self.texts:
            if name not in known:
                raise ValueError(f"texts must be of {', '.join(known)}, got {name}")


@lru_cache(maxsize=1)
def _all_texts() -> dict:
    return parse_yaml(_TEXTS.read_bytes(), str(_TEXTS))


def texts_of(family: str) -> dict[str, str]:
    """Return what cards say of a family, by the names that ``texts.yaml`` has."""
    texts = _all_texts()
    return {**texts[_ANY], **texts.get(family, {})}


def read_texts(path) -> dict[str, str]:
    """Return the texts of a YAML file of a publisher's; raise `UsageError` unless they are names with texts."""
    try:
        raw = read_whole(Path(path), _MOST_BYTES)
    except SynthgenError as error:
        raise UsageError(str(error)) from None
    values = parse_yaml(raw, str(path))
    if not all(isinstance(text, str) for text in values.values()):
        raise UsageError(f"{path}: must hold names with texts")
    return values


def input_files(record: RunRecord) -> list[str]:
    """Return the options of a data set's recipe that name files of the user's."""
    return files_named(record.recipe)


def files_named(recipe: dict) -> list[str]:
    """Return the options of a recipe, as plain values, that are absolute paths."""
    return [name for name, value in recipe.items() if isinstance(value, str) and os.path.isabs(value)]


def license_of(record: RunRecord, details: Details) -> str:
    """Return the license of a data set: what is made of a user's files has none that we know."""
    if details.license is not None:
        return details.license
    return UNKNOWN if input_files(record) else FREE
