"""Exports: data sets of ours, written in the layouts that other programs read.

>>> from synthgen.layouts.export import check, export

A target is the class `Writer` of a module of `synthgen.layouts`, beside the reader of that layout where there is
one, and a line in `TARGETS`.
"""

from synthgen.layouts.export.batches import TARGETS
from synthgen.layouts.export.check import Findings, check
from synthgen.layouts.export.job import ExportReport, export
from synthgen.layouts.export.options import Options

__all__ = ["TARGETS", "ExportReport", "Findings", "Options", "check", "export"]
