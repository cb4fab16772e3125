"""Depthwise convolutions on the CPU whose kernel is larger than the map: a faster gradient of their weights.

oneDNN (of torch 2.14) takes a slow path there: 106 ms for 1152 channels of 2 x 2, kernel 5 x 5, a batch of 64, on
one core, where a sum for each place of the kernel takes 3 ms. The last stages of EfficientNets on small images are
such; `benchmarks/depthwise.py` measures whole steps.
"""

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class FastDepthwise(TorchFunctionMode):
    """While this context lasts, such convolutions are differentiated by sums; all others are left alone."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Take the place of `conv2d` where it is slow."""
        if function is torch.conv2d and not kwargs:
            image, weight, bias, stride, padding, dilation, groups = (*args, *_DEFAULTS[len(args) - 2 :])
            if isinstance(stride, tuple) and is_slow(image, weight, padding, dilation, groups):
                return _Depthwise.apply(image, weight, bias, stride, padding)
        return function(*args, **(kwargs or {}))


_DEFAULTS = (None, (1, 1), (0, 0), (1, 1), 1)


def is_slow(image: torch.Tensor, weight: torch.Tensor, padding, dilation, groups: int) -> bool:
    """Return whether a convolution is depthwise, on the CPU in fp32, with a kernel larger than its map."""
    return (
        groups > 1
        and groups == image.shape[1] == len(weight)
        and image.device.type == "cpu"
        and image.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and isinstance(padding, tuple)
        and dilation == (1, 1)
        and min(image.shape[2:]) < max(weight.shape[2:])
    )


class _Depthwise(torch.autograd.Function):
    """`conv2d` with one filter for each channel."""

    @staticmethod
    def forward(context, image, weight, bias, stride, padding):
        context.save_for_backward(image, weight)
        context.form = stride, padding, bias is not None
        return torch.conv2d(image, weight, bias, stride, padding, (1, 1), len(weight))

    @staticmethod
    def backward(context, gradient):
        image, weight = context.saved_tensors
        stride, padding, has_bias = context.form
        of_image = None
        if context.needs_input_grad[0]:
            of_image = torch.nn.grad.conv2d_input(
                image.shape, weight, gradient, stride, padding, groups=len(weight)
            )
        of_weight = weight_gradient(image, gradient, weight.shape[2:], stride, padding)
        return of_image, of_weight, gradient.sum((0, 2, 3)) if has_bias else None, None, None


def weight_gradient(image: torch.Tensor, gradient: torch.Tensor, kernel, stride, padding) -> torch.Tensor:
    """Return the gradient (C, 1, kh, kw) of a depthwise convolution's weights.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    gradient : Tensor, (N, C, h, w)
        Of the loss by what the convolution gave.
    kernel, stride, padding : (int, int)
    """
    padded = functional.pad(image, (padding[1], padding[1], padding[0], padding[0])).permute(0, 2, 3, 1)
    gradient = gradient.permute(0, 2, 3, 1)
    found = gradient.new_zeros((*kernel, gradient.shape[3]))
    rows, columns = (
        _windows(*sizes)
        for sizes in zip(image.shape[2:], gradient.shape[1:3], kernel, stride, padding, strict=True)
    )
    for y, row in rows:
        for x, column in columns:
            found[y, x] = (padded[:, row, column] * gradient).sum((0, 1, 2))
    return found.permute(2, 0, 1)[:, None]


def _windows(size: int, places: int, kernel: int, stride: int, padding: int) -> list[tuple[int, slice]]:
    """Return the places of a kernel that meet more than padding along one axis, and what they meet."""
    starts = [(k, k + stride * (places - 1)) for k in range(kernel)]
    return [(k, slice(k, end + 1, stride)) for k, end in starts if end >= padding and k < padding + size]
