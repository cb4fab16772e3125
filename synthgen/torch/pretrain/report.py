"""What a training leaves behind for people: CSV, curves, the picture of the first filters, cards."""

from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import torch

from synthgen.shards.files import replacing, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.torch.backbones import SUFFIX
from synthgen.torch.pretrain.options import Options
from synthgen.torch.pretrain.weights import write_weights

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


def write_curves(path: Path, history: list[dict], title: str) -> bool:
    """Draw loss and accuracy over the epochs; return whether matplotlib is there to do so."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return False
    # A figure of its own: no back end is chosen for others.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    for axis, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_curve(axis, history, f"train_{measure}", "training")
        _draw_curve(axis, history, f"val_{measure}", "validation")
        axis.set_xlabel("epoch")
        axis.set_ylabel(measure)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0, top=1.02 if measure == "accuracy" else None)
    figure.axes[0].legend()

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return True


def _draw_curve(axis, history: list[dict], column: str, name: str) -> None:
    rows = [row for row in history if row[column] is not None]
    epochs = [row["epoch"] for row in rows]
    values = [row[column] for row in rows]
    marker = "." if len(rows) < 30 else ""
    axis.plot(epochs, values, marker=marker, label=name)


def filters_picture(weights: np.ndarray, cell: int = 42, gap: int = 4) -> np.ndarray:
    """Return the filters of a layer side by side (Ugwu et al. 2024, figure 8).

    Parameters
    ----------
    weights : float array (N, C, H, W)
        The first layer's. Filters of 3 channels are shown in color, others in gray, by the mean of their channels.
    cell, gap : int
        Least side of a filter's picture, and space between, in pixels.

    Returns
    -------
    uint8 array (height, width, 3)
        Each filter is stretched on its own, without moving zero: mid-gray is a weight of 0.
    """
    tiles = _filter_tiles(weights)
    zoom = -(-cell // max(tiles.shape[1:3]))
    tiles = tiles.repeat(zoom, axis=1)
    tiles = tiles.repeat(zoom, axis=2)

    count, height, width = tiles.shape[:3]
    columns = _columns(count)
    rows = -(-count // columns)
    row_height = height + gap
    column_width = width + gap
    size = (gap + rows * row_height, gap + columns * column_width)

    sheet = np.full((*size, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top = gap + row * row_height
        left = gap + column * column_width
        bottom = top + height
        right = left + width
        sheet[top:bottom, left:right] = tile
    return sheet


def _filter_tiles(weights: np.ndarray) -> np.ndarray:
    """Return filters (N, C, H, W) as pictures, uint8 (N, H, W, 3)."""
    if weights.shape[1] != 3:
        gray = weights.mean(1, keepdims=True)
        weights = gray.repeat(3, axis=1)

    peak = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    peak[peak == 0] = 1
    stretched = weights / peak
    values = np.rint((stretched + 1) * 127.5)
    return values.astype(np.uint8).transpose(0, 2, 3, 1)


def _columns(count: int) -> int:
    """Return how many filters stand in a row: without gaps where the sheet is then not too wide."""
    side = int(count**0.5)
    rows = side
    while count % rows:
        rows -= 1
    columns = count // rows
    if columns <= 4 * rows:
        return columns
    return side + 1


def first_filters(model: torch.nn.Module) -> np.ndarray | None:
    """Return the weights (N, C, H, W) of the first convolution, or None if there is none."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            return layer.weight.detach().float().cpu().numpy()
    return None


def write_filters(path: Path, model: torch.nn.Module) -> None:
    """Write the picture of the first layer's filters."""
    from PIL import Image

    weights = first_filters(model)
    if weights is not None:
        with replacing(path) as temporary:
            Image.fromarray(filters_picture(weights)).save(temporary, "PNG")


def write_backbone(path: Path, model: torch.nn.Module, card: dict) -> None:
    """Write a plain timm `state_dict`, and beside it its card, with the digest of the file.

    `load_backbone` reads both.
    """
    digest = write_weights(path, model.state_dict(), {"format": "pt"})
    write_atomically(path.with_suffix(".json"), encode_json({**card, "sha256": digest}))


def make_card(arch: str, options: Options, source, size: tuple[int, int], ranks) -> dict:
    """Return what is known of the weights beside how good they are."""
    record = source.record
    height, width = size
    on_gpu = ranks.device.type == "cuda"
    return {
        "arch": arch,
        "classes": record.classes,
        "mean": _per_channel(options.mean),
        "std": _per_channel(options.std),
        "size": height if height == width else None,
        "data": {"fingerprint": record.fingerprints.data, "images": record.count, "recipe": record.recipe},
        "options": msgspec.to_builtins(options),
        "validation": "held-out images" if options.val_share else "training images, resized",
        "read": source.read,
        "device": torch.cuda.get_device_name(ranks.device) if on_gpu else "CPU",
        "ranks": ranks.world,
        "versions": {name: version(name) for name in ("synthgen", "torch", "timm", "safetensors")},
    }


def _per_channel(values: tuple[float, ...]) -> list[float]:
    return list(values) * 3 if len(values) == 1 else list(values)


def best_row(history: list[dict]) -> dict | None:
    """Return the row of the best validation accuracy, the first of several that are equal."""
    rows = [row for row in history if row["val_accuracy"] is not None]
    return max(rows, key=lambda row: row["val_accuracy"], default=None)


def results_of(history: list[dict]) -> dict:
    """Return how good the weights are: the measures of the last epoch, and under ``best`` those of the best."""
    last = _measures(history[-1])
    best = best_row(history)
    return {**last, "best": best and _measures(best)}


def _measures(row: dict) -> dict:
    names = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return {name: row[name] for name in names}


def line_of(row: dict, epochs: int) -> str:
    """Return an epoch's row as a line for people."""
    parts = [
        f"epoch {row['epoch']} of {epochs}: loss {row['train_loss']:.4f}, accuracy {row['train_accuracy']:.2%}",
    ]
    if row["val_accuracy"] is not None:
        parts.append(f"validation {row['val_loss']:.4f}, {row['val_accuracy']:.2%}")
    parts.append(f"{row['images_per_second']:,.0f} images/s")
    return "; ".join(parts)


def files_of_epoch(epoch: int) -> str:
    """Return the name of the weights that are kept of an epoch, 1-based."""
    return f"epoch-{epoch:05d}{SUFFIX}"
