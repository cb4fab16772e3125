"""Who reads what: samples shared out over the ranks of a training and the workers of each rank."""

from typing import NamedTuple

from torch.utils import data

from synthgen.errors import UsageError

EVEN = ("pad", "drop", None)


class Place(NamedTuple):
    """A process among those that read one data set.

    Attributes
    ----------
    rank, world : int
        Number of this process in the training, and how many there are.
    worker, workers : int
        Number of this worker of the loader, and how many there are; 0 of 1 where the loader has none.
    """

    rank: int
    world: int
    worker: int
    workers: int


def rank_and_world() -> tuple[int, int]:
    """Return rank and world size of this process, from `torch.distributed`."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def worker_and_workers() -> tuple[int, int]:
    """Return number and count of the loader's workers; outside of workers, 0 and 1."""
    info = data.get_worker_info()
    if info is None:
        return 0, 1
    return info.id, info.num_workers


def share_of_rank(count: int, rank: int, world: int, even: str | None) -> range:
    """Return the samples of a rank, out of `count` in the order of the epoch.

    Parameters
    ----------
    count, rank, world : int
    even : {'pad', 'drop', None}
        None: each sample goes to one rank, and ranks differ by at most one sample. ``pad``: a rank that is short of
        a sample takes the first one of the next rank too. ``drop``: a rank that is long leaves out its last one.

    Raises
    ------
    UsageError
        If nothing would be left.

    Examples
    --------
    >>> [list(share_of_rank(5, rank, 2, None)) for rank in (0, 1)]
    [[0, 1], [2, 3, 4]]
    >>> [list(share_of_rank(5, rank, 2, "pad")) for rank in (0, 1)]
    [[0, 1, 2], [2, 3, 4]]
    >>> [list(share_of_rank(5, rank, 2, "drop")) for rank in (0, 1)]
    [[0, 1], [2, 3]]
    """
    share = part_of(range(count), rank, world)
    least = count // world
    if even == "pad":
        length = least + (count % world > 0)
    elif even == "drop":
        length = least
    else:
        return share

    if even == "drop" and length == 0:
        raise UsageError(f"even must be 'pad' where {world} ranks share {count} samples, got 'drop'")
    return range(share.start, share.start + length)


def part_of(whole: range, part: int, parts: int) -> range:
    """Return one of `parts` consecutive parts, whose lengths differ by at most one."""
    count = len(whole)
    next_part = part + 1
    start = count * part // parts
    stop = count * next_part // parts
    return whole[start:stop]


def given_after(sizes: list[int], batches: int, batch_size: int, drop_last: bool = False) -> tuple[list[int], int]:
    """Return what a loader has taken after some batches; it takes one from each worker in turn.

    Parameters
    ----------
    sizes : list of int
        Samples of each worker.
    batches, batch_size : int
    drop_last : bool
        Each worker leaves out its own last batch if that is not full.

    Returns
    -------
    given : list of int
        Samples that each worker has given.
    turn : int
        The worker whose turn it is.

    Examples
    --------
    >>> given_after([8, 8], 3, 7)
    ([8, 7], 1)
    """
    given = [0] * len(sizes)
    turn = 0
    for _ in range(batches):
        batch = _next_batch(sizes, given, turn, batch_size, drop_last)
        if batch is None:
            break
        worker, size = batch
        given[worker] += size
        turn = (worker + 1) % len(sizes)
    return given, turn


def _next_batch(sizes: list[int], given: list[int], turn: int, batch_size: int, drop_last: bool):
    """Return (worker, size) of the next batch: the loader passes over workers that are done. None if all are."""
    least = batch_size if drop_last else 1
    for step in range(len(sizes)):
        worker = (turn + step) % len(sizes)
        left = sizes[worker] - given[worker]
        if left >= least:
            return worker, min(left, batch_size)
    return None
