"""A look into backbones: their first filters, and what their features make of labelled images.

Source: Ugwu et al. 2024, sections 6 and 7.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.metrics.features import effective_dimensions, intraclass_compactness, knn_accuracy
from synthgen.torch.backbones import (
    BEST,
    SUFFIX,
    architecture_of,
    config_of,
    load_backbone,
    read_card,
    weights_file,
)
from synthgen.torch.evaluation.inspection import as_batch
from synthgen.torch.features import normalised
from synthgen.torch.pretrain.report import CSV, filters_picture, first_filters

if TYPE_CHECKING:
    from PIL import Image

    from synthgen.layouts.labelled import Labelled

_TITLE = 22
_GAP = 10
LEAST_IMAGES = 10
_PERPLEXITY = 30


def penultimate(
    model: torch.nn.Module,
    labelled: Labelled,
    size: tuple[int, int] = (224, 224),
    batch_size: int = 16,
    advance: Callable | None = None,
) -> np.ndarray:
    """Return what a timm model hands to its classifier, float32 (N, D): the features of the layer before it.

    Parameters
    ----------
    model : torch.nn.Module
        As `synthgen.torch.backbones.load_backbone` returns it, not ``features_only``.
    labelled : Labelled
    size : (int, int)
        Height and width that images are stretched to.
    batch_size : int
    advance : callable, optional
        Called with the number of images after each batch.

    Raises
    ------
    UsageError
        If the model gives no features of images of this size.
    """
    rows = []
    for start in range(0, len(labelled.pictures), batch_size):
        readers = labelled.pictures[start : start + batch_size]
        images = [read() for read in readers]
        rows.append(_seen(model, images, size))
        if advance is not None:
            advance(len(images))
    return np.concatenate(rows)


class BackboneViewer:
    """What a backbone hands to its classifier of images, for `synthgen.look.gallery.gallery`.

    Parameters
    ----------
    weights : str or Path
        As for `load_backbone`.
    batch_size : int

    Attributes
    ----------
    name : str
        A short name of the weights, with the architecture of a file.
    size : (int, int)
        Height and width that images are stretched to: those of the training, where a card says them.

    Examples
    --------
    >>> BackboneViewer("random:test_resnet")(np.zeros((2, 64, 48), np.uint8)).shape
    (2, 96)
    """

    def __init__(self, weights, batch_size: int = 16):
        self._model = load_backbone(weights)
        self._batch_size = batch_size
        self.name = str(weights)
        config = config_of(self._model)
        _, height, width = config["input_size"]
        self.size = (height, width)

        path = weights_file(weights)
        if path is None:
            return
        arch = architecture_of(weights)
        self.name = f"{_place_of(path)} ({arch})"
        card = read_card(path)
        side = card.get("size")
        if side:
            self.size = (side, side)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the features of images, uint8 (H, W) or (H, W, 3): float32 (N, D)."""
        rows = []
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            rows.append(_seen(self._model, batch, self.size))
        return np.concatenate(rows)


def _place_of(path: Path) -> str:
    """Return what people call a file of weights: the folder of a training, or the name of the file."""
    place = path.absolute()
    return place.parent.name if place.name == BEST else place.stem


def _seen(model, images: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return what a model hands to its classifier of images that are stretched to a size."""
    from PIL import Image

    from synthgen.compose.pictures import stretched

    fitting = []
    for image in images:
        picture = Image.fromarray(image).convert("RGB")
        shown = stretched(picture, size)
        fitting.append(np.asarray(shown))

    config = config_of(model)
    levels = as_batch(fitting)
    batch = normalised(levels, config["mean"], config["std"])
    return _features(model, batch)


def _features(model, batch: torch.Tensor) -> np.ndarray:
    config = config_of(model)
    if not hasattr(model, "forward_head"):
        raise UsageError(f"backbone must have features before a classifier, {config['architecture']} has none")
    try:
        with torch.inference_mode():
            maps = model.forward_features(batch)
            features = model.forward_head(maps, pre_logits=True)
    except (RuntimeError, AssertionError) as error:
        height, width = batch.shape[-2:]
        raise UsageError(f"size must be one that the backbone takes, got {width}x{height}: {error}") from error
    return features.flatten(1).float().cpu().numpy()


def measures_of(features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy of the nearest neighbors, effective dimensions, and compactness of the classes."""
    return {
        "knn_accuracy": knn_accuracy(features, labels),
        "effective_dimensions": effective_dimensions(features),
        "intraclass_compactness": intraclass_compactness(features, labels),
    }


def embedded(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the images in the plane, (N, 2), neighbors near each other: t-SNE.

    Raises
    ------
    UsageError
        If there are fewer than ten images.
    """
    from sklearn.manifold import TSNE

    count = len(features)
    if count < LEAST_IMAGES:
        raise UsageError(f"images must be {LEAST_IMAGES} or more for a map of them, got {count}")
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)


def filters_side_by_side(models: Mapping[str, torch.nn.Module]) -> Image.Image:
    """Return the filters of the first convolution of each model, under its name (Ugwu et al. 2024, figure 8).

    Raises
    ------
    UsageError
        If no model has a convolution.
    """
    from PIL import Image, ImageDraw, ImageFont

    sheets = {}
    for name, model in models.items():
        weights = first_filters(model)
        if weights is not None:
            sheets[name] = filters_picture(weights)
    if not sheets:
        raise UsageError("weights must be of networks with a convolution, got none")

    height = max(sheet.shape[0] for sheet in sheets.values()) + _TITLE
    width = sum(sheet.shape[1] + _GAP for sheet in sheets.values()) - _GAP
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    left = 0
    for name, sheet in sheets.items():
        pen.text((left + 4, 4), name, fill="black", font=ImageFont.load_default(13))
        picture.paste(Image.fromarray(sheet), (left, _TITLE))
        left += sheet.shape[1] + _GAP
    return picture


def names_of(weights: Sequence) -> list[str]:
    """Return a short name for each of some weights: as many of the last parts of the paths as keep them apart.

    Examples
    --------
    >>> names_of(["resnet18", "runs/a/best.safetensors", "runs/b/best.safetensors"])
    ['resnet18', 'a/best', 'b/best']
    """
    paths = [Path(str(given).removesuffix(SUFFIX)).parts for given in weights]
    longest = max(map(len, paths))
    for length in range(1, longest + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    raise UsageError(f"weights must be given once each, got {', '.join(map(str, weights))}")


def history_of(folder) -> list[dict[str, float | None]] | None:
    """Return the rows of ``log.csv`` of a folder of ``synthgen pretrain``, None where there is none.

    Raises
    ------
    FormatError
        If the file is no such table.
    """
    path = Path(folder) / CSV
    if not path.is_file():
        return None
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "epoch" not in rows[0]:
        raise FormatError(f"{path}: must be a table with a column epoch")
    try:
        return [{name: _number(text) for name, text in row.items()} for row in rows]
    except (TypeError, ValueError):
        raise FormatError(f"{path}: must hold numbers alone") from None


def _number(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def curve_columns(histories: Sequence[Sequence[Mapping]]) -> list[str]:
    """Return the columns that every run has values of: loss and accuracy, in validation where there is one."""
    chosen = []
    for measure in ("loss", "accuracy"):
        for column in (f"val_{measure}", f"train_{measure}"):
            if all(any(row.get(column) is not None for row in rows) for rows in histories):
                chosen.append(column)
                break
    return chosen
