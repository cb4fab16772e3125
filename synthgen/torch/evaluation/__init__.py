"""Measuring an anomaly model on a test set: predictions, a table for each category and kind of defect, plots.

>>> from synthgen.torch.evaluation import measure, plot_curves, predict_set
"""

from synthgen.metrics.part import Part
from synthgen.torch.evaluation.detection import Choices, detect
from synthgen.torch.evaluation.inspection import Batches, Found, inspected, kept_framing
from synthgen.torch.evaluation.limits import divided, limits_of
from synthgen.torch.evaluation.plots import plot_curves
from synthgen.torch.evaluation.predictions import Predictions, predict_set
from synthgen.torch.evaluation.table import METRICS, Row, format_table, measure

__all__ = [
    "METRICS",
    "Batches",
    "Choices",
    "Found",
    "Part",
    "Predictions",
    "Row",
    "detect",
    "divided",
    "format_table",
    "inspected",
    "kept_framing",
    "limits_of",
    "measure",
    "plot_curves",
    "predict_set",
]
