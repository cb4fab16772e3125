"""The table of a measured test set.

A kind of defect is measured against all normal images of its category. Decisions (F1, recall, IoU ..) are made at
thresholds that are given, and come from elsewhere than this test set; what its own best thresholds would give is a
metric of its own, ``oracle``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from synthgen.metrics.part import Part
from synthgen.metrics.registry import METRICS, REFINED, USUAL, Column, columns_of, heading_of, measured
from synthgen.torch.evaluation.limits import Thresholds
from synthgen.torch.evaluation.predictions import ALL, Predictions

MEAN = "mean"
MEAN_OF_KINDS = "mean of kinds"
# The kinds of MVTec LOCO, whose headline is the mean of both (Bergmann et al. 2022, section 5).
LOCO_KINDS = {"logical_anomalies", "structural_anomalies"}
_FIRST = ("category", "kind", "normal", "anomalous")
_TEXTS = ("category", "kind")
_THRESHOLD = "threshold"
_ORACLE = "oracle"  # several values, none of this name


@dataclass(frozen=True)
class Row:
    """What was measured on one kind of one category. A metric can be read by its name: None where it has no value.

    Parameters
    ----------
    category, kind : str
        The kind is ``all`` for all kinds of a category, ``mean of kinds`` for the mean of those of MVTec LOCO; the
        category is ``mean`` for the mean of these rows.
    normal, anomalous : int
        Images.
    values : dict of str to float
        Of the metrics of `synthgen.metrics.registry` that have a value there, by name.
    """

    category: str
    kind: str
    normal: int
    anomalous: int
    values: dict[str, float] = field(default_factory=dict)

    def __getattr__(self, name: str) -> float | None:
        if not _is_metric(name):
            raise AttributeError(f"a row has no {name}")
        return self.values.get(name)

    def value(self, name: str) -> Any:
        """Return what a column of the table has for this row; None where it has nothing."""
        if name in _FIRST:
            return getattr(self, name)
        return self.values.get(name)

    def with_values(self, **values: float) -> "Row":
        """Return the same row with further values."""
        return replace(self, values={**self.values, **values})


def _is_metric(name: str) -> bool:
    """Return whether a name is that of a metric, or of one of its values."""
    if name.startswith("_") or name == "values":
        return False
    base = name.partition("@")[0]
    return base in METRICS or base in REFINED or base.startswith("oracle_")


def as_dicts(rows: Sequence[Row], columns: Sequence[Column] = ()) -> list[dict[str, Any]]:
    """Return rows as plain dicts of the same keys, None where a metric has no value: for JSON and CSV.

    Parameters
    ----------
    rows : sequence of Row
    columns : sequence of Column, optional
        Metrics that have a key although no row has a value.
    """
    names = _names(rows)
    asked = [column.name for column in columns if column.name != _ORACLE]
    names = list(dict.fromkeys([*asked, *names]))
    all_names = [*_FIRST, *names]
    return [{name: row.value(name) for name in all_names} for row in rows]


def _names(rows: Iterable[Row]) -> list[str]:
    """Return the names of all values of some rows, in the order of the fullest."""
    names: dict[str, None] = {}
    for row in sorted(rows, key=_fullest_first):
        names |= dict.fromkeys(row.values)
    return list(names)


def _fullest_first(row: Row) -> int:
    return -len(row.values)


def measure(
    predictions: Predictions,
    advance: Callable | None = None,
    columns: Sequence[Column] | None = None,
    thresholds: Thresholds | None = None,
) -> list[Row]:
    """Return the table: for each category a row for all of it and one for each kind, then the mean of several.

    A category of MVTec LOCO has a row more, the mean of its two kinds.

    Parameters
    ----------
    predictions : Predictions
    advance : callable, optional
        Called with 1 after each row that is measured.
    columns : sequence of Column, optional
        The metrics, as `synthgen.metrics.registry.columns_of` gives them. By default the usual ones.
    thresholds : Thresholds, optional
        From which on an image is anomalous, and a pixel. Without them nothing is decided.

    Returns
    -------
    list of Row
    """
    advance = advance or (lambda rows: None)
    columns = columns_of(USUAL) if columns is None else columns
    given = thresholds or Thresholds()

    rows: list[Row] = []
    for category, kinds in predictions.parts():
        whole = predictions.part(category).at(given.image, given.pixel)
        rows.append(_measured(whole, category, ALL, columns))
        advance(1)

        of_kinds = []
        for kind in kinds:
            part = predictions.part(category, kind).at(given.image, given.pixel)
            part = replace(part, whole=whole)
            of_kinds.append(_measured(part, category, kind, columns))
            advance(1)
        rows += of_kinds
        if set(kinds) == LOCO_KINDS:
            rows.append(_mean(of_kinds, category, MEAN_OF_KINDS, rows[-3].normal))

    return rows + _means(rows)


def _measured(part: Part, category: str, kind: str, columns: Sequence[Column]) -> Row:
    values = measured(part, columns)
    normal = len(part.labels) - part.anomalous
    return Row(category, kind, normal, part.anomalous, values)


def _means(rows: list[Row]) -> list[Row]:
    """Return the mean over several categories, and that of the means of kinds where each has one."""
    wholes = [row for row in rows if row.kind == ALL]
    if len(wholes) < 2:
        return []
    means = [_mean(wholes, MEAN, ALL)]
    of_kinds = [row for row in rows if row.kind == MEAN_OF_KINDS]
    if len(of_kinds) == len(wholes):
        means.append(_mean(of_kinds, MEAN, MEAN_OF_KINDS))
    return means


def _mean(rows: list[Row], category: str, kind: str, normal: int | None = None) -> Row:
    """Return the mean of rows; a metric that one of them lacks has none, and a threshold has none either."""
    means = {}
    for name in _names(rows):
        values = [row.values.get(name) for row in rows]
        if None not in values and _THRESHOLD not in name:
            means[name] = float(np.mean(values))  # type: ignore[arg-type]

    of_all = sum(row.normal for row in rows) if normal is None else normal
    anomalous = sum(row.anomalous for row in rows)
    return Row(category, kind, of_all, anomalous, means)


def format_table(rows: Sequence[Row], columns: Sequence[Column] = ()) -> str:
    """Return the table as text, without the columns that have no value in any row.

    Parameters
    ----------
    rows : sequence of Row
    columns : sequence of Column, optional
        Where metrics have headings that the registry does not know.
    """
    names = _names(rows)
    known = [*columns, *_with_limits(names), *columns_of(METRICS)]
    table = []
    for name in [*_FIRST, *names]:
        head = _heading(name, known)
        values = [row.value(name) for row in rows]
        cells = [head, *(_cell(value, name) for value in values)]
        width = max(map(len, cells))
        align = str.ljust if name in _TEXTS else str.rjust
        table.append([align(cell, width) for cell in cells])

    lines = []
    for cells_of_row in zip(*table, strict=True):
        line = "  ".join(cells_of_row)
        lines.append(line.rstrip())
    return "\n".join(lines)


def _with_limits(names: Iterable[str]) -> list[Column]:
    """Return the columns of those names that have a limit."""
    ours = [name for name in names if name.partition("@")[0] in METRICS and "@" in name]
    return columns_of(ours)


def _heading(name: str, columns: Sequence[Column]) -> str:
    if name in REFINED:
        return REFINED[name]
    return name if name in _FIRST else heading_of(name, columns)


def _cell(value: str | float | None, name: str) -> str:
    """Return the text of a value of a column."""
    if value is None:
        return "-"
    if name in _FIRST:
        return str(value)
    form = ".4g" if _THRESHOLD in name else ".3f"
    return f"{value:{form}}"
