"""What a model must do for its numbers to mean anything."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.checks import check_alone, check_repeatable


def answer(shift=0.0):
    return np.array([1.0 + shift]), np.full((1, 2, 2), 3.0)


def test_equal_answers_pass():
    check_repeatable("m", answer(), answer())
    check_alone("m", answer(), answer(1e-6))
    check_alone("m", (answer()[0], None), (answer()[0], None))


def test_others_are_named_with_what_they_look_like():
    with pytest.raises(UsageError, match=r"^model m must give .* is it in training mode\?$"):
        check_repeatable("m", answer(), answer(1e-9))
    with pytest.raises(UsageError, match=r"got a difference of 0.01 .* does it average over batches\?$"):
        check_alone("m", answer(0.0102), answer(0.0002))
