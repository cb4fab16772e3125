"""Text -> checked struct: what a user types becomes a value, or a sentence that names the rule."""

import json
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen import options
from synthgen.errors import UsageError

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of each kind."""

    number: Annotated[int, msgspec.Meta(ge=1)] = 3
    share: Share = 0.5
    span: tuple[Share, Share] = (0.0, 1.0)
    maybe: tuple[int, int] | None = None
    names: tuple[str, ...] = ("x", "y")
    words: tuple[Literal["a", "b"], ...] = ()
    word: Literal["a", "b"] = "a"
    choice: Annotated[Literal["p", "q"] | None, msgspec.Meta(description="A word or nothing.")] = None
    flag: bool = False

    def __post_init__(self):
        options.check_ranges(self, "span", "maybe")
        options.check_unique(self, "names", "words")


def wanted(**values):
    return options.convert(values, Wanted, "a.yaml")


RIGHT = [
    ({"number": "7"}, {"number": 7}),
    ({"share": "0.25"}, {"share": 0.25}),
    ({"share": 1}, {"share": 1.0}),
    ({"span": "0.1:0.2"}, {"span": (0.1, 0.2)}),
    ({"span": [0.1, 0.2]}, {"span": (0.1, 0.2)}),
    ({"span": 0.3}, {"span": (0.3, 0.3)}),
    ({"span": "0.3"}, {"span": (0.3, 0.3)}),
    ({"maybe": "4:10"}, {"maybe": (4, 10)}),
    ({"maybe": 4}, {"maybe": (4, 4)}),
    ({"maybe": None}, {"maybe": None}),
    ({"names": "p,q"}, {"names": ("p", "q")}),
    ({"names": ["p"]}, {"names": ("p",)}),
    ({"names": ""}, {"names": ()}),
    ({"words": "b,a"}, {"words": ("b", "a")}),
    ({"flag": "true"}, {"flag": True}),
]


@pytest.mark.parametrize(("values", "fields"), RIGHT)
def test_what_is_typed_becomes_the_value_that_is_meant(values, fields):
    assert wanted(**values) == Wanted(**fields)


WRONG = [
    ({"number": 0}, "number must be int >= 1, got 0"),
    ({"number": "many"}, "number must be int, got 'many'"),
    ({"share": 1.5}, "share must be float <= 1.0, got 1.5"),
    ({"span": "0:2"}, "span must be float <= 1.0, got '0:2'"),
    ({"span": "0:1:2"}, "span must be LOW:HIGH, got '0:1:2'"),
    ({"span": "0.5:0.1"}, "span must be LOW:HIGH with LOW <= HIGH, got 0.5:0.1"),
    ({"maybe": "9:1"}, "maybe must be LOW:HIGH with LOW <= HIGH, got 9:1"),
    ({"names": "p,q,p"}, "names must not repeat, got p,q,p"),
    ({"word": "c"}, "word must be one of a, b, got 'c'"),
    ({"choice": "c"}, "choice must be one of p, q, got 'c'"),
    ({"words": "a,c"}, "words must be one of a, b, got 'c'"),
    ({"names": 7}, "names must be A,B,.., got 7"),
    ({"numbr": 4}, "numbr is not a known key; did you mean number?"),
    ({"zzz": 4}, "zzz is not a known key; known are number, share, span"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
@pytest.mark.parametrize(("place", "start"), [("a.yaml", "a.yaml: "), ("", "")])
def test_a_wrong_value_is_told_with_place_rule_and_value(values, message, place, start):
    with pytest.raises(UsageError) as error:
        options.convert(values, Wanted, place)
    assert str(error.value).startswith(start + message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [[], "text", None, {1: 2}])
def test_what_is_no_mapping_is_refused_with_its_section(values):
    with pytest.raises(UsageError, match=r"^a\.yaml: storage must be a mapping of names, got "):
        options.convert(values, Wanted, "a.yaml", "storage.")


@given(st.integers(1, 999_999), st.integers(1, 999_999))
def test_a_size_is_typed_width_first_and_kept_rows_first(height, width):
    assert options.parse_size(f"{width}x{height}", "") == [height, width]
    assert options.parse_size([height, width], "") == [height, width]
    assert options.parse_size(height, "") == options.parse_size(str(height), "") == [height, height]


@pytest.mark.parametrize("value", ["", "x", "12x", "x12", "1.5", -3, 1.5, None, "1234567", "1x2x3", "1 x 2", [1]])
def test_what_is_no_size_is_refused(value):
    with pytest.raises(UsageError, match=r"^a\.yaml: size must be N or WIDTHxHEIGHT in pixels, got "):
        options.parse_size(value, "a.yaml")


def test_text_that_json_cannot_hold_is_refused():
    options.check_text({"source": "é", "number": 5}, "")
    with pytest.raises(UsageError, match=r"^source must be UTF-8, got "):
        options.check_text({"source": "a\udce9"}, "")


@pytest.mark.parametrize("hint", [tuple[int, int], tuple[int, int] | None, Annotated[tuple[int, int] | None, "x"]])
def test_the_sequence_of_a_field_is_found(hint):
    assert options.sequence_in(hint) == tuple[int, int]
    assert options.sequence_in(int | None) is None


def test_yaml_scalars_are_those_of_version_1_2():
    assert options.parse_scalar("4:10") == "4:10"
    assert options.parse_scalar("1e-4") == 1e-4
    assert options.parse_scalar("no") == "no"
    assert options.parse_scalar("true") is True
    assert options.parse_scalar("~") is None
    assert options.parse_scalar("017") == 17
    assert math.isclose(options.parse_scalar("-.5"), -0.5)


@given(st.text(max_size=20))
def test_any_text_is_a_scalar(text):
    with suppress(UsageError):  # a mapping that sets a key twice
        options.parse_scalar(text)


def test_python_tags_are_not_read():
    with pytest.raises(UsageError, match=r"^a\.yaml: must be YAML"):
        options.parse_yaml(b"family: !!python/object/apply:os.system ['true']", "a.yaml")


def test_aliases_are_not_read():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    with pytest.raises(UsageError, match="aliases are not allowed"):
        options.parse_yaml("\n".join(lines).encode(), "a.yaml")


@pytest.mark.parametrize("raw", [b"- a\n- b", b"3", b"", b"1: 2"])
def test_a_text_must_be_a_mapping_of_names(raw):
    with pytest.raises(UsageError, match=r"^a\.yaml: must be a mapping of names to values, got "):
        options.parse_yaml(raw, "a.yaml")


KEYS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=8)


@pytest.mark.parametrize("parse", [options.parse_yaml, options.parse_json])
@given(path=st.lists(KEYS, max_size=4), key=KEYS)
def test_a_key_that_is_set_twice_is_refused_at_any_depth_with_its_lines(parse, path, key):
    """What JSON writes is YAML too. Keys of other mappings, and braces in strings, are not mistaken for it."""
    outer = [f"{json.dumps(name)}: {{\n" for name in path]
    name = json.dumps(key)
    beside = json.dumps(f"other {key}")
    inner = [f"{name}: 1,\n", f'{beside}: [{{{name}: "{{"}}, {{{name}: "}}"}}],\n', f"{name}: 3"]
    text = "{\n" + "".join(outer) + "".join(inner) + "}" * (len(path) + 1)

    first = len(path) + 2
    with pytest.raises(UsageError) as caught:
        parse(text.encode(), "a.file")
    assert str(caught.value).startswith("a.file: ")
    assert str(caught.value).endswith(f" must be set once, is set in line {first} and again in line {first + 2}")

    once = text.replace(f",\n{name}: 3", "")
    assert parse(once.encode(), "a.file") == json.loads(once)


def test_a_key_that_is_set_twice_on_the_command_line_is_refused():
    with pytest.raises(UsageError, match="'format' must be set once"):
        options.parse_scalar("{format: hdf5, format: webdataset}")


# Who reads YAML or JSON without the two gates, and why a key cannot stand there twice, or does no harm.
OWN_READERS = {
    "cards/writing.py": "a card whose digest is ours",
    "run/crew.py": "what workers report",
    "shards/mutex.py": "claims",
    "run/ray.py": "orders",
    "run/store.py": "leases",
    "run/worker.py": "orders",
    "torch/benchmark/worker.py": "orders",
    "torch/evaluation/journal.py": "journals",
    "torch/models/store.py": "headers of models",
    "torch/pretrain/checkpoint.py": "the state of a training",
    "torch/pretrain/folder.py": "the record of a training",
    "torch/sealed.py": "headers of weights",
}


def test_all_yaml_and_json_that_a_user_writes_comes_through_one_gate_for_each():
    home = Path(options.__file__).parent
    reading = re.compile(r"\b(json\.loads?|yaml\.(safe_)?load)\(")
    others = {path.relative_to(home).as_posix() for path in home.rglob("*.py") if reading.search(path.read_text())}
    assert others == {"options.py", *OWN_READERS}
