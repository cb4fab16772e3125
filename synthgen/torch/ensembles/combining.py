"""Ways to combine the scores of several models: pure functions on tensors (Saghir 2024, sections 2.1 and 4.5)."""

import torch

from synthgen.torch.ensembles import forest

#: Ways to combine.
WAYS = ("mean", "max", "median", "weights", "vote", "logistic", "forest")
# How much more a better member weighs (CAWPE, Large et al. 2019).
POWER = 4


def combined(scores: torch.Tensor, way: str, numbers: torch.Tensor) -> torch.Tensor:
    """Return the scores of all members as one.

    Parameters
    ----------
    scores : Tensor, (M, ..)
        Calibrated, of each member.
    way : str
        One of `WAYS`.
    numbers : Tensor
        Of ``weights``: (M,), of sum 1; of ``vote``: thresholds (M,); of ``logistic``: weights and offset (M + 1,);
        of ``forest``: see `synthgen.torch.ensembles.forest`.

    Returns
    -------
    Tensor, (..)
    """
    if way == "max":
        return scores.amax(0)
    if way == "median":
        return _median(scores)
    if way == "weights":
        return _weighed(scores, numbers)
    if way == "vote":
        thresholds = _by_member(numbers, scores)
        votes = scores > thresholds
        return votes.float().mean(0)
    if way == "logistic":
        return _weighed(scores, numbers[:-1]) + numbers[-1]
    if way == "forest":
        return forest.shares(scores, numbers)
    return scores.mean(0)


def length_of(way: str, members: int) -> int:
    """Return how many numbers a way needs."""
    if way == "logistic":
        return members + 1
    if way == "forest":
        return forest.LENGTH if members else 0
    return members if way in ("weights", "vote") else 0


def weights_by_quality(qualities: torch.Tensor) -> torch.Tensor:
    """Return weights of sum 1, which grow with the fourth power of the quality, (M,)."""
    positive = qualities.clamp(min=1e-3)
    powers = positive**POWER
    return powers / powers.sum()


def _weighed(scores: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    weighed = scores * _by_member(weights, scores)
    return weighed.sum(0)


def _by_member(numbers: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return a number of each member, for scores (M, ..)."""
    ones = [1] * (scores.ndim - 1)
    return numbers.view(-1, *ones)


def _median(scores: torch.Tensor) -> torch.Tensor:
    """Return the median over the members; of an even number the mean of the two in the middle."""
    ascending = scores.sort(0).values
    count = len(scores)
    upper = count // 2
    lower = (count - 1) // 2
    both = ascending[lower] + ascending[upper]
    return both / 2
