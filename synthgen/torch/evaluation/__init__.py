"""Measuring an anomaly model on a test set: predictions, a table for each category and kind of defect, plots.

>>> from synthgen.torch.evaluation import measure, plot_curves, predict_set
"""

from synthgen.metrics.part import Part
from synthgen.torch.evaluation.detection import Choices, detect
from synthgen.torch.evaluation.inspection import Batches, Found, inspected, kept_framing
from synthgen.torch.evaluation.limits import divided, limits_of
from synthgen.torch.evaluation.plots import plot_curves
from synthgen.torch.evaluation.predictions import Predictions, predict_set
from synthgen.torch.evaluation.table import Row, as_dicts, format_table, measure
from synthgen.torch.evaluation.thresholds import held_out_limits, synthetic_limits, thresholds_of

__all__ = [
    "Batches",
    "Choices",
    "Found",
    "Part",
    "Predictions",
    "Row",
    "as_dicts",
    "detect",
    "divided",
    "format_table",
    "held_out_limits",
    "inspected",
    "kept_framing",
    "limits_of",
    "measure",
    "plot_curves",
    "predict_set",
    "synthetic_limits",
    "thresholds_of",
]
