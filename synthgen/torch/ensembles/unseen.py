"""Which images of a set no member of an ensemble was fitted to."""

import os
from collections.abc import Sequence
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet
from synthgen.torch.evaluation.limits import NORMAL, NormalScores, division, noted, sample
from synthgen.torch.models.base import AnomalyModel

# Fewer images say little about how normal scores are spread.
_LEAST = 2


def unseen(images: ImageSet, normal: Sequence[str], members: dict[str, AnomalyModel]) -> ImageSet:
    """Return the images of a set that no member was fitted to.

    Parameters
    ----------
    images : ImageSet
    normal : sequence of str
        The folders that they are of.
    members : dict of AnomalyModel
        By the names that messages have for them. Their notes say what they were fitted to.

    Raises
    ------
    UsageError
        If it cannot be known, or there are fewer than two.
    """
    fitted: set[int] = set()
    for name, member in members.items():
        fitted.update(_fitted_places(name, member, normal, len(images)))

    places = range(len(images))
    left = [place for place in places if place not in fitted]
    if len(left) < _LEAST:
        raise UsageError(
            f"normal must hold at least {_LEAST} images that no member was fitted to, got {len(left)} of "
            f"{len(images)}; fit the members with equal --seed and --hold-out, or give other images"
        )
    return images.chosen(left)


def _fitted_places(name: str, member: AnomalyModel, normal: Sequence[str], count: int) -> list[int]:
    """Return the places of the images that a member was fitted to."""
    folders = member.notes.get("normal", ())
    own = _resolved(folders)
    given = _resolved(normal)
    if not set(own).intersection(given):
        return []

    kept = _reproduced(member, count)
    if own != given or len(kept) != member.notes.get("images"):
        listed = ", ".join(map(str, folders))
        raise UsageError(
            f"normal must be what member {name} was fitted to, {listed} as it was then, or other folders alone"
        )
    return kept


def _resolved(folders: Sequence[str]) -> list[Path]:
    """Return folders by their full paths."""
    return [Path(os.path.realpath(folder)) for folder in folders]


def _reproduced(member: AnomalyModel, count: int) -> list[int]:
    """Return the places that `fit` would choose again of so many images."""
    seed = getattr(member.settings, "seed", 0)
    places = list(range(count))
    shots = member.notes.get("shots")
    if isinstance(shots, int) and shots <= count:
        places = sample(count, shots, seed)

    scores = noted(member, NORMAL, NormalScores)
    held = scores.images if scores else 0
    share = held / max(1, len(places))
    kept, _ = division(len(places), share, seed)
    return [places[place] for place in kept]
