"""Grouping the classes of a source into new ones: at random, similar ones together, or different ones."""

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
        order = Permutation(count, seed).forward(np.arange(count))
        return [sorted(order[j::groups].tolist()) for j in range(groups)]
    order = np.array(_along_axes(descriptors))
    parts = [order[j::groups] for j in range(groups)] if distinct else np.array_split(order, groups)
    numbering = Permutation(groups, seed).forward(np.arange(groups)).tolist()
    return [sorted(parts[j].tolist()) for j in numbering]


def _along_axes(points: np.ndarray) -> list[int]:
    """Return an order in which neighbours are near: halved along the first principal axis, and so the halves."""
    scale = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(scale > 0, scale, 1)
    order, waiting = [], [np.arange(len(points))]
    while waiting:
        members = waiting.pop()
        if len(members) <= 2:
            order += members.tolist()
            continue
        centred = points[members] - points[members].mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axis = axes[:, -1]
        axis = axis * np.sign(axis[np.abs(axis).argmax()])
        # rounded, since the last bits of linear algebra differ between machines; ties keep the order of classes
        members = members[np.argsort(np.round(centred @ axis, 6), kind="stable")]
        waiting += [members[len(members) // 2 :], members[: len(members) // 2]]
    return order
