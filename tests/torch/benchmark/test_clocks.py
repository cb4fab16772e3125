"""Costs: reading is counted apart, warm-up is left out, memory is the most of the job alone."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from synthgen.torch.benchmark import clocks


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now.seconds)
    return now


def test_reading_is_counted_and_nothing_else(clock):
    class Slow(list):
        dataset = range(3)

        def __iter__(self):
            for item in range(3):
                clock.seconds += 2
                yield item

    loader = clocks.TimedLoader(Slow())
    for _ in loader:
        clock.seconds += 100
    assert loader.seconds == 6


def test_the_first_batches_are_no_part_of_the_time_of_an_image(clock):
    class Model:
        def predict(self, images):
            clock.seconds += 10 if clock.seconds < 30 else 1
            return images, None

    timed = clocks.TimedModel(Model(), (8, 8))
    for _ in range(5):
        timed.predict([0, 0])
    assert timed.seconds == 32
    assert timed.ms_image == 500


def test_latency_is_the_median_of_single_images(clock):
    def predict(seconds):
        clock.seconds += seconds
        return seconds

    assert clocks.latency_ms(predict, [1, 9, 2]) == (2000, [1, 9, 2])
    assert clocks.latency_ms(predict, []) == (None, [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not say")
def test_memory_that_was_given_back_before_is_not_counted():
    large = np.ones(30_000_000)
    del large
    peak = clocks.PeakMemory(None)
    work = np.ones(5_000_000)
    found = peak.bytes()
    assert work.nbytes * 0.9 < found < 150_000_000
    assert peak.gpu_bytes() is None
