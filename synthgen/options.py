"""Text -> checked struct: how recipes, families, models and trainings read what a user typed.

Options are frozen ``msgspec.Struct`` classes whose annotations carry limits and help. `convert` makes one of plain
values; an error names the place, the rule and the value.
"""

import json
import re
import reprlib
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec
import yaml

from synthgen.errors import UsageError, did_you_mean, one_line


def convert(values, kind, place: str, prefix: str = "", known=()):
    """Return plain values as a checked struct.

    Parameters
    ----------
    values : dict
        Numbers may be text, and ranges ``LOW:HIGH``.
    kind : type
        A ``msgspec.Struct``.
    place : str
        Where the values come from, such as a file; errors begin with it. Empty where they are arguments.
    prefix : str
        Section of the keys, for example ``storage.``.
    known : sequence of str
        Keys to choose a hint from, for one that is misspelt; by default those of `kind`.

    Raises
    ------
    UsageError
        With the place, the rule and the value.
    """
    if not _is_mapping(values):
        section = named(place, prefix.rstrip("."))
        raise UsageError(f"{section} must be a mapping of names, got {reprlib.repr(values)}")

    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    ready = {}
    for name, value in values.items():
        ready[name] = _as_sequence(types.get(name), value)
    try:
        return msgspec.convert(ready, kind, strict=False)
    except msgspec.ValidationError as error:
        names = list(known) or list(types)
        key, rule = _explained(str(error), values, kind, names)
        raise UsageError(f"{named(place, prefix + key)} {rule}") from None


def _is_mapping(values) -> bool:
    """Return whether values are a dict of names."""
    return isinstance(values, dict) and all(isinstance(key, str) for key in values)


def named(place: str, key: str) -> str:
    """Return how a message names a key: after the place that it comes from, if it has one.

    Examples
    --------
    >>> named("a.yaml", "size"), named("", "size")
    ('a.yaml: size', 'size')
    """
    return f"{place}: {key}" if place else key


def _explained(message: str, values: dict, kind, known: list[str]) -> tuple[str, str]:
    """Return the key that a message of msgspec is about, and the rest of the sentence: rule and value."""
    rule, _, path = message.partition(" - at `$.")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule)

    if unknown:
        key = unknown[1]
        names = ", ".join(known)
        hint = did_you_mean(key, known) or f"; known are {names}"
        return key, f"is not a known key{hint}"

    if not path:  # raised by a struct's own check, which begins with the key
        key, _, rest = rule.partition(" ")
        return key, rest

    name = re.split(r"[.\[`]", path)[0]
    if rule.startswith("Invalid enum value"):
        hint = _type_of(kind, name)
        words = _words_in(hint)
        value = _first_unknown(_as_sequence(hint, values.get(name)), words)
        choices = _choices(hint, words)
        return name, f"must be {choices}, got {reprlib.repr(value)}{did_you_mean(value, words)}"

    plain = rule.removeprefix("Expected ").replace("`", "")
    wanted, _, _ = plain.partition(", got ")
    hint = sequence_in(_type_of(kind, name))
    if hint is not None and wanted.startswith("array") and path.rstrip("`") == name:
        wanted = "A,B,.." if get_args(hint)[-1] is Ellipsis else "LOW:HIGH"
    value = reprlib.repr(values.get(name))
    return name, f"must be {wanted}, got {value}"


def _first_unknown(value, words: tuple[str, ...]):
    """Return a value, or of several the first one that is none of some words."""
    if not isinstance(value, list):
        return value
    return next((part for part in value if part not in words), value)


def _type_of(kind, name: str):
    """Return the type of a field of a struct."""
    fields = msgspec.structs.fields(kind)
    return next(field.type for field in fields if field.name == name)


def _choices(hint, words: tuple[str, ...]) -> str:
    """Return what a type of words allows, as text: 'one of a, b', or 'int or a' where it takes numbers too."""
    numbers = [part.__name__ for part in _types_in(hint) if part in (int, float)]
    if numbers:
        return " or ".join([*numbers, *words])
    listed = ", ".join(words)
    return f"one of {listed}"


def _types_in(hint) -> list:
    """Return the types that a union joins, annotated or not."""
    if get_origin(hint) is Annotated:
        return _types_in(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in _types_in(part)]
    return [hint]


def _words_in(hint) -> tuple[str, ...]:
    """Return the words of a `Literal`, wherever it stands in a type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    parts = get_args(hint)
    return tuple(word for part in parts for word in _words_in(part))


def _as_sequence(hint, value):
    """Return text as a sequence where one is wanted: LOW:HIGH, or one number for both; or A,B,C."""
    kind = sequence_in(hint)
    if kind is None:
        return value

    if get_args(kind)[-1] is Ellipsis:
        if not isinstance(value, str):
            return value
        parts = value.split(",")
        return [parse_scalar(part) for part in parts if part]

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) and value.count(":") <= 1:
        parts = value.split(":")
        value = [parse_scalar(part) for part in parts]
    elif is_number:
        value = [value]

    if isinstance(value, list) and len(value) == 1:
        return value * 2
    return value


def sequence_in(hint):
    """Return the tuple type of a field, also where it is annotated or optional, or None."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    is_union = get_origin(hint) in (Union, UnionType)
    kinds = get_args(hint) if is_union else (hint,)
    return next((kind for kind in kinds if get_origin(kind) is tuple), None)


