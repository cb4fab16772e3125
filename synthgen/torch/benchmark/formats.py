"""A table as text, Markdown, comma-separated values or LaTeX."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

FORMATS = ("text", "md", "csv", "tex", "json")
_TEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}


class Grid(NamedTuple):
    """A table of texts.

    Attributes
    ----------
    title : str
    head : list of str
        Of the columns; the first is that of the names of rows.
    rows : list of list of str
    best : set of (int, int)
        Rows and columns of the best values.
    notes : list of str
        Lines below the table.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    best: frozenset[tuple[int, int]] = frozenset()
    notes: Sequence[str] = ()


def rendered(grid: Grid, kind: str) -> str:
    """Return a table as ``text``, ``md``, ``csv`` or ``tex``."""
    forms = {"text": _text, "md": _markdown, "csv": _csv, "tex": _latex}
    return forms[kind](grid)


def _text(grid: Grid) -> str:
    head = grid.head
    rows = grid.rows
    if grid.best:
        first, *others = grid.head
        head = [first, *(f"{name} " for name in others)]
        rows = _marked(grid, "{}*", "{} ")

    columns = []
    for place, column in enumerate(zip(head, *rows, strict=True)):
        width = max(map(len, column))
        align = str.rjust if place else str.ljust
        columns.append([align(cell, width) for cell in column])

    lines = [grid.title, ""]
    for cells in zip(*columns, strict=True):
        line = "  ".join(cells)
        lines.append(line.rstrip())
    if grid.notes:
        lines += ["", *grid.notes]
    return "\n".join(lines)


def _markdown(grid: Grid) -> str:
    rows = _marked(grid, "**{}**", "{}")
    numbers = len(grid.head) - 1
    rule = ["---", *["---:"] * numbers]

    lines = [f"**{grid.title}**", ""]
    for cells in (grid.head, rule, *rows):
        escaped = [cell.replace("|", "\\|") for cell in cells]
        line = " | ".join(escaped)
        lines.append(f"| {line} |")

    notes = [f"- {note}" for note in grid.notes]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines)


def _csv(grid: Grid) -> str:
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(grid.head)
    table.writerows(grid.rows)
    text = file.getvalue()
    return text.rstrip("\n")


def _latex(grid: Grid) -> str:
    head = list(map(_escaped, grid.head))
    escaped = [list(map(_escaped, row)) for row in grid.rows]
    plain = grid._replace(rows=escaped)
    rows = _marked(plain, r"\textbf{{{}}}", "{}")

    numbers = len(head) - 1
    columns = "l" + "r" * numbers
    lines = [
        f"% {grid.title}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row(head),
        r"\midrule",
        *map(_latex_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    lines += [f"% {note}" for note in grid.notes]
    return "\n".join(lines)


def _latex_row(cells: list[str]) -> str:
    line = " & ".join(cells)
    return rf"{line} \\"


def _escaped(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def _marked(grid: Grid, best: str, other: str) -> list[list[str]]:
    """Return the rows with the best values marked; the names of rows stay."""
    rows = []
    for i, (name, *values) in enumerate(grid.rows):
        cells = [name]
        for j, value in enumerate(values, 1):
            is_best = (i, j) in grid.best
            form = best if is_best else other
            cells.append(form.format(value))
        rows.append(cells)
    return rows
