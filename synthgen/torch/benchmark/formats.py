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
    return {"text": _text, "md": _markdown, "csv": _csv, "tex": _latex}[kind](grid)


def _text(grid: Grid) -> str:
    marked = _marked(grid, "{}*", "{} ") if grid.best else grid.rows
    head = [f"{name} " if grid.best and place else name for place, name in enumerate(grid.head)]
    columns = list(zip(head, *marked, strict=True))
    widths = [max(map(len, column)) for column in columns]

    lines = [grid.title, ""]
    for cells in (head, *marked):
        aligned = [cells[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        lines.append("  ".join(aligned).rstrip())
    if grid.notes:
        lines += ["", *grid.notes]
    return "\n".join(lines)


def _markdown(grid: Grid) -> str:
    rows = _marked(grid, "**{}**", "{}")
    rule = ["---"] + ["---:"] * (len(grid.head) - 1)
    lines = [f"**{grid.title}**", ""]
    for cells in (grid.head, rule, *rows):
        escaped = [cell.replace("|", "\\|") for cell in cells]
        lines.append(f"| {' | '.join(escaped)} |")
    if grid.notes:
        lines += ["", *(f"- {note}" for note in grid.notes)]
    return "\n".join(lines)


def _csv(grid: Grid) -> str:
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(grid.head)
    table.writerows(grid.rows)
    return file.getvalue().rstrip("\n")


def _latex(grid: Grid) -> str:
    plain = grid._replace(rows=[list(map(_escaped, row)) for row in grid.rows])
    rows = _marked(plain, r"\textbf{{{}}}", "{}")
    columns = "l" + "r" * (len(grid.head) - 1)
    lines = [rf"% {grid.title}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines.append(" & ".join(map(_escaped, grid.head)) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(row) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {note}" for note in grid.notes]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def _marked(grid: Grid, best: str, other: str) -> list[list[str]]:
    """Return the rows with the best values marked; the names of rows stay."""
    rows = []
    for i, row in enumerate(grid.rows):
        cells = [row[0]]
        for j, cell in enumerate(row[1:], 1):
            form = best if (i, j) in grid.best else other
            cells.append(form.format(cell))
        rows.append(cells)
    return rows
