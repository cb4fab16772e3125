"""Names of files and folders that every consumer takes."""

import re
import unicodedata
from collections.abc import Iterable

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")
_MOST = 80  # characters: file systems take 255 bytes, and a key and an ending follow


def safe_name(text: str) -> str:
    """Return a name of letters, digits, points, lines and underscores that resembles a text.

    Examples
    --------
    >>> safe_name("Kratzer, größer"), safe_name("<b>x</b>"), safe_name("傷"), safe_name("../up")
    ('Kratzer-groer', 'b-x-b', 'class', 'up')
    """
    plain = unicodedata.normalize("NFKD", text)
    ascii_text = plain.encode("ascii", "ignore").decode()
    name = _STRANGE.sub("-", ascii_text)
    return name.strip("-._")[:_MOST].rstrip("-._") or "class"


def safe_names(texts: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return a safe name for each text, no two alike, also where a file system ignores case.

    Parameters
    ----------
    texts : iterable of str
        Equal texts get the same name.
    taken : iterable of str
        Names that none may have.

    Examples
    --------
    >>> safe_names(["a b", "a-b", "A b", "good"], taken=["good"])
    ['a-b', 'a-b-2', 'A-b-3', 'good-2']
    """
    used = {name.lower() for name in taken}
    found: dict[str, str] = {}
    for text in texts:
        if text in found:
            continue
        base = safe_name(text)
        name = base
        number = 1
        while name.lower() in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name.lower())
        found[text] = name
    return [found[text] for text in texts]
