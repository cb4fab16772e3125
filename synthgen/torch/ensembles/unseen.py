"""Which images of a set no member of an ensemble was fitted to."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet, open_normal
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
        By the names that messages have for them. Their notes say what they were fitted to, and those of the models
        that they are made of.

    Raises
    ------
    UsageError
        If it cannot be known, or there are fewer than two.
    """
    fitted: set[int] = set()
    for given, whole in members.items():
        for name, member in _with_inner(given, whole):
            fitted.update(_fitted_places(name, member, normal, images))

    places = range(len(images))
    left = [place for place in places if place not in fitted]
    if len(left) < _LEAST:
        raise UsageError(
            f"normal must hold at least {_LEAST} images that no member was fitted to, got {len(left)} of "
            f"{len(images)}; fit the members with equal --seed and --hold-out, or give other images"
        )
    return images.chosen(left)


def _with_inner(name: str, member: AnomalyModel) -> Iterator[tuple[str, AnomalyModel]]:
    """Yield a member, and the fitted models that it is made of, under its name."""
    yield name, member
    for part in member.parts():
        whole: Any = getattr(part, "model", part)  # of one that is cut open
        if hasattr(whole, "parts"):
            yield from _with_inner(name, whole)


def _fitted_places(name: str, member: AnomalyModel, normal: Sequence[str], images: ImageSet) -> list[int]:
    """Return the places of the images that a member was fitted to."""
    folders = member.notes.get("normal", ())
    if _resolved(folders) == _resolved(normal):
        return _kept(name, member, len(images))

    own = _opened(folders)
    if own is None:
        if _overlap(folders, normal):
            raise _unknown(name, member)
        return []

    theirs = _files(own)
    given = _files(images)
    if not set(theirs).intersection(given):
        return []
    places = _kept(name, member, len(own))
    fitted = {theirs[place] for place in places}
    return [place for place, file in enumerate(given) if file in fitted]


def _opened(folders: Sequence[str]) -> ImageSet | None:
    """Return the normal images of the folders that a member names, None where they are there no more."""
    try:
        return open_normal(folders)
    except UsageError:
        return None


def _files(images: ImageSet) -> list[Path]:
    """Return the full path of each image; of one that is no file its name in the place that it comes from."""
    found = []
    start = 0
    for source in images.sources:
        folder = Path(source.place).resolve()
        end = start + source.count
        for place in range(start, end):
            name = images.entries[place].name
            path = Path(name)
            found.append(path.resolve() if path.is_file() else folder / name)
        start = end
    return found


def _overlap(folders: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether a folder of one list is or lies in one of the other list."""
    for one in _resolved(folders):
        for other in _resolved(others):
            if one.is_relative_to(other) or other.is_relative_to(one):
                return True
    return False


def _kept(name: str, member: AnomalyModel, count: int) -> list[int]:
    """Return the places that a member was fitted to, of all images of its folders."""
    kept = _reproduced(member, count)
    if len(kept) != member.notes.get("images"):
        raise _unknown(name, member)
    return kept


def _unknown(name: str, member: AnomalyModel) -> UsageError:
    """Return the error for a member of whose images nothing can be known."""
    listed = ", ".join(map(str, member.notes["normal"]))
    return UsageError(
        f"normal must be what member {name} was fitted to, {listed} as it was then, or other folders alone"
    )


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
