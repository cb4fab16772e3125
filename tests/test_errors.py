"""The errors: one root, a builtin beside it, one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen import errors
from synthgen.errors import SynthgenError, one_line

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not SynthgenError]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_caught_by_the_root_and_by_a_builtin(kind):
    assert issubclass(kind, SynthgenError)
    others = [base for base in kind.__bases__ if base is not SynthgenError]
    assert len(others) == 1
    assert others[0].__module__ == "builtins"
    assert others[0] is not Exception


@given(st.text(max_size=400), st.integers(1, 300))
def test_any_message_becomes_one_line_of_that_length(text, most):
    line = one_line(ValueError(text), most)
    assert 0 < len(line) <= most
    assert len(line.splitlines()) == 1
    assert line in " ".join(text.split()) or line == "ValueError"[:most]
