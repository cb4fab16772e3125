"""Text -> checked struct: how recipes, families, models and trainings read what a user typed.

Options are frozen ``msgspec.Struct`` classes whose annotations carry limits and help. `convert` makes one of plain
values; an error names the place, the rule and the value.
"""

import difflib
import re
import reprlib
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import msgspec
import yaml

from synthgen.errors import UsageError


def convert(values, kind, place: str, prefix: str = "", known=()):
    """Convert plain values into a struct; errors carry place, rule and value.

    Parameters
    ----------
    values : dict
        Numbers may be text, and ranges ``LOW:HIGH``.
    kind : type
        A ``msgspec.Struct``.
    place : str
        As for `Recipe.from_dict`.
    prefix : str
        Section of the keys, for example ``storage.``.
    known : sequence of str
        Keys that there are, for hints at misspelt ones.
    """
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(
            f"{named(place, prefix.rstrip('.'))} must be a mapping of names, got {reprlib.repr(values)}"
        )
    hints = {f.name: f.type for f in msgspec.structs.fields(kind)}
    ready = {name: _as_sequence(hints.get(name), value) for name, value in values.items()}
    try:
        return msgspec.convert(ready, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_explain(str(error), ready, kind, place, prefix, known)) from None


def check_text(values: dict, place: str) -> None:
    """Raise `UsageError` for text that JSON cannot hold, such as a path of other bytes than UTF-8."""
    for name, value in values.items():
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UsageError(f"{named(place, name)} must be UTF-8, got {value!r}") from None


def _as_sequence(hint, value):
    """Return text as a sequence where one is wanted: LOW:HIGH, or one number for both; or A,B,C."""
    kind = sequence_in(hint)
    if kind is None:
        return value
    if get_args(kind)[-1] is Ellipsis:
        return [parse_scalar(part) for part in value.split(",") if part] if isinstance(value, str) else value
    if isinstance(value, str) and value.count(":") <= 1:
        value = [parse_scalar(part) for part in value.split(":")]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    return list(value) * 2 if isinstance(value, list) and len(value) == 1 else value


def sequence_in(hint):
    """Return the tuple type of a field, also where it is annotated or optional, or None."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((kind for kind in kinds if get_origin(kind) is tuple), None)


def named(place: str, key: str) -> str:
    """Return how a key is called where it came from."""
    return "--" + key.split(".")[-1].replace("_", "-") if place == "command line" else f"{place}: {key}"


def _explain(message: str, values: dict, kind, place: str, prefix: str, known) -> str:
    """Turn a message of msgspec into place, rule and value."""
    rule, _, path = message.partition(" - at `$.")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule)
    if unknown:
        names = list(known) or list(kind.__struct_fields__)
        close = difflib.get_close_matches(unknown[1], names, 1)
        hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"
        return f"{named(place, prefix + unknown[1])} is not a known key{hint}"
    if not path:  # raised by a struct's own check, which begins with the key
        key, _, rest = rule.partition(" ")
        return f"{named(place, prefix + key)} {rest}"
    name = re.split(r"[.\[`]", path)[0]
    if rule.startswith("Invalid enum value"):
        rule = "must be one of " + ", ".join(_choices(kind, name))
    else:
        rule = "must be " + rule.removeprefix("Expected ").replace("`", "").split(", got ")[0]
    return f"{named(place, prefix + name)} {rule}, got {reprlib.repr(values.get(name))}"


def _choices(kind, name: str) -> tuple[str, ...]:
    """Return the words that a field of a struct allows, or the elements of its sequence."""
    hint = next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
    hint = get_args(sequence_in(hint) or hint)[0]
    return get_args(hint)


def parse_size(value, place: str):
    """Return (height, width) of ``N``, ``"WxH"`` or a pair."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return list(value)
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", str(value)) if isinstance(value, int | str) else None
    if match is None:
        raise UsageError(f"{named(place, 'size')} must be N or WIDTHxHEIGHT in pixels, got {reprlib.repr(value)}")
    return [int(match[2] or match[1]), int(match[1])]


def check_ranges(options, *names: str) -> None:
    """Refuse ranges of an options struct that are the wrong way round; None stands for no range.

    Raises
    ------
    ValueError
        With the name first, as a struct's own checks give it.
    """
    for name in names:
        low, high = getattr(options, name) or (0, 0)
        if low > high:
            raise ValueError(f"{name} must be LOW:HIGH with LOW <= HIGH, got {low:g}:{high:g}")


def check_unique(options, *names: str) -> None:
    """Refuse lists of an options struct that name a thing twice; None stands for no list.

    Raises
    ------
    ValueError
        With the name first, as a struct's own checks give it.
    """
    for name in names:
        values = getattr(options, name) or ()
        if len(set(values)) != len(values):
            raise ValueError(f"{name} must not repeat, got {','.join(map(str, values))}")


# What PyYAML raises for texts and tags that it cannot make values of.
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, KeyError, AttributeError, TypeError)


class YamlLoader(yaml.SafeLoader):
    """YAML 1.2 scalars: 4:10 is no number in base 60, 1e-4 is a number, ``no`` is a word. No aliases."""

    def compose_node(self, parent, index):
        """Return the next node of a text; refuse an alias."""
        if self.check_event(yaml.AliasEvent):  # a few of them, nested, stand for gigabytes
            raise yaml.YAMLError("aliases are not allowed in recipes")
        return super().compose_node(parent, index)


YamlLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("bool", r"^(true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    YamlLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
YamlLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
YamlLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def parse_scalar(text: str):
    """Return the value of a ``--set`` text, by the rules of recipe files."""
    try:
        return yaml.load(text, Loader=YamlLoader)
    except NOT_YAML:
        return text
