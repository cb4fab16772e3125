"""Backbones: timm models, loaded with a check that every weight of the file and of the model has its counterpart.

A backbone is named in one of three ways: a timm name (with timm's published weights), ``random:NAME`` (random
weights from a seed), or the path of a safetensors file. The files that ``synthgen pretrain`` writes have a card
beside them, JSON of the same name, that says which architecture they are of and how its input is normalised. A card
may have the ``sha256`` of the file, which is then checked.
"""

import difflib
import errno
import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from synthgen.errors import FormatError, StorageError, SynthgenError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.options import parse_json
from synthgen.shards.files import read_error, sha256_of

BEST = "best.safetensors"
RANDOM = "random:"
# The key of a card that says which layer is the last that was trained, 1 to 4.
TRAINED = "trained_layers"
SUFFIX = ".safetensors"
# Endings of checkpoints that torch writes.
_FOREIGN = (".pth", ".pt", ".tar", ".ckpt", ".bin")
# Modules of timm whose models are transformers that take images of any size that their patch divides.
_TRANSFORMERS = ("vision_transformer", "deit", "eva")
_MAX_CARD = 2**20
_LAYERS = 4
_MAX_SIDE = 16384


class _Source(NamedTuple):
    """Where the weights of a backbone come from.

    Attributes
    ----------
    place : str
        What errors name: the file, or the architecture.
    arch : str
    weights : dict of Tensor
    config : dict
        Mean and standard deviation, or all of timm's configuration.
    options : dict
        What timm is given to build the architecture.
    trained : int
        The last of layers 1 to 4 that was trained.
    """

    place: str
    arch: str
    weights: dict
    config: dict
    options: dict
    trained: int = _LAYERS


def load_backbone(
    name_or_path,
    pretrained: bool = True,
    seed: int = 0,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    arch: str | None = None,
) -> torch.nn.Module:
    """Return a timm model in evaluation mode, every weight of which was loaded.

    Parameters
    ----------
    name_or_path : str or Path
        A timm name such as ``resnet18`` or ``resnet18.a1_in1k``, ``random:NAME``, a safetensors file of a timm
        `state_dict`, or a folder of ``synthgen pretrain``, of which the best weights are taken.
    pretrained : bool
        Take timm's published weights for a timm name; if not, they are random. Files are not touched by it.
    seed : int
        Of random weights; they are the same on any machine, with and without `features_only`.
    features_only : bool
        Return timm's feature extractor: its output is a list of maps (N, C, H, W).
    out_indices : sequence of int, optional
        Which maps, counted from 0; by default all.
    arch : str, optional
        timm name of a file that has no card.

    Returns
    -------
    torch.nn.Module
        ``model.pretrained_cfg`` has the ``mean`` and ``std``, per channel of images in [0, 1], that it expects.
        Its classifier has as many classes as the one in the file; without one there, the model has none.

    Raises
    ------
    UsageError
        If there is no such model or layer, or the weights are of another architecture; missing, unexpected and
        misshapen weights are named.
    FormatError
        If a file is damaged or no safetensors file.
    SynthgenError
        If weights could not be downloaded.
    """
    path = weights_file(name_or_path)
    if path is None:
        source = _timm_source(str(name_or_path), pretrained, seed)
    else:
        source = _file_source(path, arch)

    # On the meta device first: a small file that names a huge architecture must not cost memory.
    classes = classes_of(source.arch, source.weights)
    skeleton = create_skeleton(source.arch, num_classes=classes, **source.options)
    check_weights(source.place, source.arch, source.weights, skeleton.state_dict())

    if features_only:
        model = _features(source, out_indices)
    else:
        model = create_model(source.arch, 0, num_classes=classes, **source.options)
        model.load_state_dict(source.weights)
    set_config(model, **source.config)
    return model.eval()


def _timm_source(name: str, pretrained: bool, seed: int) -> _Source:
    """Return timm's weights of a name, published or random."""
    arch = name.removeprefix(RANDOM)
    check_architecture(arch)
    if pretrained and not name.startswith(RANDOM):
        model = _published(arch)
    else:
        model = create_model(arch, seed=seed)
    weights = model.state_dict()
    return _Source(arch, arch, weights, config_of(model), any_size_options(arch, weights))


