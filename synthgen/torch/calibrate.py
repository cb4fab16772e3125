"""Batch-norm statistics from the images that a backbone is used on.

A backbone keeps mean and variance of its channels on the images that it was trained with. On images of another
kind they are wrong, and its features lie in another range than the following layers expect. New statistics need no
labels and no training: normal images go through the backbone once. Old and new statistics are mixed as in
Schneider et al. 2020, "Improving robustness against common corruptions by covariate shift adaptation".
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from synthgen.errors import UsageError
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.batches import batches

# The least that is left of a channel's variance, beside what is left of it in the middle channel of the layer.
FLOOR = 0.01


def calibrate_batch_norm(
    model: torch.nn.Module, loader: Iterable, share: float = 1.0, floor: float = 0.0
) -> torch.nn.Module:
    """Return a copy of a model whose batch-norm statistics are those of the given images.

    Mean and variance of each layer become the averages over the batches; a batch counts by its images. On the way
    each batch is normalised by the statistics that it would give. Nothing else changes: with random weights this
    tells what is learned from what is merely rescaled.

    Parameters
    ----------
    model : torch.nn.Module
    loader : iterable
        Gives batches (N, C, H, W) as the model takes them, or sequences that begin with such a batch.
    share : float
        In 0..1: the share of the new statistics, the rest is that of the old ones.
    floor : float
        The new variance of a channel, as a share of its old one, is at least this part of the median of these
        shares over the channels of the layer. So a channel that is silent on the images is not blown up; 0 for no
        floor.

    Raises
    ------
    UsageError
        If the model has no batch norm, or the loader is empty.
    """
    _check_share(share)
    model = copy.deepcopy(model)
    layers = _layers_of(model)
    if not layers:
        raise UsageError("model must have batch-norm layers to calibrate, got none")

    gathered = [_Gathered(layer, share, floor) for layer in layers]
    with _listening(model, layers, gathered):
        if not _run(model, loader):
            raise UsageError("loader must give images to calibrate batch norm with, got none")
    for each in gathered:
        each.finish()
    return model


def calibrate_model(model, loader: Iterable, share: float = 1.0, floor: float = FLOOR) -> None:
    """Give an anomaly model, before it is fitted, a backbone that is calibrated on its normal images.

    The statistics are part of the backbone's weights, so the file of the model keeps them.

    Parameters
    ----------
    model : AnomalyModel
    loader : iterable
        Of batches of normal images, as for `fit`.
    share, floor : float
        As for `calibrate_batch_norm`.

    Raises
    ------
    UsageError
        If the backbone has no batch norm, or the model is fitted already.
    """
    _check_share(share)
    features = model.features
    if model.fitted:
        raise UsageError("model must be calibrated before it is fitted")
    if not isinstance(features, FeatureExtractor) or not _layers_of(features.net):
        arch = features.config.get("architecture") if isinstance(features, FeatureExtractor) else "the extractor"
        raise UsageError(f"calibrate needs a backbone with batch norm, {arch} has none")

    normalised = (features.normalise(images) for images in batches(loader))
    net = calibrate_batch_norm(features.net, normalised, share, floor)
    model.features = features.with_net(net)
    model.notes["calibrated"] = share


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise UsageError(f"calibrate must be a share in 0..1, got {share:g}")


def _layers_of(model: torch.nn.Module) -> list[_BatchNorm]:
    """Return the layers that keep statistics."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    return [layer for layer in layers if layer.track_running_stats]


class _Gathered:
    """The statistics of one layer's input, batch by batch.

    Parameters
    ----------
    layer : _BatchNorm
    share, floor : float
        As for `calibrate_batch_norm`.
    """

    def __init__(self, layer: _BatchNorm, share: float, floor: float):
        self._share = share
        self._floor = floor
        self._mean = cast("torch.Tensor", layer.running_mean)
        self._var = cast("torch.Tensor", layer.running_var)
        self._old_mean = self._mean.clone()
        self._old_var = self._var.clone()
        self._means: list[torch.Tensor] = []
        self._vars: list[torch.Tensor] = []
        self._counts: list[int] = []

    def listen(self, layer: _BatchNorm, inputs: tuple[torch.Tensor, ...]) -> None:
        """Take the statistics of an input, before the layer normalises it by them."""
        channels = layer.num_features
        values = inputs[0].transpose(0, 1).reshape(channels, -1)
        var, mean = torch.var_mean(values, 1, correction=0)
        self._set(mean, var)

        count = values.shape[1]
        self._means.append(mean)
        self._vars.append(var * count / max(1, count - 1))
        self._counts.append(count)

    def finish(self) -> None:
        """Give the layer the averages over all batches, by their sizes; one that saw none keeps its own."""
        if not self._means:
            return
        counts = torch.tensor(self._counts, dtype=torch.float64)
        shares = (counts / counts.sum()).to(self._mean)
        mean = shares @ torch.stack(self._means)
        var = shares @ torch.stack(self._vars)
        self._set(mean, var)

    def _set(self, mean: torch.Tensor, var: torch.Tensor) -> None:
        left = 1 - self._share
        var = _raised(var, self._old_var, self._floor)
        self._mean.copy_(left * self._old_mean + self._share * mean)
        self._var.copy_(left * self._old_var + self._share * var)


def _raised(new: torch.Tensor, old: torch.Tensor, floor: float) -> torch.Tensor:
    """Return new variances, raised where less is left of the old ones than in most channels."""
    if not floor:
        return new
    left = new / old.clamp(min=torch.finfo(old.dtype).tiny)
    least = floor * left.median() * old
    return torch.maximum(new, least)


@contextmanager
def _listening(model: torch.nn.Module, layers: list[_BatchNorm], gathered: list[_Gathered]) -> Iterator[None]:
    """Give what passes through the layers to those who gather it, while the block runs."""
    was_training = model.training
    model.eval()
    hooks = [layer.register_forward_pre_hook(each.listen) for layer, each in zip(layers, gathered, strict=True)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)


def _run(model: torch.nn.Module, loader: Iterable) -> int:
    """Give all batches of a loader to a model; return how many there were."""
    device = next(model.parameters()).device
    count = 0
    with torch.no_grad():
        for batch in loader:
            images = batch if isinstance(batch, torch.Tensor) else batch[0]
            model(images.to(device))
            count += 1
    return count
