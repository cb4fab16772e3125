"""Reports: values as text or nothing, lines with as many points as are seen, images while there is room."""

import numpy as np
import pytest

from synthgen.look import report
from synthgen.look.report import Chart, Line, Shot, Table, write_report

TABLE = Table(
    "Table", ["category", "score", "images"], [["a<b>", 0.123456, 3], ["é", float("nan"), 4], [None, None, None]]
)


def pixels(seed):
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.integers(0, 256, (40, 60, 3), np.uint8)


def test_cells_are_texts_and_a_value_that_is_not_there_is_none(tmp_path, page_data):
    page = page_data(write_report(tmp_path / "a.html", "<i>", [("n", "1")], [TABLE]).read_bytes())
    (table,) = page.data["tables"]
    assert table["columns"] == [["category", False], ["score", True], ["images", True]]
    assert table["rows"] == [["a<b>", "0.1235", "3"], ["é", None, "4"], [None, None, None]]
    assert "<i>" not in page.text
    assert page.data["facts"] == [["n", "1"]]


@pytest.mark.parametrize("count", [2, 50, 10_000])
def test_a_line_keeps_its_ends_and_its_shape(tmp_path, page_data, count):
    x = np.linspace(0, 1, count)
    chart = Chart("ROC", "along", "upward", [Line("all", x, np.sqrt(x))], most=0.3)
    page = page_data(write_report(tmp_path / "a.html", "a", charts=[chart]).read_bytes())
    points = np.array(page.unpacked(page.data["charts"])[0]["lines"][0]["points"])
    assert len(points) <= 301
    assert points[0].tolist() == [0, 0]
    assert points[-1, 0] == 0.3
    np.testing.assert_allclose(points[:, 1], np.interp(points[:, 0], x, np.sqrt(x)), atol=0.02)


def test_a_line_of_one_step_is_drawn(tmp_path, page_data):
    line = Line("all", np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]))
    page = page_data(write_report(tmp_path / "a.html", "a", charts=[Chart("", "", "", [line])]).read_bytes())
    points = page.unpacked(page.data["charts"])[0]["lines"][0]["points"]
    assert points == [[0, 0], [0, 1], [1, 1]]


def test_images_are_shown_while_there_is_room(tmp_path, page_data, monkeypatch):
    shots = [Shot("worst", f"image {i} <b>", pixels(i)) for i in range(8)]
    whole = write_report(tmp_path / "a.html", "a", shots=shots).stat().st_size
    monkeypatch.setattr(report, "LIMIT", whole - 3000)
    page = page_data(write_report(tmp_path / "a.html", "a", shots=shots).read_bytes())
    shown = [shot["caption"] for shot in page.data["shots"]]
    assert shown == [shot.caption for shot in shots[: len(shown)]]
    assert 0 < len(shown) < 8
    assert page.data["notes"] == [f"{8 - len(shown)} images are left out: a page has at most 20 MB."]
    assert (tmp_path / "a.html").stat().st_size <= whole - 3000
