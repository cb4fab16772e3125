"""What a model must do for its numbers to mean anything, shown on a few test images.

Shapes and finite values are checked where predictions are made.
"""

import numpy as np

from synthgen.errors import UsageError

TOLERANCE = 1e-4  # of the largest value
_Answer = tuple[np.ndarray, np.ndarray | None]


def check_repeatable(kind: str, first: _Answer, second: _Answer) -> None:
    """Refuse a model that answers differently when it is asked twice."""
    if _difference(first, second) > 0:
        raise UsageError(
            f"model {kind} must give one image the same map each time, and does not: is it in training mode?"
        )


def check_alone(kind: str, alone: _Answer, in_batch: _Answer) -> None:
    """Refuse a model whose answer on an image depends on the other images of the batch."""
    found = _difference(alone, in_batch)
    if found > TOLERANCE:
        raise UsageError(
            f"model {kind} must give an image the same map alone and in a batch, got a difference of {found:.2g} "
            "of the largest value: does it average over batches?"
        )


def _difference(first: _Answer, second: _Answer) -> float:
    """Return the largest difference of scores and of maps, each beside the largest value."""
    found = [0.0]
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            continue
        here = np.asarray(one, np.float64)
        there = np.asarray(other, np.float64)
        largest = max(float(np.abs(there).max()), np.finfo(float).tiny)
        found.append(float(np.abs(here - there).max()) / largest)
    return max(found)
