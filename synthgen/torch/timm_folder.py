"""A folder of weights as timm and the Hub have it: ``config.json``, ``model.safetensors``, ``README.md``.

timm calls it ``local-dir:PATH``, and after an upload ``hf-hub:USER/NAME``.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from synthgen.cards.details import FREE, files_named
from synthgen.errors import UsageError
from synthgen.machine import counted
from synthgen.shards.files import make_folder, refuse_remote, sha256_of, storage_errors
from synthgen.torch.backbones import TRAINED, config_of, import_timm, load_backbone, read_card, weights_file
from synthgen.version import __version__

_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"
_CARD = "README.md"
# What timm has only where our package is loaded: its networks have no classifier, and no module of timm's.
_OURS = ("pdn",)
# Of timm's own configuration: what describes images, not where published weights lie.
_KEPT = ("interpolation", "pool_size", "first_conv", "classifier", "fixed_input_size")
_FORMULAS = (
    "No photograph was used for training. The classes are formulas: fine-tune the model, or take its features."
)
_UNKNOWN = "The license is that of whoever trained the weights, or of the images: this file does not know it."


class TimmReport(NamedTuple):
    """What was written: the folder, its files with their SHA-256, and the code that loads it."""

    path: str
    arch: str
    files: dict[str, str]
    usage: str


def export_timm(weights, out) -> TimmReport:
    """Write weights of ``synthgen pretrain`` or ``weights import`` as a folder that timm loads.

    Parameters
    ----------
    weights : str or Path
        A safetensors file with its card, or the folder of a training, of which the best weights are taken.
    out : str or Path
        A new or an empty folder.

    Raises
    ------
    UsageError
        If there are no such weights, timm does not have their architecture, or `out` holds something.
    FormatError
        If the file is damaged.
    """
    refuse_remote(out)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: must be a new or an empty folder, got one that holds something else")
    path = weights_file(weights)
    if path is None:
        raise UsageError(f"weights must be a file or a folder of `synthgen pretrain`, got {weights}")

    model = load_backbone(path)  # compares every weight with the architecture
    card = read_card(path)
    if import_timm().models.is_model_in_modules(card["arch"], _OURS):
        raise UsageError(f"weights must be of an architecture of timm's, got {card['arch']}, which is ours")
    config = _config_of(model, card)

    work = folder.with_name(f".{folder.name}.tmp-export")
    with storage_errors(work):
        shutil.rmtree(work, ignore_errors=True)
        make_folder(work, folder)
        shutil.copyfile(path, work / _WEIGHTS)
        (work / _CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        (work / _CARD).write_text(_card_text(config, card))
        if folder.is_dir():
            folder.rmdir()
        os.replace(work, folder)

    files = {name: sha256_of(folder / name) for name in (_WEIGHTS, _CONFIG, _CARD)}
    usage = f'timm.create_model("local-dir:{folder}", pretrained=True)'
    return TimmReport(str(folder), config["architecture"], files, usage)


def _config_of(model, card: dict) -> dict:
    """Return timm's configuration of a model and its weights."""
    own = config_of(model)
    is_fixed = own.get("fixed_input_size", False)
    side = card.get("size")
    size = (side, side) if side else own["input_size"][1:]
    if is_fixed and not side:
        size = model.patch_embed.img_size
    pretrained: dict[str, Any] = {name: own[name] for name in _KEPT if name in own}
    pretrained |= {
        "input_size": [3, *size],
        "mean": list(own["mean"]),
        "std": list(own["std"]),
        "interpolation": own.get("interpolation", "bilinear"),
        "crop_pct": 1.0,
    }
    config = {
        "architecture": card["arch"],
        "num_classes": model.num_classes,
        "num_features": model.num_features,
        "pretrained_cfg": pretrained,
    }
    if is_fixed:
        config["model_args"] = {"img_size": list(size)}
    return config


def _card_text(config: dict, card: dict) -> str:
    """Return the card of a model: what it was trained on, and how good it was."""
    recipe = card.get("data", {}).get("recipe")
    is_free = recipe is not None and not files_named(recipe)
    title = "trained on formula-driven images" if is_free else "weights"
    lines = [
        "---",
        *([f"license: {FREE}"] if is_free else []),
        "library_name: timm",
        "tags: [timm, image-classification, synthgen]",
        "---",
        "",
        f"# {config['architecture']}, {title}",
        "",
        *_training_lines(config, card),
        f"- written by synthgen {__version__}",
        "",
        _FORMULAS if is_free else _UNKNOWN,
        "",
    ]
    return "\n".join(lines)


def _training_lines(config: dict, card: dict) -> list[str]:
    """Return what is known of a training, a line each."""
    lines = [f"- classes: {config['num_classes']:,}"]
    data = card.get("data")
    if data is not None:
        name = data.get("recipe", {}).get("name", "unknown")
        lines += [
            f"- data: {name}, {counted(data.get('images', 0), 'image')}",
            f"- data fingerprint: `{data.get('fingerprint', 'unknown')}`",
        ]
    accuracy = card.get("val_accuracy")
    if accuracy is not None:
        lines.append(f"- validation accuracy: {accuracy:.2%}")
    if TRAINED in card:
        lines.append(f"- trained: layers 1 to {card[TRAINED]}; those behind are random")
    return lines
