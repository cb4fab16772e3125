"""Boxes around the objects of a picture of ids."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def boxes_of(ids, most):
    """Return top, left, bottom, right and area of the pixels of each id, int64 (most + 1, 5); 0 is not counted.

    Top and left are inclusive, bottom and right exclusive.
    """
    height, width = ids.shape
    found = np.zeros((most + 1, 5), np.int64)
    found[:, 0] = height
    found[:, 1] = width

    for row in range(height):
        for column in range(width):
            number = ids[row, column]
            if number == 0 or number > most:
                continue
            box = found[number]
            box[0] = min(box[0], row)
            box[1] = min(box[1], column)
            box[2] = row + 1
            box[3] = max(box[3], column + 1)
            box[4] += 1
    return found
