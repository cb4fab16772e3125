"""Charts of tables: what is drawn is what was given."""

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError
from synthgen.look import charts

pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Return the path of a picture, and the figures that were saved."""
    figures = []
    saved = charts._saved
    monkeypatch.setattr(charts, "_saved", lambda figure, path: figures.append(figure) or saved(figure, path))
    return tmp_path / "chart.png", figures


def test_bars_have_heights_and_spreads(drawn):
    path, figures = drawn
    charts.bars(
        path, ["one", "two"], {"PL": [0.75, 0.5], "AUPRO": [0.9, np.nan]}, {"PL": [0.1, 0.4], "AUPRO": [0, 0]}
    )
    (axes,) = figures[0].axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[:3] == [0.75, 0.5, 0.9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert axes.get_ylim() == (0, 1.02)
    with Image.open(path) as picture:
        assert picture.format == "PNG"


def test_a_spider_chart_has_an_axis_for_each_model_and_a_polygon_for_each_group(drawn):
    path, figures = drawn
    charts.spider(path, ["a", "b", "c"], {"textures": [0.9, 0.8, 0.7], "objects": [0.5, 0.6, 0.7]})
    (axes,) = figures[0].axes
    polygons = [line.get_ydata() for line in axes.lines]
    assert [polygon.tolist() for polygon in map(np.asarray, polygons)] == [
        [0.9, 0.8, 0.7, 0.9],
        [0.5, 0.6, 0.7, 0.5],
    ]
    with pytest.raises(UsageError, match="must be three or more for a spider chart, got 2"):
        charts.spider(path, ["a", "b"], {"textures": [0.9, 0.8]})


def test_groups_are_means_over_all_their_categories():
    values = {f"pcb{number}": number / 10 for number in range(1, 5)} | {"carpet": 0.9}
    assert charts.grouped(values) == {"pcb": pytest.approx(0.25)}


def test_behavior_orders_columns_by_their_mean_and_leaves_out_the_ends(drawn):
    path, figures = drawn
    rng = np.random.default_rng(0)
    values = {"PL": rng.random(100), "AUPRO": rng.random(100)}
    values["PL"][7] = np.nan
    charts.behavior(path, values)
    lines = [np.asarray(line.get_ydata()) for line in figures[0].axes[0].lines]
    means = np.mean(lines, axis=0)
    assert len(means) == 89  # of 99
    assert (np.diff(means) >= 0).all()


def test_curves_have_the_points_that_are_there(drawn):
    path, figures = drawn
    charts.recall_over_coverage(path, {"all": (np.array([0, 0.5, 1]), np.array([1, 0.5, 0]))})
    runs = {"a": [{"epoch": 1, "val_loss": 2.0}, {"epoch": 2, "val_loss": None}, {"epoch": 3, "val_loss": 1.0}]}
    charts.convergence(path, runs, ["val_loss"])
    recall, loss = (figure.axes[0].lines[0] for figure in figures)
    assert np.asarray(recall.get_xdata()).tolist() == [0, 50, 100]
    assert np.asarray(loss.get_xdata()).tolist() == [1, 3]


def test_points_are_colored_by_their_class(drawn):
    path, figures = drawn
    labels = np.array([0, 1, 0])
    charts.scatter(path, {"x": np.eye(3, 2), "y": np.eye(3, 2)}, labels, ["ant", "bee"])
    assert [len(axes.collections) for axes in figures[0].axes] == [2, 2]
    assert [len(points.get_offsets()) for points in figures[0].axes[0].collections] == [2, 1]
