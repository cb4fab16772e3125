"""Charts of tables: bars with spread, spider charts, the behavior of metrics, recall over coverage, convergence.

Each function writes one PNG and needs matplotlib.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.shards.files import replacing

# Ugwu et al. 2024, section 5.1: what the categories of MVTec AD and VisA show.
GROUPS = {
    "textures": ("carpet", "grid", "leather", "tile", "wood"),
    "objects": (
        "bottle", "cable", "capsule", "hazelnut", "metal_nut", "pill", "screw", "toothbrush", "transistor",
        "zipper",
    ),
    "pcb": ("pcb1", "pcb2", "pcb3", "pcb4"),
    "multi-in": ("candle", "capsules", "macaroni1", "macaroni2"),
    "single-in": ("cashew", "chewinggum", "fryum", "pipe_fryum"),
}  # fmt: skip
_PERCENTILES = (5, 95)
_GRID = "0.9"
_UPRIGHT = 0.1  # the sine of angles at which an axis counts as upright
_ERRORS = {"capsize": 1.5, "error_kw": {"lw": 0.8}}


def grouped(values: Mapping[str, float], groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, float]:
    """Return the mean of the values of the categories of each group; a group of which one is missing is left out.

    Parameters
    ----------
    values : dict of str to float
        By category.
    groups : dict of str to sequence of str, optional
        The categories of each group; by default those of MVTec AD and VisA.

    Examples
    --------
    >>> grouped({"a": 0.5, "b": 1.0, "c": 0.0}, {"first": ("a", "b"), "second": ("c", "d")})
    {'first': 0.75}
    """
    found = {}
    for name, categories in (GROUPS if groups is None else groups).items():
        there = [values[category] for category in categories if category in values]
        if len(there) == len(categories):
            found[name] = float(np.mean(there))
    return found


def bars(
    path: Path,
    names: Sequence[str],
    values: Mapping[str, Sequence[float]],
    spreads: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
) -> Path:
    """Draw a bar for each model and metric, with its spread (Taylor et al. 2025, figure 6).

    Parameters
    ----------
    path : Path
    names : sequence of str
        Of M models.
    values : dict of str to sequence of float
        Metric to M values; ``nan`` is no bar.
    spreads : dict of str to sequence of float, optional
        Half the length of the lines on the bars, such as the standard deviation over the categories.
    title : str

    Returns
    -------
    Path
    """
    metrics = len(values)
    models = len(names)
    columns = models * (metrics + 1)
    figure = _figure(max(5.0, 1.5 + 0.22 * columns), 4.4)
    axes = figure.subplots()
    places = np.arange(models)
    width = 0.8 / max(metrics, 1)
    middle = (metrics - 1) / 2

    for number, (metric, heights) in enumerate(values.items()):
        offset = (number - middle) * width
        lines = None if spreads is None else spreads[metric]
        axes.bar(places + offset, heights, width, yerr=lines, label=metric, **_ERRORS)
    axes.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_ylim(*_limits(values, spreads))
    axes.set_xlim(-0.6, models - 0.4)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_GRID)
    axes.set_title(title)
    axes.legend(fontsize="small", ncols=metrics, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return _saved(figure, path)


def _limits(values: Mapping, spreads: Mapping | None) -> tuple[float, float]:
    """Return where the axis of bars begins and ends: it holds 0, 1 and all lines."""
    lows = [0.0]
    highs = [1.0]
    for metric, heights in values.items():
        middle = np.asarray(heights)
        lines = 0.0 if spreads is None else np.asarray(spreads[metric])
        low = middle - lines
        high = middle + lines
        lows.append(float(np.nanmin(low)))
        highs.append(float(np.nanmax(high)))
    return min(lows), 1.02 * max(highs)


def spider(path: Path, axes_names: Sequence[str], polygons: Mapping[str, Sequence[float]], title: str = "") -> Path:
    """Draw a spider chart: an axis for each model, a polygon for each group of categories.

    Source: Ugwu et al. 2024, figure 5.

    Parameters
    ----------
    path : Path
    axes_names : sequence of str
        Three or more.
    polygons : dict of str to sequence of float
        Name to a value on each axis.
    title : str

    Raises
    ------
    UsageError
        If there are fewer than three axes.
    """
    count = len(axes_names)
    if count < 3:
        raise UsageError(f"axes_names must be three or more for a spider chart, got {count}")

    figure = _figure(6.2, 5.6)
    axes = figure.subplots(subplot_kw={"projection": "polar"})
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    closed = np.append(angles, angles[0])
    for name, values in polygons.items():
        around = [*values, values[0]]
        (line,) = axes.plot(closed, around, label=name, linewidth=1.6)
        axes.fill(closed, around, color=line.get_color(), alpha=0.12)

    axes.set_theta_offset(np.pi / 2)
    axes.set_xticks(angles, axes_names)
    axes.tick_params(axis="x", pad=4)
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        label.set_horizontalalignment(_side(angle))
    lowest = min(min(values) for values in polygons.values())
    tenth = np.floor(10 * lowest - 1) / 10
    axes.set_ylim(max(0.0, tenth), 1)
    axes.grid(color="0.85")
    axes.set_title(title)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(polygons))
    return _saved(figure, path)


def _side(angle: float) -> str:
    """Return how the name of an axis is aligned to lie beside the circle: 0 is up, angles grow leftward."""
    leftward = np.sin(angle)
    if abs(leftward) < _UPRIGHT:
        return "center"
    return "right" if leftward > 0 else "left"


def behavior(path: Path, values: Mapping[str, Sequence[float]], title: str = "") -> Path:
    """Draw what metrics say of the same results: a column for each model on each category, by the mean of all.

    Source: Taylor et al. 2025, figure 2: the 5th to the 95th percentile of the columns.

    Parameters
    ----------
    path : Path
    values : dict of str to sequence of float
        Metric to a value for each column; columns in which one is ``nan`` are left out.
    title : str
    """
    table = np.array(list(values.values()), float)
    is_whole = np.isfinite(table).all(axis=0)
    table = table[:, is_whole]
    table = _within(table, table.mean(axis=0))

    figure = _figure(9, 4)
    axes = figure.subplots()
    places = np.arange(table.shape[1])
    for name, column in zip(values, table, strict=True):
        axes.plot(places, column, ".", markersize=5, label=name)
    axes.set_xlabel("model on category, by the mean of the metrics")
    axes.set_ylabel("value")
    axes.grid(color=_GRID)
    axes.set_title(title)
    axes.legend(fontsize="small", loc="lower right")
    return _saved(figure, path)


def _within(table: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the columns whose means lie within the percentiles, in rising order."""
    if not len(means):
        return table
    low, high = np.percentile(means, _PERCENTILES)
    kept = (means >= low) & (means <= high)
    columns = table[:, kept]
    order = np.argsort(means[kept], kind="stable")
    return columns[:, order]


