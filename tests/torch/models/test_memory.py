"""How much memory there is, and what to say when it is not enough."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen import machine
from synthgen.errors import UsageError
from synthgen.torch.models import memory


def test_the_processor_has_what_the_machine_has_left(monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: 12345.0)
    assert memory.available_bytes(torch.device("cpu")) == 12345.0


@pytest.mark.parametrize(("count", "text"), [(12_345_678, "12.3 MB"), (4_096e6, "4,096 MB"), (99, "9.9e-05 MB")])
def test_bytes_are_told_in_megabytes(count, text):
    assert memory.megabytes(count) == text


@given(st.integers(1, 60), st.lists(st.integers(0, 9), min_size=60, max_size=60), st.integers(0, 300))
def test_the_largest_number_that_fits_is_found(below, steps, limit):
    needed = [sum(steps[:number]) for number in range(60)]
    fitting = [number for number in range(below) if needed[number] <= limit]
    assert memory.largest_fitting(lambda number: needed[number], below, limit) == max(fitting, default=0)


@pytest.mark.parametrize(("needed", "limit"), [(5, 5), (0, 0), (1e12, math.inf)])
def test_what_fits_is_not_refused(needed, limit):
    memory.refuse_if_larger("the bank", needed, limit, "")


def test_what_does_not_fit_is_refused_with_what_would():
    message = r"^memory must be at least 200 MB for the bank, 100 MB may be used; coreset 0\.05 fits$"
    with pytest.raises(UsageError, match=message):
        memory.refuse_if_larger("the bank", 200e6, 100e6, "coreset 0.05 fits")
