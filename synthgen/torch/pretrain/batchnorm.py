"""Batch normalization over the images of all ranks, on CPUs and GPUs (torch's own SyncBatchNorm refuses CPUs)."""

import torch
from torch import distributed
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class SyncedBatchNorm(TorchFunctionMode):
    """While this context lasts, layers in training share their statistics over all ranks."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Take the place of `batch_norm`, whatever the class of the layer that calls it."""
        kwargs = kwargs or {}
        if function is functional.batch_norm:
            return _batch_norm(*args, **kwargs)
        return function(*args, **kwargs)


def _batch_norm(
    values, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
) -> torch.Tensor:
    """Return what `functional.batch_norm` would of the values of all ranks together: this rank's part of it."""
    if not training:
        return functional.batch_norm(values, running_mean, running_var, weight, bias, False, momentum, eps)

    normal, mean, variance, count = _Normalized.apply(values, eps)
    if running_mean is not None:
        unbiased = variance * (count / (count - 1))
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(unbiased, momentum)

    if weight is not None:
        normal = normal * _along_channels(weight, normal)
    if bias is not None:
        normal = normal + _along_channels(bias, normal)
    return normal.to(values.dtype)


class _Normalized(torch.autograd.Function):
    """Values less their mean over all ranks, divided by their deviation."""

    @staticmethod
    def forward(context, values, eps: float):
        wide = values.float()
        ones = torch.ones_like(wide)
        counts, total = _sums(ones, wide)
        count = float(counts[0])
        mean = total / count

        apart = wide - _along_channels(mean, wide)
        squares = apart * apart
        (spread,) = _sums(squares)
        variance = spread / count

        scale = torch.rsqrt(variance + eps)
        normal = apart * _along_channels(scale, apart)
        context.save_for_backward(normal, scale)
        context.count = count
        context.type = values.dtype
        context.mark_non_differentiable(mean, variance)
        return normal, mean, variance, count

    @staticmethod
    def backward(context, gradient, *_):
        normal, scale = context.saved_tensors
        products = gradient * normal
        of_shift, of_slope = _sums(gradient, products) / context.count

        shift = _along_channels(of_shift, normal)
        slope = _along_channels(of_slope, normal)
        of_values = gradient - shift - normal * slope
        of_values *= _along_channels(scale, normal)
        return of_values.to(context.type), None


def _sums(*terms: torch.Tensor) -> torch.Tensor:
    """Return the sum of each term (N, C, ..) by channel over all ranks, (terms, C)."""
    rows = []
    for term in terms:
        by_channel = term.transpose(0, 1)
        values = by_channel.flatten(1)
        rows.append(values.sum(1))

    total = torch.stack(rows)
    distributed.all_reduce(total)
    return total


def _along_channels(numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return one number for each channel in the form that meets (N, C, ..)."""
    shape = [1] * like.ndim
    shape[1] = -1
    return numbers.view(shape)
