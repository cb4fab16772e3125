"""Objects of a picture of ids as COCO counts them: run lengths down the columns.

Source: the format of COCO's masks, `maskApi.c` of its interface (Lin et al., Microsoft COCO, ECCV 2014): runs of
zeros and ones in turn, zeros first, column by column; as text, six bits a character, each run from the third on as
the difference to the one two before.
"""

import numba
import numpy as np

_FIRST_CHARACTER = 48
_MORE = 32
_SIGN = 16


@numba.njit(cache=True, nogil=True)
def runs_of(ids, number, box):
    """Return the run lengths of the pixels of an id, int64; nothing is looked at outside its box."""
    height, width = ids.shape
    top, left, bottom, right = box[0], box[1], box[2], box[3]
    runs = np.empty(2 * (bottom - top + 1) * (right - left) + 2, np.int64)
    count = 0
    inside = False
    # where the run that is open begins, counted down the columns
    start = 0

    for column in range(left, right):
        for row in range(top, bottom):
            here = ids[row, column] == number
            at = column * height + row
            # rows outside of the box lie between two columns
            if inside and row == top and top > 0:
                runs[count] = (column - 1) * height + bottom - start
                start += runs[count]
                count += 1
                inside = False
            if here != inside:
                runs[count] = at - start
                start = at
                count += 1
                inside = here
        if inside and bottom < height:
            end = column * height + bottom
            runs[count] = end - start
            start = end
            count += 1
            inside = False

    end = height * width
    if inside:
        end = (right - 1) * height + bottom
        runs[count] = end - start
        start = end
        count += 1
        end = height * width
    if end > start:
        runs[count] = end - start
        count += 1
    return runs[:count].copy()


@numba.njit(cache=True, nogil=True)
def packed(runs):
    """Return run lengths as the characters of COCO's compressed text, uint8."""
    text = np.empty(len(runs) * 13, np.uint8)
    size = 0
    for place in range(len(runs)):
        value = runs[place]
        if place > 2:
            value -= runs[place - 2]

        more = True
        while more:
            bits = value & (_MORE - 1)
            value >>= 5
            more = value != -1 if bits & _SIGN else value != 0
            if more:
                bits |= _MORE
            text[size] = bits + _FIRST_CHARACTER
            size += 1
    return text[:size].copy()


def rle_text(ids: np.ndarray, number: int, box: np.ndarray) -> str:
    """Return the pixels of an id as COCO's compressed run lengths.

    Parameters
    ----------
    ids : ndarray of integers, (H, W)
    number : int
    box : sequence of int
        Its row of `synthgen.boxes.boxes_of`.
    """
    runs = runs_of(ids, number, box)
    return packed(runs).tobytes().decode("ascii")
