"""Who changed what: masks of each kind, numbered instances and a list of the objects of a picture."""

from itertools import count

import numba
import numpy as np

from synthgen.surface.optics.camera import grown, reach_of

# Ids have 8 bits, 0 is the clean surface.
MOST_IDS = 255


class Layers:
    """Collects the objects of a picture in painter's order; each is painted over those before.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    kinds : sequence of str
        One mask for each.
    blur : float
        Standard deviation of the lens blur in pixels: all that it may reach counts as changed.

    Attributes
    ----------
    masks : dict of ndarray of uint8, (H, W)
        255 at every pixel that an object of the kind may have changed, also where another lies over it.
    ids : ndarray of uint8, (H, W)
        Number of the topmost object, 0 where there is none.
    objects : list of dict
        ``id``, ``kind``, ``box`` (top, left, bottom, right), ``area`` and, after `finish`, ``visible_area`` in
        pixels; ``parameters``.
    """

    def __init__(self, shape: tuple[int, int], kinds, blur: float = 0.0):
        self.masks = {kind: np.zeros(shape, np.uint8) for kind in kinds}
        self.ids = np.zeros(shape, np.uint8)
        self.objects = []
        self._blur, self._numbers = blur, count(1)

    def add(self, kind: str, rows: np.ndarray, columns: np.ndarray, parameters: dict) -> None:
        """Add an object by its pixels; one without pixels is left out."""
        if len(rows) == 0:
            return
        margin = reach_of(self._blur)
        top, left = max(0, int(rows.min()) - margin), max(0, int(columns.min()) - margin)
        shape = self.ids.shape
        bottom, right = (min(n, int(x.max()) + margin + 1) for n, x in zip(shape, (rows, columns), strict=True))
        here = np.zeros((bottom - top, right - left), bool)
        here[rows - top, columns - left] = True
        here = grown(here, self._blur)
        window = slice(top, bottom), slice(left, right)
        number = next(self._numbers)
        self.masks[kind][window][here] = 255
        self.ids[window][here] = number
        found = _measure(here.view(np.uint8), 1)[1]
        self._list(number, kind, found, window, parameters)

    def add_field(self, kind: str, window: tuple[slice, slice], numbers: np.ndarray, centres, most: int) -> None:
        """Add many objects at once, that do not overlap.

        Parameters
        ----------
        kind : str
        window : (slice, slice)
            Rows and columns of the picture that `numbers` covers.
        numbers : ndarray of uint16, (h, w)
            0, or the number 1..n of the object.
        centres : ndarray, (n, 3)
            Of the objects, mm; stored with them.
        most : int
            Number of ids that they may take. Where there are more objects, the smallest ones share the last id and
            one entry of `objects`, whose ``count`` says how many they are.
        """
        if self._blur:
            margin = reach_of(self._blur)
            window, numbers = _padded(window, numbers, margin, self.ids.shape)
            numbers = grown(numbers, self._blur)
        found = _measure(numbers, len(centres))
        order = np.argsort(-found[1:, 4], kind="stable")
        alone = len(order) if len(order) <= most else most - 1
        ids = np.zeros(len(found), np.uint8)
        first = next(self._numbers)
        ids[1 + order] = np.minimum(np.arange(len(order)), alone) + first
        self._numbers = count(first + min(len(order), most))
        _recode(numbers, ids, self.ids[window], self.masks[kind][window])
        for place in order[:alone]:
            parameters = {"centre": centres[place].round(4).tolist()}
            self._list(int(ids[1 + place]), kind, found[1 + place], window, parameters)
        if alone < len(order):
            rest = found[1 + order[alone:]]
            together = [*rest[:, :2].min(axis=0), *rest[:, 2:4].max(axis=0), rest[:, 4].sum()]
            self._list(first + alone, kind, np.array(together), window, {}, count=len(rest))

    def _list(self, number: int, kind: str, found, window, parameters: dict, **more) -> None:
        top, left = window[0].start, window[1].start
        box = np.add(found[:4], (top, left, top, left)).tolist()
        self.objects.append(
            {"id": number, "kind": kind, **more, "box": box, "area": int(found[4]), "parameters": parameters}
        )

    def finish(self) -> tuple[np.ndarray, list[dict]]:
        """Return the mask of all objects, uint8 (H, W), and the list of objects with what is seen of each."""
        mask = np.empty_like(self.ids)
        seen = _count(self.ids, mask)
        return mask, [{**entry, "visible_area": int(seen[entry["id"]])} for entry in self.objects]


def _padded(window, numbers: np.ndarray, margin: int, shape):
    """Return a window and its numbers, larger by a margin where the picture has room for it."""
    larger = tuple(
        slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(window, shape, strict=True)
    )
    room = [(s.start - big.start, big.stop - s.stop) for s, big in zip(window, larger, strict=True)]
    return larger, np.pad(numbers, room)


@numba.njit(cache=True)
def _measure(numbers, most):
    """Return top, left, bottom, right and area of each number, int64 (most + 1, 5)."""
    found = np.zeros((most + 1, 5), np.int64)
    found[:, 0], found[:, 1] = numbers.shape
    for r in range(numbers.shape[0]):
        line = numbers[r]
        for c in range(line.size):
            k = line[c]
            if k > 0:
                box = found[k]
                box[0], box[1] = min(box[0], r), min(box[1], c)
                box[2], box[3] = r + 1, max(box[3], c + 1)
                box[4] += 1
    return found


@numba.njit(cache=True)
def _recode(numbers, ids, out, mask):
    """Write the ids of numbers, and 255 into the mask, where there are any."""
    for r in range(numbers.shape[0]):
        line = numbers[r]
        for c in range(line.size):
            if line[c] > 0:
                out[r, c], mask[r, c] = ids[line[c]], 255


@numba.njit(cache=True)
def _count(ids, mask):
    """Fill the mask of all ids, and return how many pixels each has."""
    seen = np.zeros(MOST_IDS + 1, np.int64)
    source, target = ids.ravel(), mask.ravel()
    for i in range(source.size):
        target[i] = 255 if source[i] else 0
        if source[i]:
            seen[source[i]] += 1
    return seen
