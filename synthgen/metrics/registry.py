"""The metrics that `evaluate` and `benchmark` know by name; a new one is a function and a line in `METRICS`.

A metric of somebody else is given as ``module:function``, or comes from an entry point of the group
``synthgen.metrics``: a `Metric`, or a function that takes a `synthgen.metrics.part.Part` and returns a number, or a
dict of several. ``nan`` is no value.

Some metrics have a limit, which is written behind the name: ``aupro@0.05`` is AUPRO up to a false positive rate of
0.05, ``pl@0.5`` is PL above an IoU of 0.5, ``fpr@0.99`` is the false positive rate at a recall of 99 %. Without it
the name means the usual limit.

Examples
--------
>>> [column.heading for column in columns_of(["image_auroc", "pl", "pl@0.5"])]
['image AUROC', 'PL', 'PL@0.5']
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple

import numpy as np

from synthgen.errors import UsageError, did_you_mean, one_line
from synthgen.metrics.curves import average_precision, fpr_at_recall, image_auroc, pixel_auroc
from synthgen.metrics.defects import defect_wise_recall
from synthgen.metrics.inputs import reaching
from synthgen.metrics.localisation import proportions_localised
from synthgen.metrics.overlap import mean_overlap
from synthgen.metrics.part import Part
from synthgen.metrics.pixels import counted, pixel_scores
from synthgen.metrics.regions import aupros, spros

GROUP = "synthgen.metrics"

Better = Literal["up", "down"]


class Metric(NamedTuple):
    """A metric of the registry.

    Attributes
    ----------
    name : str
    heading : str
        Of its column in a table.
    measure : callable
        Takes a `Part`, and a tuple of limits where there is a `limit`. Returns a number, or a list of one for each
        limit, or a dict of several numbers, which become columns NAME_KEY.
    better : {'up', 'down'}
    needs_masks : bool
        It measures pixels: it has no value without masks of all defects, or for a model without maps.
    limit : float, optional
        The usual one of a metric that takes limits.
    """

    name: str
    heading: str
    measure: Callable[..., Any]
    better: Better = "up"
    needs_masks: bool = False
    limit: float | None = None


class Column(NamedTuple):
    """A metric as it was asked for.

    Attributes
    ----------
    name, heading : str
        With the limit, where one was given.
    metric : Metric
    limit : float or None
    """

    name: str
    heading: str
    metric: Metric
    limit: float | None


def _image_auroc(part: Part) -> float:
    return image_auroc(part.labels, part.scores)


def _average_precision(part: Part) -> float:
    return average_precision(part.labels, part.scores)


def _fpr(part: Part, recalls: Sequence[float]) -> list[float]:
    return [fpr_at_recall(part.labels, part.scores, recall) for recall in recalls]


def _pixel_auroc(part: Part) -> float:
    return pixel_auroc(part.instances, part.pixel_maps)


def _pixel_auroc_of_anomalous(part: Part) -> float:
    def pairs():
        images = zip(part.labels, part.instances, part.pixel_maps, strict=True)
        return ((mask, scores) for label, mask, scores in images if label)

    return pixel_auroc(_Again(pairs))


def _pixel_average_precision(part: Part) -> float:
    return average_precision(part.instances, part.pixel_maps)


def _pixel_fpr(part: Part, recalls: Sequence[float]) -> list[float]:
    return [fpr_at_recall(part.instances, part.pixel_maps, recall) for recall in recalls]


def _aupro(part: Part, limits: Sequence[float]) -> list[float]:
    return aupros(part.instances, part.pixel_maps, limits)


def _spro(part: Part, limits: Sequence[float]) -> list[float]:
    if not any(part.saturation):
        return [math.nan] * len(limits)
    return spros(part.regions, part.pixel_maps, part.saturation, limits)


def _pl(part: Part, limits: Sequence[float]) -> list[float]:
    return proportions_localised(part.instances, part.pixel_maps, limits)


def _pl_linear(part: Part, limits: Sequence[float]) -> list[float]:
    return proportions_localised(part.instances, part.pixel_maps, limits, "linear")


def _pl_percentile(part: Part, limits: Sequence[float]) -> list[float]:
    return proportions_localised(part.instances, part.pixel_maps, limits, "percentile")


def _image_value(name: str) -> Callable[[Part], float]:
    """Return what measures the decisions on images at the threshold of a part."""

    def measure(part: Part) -> float:
        if part.threshold is None:
            return math.nan
        predicted = reaching(part.scores, part.threshold)
        return counted(part.labels == 1, predicted)[name]

    return measure


def _pixel_value(name: str) -> Callable[[Part], float]:
    """Return what measures the pixels of all images together at the threshold of a part."""

    def measure(part: Part) -> float:
        if part.pixel_threshold is None:
            return math.nan
        return pixel_scores(_found(part, part.pixel_threshold))[name]

    return measure


def _overlap(name: str) -> Callable[[Part], float]:
    """Return what measures the mean overlap of an image at the threshold of a part."""

    def measure(part: Part) -> float:
        if part.pixel_threshold is None:
            return math.nan
        return mean_overlap(_found(part, part.pixel_threshold))[name]

    return measure


def _defect_recall(part: Part) -> float:
    if part.pixel_threshold is None:
        return math.nan
    return _noticed(part, part.pixel_threshold)


def _noticed(part: Part, threshold: float) -> float:
    found = ((layer, reaching(scores, threshold)) for layer, scores in part.layers())
    return defect_wise_recall(found)


def _found(part: Part, threshold: float):
    """Yield the mask of each image, and the pixels that reach a threshold."""
    images = zip(part.instances, part.pixel_maps, strict=True)
    return ((mask, reaching(scores, threshold)) for mask, scores in images)


def _oracle(part: Part) -> dict[str, float]:
    """Return what the best thresholds of the test set itself give: no threshold in use can be as good.

    The pixel threshold of a kind of defect is that of its whole category.
    """
    threshold, f1 = part.best_threshold
    values = {"f1": f1, "threshold": threshold}
    if part.is_measured_by_pixels:
        whole = part.whole or part
        pixel_threshold, pixel_f1 = whole.best_pixel_threshold
        values["defect_recall"] = _noticed(part, pixel_threshold)
        if whole is part:
            values["pixel_f1"] = pixel_f1
            values["pixel_threshold"] = pixel_threshold
    return values


class _Again(Iterable):
    """What a function yields, from the start at each iteration."""

    def __init__(self, make: Callable[[], Iterable]):
        self._make = make

    def __iter__(self):
        return iter(self._make())


_ALL = (
    Metric("image_auroc", "image AUROC", _image_auroc),
    Metric("average_precision", "image AP", _average_precision),
    Metric("fpr", "image FPR", _fpr, better="down", limit=0.95),
    Metric("pixel_auroc", "pixel AUROC", _pixel_auroc, needs_masks=True),
    Metric("anomalous_pixel_auroc", "pixel AUROC of anomalous", _pixel_auroc_of_anomalous, needs_masks=True),
    Metric("pixel_average_precision", "pixel AP", _pixel_average_precision, needs_masks=True),
    Metric("pixel_fpr", "pixel FPR", _pixel_fpr, better="down", needs_masks=True, limit=0.95),
    Metric("aupro", "AUPRO", _aupro, needs_masks=True, limit=0.3),
    Metric("spro", "sPRO", _spro, needs_masks=True, limit=0.05),
    Metric("pl", "PL", _pl, needs_masks=True, limit=0.3),
    Metric("pl_linear", "PL linear", _pl_linear, needs_masks=True, limit=0.3),
    Metric("pl_percentile", "PL percentile", _pl_percentile, needs_masks=True, limit=0.3),
    Metric("f1", "F1", _image_value("f1")),
    Metric("precision", "precision", _image_value("precision")),
    Metric("recall", "recall", _image_value("recall")),
    Metric("pixel_f1", "pixel F1", _pixel_value("f1"), needs_masks=True),
    Metric("pixel_precision", "pixel precision", _pixel_value("precision"), needs_masks=True),
    Metric("pixel_recall", "pixel recall", _pixel_value("recall"), needs_masks=True),
    Metric("defect_recall", "defect recall", _defect_recall, needs_masks=True),
    Metric("iou", "IoU", _overlap("iou"), needs_masks=True),
    Metric("dice", "DICE", _overlap("dice"), needs_masks=True),
    Metric("oracle", "oracle", _oracle),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
# What a table shows where nothing else is asked for; those without a value are left out of it.
USUAL = ("image_auroc", "pixel_auroc", "aupro", "spro", "pl", "f1", "pixel_f1", "defect_recall", "iou", "dice")
# What `evaluate --refine` adds, and a benchmark whose models say `refine`: no map tells these.
REFINED = {"refined_iou": "refined IoU", "refined_dice": "refined DICE"}
# What is measured at a threshold, which comes from elsewhere than the test set.
AT_THRESHOLDS = (
    "f1", "precision", "recall", "pixel_f1", "pixel_precision", "pixel_recall", "defect_recall", "iou", "dice",
)  # fmt: skip


def known() -> dict[str, str]:
    """Return all names of metrics with their headings; those of other packages come last."""
    headings = {name: metric.heading for name, metric in METRICS.items()}
    for name in _others():
        headings.setdefault(name, name)
    return headings


def columns_of(names: Iterable[str], trust: bool = False) -> list[Column]:
    """Return the metrics of some names, each once.

    Parameters
    ----------
    names : iterable of str
        Such as ``pl``, ``pl@0.5`` or ``module:function``.
    trust : bool
        Whether ``module:function`` may be imported: that runs the code of the module.

    Raises
    ------
    UsageError
        If a metric is not known or cannot be imported, takes no limit, or a limit is out of range.
    """
    return [_column(name, trust) for name in dict.fromkeys(names)]


def metric_of(name: str, trust: bool = False) -> Metric:
    """Return a metric by its name without a limit; raise UsageError as `columns_of` does."""
    if name in METRICS:
        return METRICS[name]
    if name in _others():
        return _from_entry_point(_others()[name])
    if ":" in name:
        return _from_module(name, trust)
    names = known()
    hint = did_you_mean(name, names)
    raise UsageError(f"metric must be one of {', '.join(names)}, or module:function, got {name!r}{hint}")


def heading_of(name: str, columns: Iterable[Column]) -> str:
    """Return the heading of a value that `measured` names.

    Examples
    --------
    >>> heading_of("oracle_pixel_f1", columns_of(["oracle"]))
    'oracle pixel F1'
    """
    columns = list(columns)
    for column in columns:
        if column.name == name:
            return column.heading
    for column in columns:
        key = name.removeprefix(f"{column.name}_")
        if key != name:
            words = METRICS[key].heading if key in METRICS else key.replace("_", " ")
            return f"{column.heading} {words}"
    return name


def measured(part: Part, columns: Sequence[Column]) -> dict[str, float]:
    """Return the values of metrics, by the names of the columns; one that has no value there is left out.

    Parameters
    ----------
    part : Part
    columns : sequence of Column
        Those of one metric with several limits are measured together.

    Raises
    ------
    UsageError
        If a metric of somebody else returns no number.
    """
    values: dict[str, float] = {}
    done: set[str] = set()
    for column in columns:
        metric = column.metric
        if metric.name in done:
            continue
        done.add(metric.name)
        if metric.needs_masks and not part.is_measured_by_pixels:
            continue
        of_metric = [other for other in columns if other.metric.name == metric.name]
        values |= _values(part, metric, of_metric)

    finite = {name: value for name, value in values.items() if np.isfinite(value)}
    return {name: finite[name] for name in _in_order(columns, finite)}


def _in_order(columns: Sequence[Column], values: dict[str, float]) -> list[str]:
    """Return the names of values in the order of the columns; those of a dict after each other."""
    places = {column.name: place for place, column in enumerate(columns)}
    owners = {}
    for name in values:
        own = [column for column in columns if name == column.name or name.startswith(f"{column.name}_")]
        exact = [column for column in own if name == column.name]
        owner = (exact or own)[0]
        owners[name] = places[owner.name]
    return sorted(values, key=lambda name: owners[name])


def _values(part: Part, metric: Metric, columns: list[Column]) -> dict[str, float]:
    """Return what one metric measures, at all of its limits."""
    if metric.limit is not None:
        limits = tuple(column.limit for column in columns)
        found = metric.measure(part, limits)
        names = [column.name for column in columns]
        return {name: _number(value, name) for name, value in zip(names, found, strict=True)}

    found = metric.measure(part)
    if isinstance(found, dict):
        return {f"{metric.name}_{key}": _number(value, metric.name) for key, value in found.items()}
    return {metric.name: _number(found, metric.name)}


def _number(value, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"metric {name} must return a number, got {type(value).__name__}") from None


def _column(name: str, trust: bool) -> Column:
    base, at, text = name.partition("@")
    metric = metric_of(base, trust)
    if not at:
        return Column(metric.name, metric.heading, metric, metric.limit)

    if metric.limit is None:
        raise UsageError(f"metric {base} takes no limit, got {name!r}")
    limit = _limit(text, name)
    return Column(f"{base}@{limit:g}", f"{metric.heading}@{limit:g}", metric, limit)


def _limit(text: str, name: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 < limit <= 1:
        raise UsageError(f"metric must have a limit in (0, 1] behind the @, got {name!r}")
    return limit


@lru_cache(maxsize=1)
def _others() -> dict[str, EntryPoint]:
    """Return the entry points of other packages; names of our own metrics stay ours."""
    points = entry_points(group=GROUP)
    return {point.name: point for point in points if point.name not in METRICS}


def _from_entry_point(point: EntryPoint) -> Metric:
    try:
        found = point.load()
    except Exception as error:  # whatever a stranger's module raises
        raise UsageError(f"metric {point.name} ({point.value}) cannot be loaded: {one_line(error)}") from error
    return _as_metric(found, point.name)


def _from_module(name: str, trust: bool) -> Metric:
    """Return the metric ``module:function``."""
    if not trust:
        raise UsageError(f"metric {name} runs code of its own: give --trust if you trust it")
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except Exception as error:  # whatever a stranger's module raises
        raise UsageError(f"metric {name} cannot be loaded: {one_line(error)}") from error
    return _as_metric(found, function)


def _as_metric(found, name: str) -> Metric:
    """Return what a stranger calls a metric as one of ours; a function measures what it can, and up is better."""
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise UsageError(f"metric {name} must be a Metric or a function of a Part, got {type(found).__name__}")
    return Metric(name, name.replace("_", " "), found)
