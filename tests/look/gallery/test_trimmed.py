"""Parameters for people: long ones are cut, and of many objects the rare ones are listed."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.look.gallery.trimmed import object_table, trimmed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=40)
@given(JSON)
def test_what_is_cut_is_never_longer_and_short_values_stay(value):
    cut = trimmed(value)
    assert len(json.dumps(cut)) <= len(json.dumps(value)) + 400
    if len(json.dumps(value)) < 16:
        assert cut == value


def test_seeds_keep_all_their_digits():
    assert trimmed([2**53 - 1, 2**63 - 1, -(2**60), True]) == [2**53 - 1, str(2**63 - 1), str(-(2**60)), True]


def test_long_parts_end_in_a_mark():
    assert trimmed("x" * 1000).endswith(" ..")
    assert list(trimmed({str(i): i for i in range(100)}))[-1] == ".. 40 more"
    deep = value = []
    for _ in range(50):
        value.append([])
        value = value[0]
    assert json.dumps(trimmed(deep)).count("[") == 8


def test_a_rare_object_is_listed_among_hundreds_and_ids_keep_their_kinds():
    objects = [{"id": i + 1, "kind": "stain", "params": {"a": 1}} for i in range(300)]
    objects[200]["kind"] = "scratch"
    table = object_table(objects)
    assert table["rows"][0]["id"] == 201
    assert table["kinds"] == [["stain", 200], ["scratch", 1], ["stain", 99]]
    assert table["count"] == 300
    assert len(table["rows"]) == 60
    assert "params" not in table["rows"][-1]