def _file_source(path: Path, arch: str | None) -> _Source:
    """Return the weights in a file, with what its card says."""
    card = read_card(path)
    arch = _architecture(path, card, arch)
    check_digest(path, card)

    config = {}
    for key in ("mean", "std"):
        if key in card:
            config[key] = tuple(card[key])

    weights = _read_weights(path)
    options = size_options(arch, card.get("size")) | any_size_options(arch, weights)
    trained = card.get(TRAINED, _LAYERS)
    return _Source(str(path), arch, weights, config, options, trained)


def config_of(model) -> dict:
    """Return timm's configuration of a model: architecture, mean, std."""
    return dict(model.pretrained_cfg)


def set_config(model, **values) -> None:
    """Change values of timm's configuration of a model."""
    model.pretrained_cfg = {**model.pretrained_cfg, **values}


def create_model(arch: str, seed: int, **options) -> torch.nn.Module:
    """Return a timm model with random weights from `seed`; torch's own state of chance stays as it was."""
    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(arch, **options)


def create_skeleton(arch: str, **options) -> torch.nn.Module:
    """Return a timm model on torch's meta device: it has names and shapes of all weights, and takes no memory."""
    with torch.device("meta"):
        return import_timm().create_model(arch, **options)


def fingerprint(net: torch.nn.Module) -> str:
    """Return the SHA-256 of the names, types, shapes and bytes of a module's weights."""
    digest = hashlib.sha256()
    weights = net.state_dict()
    for name in sorted(weights):
        tensor = weights[name]
        shape = tuple(tensor.shape)
        line = f"{name} {tensor.dtype} {shape}\n"
        digest.update(line.encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    plain = tensor.detach().cpu().contiguous()
    flat = plain.view(-1)
    return flat.view(torch.uint8).numpy().data


def size_options(arch: str, size: int | tuple[int, int] | None) -> dict:
    """Return what timm needs to know of the image size: nothing, but for models that are made for one size only."""
    config = import_timm().models.get_pretrained_cfg(arch, allow_unregistered=True)
    return {"img_size": size} if config.fixed_input_size and size else {}


def any_size_options(arch: str, weights: dict) -> dict:
    """Return what timm needs to build a vision transformer that takes images of any size; nothing for others.

    The transformer is built for images of the size that its weights were trained on, which the number of their
    positions tells.
    """
    if not is_transformer(arch):
        return {}

    options: dict = {"dynamic_img_size": True}
    by_name = {_flat(key): weight for key, weight in weights.items()}
    positions = by_name.get("pos_embed")
    patches = by_name.get("patch_embed_proj_weight")
    if positions is None or patches is None or positions.ndim != 3 or patches.ndim != 4:
        return options

    # a few positions more than a square are those of tokens that stand for the whole image
    side = math.isqrt(positions.shape[1])
    return {**options, "img_size": side * patches.shape[-1]}


def is_transformer(arch: str) -> bool:
    """Return whether an architecture is a vision transformer, whose layers are blocks of one resolution."""
    return import_timm().models.is_model_in_modules(arch, _TRANSFORMERS)


def architecture_of(name_or_path, arch: str | None = None) -> str:
    """Return the architecture of what `load_backbone` takes, which is checked but not loaded."""
    path = weights_file(name_or_path)
    if path is not None:
        return _architecture(path, read_card(path), arch)

    name = str(name_or_path).removeprefix(RANDOM)
    check_architecture(name)
    return name


def import_timm():
    """Return timm, which then knows our networks too, or say how to install it."""
    with needed_for("backbones"):
        import timm

        from synthgen.torch.distillation import pdn  # noqa: F401
    return timm


def check_architecture(arch: str) -> None:
    """Raise `UsageError` if timm has no model of this name; suggest one that is close."""
    timm = import_timm()
    if timm.is_model(arch):
        _check_tag(arch)
        return

    close = difflib.get_close_matches(arch, timm.list_models(), 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"backbone must be a timm name, random:NAME or a safetensors file, got {arch!r}{hint}")


def _check_tag(arch: str) -> None:
    """Refuse the name of weights, after the dot, that timm does not have."""
    name, _, tag = arch.partition(".")
    published = import_timm().list_pretrained(f"{name}.*")
    if not tag or arch in published:
        return

    tags = [full.removeprefix(f"{name}.") for full in published]
    known = ", ".join(tags) or "none"
    raise UsageError(f"{arch}: timm's weights of {name} must be among {known}, got {tag!r}")


def check_weights(place: str, arch: str, weights: dict, expected: dict) -> None:
    """Raise `UsageError` that names weights which are missing, unexpected or of another shape."""
    missing = [key for key in expected if key not in weights]
    unexpected = [key for key in weights if key not in expected]
    misshapen = []
    for key in expected.keys() - missing:
        found = tuple(weights[key].shape)
        wanted = tuple(expected[key].shape)
        if found != wanted:
            misshapen.append(f"{key} {found} in place of {wanted}")

    parts = [_counted(missing, "missing"), _counted(unexpected, "unexpected")]
    parts.append(_counted(sorted(misshapen), "of another shape"))
    wrong = ", ".join(filter(None, parts))
    if wrong:
        raise UsageError(f"{place}: must be weights of {arch}, got {wrong}")


def _counted(names: list[str], what: str) -> str:
    """Return how many names there are, and some of them; nothing where there are none."""
    if not names:
        return ""
    count = len(names)
    return f"{count} {what} ({_some(names)})"


def read_card(path: Path) -> dict:
    """Return the card beside a weights file; an empty one if there is none."""
    card = path.with_suffix(".json")
    if not card.is_file():
        return {}

    try:
        size = card.stat().st_size
        if size > _MAX_CARD:
            raise FormatError(f"{card}: must be smaller than {_MAX_CARD} bytes, got {size}")
        values = parse_json(card.read_bytes(), str(card))
    except OSError as error:
        raise FormatError(f"{card}: cannot be read: {error.strerror}") from None
    except UsageError as error:
        raise FormatError(str(error)) from None

    if not isinstance(values, dict) or not isinstance(values.get("arch"), str):
        raise FormatError(f"{card}: must be the card of a backbone, with its arch")
    _check_card(card, values)
    return values


def _check_card(card: Path, values: dict) -> None:
    """Refuse values of a card that cannot be used."""
    trained = values.get(TRAINED, _LAYERS)
    if type(trained) is not int or not 1 <= trained <= _LAYERS:
        raise FormatError(f"{card}: {TRAINED} must lie in 1..{_LAYERS}, got {trained!r}")

    size = values.get("size")
    if size is not None and not _is_side(size):
        raise FormatError(f"{card}: size must be a whole number of pixels, got {size!r}")

    for key in ("mean", "std"):
        numbers = values.get(key)
        if numbers is not None and not _are_three_numbers(numbers):
            raise FormatError(f"{card}: {key} must be three numbers, got {numbers!r}")

    deviations = values.get("std") or [1]
    if min(deviations) <= 0:
        raise FormatError(f"{card}: std must be three numbers > 0, got {deviations!r}")


def _is_side(value) -> bool:
    return type(value) is int and 1 <= value <= _MAX_SIDE


def _are_three_numbers(values) -> bool:
    if not isinstance(values, list) or len(values) != 3:
        return False
    return all(map(_is_number, values))


def _is_number(value) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def check_digest(path: Path, card: dict) -> None:
    """Raise `FormatError` if a weights file is not the one that its card was written for."""
    digest = card.get("sha256")
    if digest is None:
        return

    # a terabyte of holes behind the weights would be read for hours
    _check_header(path)
    if sha256_of(path) != digest:
        raise FormatError(
            f"{path}: must have the SHA-256 that its card says; the file or the card is damaged, or of another run"
        )


def weights_file(name_or_path) -> Path | None:
    """Return the file that is meant, or None for a timm name."""
    path = Path(name_or_path)
    if path.is_dir() and not import_timm().is_model(str(name_or_path)):
        path = path / BEST
        if not path.is_file():
            raise UsageError(f"{path.parent}: must be a folder of `synthgen pretrain`, it has no {BEST}")
    elif isinstance(name_or_path, str) and path.suffix != SUFFIX and not path.is_file():
        return None
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.suffix in _FOREIGN:
        raise UsageError(
            f"{path}: must be a safetensors file; `synthgen weights import {path} --arch NAME` makes one of it"
        )
    return path


def _architecture(path: Path, card: dict, arch: str | None) -> str:
    """Return the architecture of a file: that of its card, or the one given."""
    name = card.get("arch", arch)
    if name is None:
        raise UsageError(
            f'{path}: must have a card {path.with_suffix(".json").name} beside it, such as {{"arch": "resnet18"}}, '
            "or be loaded with arch=NAME"
        )

    if arch is not None and arch != name:
        raise UsageError(f"{path}: must be weights of {arch}, its card says {name}")
    check_architecture(name)
    return name


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    with _safetensors_errors(path):
        from safetensors.torch import load_file

        return load_file(path)


def _check_header(path: Path) -> None:
    """Raise `FormatError` unless the header of a safetensors file tells of as many bytes as the file has."""
    with _safetensors_errors(path):
        from safetensors import safe_open

        with safe_open(path, "pt"):
            pass


@contextmanager
def _safetensors_errors(path: Path) -> Iterator[None]:
    """Say of errors that a safetensors file raises whether it is damaged, or the system does not give it."""
    with needed_for(str(path)):
        from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, KeyError) as error:
        raise FormatError(f"{path}: is no whole safetensors file: {error}") from None
    except (MemoryError, OSError) as error:
        raise unread(path, error) from None


