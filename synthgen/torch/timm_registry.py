"""Our weights under timm's own names, for libraries that only know names."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from synthgen.errors import SynthgenError, UsageError
from synthgen.torch.backbones import (
    architecture_of,
    config_of,
    import_timm,
    load_backbone,
    weights_file,
)


@contextmanager
def published(weights, arch: str | None = None) -> Iterator[str]:
    """Give our weights to whatever asks timm for the published ones of their architecture, within a block.

    In the block ``timm.create_model(arch, pretrained=True)`` returns a model with these weights, with and without
    the tag of published ones behind the name (``resnet18.a1_in1k``). Afterwards timm is as it was.

    Parameters
    ----------
    weights : str or Path
        A safetensors file, or a folder of ``synthgen pretrain``.
    arch : str, optional
        timm name of a file that has no card.

    Yields
    ------
    str
        The name of the architecture.

    Raises
    ------
    UsageError
        If there are no such weights, or they are of another architecture.
    FormatError
        If the file is damaged.
    SynthgenError
        If timm is of a version that has no such table.

    Notes
    -----
    timm has no public way to do this: its table of published weights is changed for the whole process, in all
    threads. Mean and deviation are in ``model.pretrained_cfg``; a library that normalises by ImageNet's must be
    told them.

    Examples
    --------
    >>> with published("out/resnet18") as name:  # doctest: +SKIP
    ...     model = timm.create_model(name, pretrained=True)
    """
    path = weights_file(weights)
    if path is None:
        raise UsageError(f"weights must be a file or a folder of `synthgen pretrain`, got {weights}")

    name = architecture_of(path, arch)
    table = _table()
    changes = _changes(path, load_backbone(path, arch=arch))
    before = {key: config for key, config in table.items() if key.partition(".")[0] == name}
    try:
        for key, config in before.items():
            table[key] = dataclasses.replace(config, **changes)
        yield name
    finally:
        table.update(before)


def _table() -> dict:
    """Return timm's table of published weights, by name with and without a tag."""
    timm = import_timm()
    from timm.models import _registry

    table = getattr(_registry, "_model_pretrained_cfgs", None)
    if table is None:
        raise SynthgenError(f"timm {timm.__version__} keeps its weights in a way that published does not know")
    return table


def _changes(path, model) -> dict:
    """Return what is different of the configuration of our weights."""
    config = config_of(model)
    size = tuple(getattr(getattr(model, "patch_embed", None), "img_size", ()) or ())
    changes = {
        "file": str(path),
        "url": "",
        "hf_hub_id": None,
        "state_dict": None,
        "custom_load": False,
        "num_classes": model.num_classes,
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
    }
    return {**changes, "input_size": (3, *size)} if size else changes
