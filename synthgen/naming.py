"""The name of a data set whose recipe has none: every option that was changed enters it.

`synthgen mandelbulb --hybrid --classes 4 --per-class 1` draws ``mandelbulb-hybrid-4x1``. From left to right stand
the family; each option that is not as usual, in the order in which the family lists them; size and seed, if they
are not as usual; classes x images. Words stand for themselves, and a path is its last name; before numbers stands
what they are. So data sets of other options have other names.
"""

import hashlib
import re

import msgspec

from synthgen.options import parse_size

# Names of recipes and folders have at most 100 characters.
_MOST = 100
_DIGEST = 8
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.]+")


def default_name(recipe, family) -> str:
    """Return the name of a recipe that has none.

    Parameters
    ----------
    recipe : Recipe
        Its options as they were asked for.
    family : module
    """
    own = _changed_options(recipe.options)
    frame = _changed_frame(recipe, family)
    words = [family.NAME, *own, *frame]
    counts = f"{recipe.classes}x{recipe.per_class}"
    name = "-".join([*words, counts])
    if len(name) <= _MOST:
        return name

    digest = hashlib.sha256(name.encode()).hexdigest()
    end = f"-{digest[:_DIGEST]}-{counts}"
    return name[: _MOST - len(end)] + end


def _changed_options(options) -> list[str]:
    """Return a word for each option that does not have its default."""
    words = []
    for field in msgspec.structs.fields(type(options)):
        value = getattr(options, field.name)
        if value != field.default:
            words.append(_word(field.name, value))
    return words


def _changed_frame(recipe, family) -> list[str]:
    """Return words for size and seed, where they are not as usual."""
    usual = family.defaults(recipe.options)["size"]
    height, width = recipe.size
    words = []
    if [height, width] != parse_size(usual, ""):
        words.append(f"size{height}" if height == width else f"size{width}x{height}")
    if recipe.seed != 0:
        words.append(f"seed{recipe.seed}")
    return words


def _word(name: str, value) -> str:
    """Return what stands in a name for the value of an option."""
    plain = _plain(name)
    if isinstance(value, bool):
        return plain if value else f"no-{plain}"

    if isinstance(value, str):
        return _last_name(value) or plain
    if isinstance(value, tuple | list):
        return _sequence(plain, value)
    return plain + _number(value)


def _last_name(path: str) -> str:
    """Return the last name of a path, of a word all of it."""
    inside = path.replace("\\", "/").rstrip("/")
    _, _, name = inside.rpartition("/")
    return _plain(name)


def _sequence(name: str, values) -> str:
    """Return the word of a list or a range: words stand for themselves, numbers follow the name."""
    if not values:
        return f"no-{name}"
    if isinstance(values[0], str):
        words = map(_plain, values)
        return "-".join(words)
    numbers = map(_number, values)
    return name + "-".join(numbers)


def _number(value) -> str:
    if value is None:
        return "none"
    short = f"{value:g}"
    return short if float(short) == value else str(value)


def _plain(text: str) -> str:
    """Return text with nothing but letters, digits, points and single dashes."""
    return _NOT_PLAIN.sub("-", text).strip("-.")