def unread(path: Path, error: MemoryError | OSError) -> SynthgenError:
    """Return the error of weights that the system did not give: the file may be whole."""
    # safetensors before 0.8 says by an OSError that there is no memory
    if isinstance(error, OSError) and f"os error {errno.ENOMEM}" not in str(error):
        return read_error(error, path)
    size = path.stat().st_size
    return StorageError(f"{path}: cannot be read: its {size:,} bytes do not fit into memory")


def classes_of(arch: str, weights: dict) -> int:
    """Return the classes of the classifier that the weights have, 0 without one."""
    config = import_timm().models.get_pretrained_cfg(arch, allow_unregistered=True)
    heads = config.classifier or ()
    if isinstance(heads, str):
        heads = [heads]

    for head in heads:
        weight = weights.get(f"{head}.weight")
        if weight is not None and weight.ndim:
            return len(weight)
    return 0


def _features(source: _Source, out_indices) -> torch.nn.Module:
    """Return timm's feature extractor with these weights of the whole model."""
    arch = source.arch
    options = dict(source.options)
    if out_indices is not None:
        options["out_indices"] = tuple(out_indices)

    try:
        model = create_model(arch, 0, features_only=True, **options)
    except (IndexError, AssertionError):
        raise UsageError(f"{source.place}: {arch} has no layers {tuple(out_indices)}") from None
    except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        raise UsageError(f"{source.place}: timm has no features of {arch}: {one_line(error)}") from None

    if out_indices is not None:
        _refuse_untrained(source, model)
    # An extractor's names are those of the model, some with underscores in place of dots.
    known = {_flat(key): value for key, value in source.weights.items()}
    wanted = model.state_dict()
    own = {}
    for key in wanted:
        weight = known.get(_flat(key))
        if weight is not None:
            own[key] = weight
    check_weights(source.place, f"the features of {arch}", own, wanted)
    model.load_state_dict(own)
    return model


