"""What a training leaves behind for people: CSV, curves, the picture of the first filters, cards."""

import csv
import io
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import torch

from synthgen.shards.files import replacing, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.torch.backbones import SUFFIX
from synthgen.torch.pretrain.checkpoint import write_weights
from synthgen.torch.pretrain.options import Options

COLUMNS = (
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
    "images_per_second",
)
CSV, CURVES, FILTERS = "log.csv", "log.png", "filters.png"


def write_csv(path: Path, history: list[dict]) -> None:
    """Write one row for each epoch; without a validation its columns are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(path, text.getvalue().encode())


def write_curves(path: Path, history: list[dict], title: str) -> bool:
    """Draw loss and accuracy over the epochs; return whether matplotlib is there to do so."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return False
    figure = Figure(figsize=(9, 3.6), layout="constrained")  # a figure of its own: no back end is chosen for others
    axes = figure.subplots(1, 2)
    for axis, what in zip(axes, ("loss", "accuracy"), strict=True):
        for part, name in (("train", "training"), ("val", "validation")):
            rows = [row for row in history if row[f"{part}_{what}"] is not None]
            values = [row[f"{part}_{what}"] for row in rows]
            axis.plot([row["epoch"] for row in rows], values, marker="." if len(rows) < 30 else "", label=name)
        axis.set_xlabel("epoch")
        axis.set_ylabel(what)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0, top=1.02 if what == "accuracy" else None)
    axes[0].legend()
    figure.suptitle(title, fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return True


def filters_picture(weights: np.ndarray, cell: int = 42, gap: int = 4) -> np.ndarray:
    """Return the filters of a layer side by side, as in figure 8 of paper 000.

    Parameters
    ----------
    weights : float array (N, C, H, W)
        The first layer's. Of 3 channels they are shown in colour, of others in gray, by their mean.
    cell, gap : int
        Least side of a filter's picture, and space between, in pixels.

    Returns
    -------
    uint8 array (height, width, 3)
        Each filter is stretched on its own, without moving zero: mid-gray is a weight of 0.
    """
    filters = weights if weights.shape[1] == 3 else weights.mean(1, keepdims=True).repeat(3, axis=1)
    peak = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    tiles = np.rint((filters / np.where(peak > 0, peak, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    zoom = -(-cell // max(tiles.shape[1:3]))
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width = tiles.shape[:3]
    columns = max(c for c in range(1, int(count**0.5) + 1) if count % c == 0)
    columns = max(columns, count // columns) if count // columns <= 4 * columns else int(np.ceil(count**0.5))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def first_filters(model: torch.nn.Module) -> np.ndarray | None:
    """Return the weights (N, C, H, W) of the first layer that sees the image, or None if it is no convolution."""
    layer = next((m for m in model.modules() if isinstance(m, torch.nn.Conv2d)), None)
    return None if layer is None else layer.weight.detach().float().cpu().numpy()


def write_filters(path: Path, model: torch.nn.Module) -> None:
    """Write the picture of the first layer's filters."""
    from PIL import Image

    weights = first_filters(model)
    if weights is not None:
        with replacing(path) as temporary:
            Image.fromarray(filters_picture(weights)).save(temporary, "PNG")


def write_backbone(path: Path, model: torch.nn.Module, card: dict) -> None:
    """Write a plain timm `state_dict`, and beside it its card; `load_backbone` reads both."""
    write_weights(path, model.state_dict(), {"format": "pt"})
    write_atomically(path.with_suffix(".json"), encode_json(card))


def make_card(arch: str, options: Options, source, size: tuple[int, int], ranks) -> dict:
    """Return what is said of the weights, all but how good they are."""
    record = source.record
    return {
        "arch": arch,
        "classes": record.classes,
        "mean": list(options.mean) * (3 if len(options.mean) == 1 else 1),
        "std": list(options.std) * (3 if len(options.std) == 1 else 1),
        "size": size[0] if size[0] == size[1] else None,
        "data": {"fingerprint": record.fingerprints.data, "images": record.count, "recipe": record.recipe},
        "options": msgspec.to_builtins(options),
        "validation": "held-out images" if options.val_share else "training images, resized",
        "read": source.read,
        "device": torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else "CPU",
        "ranks": ranks.world,
        "versions": {name: version(name) for name in ("synthgen", "torch", "timm", "safetensors")},
    }


def files_of_epoch(epoch: int) -> str:
    """Return the name of the weights that are kept of an epoch, 1-based."""
    return f"epoch-{epoch:05d}{SUFFIX}"
