"""What was drawn where: masks of each kind, numbered instances and a record of each object of a picture."""

from itertools import count

import numba
import numpy as np

from synthgen.boxes import boxes_of
from synthgen.errors import UsageError
from synthgen.surface.optics.camera import blur_reach, grown


def object_params(source: str, entry: int | None, point) -> dict:
    """Return the ``params`` of an object.

    Parameters
    ----------
    source : {"stains", "impurities", "defects"}
        Which of the sample's parameters it was drawn from.
    entry : int, optional
        Its place in that list; stains are not listed one by one.
    point : (3,)
        Its center, (x, y, z) in mm.
    """
    return {
        "drawn_from": source,
        "entry": entry,
        "point": [round(float(value), 4) for value in point],
    }


class Annotations:
    """Collects the objects of a picture in painter's order; each is painted over those before.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    kinds : sequence of str
        One mask for each.
    blur : float
        Standard deviation of the lens blur in pixels: all that it may reach counts as changed.
    dtype : str
        Of the ids: ``uint8`` or ``uint16``.

    Attributes
    ----------
    masks : dict of ndarray of uint8, (H, W)
        255 at every pixel that an object of the kind may have changed, also where another lies over it.
    ids : ndarray of uint8 or uint16, (H, W)
        Number of the topmost object, 0 where there is none.
    objects : list of dict
        ``id``, ``kind``, ``box`` (top, left, bottom, right), ``area`` and, after `finish`, ``visible_area`` in
        pixels; ``center``, (row, column) in pixels, also of an object that is partly outside; ``params``.
    """

    def __init__(self, shape: tuple[int, int], kinds, blur: float = 0.0, dtype: str = "uint16"):
        self.masks = {kind: np.zeros(shape, np.uint8) for kind in kinds}
        self.ids = np.zeros(shape, dtype)
        self.objects: list[dict] = []
        self._blur = blur
        self._numbers = count(1)

    def add(self, kind: str, rows: np.ndarray, columns: np.ndarray, center, params: dict) -> None:
        """Add an object by its pixels; one without pixels is left out."""
        if len(rows) == 0:
            return

        margin = blur_reach(self._blur)
        height, width = self.ids.shape
        across = _span_of(rows, margin, height)
        along = _span_of(columns, margin, width)
        here = np.zeros((across.stop - across.start, along.stop - along.start), bool)
        here[rows - across.start, columns - along.start] = True
        here = grown(here, self._blur)

        window = (across, along)
        number = self._next_number()
        self.masks[kind][window][here] = 255
        self.ids[window][here] = number
        found = boxes_of(here.view(np.uint8), 1)
        self._list(number, kind, found[1], window, center, params)

    def add_field(self, kind: str, window: tuple[slice, slice], numbers: np.ndarray, centers, params) -> None:
        """Add many objects at once that do not overlap; the largest get the first ids.

        Parameters
        ----------
        kind : str
        window : (slice, slice)
            Rows and columns of the picture that `numbers` covers.
        numbers : ndarray of unsigned integers, (h, w)
            0, or the number 1..n of the object.
        centers : ndarray of float, (n, 2)
            Row and column of each object, in pixels of the picture.
        params : list of dict
            Of each object.
        """
        if self._blur:
            margin = blur_reach(self._blur)
            window, numbers = _padded(window, numbers, margin, self.ids.shape)
            numbers = grown(numbers, self._blur)

        found = boxes_of(numbers, len(centers))
        # the blur of a neighbor may cover all of a small one
        seen = np.count_nonzero(found[1:, 4])
        order = np.argsort(-found[1:, 4], kind="stable")[:seen]
        ids = np.zeros(len(found), self.ids.dtype)
        for place in order:
            ids[1 + place] = self._next_number()

        _recode(numbers, ids, self.ids[window], self.masks[kind][window])
        for place in order:
            number = int(ids[1 + place])
            self._list(number, kind, found[1 + place], window, centers[place], params[place])

    def _next_number(self) -> int:
        number = next(self._numbers)
        most = np.iinfo(self.ids.dtype).max
        if number > most:
            raise UsageError(f"a picture may hold at most {most} objects; take larger cells or fewer objects")
        return number

    def _list(self, number: int, kind: str, found, window, center, params: dict) -> None:
        """Append the record of an object that was measured in a window."""
        rows, columns = window
        shift = (rows.start, columns.start, rows.start, columns.start)
        record = {
            "id": number,
            "kind": kind,
            "box": np.add(found[:4], shift).tolist(),
            "area": int(found[4]),
            "visible_area": 0,
            "center": [round(float(value), 2) for value in center],
            "params": params,
        }
        self.objects.append(record)

    def finish(self) -> tuple[np.ndarray, list[dict]]:
        """Return the mask of all objects, uint8 (H, W), and the list of objects with what is seen of each."""
        mask = np.empty(self.ids.shape, np.uint8)
        seen = _count(self.ids, mask, len(self.objects))
        for record in self.objects:
            record["visible_area"] = int(seen[record["id"]])
        return mask, self.objects


def _span_of(places: np.ndarray, margin: int, size: int) -> slice:
    """Return the span of some rows or columns with a margin where the picture has room for it."""
    first = int(places.min()) - margin
    last = int(places.max()) + margin
    return slice(max(0, first), min(size, last + 1))


def _padded(window, numbers: np.ndarray, margin: int, shape) -> tuple[tuple, np.ndarray]:
    """Return a window and its numbers, larger by a margin where the picture has room for it."""
    larger = []
    room = []
    for span, size in zip(window, shape, strict=True):
        begin = max(0, span.start - margin)
        end = min(size, span.stop + margin)
        larger.append(slice(begin, end))
        room.append((span.start - begin, end - span.stop))
    return tuple(larger), np.pad(numbers, room)


@numba.njit(cache=True, nogil=True)
def _recode(numbers, ids, out, mask):
    """Write the ids of numbers, and 255 into the mask, where there are any."""
    height, width = numbers.shape
    for r in range(height):
        line = numbers[r]
        for c in range(width):
            number = line[c]
            if number > 0:
                out[r, c] = ids[number]
                mask[r, c] = 255


@numba.njit(cache=True, nogil=True)
def _count(ids, mask, most):
    """Fill the mask of all ids, and return how many pixels each has, int64 (most + 1,)."""
    seen = np.zeros(most + 1, np.int64)
    source = ids.ravel()
    target = mask.ravel()
    for i in range(source.size):
        number = source[i]
        target[i] = 255 if number else 0
        if number:
            seen[number] += 1
    return seen