def _refuse_untrained(source: _Source, model) -> None:
    """Refuse layers that are still as random as before the training."""
    info = model.feature_info
    behind = len(info.info) - _LAYERS - 1
    layers = [level % len(info.info) - behind for level in info.out_indices]
    last = max(layers)
    trained = source.trained
    if last > trained:
        rule = f"layers must be <= {trained}, since those behind were not trained"
        usable = f"{trained - 1},{trained}" if trained > 1 else "1"
        raise UsageError(f"{source.place}: {rule}, got {last}; give layers {usable}")


def _flat(key: str) -> str:
    return key.removeprefix("model.").replace(".", "_")


def _published(arch: str) -> torch.nn.Module:
    """Return a model with timm's published weights, from its cache or the network."""
    timm = import_timm()
    if not timm.models.get_pretrained_cfg(arch, allow_unregistered=True).has_weights:
        raise UsageError(f"{arch}: timm has no published weights of it; {RANDOM}{arch} gives random ones")
    try:
        with _quiet("huggingface_hub"):
            return timm.create_model(arch, pretrained=True)
    except OSError as error:
        raise SynthgenError(
            f"{arch}: timm's weights cannot be downloaded from Hugging Face ({one_line(error)}); offline, "
            f"give a safetensors file or {RANDOM}{arch}"
        ) from None


@contextmanager
def _quiet(name: str):
    """Keep a logger from reporting each retry."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", .." if len(names) > 3 else "")
