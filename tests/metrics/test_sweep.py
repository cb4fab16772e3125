"""Intervals of thresholds: where an IoU lies above a limit, and where most do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.metrics.sweep import Scores, Spans, spans_of

values = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(values, st.lists(st.integers(0, 6), max_size=12), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_an_iou_lies_above_its_limit_within_the_spans_alone(inside, outside, limit):
    scores = Scores.of(np.array(inside, float), np.array(outside, float), limit)
    assert scores.lowest == min(inside + outside)
    starts, ends = spans_of(*scores.all_ious(), limit)
    for threshold in np.arange(-1, 8, 0.5):
        within = ((starts <= threshold) & (threshold < ends)).any()
        hits = sum(value > threshold for value in inside)
        false = sum(value > threshold for value in outside)
        assert within == (hits / (len(inside) + false) > limit)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), max_size=10), st.integers(0, 9))
def test_the_best_threshold_lies_in_most_spans(pairs, lowest):
    starts = np.array([start for start, _ in pairs], float)
    ends = starts + [length for _, length in pairs]
    spans = Spans(starts, ends, np.arange(len(pairs))).above(lowest)
    around = [((spans.starts <= t) & (t < spans.ends)).sum() for t in np.arange(lowest, 14)]
    threshold, count = spans.best()
    assert count == max(around, default=0)
    assert np.isnan(threshold) if count == 0 else spans.counts(np.array([threshold]))[0] == count
