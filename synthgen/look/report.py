"""Reports of measurements, as pages that open from a file: tables, curves, and images worth a look."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from synthgen.look.page import document, packed
from synthgen.look.pictures import check_encoder, webp
from synthgen.shards.files import write_atomically

LIMIT = 20_000_000
_PARTS = ("common", "report")
_MOST_POINTS = 300  # of a line, as many as a screen shows
_MOST_ESCAPED = 6  # bytes of an escaped character
_AROUND = 200  # bytes that a picture takes beside its file and its caption
_LONGER = 900  # side of a picture, in pixels


class Table(NamedTuple):
    """A table.

    Attributes
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence
        Cells: text, numbers, or None for a value that is not there.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence]


class Line(NamedTuple):
    """A line of a chart.

    Attributes
    ----------
    name : str
    x, y : ndarray of float, (P,)
        x rises.
    """

    name: str
    x: np.ndarray
    y: np.ndarray


class Chart(NamedTuple):
    """Lines over one scale, from 0 to `most` along and from 0 to 1 upward.

    Attributes
    ----------
    title, along, upward : str
        What the chart and its axes show.
    lines : sequence of Line
    most : float
    """

    title: str
    along: str
    upward: str
    lines: Sequence[Line]
    most: float = 1.0


class Shot(NamedTuple):
    """An image worth a look.

    Attributes
    ----------
    group, caption : str
        Images of one group stand together.
    pixels : ndarray of uint8, (H, W, 3)
    """

    group: str
    caption: str
    pixels: np.ndarray


def write_report(
    path,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    tables: Sequence[Table] = (),
    charts: Sequence[Chart] = (),
    shots: Sequence[Shot] = (),
) -> Path:
    """Write a report as one file of at most 20 MB; return its path.

    Parameters
    ----------
    path : str or Path
        A file that is there is replaced.
    title : str
    facts : sequence of (str, str)
        Name and value.
    tables : sequence of Table
    charts : sequence of Chart
    shots : sequence of Shot
        The most important ones first: those that do not fit are left out, and the page says so.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    check_encoder()
    path = Path(path)
    drawn = [_chart(chart) for chart in charts]
    data = {
        "title": title,
        "facts": [[name, str(value)] for name, value in facts],
        "tables": [_table(table) for table in tables],
        "charts": packed(drawn),
        "shots": [],
        "notes": [],
    }
    bare = document(title, _PARTS, data, {})
    room = LIMIT - len(bare)
    rows, pictures = _shots(shots, room)

    data["shots"] = rows
    missing = len(shots) - len(rows)
    if missing:
        data["notes"] = [f"{missing} images are left out: a page has at most 20 MB."]
    page = document(title, _PARTS, data, pictures)
    write_atomically(path, page)
    return path


def _table(table: Table) -> dict:
    rows = []
    for row in table.rows:
        cells = [_cell(value) for value in row]
        rows.append(cells)
    columns = []
    for place, name in enumerate(table.columns):
        column = [row[place] for row in table.rows]
        columns.append([name, _is_numbers(column)])
    return {"title": table.title, "columns": columns, "rows": rows}


def _cell(value) -> str | None:
    """Return the text of a cell; None where there is no value."""
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else None
    return str(value)


def _is_numbers(column: Sequence) -> bool:
    """Return whether all values of a column that are there are numbers."""
    return all(isinstance(value, int | float) for value in column if value is not None)


def _chart(chart: Chart) -> dict:
    lines = [{"name": line.name, "points": _points(line, chart.most)} for line in chart.lines]
    return {**chart._asdict(), "lines": lines}


def _points(line: Line, most: float) -> list[list[float]]:
    """Return points of a line up to `most`, as many as are seen."""
    x = np.asarray(line.x, float)
    y = np.asarray(line.y, float)
    end = min(most, x[-1])
    inside = int(np.count_nonzero(x < end))
    spread = np.linspace(0, max(inside - 1, 0), min(_MOST_POINTS, inside))
    places = spread.astype(int)

    height = np.interp(end, x, y)
    across = np.append(x[places], end)
    up = np.append(y[places], height)
    points = np.stack([across, up], axis=1)
    rounded = np.round(points, 5)
    return rounded.tolist()


def _shots(shots: Sequence[Shot], room: int) -> tuple[list[dict], dict[str, bytes]]:
    """Return as many images as there is room for, in bytes, and their pictures."""
    rows: list[dict] = []
    pictures: dict[str, bytes] = {}
    for number, shot in enumerate(shots):
        data = _picture(shot.pixels)
        words = f"{shot.caption}{shot.group}".encode()
        encoded = math.ceil(len(data) / 3) * 4
        room -= encoded + _MOST_ESCAPED * len(words) + _AROUND
        if room < 0:
            break
        name = f"shot{number}"
        pictures[name] = data
        rows.append({"group": shot.group, "caption": shot.caption, "picture": name})
    return rows, pictures


def _picture(pixels: np.ndarray) -> bytes:
    """Return pixels as a WebP file that is no larger than a page shows."""
    image = Image.fromarray(pixels)
    image.thumbnail((_LONGER, _LONGER))
    return webp(image, large=True)