def check_text(values: dict, place: str) -> None:
    """Raise `UsageError` for text that JSON cannot hold, such as a path of other bytes than UTF-8."""
    for name, value in values.items():
        if not isinstance(value, str):
            continue
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{named(place, name)} must be UTF-8, got {value!r}") from None


def parse_size(value, place: str, key: str = "size"):
    """Return (height, width) of ``N``, ``"WxH"`` or a pair."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return list(value)

    text = str(value) if isinstance(value, int | str) else ""
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text)
    if match is None:
        name = named(place, key)
        found = reprlib.repr(value)
        raise UsageError(f"{name} must be N or WIDTHxHEIGHT in pixels, got {found}")

    width = int(match[1])
    height = int(match[2] or width)
    return [height, width]


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
            found = ",".join(map(str, values))
            raise ValueError(f"{name} must not repeat, got {found}")


# What PyYAML raises for texts and tags that it cannot make values of.
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, KeyError, AttributeError, TypeError)


class _RepeatedKey(ValueError):
    """A key stands twice in one mapping: all readers but ours take the last of its values, and say nothing."""

    def __init__(self, key, first: int, again: int):
        super().__init__(f"{reprlib.repr(key)} must be set once, is set in line {first} and again in line {again}")


class YamlLoader(yaml.SafeLoader):
    """YAML 1.2 scalars: 4:10 is no number in base 60, 1e-4 is a number, ``no`` is a word. No aliases.

    A key that stands twice in a mapping is refused.
    """

    def compose_node(self, parent, index):
        """Return the next node of a text; refuse an alias."""
        if self.check_event(yaml.AliasEvent):  # a few of them, nested, stand for gigabytes
            raise yaml.YAMLError("aliases are not allowed in recipes")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        """Return the mapping of a node; refuse a key that stands there twice."""
        values = super().construct_mapping(node, deep)
        if len(values) < len(node.value):
            self._refuse_repeated(node)
        return values

    def _refuse_repeated(self, node) -> None:
        lines: dict = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in lines:
                raise _RepeatedKey(key, lines[key], line)
            lines[key] = line


YamlLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("bool", r"^(true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    YamlLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _int_of(loader: YamlLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float_of(loader: YamlLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


YamlLoader.add_constructor("tag:yaml.org,2002:int", _int_of)
YamlLoader.add_constructor("tag:yaml.org,2002:float", _float_of)


def parse_yaml(raw: bytes, place: str) -> dict:
    """Return the mapping of names that a YAML text holds.

    Raises
    ------
    UsageError
        If the text is no YAML, sets a key twice, or is no such mapping; the message begins with `place`.
    """
    try:
        values = yaml.load(raw, Loader=YamlLoader)
        text = json.dumps(values, ensure_ascii=False, default=str)
        text.encode()  # half a surrogate pair is no text
    except _RepeatedKey as error:
        raise UsageError(f"{place}: {error}") from None
    except NOT_YAML as error:
        quoted = ascii(str(error))
        reason = " ".join(quoted[1:-1].split())
        raise UsageError(f"{place}: must be YAML: {reason[:300]}") from None

    if not _is_mapping(values):
        found = type(values).__name__
        raise UsageError(f"{place}: must be a mapping of names to values, got {found}")
    return values


def parse_scalar(text: str):
    """Return the value of a ``--set`` text, by the rules of recipe files."""
    try:
        return yaml.load(text, Loader=YamlLoader)
    except _RepeatedKey as error:
        raise UsageError(f"{reprlib.repr(text)}: {error}") from None
    except NOT_YAML:
        return text


# In a text that is JSON: an object's begin or end, a key, or any other string.
_JSON_PART = re.compile(r'[{}]|(?P<key>"(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"')


def parse_json(raw: bytes, place: str):
    """Return the value of a JSON text that a user wrote.

    Raises
    ------
    UsageError
        If the text is no JSON, or sets a key of an object twice; the message begins with `place`.
    """
    try:
        text = raw.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_object_of)
    except KeyError:
        raise UsageError(f"{place}: {_repeated_in(text)}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: must be JSON: {one_line(error)}") from None


def _object_of(pairs: list[tuple]) -> dict:
    """Return a JSON object; raise `KeyError` where it has a key twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise KeyError
    return values


def _repeated_in(text: str) -> _RepeatedKey | None:
    """Return which key a JSON text sets twice, and where."""
    objects: list[dict] = []
    for part in _JSON_PART.finditer(text):
        if part[0] == "{":
            objects.append({})
        elif part[0] == "}":
            objects.pop()
        elif part["key"] is not None:
            lines = objects[-1]
            key = json.loads(part["key"])
            line = text.count("\n", 0, part.start()) + 1
            if key in lines:
                return _RepeatedKey(key, lines[key], line)
            lines[key] = line
    return None
