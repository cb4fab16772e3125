"""Writing the card of a finished data set: a card that somebody wrote or changed is never replaced unasked."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from synthgen.cards.croissant import croissant_of, details_in
from synthgen.cards.details import UNKNOWN, Details, input_files, license_of
from synthgen.cards.readme import card_of, files_of
from synthgen.errors import FormatError, UsageError
from synthgen.shards.dataset import open_dataset
from synthgen.shards.files import check_local, write_atomically
from synthgen.shards.manifest import CLASSES
from synthgen.shards.reading import exists, read_whole

CARD = "README.md"
CROISSANT = "croissant.json"
SHEET = "sheet.png"
# What `sheet_mark` makes of the first bytes of a sheet.
_MARK = b"tEXtSoftware\0synthgen"
_HEAD = 200
# Of a card, and of the description beside it, bytes.
MAX_CARD = 2**27
# What else a repository has in its root before there is data.
_LICENSES = re.compile(r"LICEN[SC]E(\.[a-z]+)?", re.IGNORECASE)
# The last line of a card: the digests of its text and of the description, so that changes show.
_SEAL = re.compile(r"<!-- synthgen ([0-9a-f]{64}) ([0-9a-f]{64}) -->\n\Z")


def is_beside_data(name: str) -> bool:
    """Return whether a file of this name may lie in a folder that a data set is drawn into.

    Examples
    --------
    >>> [is_beside_data(name) for name in ("README.md", "LICENSE", ".gitattributes", "notes.txt")]
    [True, True, True, False]
    """
    return name in (CARD, CROISSANT, SHEET) or name.startswith(".git") or _LICENSES.fullmatch(name) is not None


def card_files(folder: Path, details: Details) -> dict[str, bytes]:
    """Return the files that describe a finished data set: name -> content."""
    dataset = open_dataset(folder)
    manifest = dataset.manifest
    names = [row["name"] for row in dataset.classes]
    table = folder / CLASSES

    described = croissant_of(manifest, table.stat().st_size, details, manifest.count)
    croissant = json.dumps(described, indent=1, ensure_ascii=False).encode() + b"\n"
    picture = SHEET if (folder / SHEET).is_file() else None
    text = card_of(manifest, names, files_of(manifest, names), details, manifest.count, picture)
    return {CROISSANT: croissant, CARD: sealed(text, croissant)}


def sealed(text: str, croissant: bytes) -> bytes:
    """Return a card with its last line."""
    data = text.encode()
    digests = (hashlib.sha256(content).hexdigest() for content in (data, croissant))
    return data + f"\n<!-- synthgen {' '.join(digests)} -->\n".encode()


def write_first_card(folder: Path) -> None:
    """Write the card of a data set that has just been finished, without a creator.

    A card that lies there stays, unless it is one of ours, unchanged, of other data.
    """
    path = folder / CARD
    if exists(path) and exists(folder / CROISSANT):
        found = _text_of(path)
        own = open_dataset(folder).manifest.fingerprints
        is_of_this = own.data in found and own.storage in found
        if is_of_this or not _is_unchanged(found):
            return
    replaceable = unchanged_cards(folder)
    details = Details()
    if CROISSANT in replaceable:
        # The data set has grown: what its publisher said of it stays.
        raw = read_whole(folder / CROISSANT, MAX_CARD)
        details = details_in(json.loads(raw))
    _write(folder, card_files(folder, details), replaceable)


def write_card(folder, details: Details, overwrite: bool = False) -> list[Path]:
    """Write ``README.md`` and ``croissant.json`` of a finished data set.

    Parameters
    ----------
    folder : str or Path
        The data set.
    details : Details
        What the publisher says of it.
    overwrite : bool
        Replace a card that somebody wrote or changed.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If the data set is made of a user's files and no license is given, or if a card of somebody's lies there.
    """
    replaceable = check_card(folder, details, overwrite)
    return _write(Path(folder), card_files(Path(folder), details), replaceable)


def check_card(folder, details: Details, overwrite: bool = False) -> Sequence[str]:
    """Return which files of a card may be replaced; errors as for `write_card`, which writes them."""
    check_local(folder)
    folder = Path(folder)
    manifest = open_dataset(folder).manifest
    if license_of(manifest, details) == UNKNOWN:
        files = ", ".join(input_files(manifest))
        raise UsageError(f"license must be given for {folder}: it is made of files of yours ({files}), got none")

    replaceable = (CARD, CROISSANT) if overwrite else unchanged_cards(folder)
    kept = [name for name in (CARD, CROISSANT) if exists(folder / name) and name not in replaceable]
    if kept:
        raise UsageError(f"{folder / kept[0]}: was written or changed by somebody; --overwrite replaces it")
    return replaceable


def sheet_mark():
    """Return what a sheet of ours has in its file, so that it is known again."""
    from PIL.PngImagePlugin import PngInfo

    mark = PngInfo()
    mark.add_text("Software", "synthgen")
    return mark


def check_sheet(folder, overwrite: bool = False) -> None:
    """Raise `UsageError` if there is a sheet that is not ours, unless it may be replaced."""
    path = Path(folder) / SHEET
    if overwrite or not exists(path):
        return
    head = read_whole(path, MAX_CARD)[:_HEAD]
    if _MARK not in head:
        raise UsageError(f"{path}: was made by somebody; --overwrite replaces it")


def _write(folder: Path, files: dict[str, bytes], replaceable) -> list[Path]:
    written = []
    for name, content in files.items():
        if name in replaceable or not exists(folder / name):
            write_atomically(folder / name, content)
            written.append(folder / name)
    return written


def unchanged_cards(folder: Path) -> list[str]:
    """Return which of the files that describe a data set are there as we wrote them."""
    if not exists(folder / CARD):
        return []
    found = _text_of(folder / CARD)
    seal = _SEAL.search(found)
    if seal is None:
        return []

    names = [CARD] if _is_unchanged(found) else []
    if exists(folder / CROISSANT):
        content = read_whole(folder / CROISSANT, MAX_CARD)
        if hashlib.sha256(content).hexdigest() == seal[2]:
            names.append(CROISSANT)
    return names


def _is_unchanged(card: str) -> bool:
    seal = _SEAL.search(card)
    if seal is None:
        return False
    text = card[: seal.start()].removesuffix("\n")
    return hashlib.sha256(text.encode()).hexdigest() == seal[1]


def _text_of(path: Path) -> str:
    """Return the text of a card; one that is no text is somebody's."""
    try:
        return read_whole(path, MAX_CARD).decode("utf-8", "replace")
    except FormatError:
        return ""
