"""Pages that open from a file: everything that they need is in them, and they ask nothing of a network.

The content policy of a page allows the one script and the one style sheet that are in it, by their digests, and
pictures. What a user wrote is data: it reaches the page as JSON, and the script shows it as text.
"""

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template

# What a page of ours begins with; its first bytes tell it from a page of somebody's.
MARK = '<!doctype html>\n<html lang="en">\n<head>\n<meta name="generator" content="synthgen">\n'
# Characters that end a script or a line of it, wherever they stand.
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def document(
    title: str, parts: Sequence[str], data: dict, pictures: dict[str, bytes], beside: bool = False
) -> bytes:
    """Return a page.

    Parameters
    ----------
    title : str
    parts : sequence of str
        Names of scripts, of which one shows the data, and of style sheets: files of ``pages``.
    data : dict
        JSON-able, without numbers that are not finite.
    pictures : dict
        Name -> WebP file, of the pictures that are part of the page.
    beside : bool
        Whether the page also shows pictures that lie beside it.
    """
    script = _joined(parts, "js")
    style = _joined(parts, "css")
    encoded = {name: _base64(picture) for name, picture in pictures.items()}
    sources = "data: 'self'" if beside else "data:"

    template = Template(_text("page.html"))
    page = template.substitute(
        title=html.escape(title),
        script=script,
        script_digest=_digest(script),
        style=style,
        style_digest=_digest(style),
        images=sources,
        data=_as_script({**data, "pictures": encoded}),
    )
    return (MARK + page).encode("utf-8", "replace")


def packed(value) -> str:
    """Return a JSON-able value as text that takes little room, and that the script of a page unpacks."""
    raw = _json(value).encode("utf-8", "replace")
    squeezed = zlib.compress(raw, 9)
    return _base64(squeezed)


def is_ours(content: bytes) -> bool:
    """Return whether a file begins as our pages do."""
    return content.startswith(MARK.encode())


def _as_script(value) -> str:
    r"""Return JSON that stands in a page without ending its script.

    Examples
    --------
    >>> _as_script("</script>")
    '"\\u003c/script\\u003e"'
    """
    return _json(value).translate(_UNSAFE)


def _json(value) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _digest(text: str) -> str:
    """Return the digest of a script or a style sheet, as content policies name it."""
    raw = text.encode()
    value = hashlib.sha256(raw).digest()
    return "sha256-" + _base64(value)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _joined(parts: Sequence[str], ending: str) -> str:
    """Return the files of one kind, one after the other."""
    texts = [_text(f"{part}.{ending}") for part in parts]
    return "\n".join(texts)


@lru_cache
def _text(name: str) -> str:
    """Return a file of the pages; one that is not there is empty."""
    folder = files("synthgen.look")
    file = folder.joinpath("pages", name)
    return file.read_text(encoding="utf-8") if file.is_file() else ""
