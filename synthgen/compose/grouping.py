"""Groups of the classes of a source: at random, of similar classes, or of different ones."""

import numpy as np

from synthgen.shards.order import Permutation


def group(count: int, groups: int, seed: int, descriptors: np.ndarray | None = None, distinct=False) -> list[list]:
    """Return the members of each group; sizes differ by at most one, and no class is left out.

    Where `count` does not divide by `groups`, some groups have one member more.

    Parameters
    ----------
    count, groups : int
        1 <= groups <= count.
    seed : int
        Of the order of random groups, and of the numbering of the others.
    descriptors : ndarray, (count, d), optional
        Points whose Euclidean distance is that of the classes; without them groups are random.
    distinct : bool
        Spread classes that are near each other over different groups, instead of keeping them together.

    Returns
    -------
    list of list of int
        Sorted members of each group.
    """
    if descriptors is None:
        order = _mixed(count, seed)
        return _listed(_dealt(order, groups))

    order = np.array(_along_axes(descriptors))
    if distinct:
        parts = _dealt(order, groups)
    else:
        parts = np.array_split(order, groups)
    numbering = _mixed(groups, seed)
    return _listed(parts[j] for j in numbering)


def _mixed(count: int, seed: int) -> np.ndarray:
    """Return 0..count - 1 in a seeded order."""
    return Permutation(count, seed).forward(np.arange(count))


def _dealt(order: np.ndarray, groups: int) -> list[np.ndarray]:
    """Return an order dealt out like cards."""
    return [order[j::groups] for j in range(groups)]


def _listed(parts) -> list[list[int]]:
    return [sorted(part.tolist()) for part in parts]


def _along_axes(points: np.ndarray) -> list[int]:
    """Return an order in which neighbors are near: halved along the first principal axis, then each half."""
    scale = points.std(axis=0)
    centered = points - points.mean(axis=0)
    scale = np.where(scale > 0, scale, 1)
    points = centered / scale

    order = []
    waiting = [np.arange(len(points))]
    while waiting:
        members = waiting.pop()
        if len(members) <= 2:
            order += members.tolist()
            continue

        places = _along_first_axis(points[members])
        members = members[np.argsort(places, kind="stable")]
        half = len(members) // 2
        waiting += [members[half:], members[:half]]

    return order


def _along_first_axis(points: np.ndarray) -> np.ndarray:
    """Return the places of points along their first principal axis, whose largest number is positive."""
    centered = points - points.mean(axis=0)
    covariance = centered.T @ centered
    _, axes = np.linalg.eigh(covariance)
    axis = axes[:, -1]

    largest = np.abs(axis).argmax()
    sign = np.sign(axis[largest])
    places = centered @ (axis * sign)

    # rounded, since the last bits of linear algebra differ between machines; ties keep the order of classes
    return np.round(places, 6)
