import numpy as np
import pytest

from synthgen.surface.marks.contrast import contrast_of


@pytest.mark.parametrize(("kind", "expected"), [("bump", 51 * 0.3), ("dent", 51 * 0.6), ("scratch", 51 * 0.6)])
def test_the_whole_of_a_bump_counts_and_the_clearest_quarter_of_others(kind, expected):
    before = np.full(8, 0.2, np.float32)
    changes = np.array([0, 0.2, 0.1, -0.6, 0.4, 0.5, 0, 0.6], np.float32)
    assert contrast_of(kind, before, before + changes * np.float32(0.2), 1.0) == pytest.approx(expected, abs=1e-3)


def test_what_is_overexposed_or_not_seen_does_not_show():
    bright = np.full(5, 1.1, np.float32)
    assert contrast_of("bump", bright, bright + 1, 1.0) == 0
    assert contrast_of("bump", bright, bright + 1, 0.5) > 0
    assert contrast_of("dent", bright[:0], bright[:0], 1.0) == 0


def test_half_of_the_exposure_is_half_of_the_contrast():
    rng = np.random.default_rng(2)
    before, after = rng.uniform(0, 1, (2, 50)).astype(np.float32)
    for kind in ("scratch", "dent", "bump"):
        full = contrast_of(kind, before, after, 1.0)
        assert contrast_of(kind, before, after, 0.5) == pytest.approx(full / 2)
