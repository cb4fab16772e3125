"""What a training leaves behind for people: CSV, curves, the picture of the first filters, cards."""

from importlib.metadata import version
from math import ceil
from pathlib import Path

import msgspec
import numpy as np
import torch

from synthgen.shards.files import replacing, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.torch.backbones import SUFFIX, TRAINED
from synthgen.torch.pretrain.options import Options
from synthgen.torch.sealed import write_tensors
from synthgen.version import __version__

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
PROBE = ("probe_image_auroc", "probe_pixel_auroc", "probe_aupro")
CSV, CURVES, FILTERS = "log.csv", "log.png", "filters.png"


def columns_of(history: list[dict]) -> tuple[str, ...]:
    """Return the columns of a history; those of a probe only where there was one."""
    has_probe = any(PROBE[0] in row for row in history)
    return COLUMNS + PROBE if has_probe else COLUMNS


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
    left, right = figure.subplots(1, 2)
    for axis, measure in ((left, "loss"), (right, "accuracy")):
        _draw_curve(axis, history, f"train_{measure}", "training")
        _draw_curve(axis, history, f"val_{measure}", "validation")
        whole_epochs = MaxNLocator(integer=True)
        axis.xaxis.set_major_locator(whole_epochs)
        axis.set_xlabel("epoch")
        axis.set_ylabel(measure)
        axis.grid(alpha=0.3)

    left.set_ylim(bottom=0)
    right.set_ylim(bottom=0, top=1.02)
    left.legend()

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return True


def _draw_curve(axis, history: list[dict], column: str, name: str) -> None:
    epochs = []
    values = []
    for row in history:
        value = row[column]
        if value is not None:
            epochs.append(row["epoch"])
            values.append(value)

    marker = "." if len(values) < 30 else ""
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
    side = max(tiles.shape[1:3])
    zoom = ceil(cell / side)
    tiles = tiles.repeat(zoom, axis=1)
    tiles = tiles.repeat(zoom, axis=2)

    count, height, width = tiles.shape[:3]
    columns = _columns(count)
    rows = ceil(count / columns)
    row_height = height + gap
    column_width = width + gap
    sheet_height = gap + rows * row_height
    sheet_width = gap + columns * column_width

    size = (sheet_height, sheet_width, 3)
    sheet = np.full(size, 255, np.uint8)
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
    channels = weights.shape[1]
    if channels != 3:
        gray = weights.mean(1, keepdims=True)
        weights = gray.repeat(3, axis=1)

    sizes = np.abs(weights)
    peak = sizes.max(axis=(1, 2, 3), keepdims=True)
    peak[peak == 0] = 1
    stretched = weights / peak

    above_zero = stretched + 1
    levels = np.rint(above_zero * 127.5)
    pictures = levels.astype(np.uint8)
    return pictures.transpose(0, 2, 3, 1)


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
            weights = layer.weight.detach()
            return weights.float().cpu().numpy()
    return None


def write_filters(path: Path, model: torch.nn.Module) -> None:
    """Write the picture of the first layer's filters."""
    from PIL import Image

    weights = first_filters(model)
    if weights is None:
        return
    picture = Image.fromarray(filters_picture(weights))
    with replacing(path) as temporary:
        picture.save(temporary, "PNG")


def write_backbone(path: Path, model: torch.nn.Module, card: dict) -> None:
    """Write a plain timm `state_dict`, and beside it its card, with the digest of the file.

    `load_backbone` reads both.
    """
    weights = model.state_dict()
    digest = write_tensors(path, weights, {"format": "pt"})
    content = encode_json({**card, "sha256": digest})
    write_atomically(path.with_suffix(".json"), content)


def make_card(arch: str, options: Options, source, size: tuple[int, int], ranks) -> dict:
    """Return what is known of the weights beside how good they are."""
    record = source.record
    height, width = size
    on_gpu = ranks.device.type == "cuda"
    return {
        "arch": arch,
        **_trained(record.classes, options),
        "mean": _per_channel(options.mean),
        "std": _per_channel(options.std),
        "size": height if height == width else None,
        "data": {"fingerprint": record.fingerprints.data, "images": record.count, "recipe": record.recipe},
        "options": msgspec.to_builtins(options),
        "validation": _validation(options),
        "read": source.read,
        "device": torch.cuda.get_device_name(ranks.device) if on_gpu else "CPU",
        "ranks": ranks.world,
        "versions": library_versions(),
    }


def _trained(classes: int, options: Options) -> dict:
    """Return what of the network was trained."""
    if not options.is_dense:
        return {"classes": classes}
    last = options.used_layers[-1]
    return {
        "classes": 0,
        TRAINED: last,
        "weights": f"The whole backbone without a classifier; layers behind {last} are random.",
    }


def _validation(options: Options) -> str:
    """Return what the validation is done on."""
    if options.val_share:
        return "held-out images"
    return "training images, in other composites" if options.is_dense else "training images, resized"


def library_versions() -> dict[str, str]:
    """Return the versions of what makes and writes weights."""
    others = {name: version(name) for name in ("torch", "timm", "safetensors")}
    return {"synthgen": __version__, **others}


def _per_channel(values: tuple[float, ...]) -> list[float]:
    repeated = 3 if len(values) == 1 else 1
    return list(values) * repeated


def best_row(history: list[dict]) -> dict | None:
    """Return the row of the best validation accuracy, the first of several that are equal."""
    best = None
    most = -1.0
    for row in history:
        accuracy = row["val_accuracy"]
        if accuracy is not None and accuracy > most:
            best = row
            most = accuracy
    return best


def results_of(history: list[dict]) -> dict:
    """Return how good the weights are: the measures of the last epoch, and under ``best`` those of the best."""
    results = _measures(history[-1])
    best = best_row(history)
    results["best"] = best and _measures(best)
    return results


def _measures(row: dict) -> dict:
    names = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return {name: row[name] for name in names}


def line_of(row: dict, epochs: int) -> str:
    """Return an epoch's row as a line for people."""
    loss = row["train_loss"]
    accuracy = row["train_accuracy"]
    line = f"epoch {row['epoch']} of {epochs}: loss {loss:.4f}, accuracy {accuracy:.2%}"

    accuracy = row["val_accuracy"]
    if accuracy is not None:
        loss = row["val_loss"]
        line += f"; validation {loss:.4f}, {accuracy:.2%}"

    if PROBE[0] in row:
        found = " / ".join(f"{row[name]:.3f}" for name in PROBE)
        line += f"; probe {found}"
    rate = row["images_per_second"]
    return f"{line}; {rate:,.0f} images/s"


def files_of_epoch(epoch: int) -> str:
    """Return the name of the weights that are kept of an epoch, 1-based."""
    return f"epoch-{epoch:05d}{SUFFIX}"
