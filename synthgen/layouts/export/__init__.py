"""Exports: data sets of ours, written in the layouts that other programs read.

>>> from synthgen.layouts.export import check, export

A target is the class `Writer` of a module of `synthgen.layouts`, beside the reader of that layout where there is
one, and a line in `TARGETS`.
"""

from synthgen.exports import TARGETS, Options
from synthgen.layouts.export.check import Findings, check
from synthgen.layouts.export.job import ExportReport, export

__all__ = ["TARGETS", "ExportReport", "Findings", "Options", "check", "export"]
