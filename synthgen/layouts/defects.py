"""Which pixels of a sample are the defect: one rule for readers and exports.

On a stained plate with a scratch, the field ``mask`` covers stains and scratch, the field ``scratch`` the defect
alone. So the field that is named as the class comes first.
"""

import math
from collections.abc import Mapping

import numpy as np

from synthgen.errors import UsageError
from synthgen.exports import ALL, DEFECTS

_KINDS = ("mask", "ids", "coverage")


def defect_field(fields: Mapping, kind: str, truth: str = DEFECTS) -> str | None:
    """Return the name of the field that says where the defects of an image are; None if there is none.

    Parameters
    ----------
    fields : mapping
        Name -> what the field is, as in a manifest.
    kind : str
        The class of the image.
    truth : str
        ``defects``: the field named as the class, else ``mask``, else ``instances``. ``all``: what lies on an image
        whether it is a defect or not, ``mask``, else ``instances``. Any other text names a field.

    Examples
    --------
    >>> defect_field({"image": 0, "mask": 0, "scratch": 0}, "scratch")
    'scratch'
    >>> defect_field({"image": 0, "mask": 0, "scratch": 0}, "scratch", "all")
    'mask'
    """
    names = {DEFECTS: (kind, "mask", "instances"), ALL: ("mask", "instances")}
    wanted = names.get(truth, (truth,))
    return next((name for name in wanted if name in fields and name != "image"), None)


def check_truth(fields: Mapping, truth: str) -> None:
    """Raise `UsageError` unless `truth` is a rule, or names a field that marks pixels."""
    if truth in (DEFECTS, ALL):
        return
    marking = [name for name, entry in fields.items() if entry.kind in _KINDS]
    if truth not in marking:
        known = ", ".join((DEFECTS, ALL, *marking))
        raise UsageError(f"truth must be one of {known}, got {truth}")


def marked_pixels(dataset, place: int, kind: str, truth: str = DEFECTS) -> np.ndarray:
    """Return where the defects of a sample are, bool (H, W).

    Parameters
    ----------
    dataset : Dataset
    place : int
        Position in the stored order.
    kind, truth
        As of `defect_field`.

    Raises
    ------
    UsageError
        If no field says so.
    """
    fields = dataset.manifest.fields
    name = defect_field(fields, kind, truth)
    if name is None:
        found = ", ".join(fields)
        raise UsageError(f"{dataset.path}: must have a field that marks the defects of {kind}, got {found}")
    return dataset.field(place, name) > 0


def images_of_plate(manifest) -> int:
    """Return how many images in a row show the same plate: 1, but for `stains` with ``places``."""
    places = manifest.recipe.get("places")
    return math.prod(map(int, places.split("x"))) if places else 1


def photograph_of(params: Mapping) -> str | None:
    """Return the digest of the photograph that a sample was made of; None of a sample that was drawn.

    Examples
    --------
    >>> photograph_of({"image": {"name": "a.png", "sha256": "0f"}}), photograph_of({"class": 0})
    ('0f', None)
    """
    picture = params.get("image")
    return picture.get("sha256") if isinstance(picture, dict) else None


def saturations_of(params: Mapping) -> dict[int, float]:
    """Return how many pixels of an object are enough to call it found, by its id; empty where nothing saturates.

    Parameters
    ----------
    params : mapping
        Of a sample. Of a family that knows saturation, an object's own parameters have the key ``saturation``.

    Examples
    --------
    >>> saturations_of({"objects": [{"id": 1, "params": {"saturation": 90}}, {"id": 2, "params": {}}]})
    {1: 90}
    """
    enough = {}
    for record in params.get("objects", ()):
        pixels = record["params"].get("saturation")
        if pixels is not None:
            enough[record["id"]] = pixels
    return enough
