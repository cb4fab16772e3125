"""Measuring an anomaly model on a test set: predictions, a table for each category and kind of defect, plots.

>>> from synthgen.torch.evaluation import measure, plot_curves, predict_set
"""

from synthgen.torch.evaluation.plots import plot_curves
from synthgen.torch.evaluation.predictions import Batches, Part, Predictions, predict_set
from synthgen.torch.evaluation.table import METRICS, Row, format_table, measure

__all__ = [
    "METRICS",
    "Batches",
    "Part",
    "Predictions",
    "Row",
    "format_table",
    "measure",
    "plot_curves",
    "predict_set",
]