def recall_over_coverage(path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "") -> Path:
    """Draw how many defects are noticed, by the share of a defect that has to be found (Mao et al. 2025, figure 5).

    Parameters
    ----------
    path : Path
    curves : dict of str to (coverages, recalls)
        As `synthgen.metrics.defects.recall_curve` gives them.
    title : str
    """
    figure = _figure(6, 4.4)
    axes = figure.subplots()
    for name, (coverages, recalls) in curves.items():
        axes.plot(100 * np.asarray(coverages), recalls, marker=".", label=name)
    axes.set_xlabel("share of a defect that has to be found, %")
    axes.set_ylabel("recall of defects")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.02)
    axes.grid(color=_GRID)
    axes.set_title(title)
    axes.legend(fontsize="small")
    return _saved(figure, path)


def convergence(path: Path, runs: Mapping[str, Sequence[Mapping]], columns: Sequence[str]) -> Path:
    """Draw columns of several runs over the epochs, a panel for each column (Ugwu et al. 2024, figure 10).

    Parameters
    ----------
    path : Path
    runs : dict of str to sequence of dict
        Name to rows with ``epoch`` and the columns; None and ``nan`` are no points.
    columns : sequence of str
    """
    from matplotlib.ticker import MaxNLocator

    figure = _figure(5 * len(columns), 4)
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        for name, rows in runs.items():
            there = [row for row in rows if row.get(column) is not None]
            epochs = [row["epoch"] for row in there]
            heights = [row[column] for row in there]
            marker = "." if len(there) < 30 else ""
            axes.plot(epochs, heights, label=name, marker=marker)
        axes.set_xlabel("epoch")
        axes.set_ylabel(column.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=_GRID)
    panels[0].legend(fontsize="small")
    return _saved(figure, path)


def scatter(path: Path, panels: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str]) -> Path:
    """Draw points in the plane, colored by their class, a panel for each backbone.

    Source: Ugwu et al. 2024, figure 12.

    Parameters
    ----------
    path : Path
    panels : dict of str to ndarray, (N, 2)
    labels : ndarray of int, (N,)
    names : sequence of str
        Of the classes.
    """
    with needed_for("plots"):
        from matplotlib import colormaps

    shades = colormaps["tab20" if len(names) > 10 else "tab10"]
    figure = _figure(4.4 * len(panels) + 1.4, 4.6)
    frames = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, points) in zip(frames, panels.items(), strict=True):
        for number, name in enumerate(names):
            own = points[labels == number]
            color = shades(number % shades.N)
            axes.scatter(*own.T, s=7, color=color, label=name, linewidths=0)
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    if len(names) <= 20:
        frames[-1].legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return _saved(figure, path)


def _figure(width: float, height: float):
    """Return an empty figure, of no back end that others would see."""
    with needed_for("plots"):
        from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _saved(figure, path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path
