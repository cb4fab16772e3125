"""Members of a feature ensemble: backbones with their layers, and fitted models that are cut open."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synthgen.errors import UsageError
from synthgen.torch.models.base import AnomalyModel, Extractor

if TYPE_CHECKING:
    from synthgen.torch.models.options import ModelOptions

_LAYERS = re.compile(r"(.+):([0-9]{1,2}(?:,[0-9]{1,2})*)")


class Member(NamedTuple):
    """A backbone of an ensemble, with options of its features; None is what the ensemble has.

    Attributes
    ----------
    backbone : str, Path or torch.nn.Module
        As for `FeatureExtractor`; or the file of a fitted model.
    layers : tuple of int, optional
    pool : int, optional
    """

    backbone: Any
    layers: tuple[int, ...] | None = None
    pool: int | None = None


def member_of(given) -> Member:
    """Return a member of what a user gave: NAME, NAME:LAYERS, a path, a module, or a member.

    Examples
    --------
    >>> member_of("random:resnet18:2,3")
    Member(backbone='random:resnet18', layers=(2, 3), pool=None)
    >>> member_of("random:resnet18").layers
    """
    if isinstance(given, Member):
        return given
    found = _LAYERS.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        return Member(given)
    layers = tuple(map(int, found[2].split(",")))
    return Member(found[1], layers)


def name_of(given) -> str:
    """Return how messages name a member."""
    if isinstance(given, Member):
        return name_of(given.backbone)
    if isinstance(given, str | Path):
        return str(given)
    return getattr(given, "kind", type(given).__name__)


def opened(given, settings: ModelOptions, device) -> Extractor:
    """Return the features of a member, without a border.

    Parameters
    ----------
    given : Member, str, Path, torch.nn.Module, AnomalyModel or Extractor
    settings : ModelOptions
        What a member does not say itself.
    device : str, torch.device or None

    Raises
    ------
    UsageError
        If it is no backbone and no model fitted on one backbone.
    """
    if isinstance(given, AnomalyModel):
        return _cut_open(given)
    if isinstance(given, Extractor):
        return given

    member = member_of(given)
    if _is_model(member.backbone):
        from synthgen.torch.models.loading import load_model

        if member.layers is not None:
            raise UsageError(f"{member.backbone}: layers must be left out with a fitted model, which has its own")
        return _cut_open(load_model(member.backbone, device=device))
    return _extractor(member, settings, device)


def _extractor(member: Member, settings: ModelOptions, device) -> Extractor:
    """Return the features of a backbone."""
    from synthgen.torch.features import FeatureExtractor, blocks_of, spread_layers
    from synthgen.torch.models.base import choose_device

    layers = member.layers or spread_layers(settings.layers, blocks_of(member.backbone, None))
    return FeatureExtractor(
        member.backbone,
        layers,
        member.pool or settings.pool,
        choose_device(device),
        0,
        settings.pool_padding,
        settings.alignment,
    )


def _is_model(backbone) -> bool:
    """Return whether this is the file of a fitted model."""
    from synthgen.torch.models.store import is_model

    return isinstance(backbone, str | Path) and Path(backbone).is_file() and is_model(Path(backbone))


def _cut_open(model: AnomalyModel) -> Extractor:
    """Return the features of a fitted model, where its kind is cut open; refuse a kind without one backbone."""
    from synthgen.torch.ensembles.fused import Opened

    model._need_fit()
    if model.is_ensemble or not model.needs_backbone:
        raise UsageError(f"member must be a backbone or a model fitted on one backbone, got {model.kind}")
    if model.whole_in_ensembles:
        return Opened(model)
    return without_its_border(model.features)


def without_its_border(features: Extractor) -> Extractor:
    """Return the same features with the places at the edges."""
    from synthgen.torch.features import FeatureExtractor

    if not features.border:
        return features
    if not isinstance(features, FeatureExtractor):
        name = type(features).__name__
        raise UsageError(f"members must have features without a border, got {name} with {features.border}")
    return FeatureExtractor(
        features.net,
        features.layers,
        features.pool,
        features.device,
        0,
        features.pool_padding,
        features.alignment,
    )


def load_members(given: Sequence, memory: int | None, device) -> list[AnomalyModel]:
    """Return fitted models, those that are given as files loaded.

    Raises
    ------
    UsageError
        If there is none, or a file is named twice.
    """
    from synthgen.torch.models.loading import load_model

    if not given:
        raise UsageError("member must name the file of a fitted model, got none")

    places: set[Path] = set()
    for each in given:
        if not isinstance(each, str | Path):
            continue
        place = Path(os.path.realpath(each))
        if place in places:
            raise UsageError(f"member must name each file once, got {each} twice")
        places.add(place)

    members = []
    for each in given:
        is_file = isinstance(each, str | Path)
        members.append(load_model(each, memory=memory, device=device) if is_file else each)
    return members
