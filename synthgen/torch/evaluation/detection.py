"""Scores, heat maps and raw maps of images as files, written as they come.

A journal in the folder says what is done. While it is there the folder is unfinished, and the same call goes on
where the earlier one ended. The table is whole at every moment.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from synthgen.layouts import ImageSet
from synthgen.layouts.framing import at_own_size
from synthgen.look.colors import color_range
from synthgen.look.heatmaps import overlay, picture_names, side_by_side
from synthgen.shards.files import make_folder, replacing
from synthgen.tables import write_csv
from synthgen.torch.evaluation.inspection import Found, inspected, kept_framing
from synthgen.torch.evaluation.journal import Journal
from synthgen.torch.evaluation.limits import Judge

TABLE = "scores.csv"
JOURNAL = ".detect.jsonl"
COLUMNS = ("image", "score", "scaled", "anomalous", "heatmap", "map", "error")
_SECONDS = 2.0  # between two tables


class Choices(msgspec.Struct, frozen=True):
    """What is written.

    Parameters
    ----------
    threshold, pixel_threshold : float, optional
        From which score on an image is anomalous, and a pixel is outlined; by default as the model's file says.
    maps : {'npy', 'tiff'}, optional
        Kind of files for raw maps, float32, at the size of the image.
    side_by_side : bool
        Show image, map and both together, instead of both together alone.
    """

    threshold: float | None = None
    pixel_threshold: float | None = None
    maps: Literal["npy", "tiff"] | None = None
    side_by_side: bool = False


def detect(
    model,
    images: ImageSet,
    folder: Path,
    choices: Choices,
    batch_size: int = 8,
    digest: str = "",
    advance: Callable | None = None,
    log: Callable | None = None,
) -> list[dict]:
    """Write what a model says of images into a folder; go on where the same call was interrupted.

    Parameters
    ----------
    model : AnomalyModel
    images : ImageSet
        Each at its own size.
    folder : Path
        Made if there is none. Gets ``scores.csv``, ``heatmaps`` and ``maps``.
    choices : Choices
    batch_size : int
    digest : str
        Of the model's file: work is gone on with by the same model alone.
    advance : callable, optional
        Called with the number of images after each batch.
    log : callable, optional
        Given a line of text where earlier work is gone on with, or given up.

    Returns
    -------
    list of dict
        The table: rows of `COLUMNS`, those of images that cannot be read last.

    Raises
    ------
    FormatError
        If the notes of the model are damaged.
    StorageError
        If a file cannot be written.
    """
    framing = kept_framing(model)
    images = images.with_bits(framing.bits)
    make_folder(folder, folder)
    work = _Work(images, folder, choices, Judge(model, choices.threshold, choices.pixel_threshold), digest)
    work.tell(log)

    left = [number for number in range(len(images)) if number not in work.rows]
    if advance is not None and work.rows:
        advance(len(work.rows))

    finished = False
    try:
        found = inspected(model, images.chosen(left), batch_size, framing, work.unreadable)
        for count, batch in found:
            work.add(batch, left)
            if advance is not None:
                advance(count)
        finished = True
    finally:
        rows = work.close(finished)
    return rows


class _Done(msgspec.Struct, frozen=True):
    """An entry of the journal: an image, what its file was like, its row, and the colors of its heat map."""

    number: Annotated[int, msgspec.Meta(ge=0)]
    state: list[int] | None
    row: dict[str, Any]
    colors: tuple[float, float] | None


class _Work:
    """The files of a folder, as far as they are written."""

    def __init__(self, images: ImageSet, folder: Path, choices: Choices, judge: Judge, digest: str):
        self._folder = folder
        self._choices = choices
        self._judge = judge
        self._names = [entry.name for entry in images.entries]
        self._pictures = picture_names(self._names) if self._names else []
        self._colors: tuple[float, float] | None = judge.colors
        self._written = time.monotonic()

        self.unreadable: dict[str, str] = {}
        self.rows: dict[int, dict] = {}
        self._journal = Journal(folder / JOURNAL, self._settings(digest))
        for entry in self._journal.entries:
            self._take_over(entry)

    def _settings(self, digest: str) -> dict:
        """Return what makes work the same: model, images and choices."""
        text = "\n".join(self._names)
        names = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
        return {"model": digest, "images": names.hexdigest(), "choices": msgspec.to_builtins(self._choices)}

    def _take_over(self, entry: dict) -> None:
        """Take an entry of the journal for done, if its image and files are as they were."""
        try:
            done = msgspec.convert(entry, _Done)
            name = self._names[done.number]
        except (msgspec.ValidationError, IndexError):
            return

        self._colors = done.colors or self._colors
        files = [Path(done.row[column]) for column in ("heatmap", "map") if column in done.row]
        are_there = all(path.is_file() for path in files)
        if are_there and done.state == _state(name):
            self.rows[done.number] = done.row

    def tell(self, log: Callable | None) -> None:
        """Say what becomes of earlier work."""
        if log is None:
            return
        if self._journal.is_others:
            log(f"{self._folder}: an interrupted run with another model, other images or options is begun anew")
        elif self.rows:
            log(f"{self._folder}: goes on after {len(self.rows)} of {len(self._names)} images")

    def add(self, batch: list[Found], numbers: list[int]) -> None:
        """Write what was found on some images; `numbers` are those of all images that were looked at, in order."""
        if self._colors is None and batch and batch[0].map is not None:
            self._choose_colors(batch)
        for found in batch:
            number = numbers[found.number]
            state = _state(self._names[number])
            row = self._row(found, number)
            self.rows[number] = row
            done = _Done(number, state, row, self._colors)
            self._journal.add(msgspec.to_builtins(done))

        if time.monotonic() - self._written > _SECONDS:
            self._write_table()

    def _choose_colors(self, batch: list[Found]) -> None:
        """Take the colors from the first images, for a model that does not know how normal images score."""
        scores = [found.map.ravel() for found in batch if found.map is not None]
        together = np.concatenate(scores)
        self._colors = color_range(together, self._judge.pixel)

    def _row(self, found: Found, number: int) -> dict:
        """Return the row of an image, whose files are written."""
        row = {"image": self._names[number], **self._judge.verdict(found.score)}
        if found.map is None:
            return row

        shape = found.item.image.shape[:2]
        scores = at_own_size(found.map, found.seen, shape)
        row["heatmap"] = self._write_picture(found.item.image, scores, number)
        if self._choices.maps is not None:
            row["map"] = self._write_map(scores, number)
        return row

    def _write_picture(self, image: np.ndarray, scores: np.ndarray, number: int) -> str:
        from PIL import Image

        draw = side_by_side if self._choices.side_by_side else overlay
        low, high = self._colors or (0.0, 1.0)
        pixels = draw(image, scores, low, high, self._judge.pixel)
        path = self._place("heatmaps", number, ".png")
        with replacing(path) as temporary:
            Image.fromarray(pixels).save(temporary, "PNG")
        return str(path)

    def _write_map(self, scores: np.ndarray, number: int) -> str:
        from PIL import Image

        kind = self._choices.maps
        path = self._place("maps", number, f".{kind}")
        with replacing(path) as temporary, open(temporary, "wb") as file:
            if kind == "npy":
                np.save(file, scores)
            else:
                Image.fromarray(scores).save(file, "TIFF")
        return str(path)

    def _place(self, folder: str, number: int, suffix: str) -> Path:
        """Return the file of an image in a folder, which is made."""
        name = Path(self._pictures[number]).with_suffix(suffix)
        path = self._folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def close(self, finished: bool) -> list[dict]:
        """Write the table for the last time, and return it; the journal goes when all is done."""
        rows = self._write_table()
        self._journal.close(finished)
        return rows

    def _write_table(self) -> list[dict]:
        rows = [self.rows[number] for number in sorted(self.rows)]
        rows += [{"image": name, "error": reason} for name, reason in self.unreadable.items()]
        used = {column for row in rows for column in row}
        columns = [column for column in COLUMNS if column in used]
        write_csv(self._folder / TABLE, rows, columns)
        self._written = time.monotonic()
        return rows


def _state(name: str) -> list[int] | None:
    """Return size and time of an image file, to see whether it was changed; None of a sample of a data set."""
    try:
        status = Path(name).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
