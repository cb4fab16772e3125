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
        kwargs = kwargs or {}
        if function is not torch.conv2d or kwargs:
            return function(*args, **kwargs)

        image, weight, bias, stride, padding, dilation, groups = _with_defaults(args)
        has_plain_stride = not isinstance(stride, tuple)
        if has_plain_stride or not is_slow(image, weight, padding, dilation, groups):
            return function(*args)
        return _Depthwise.apply(image, weight, bias, stride, padding)


# Of `conv2d`, after image and weight: bias, stride, padding, dilation, groups.
_DEFAULTS = (None, (1, 1), (0, 0), (1, 1), 1)


def _with_defaults(args: tuple) -> tuple:
    missing = _DEFAULTS[len(args) - 2 :]
    return (*args, *missing)


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
            channels = len(weight)
            of_image = torch.nn.grad.conv2d_input(image.shape, weight, gradient, stride, padding, groups=channels)
        of_weight = weight_gradient(image, gradient, weight.shape[2:], stride, padding)
        of_bias = gradient.sum((0, 2, 3)) if has_bias else None
        return of_image, of_weight, of_bias, None, None


def weight_gradient(image: torch.Tensor, gradient: torch.Tensor, kernel, stride, padding) -> torch.Tensor:
    """Return the gradient (C, 1, kh, kw) of a depthwise convolution's weights.

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    gradient : Tensor, (N, C, h, w)
        Gradient of the loss with respect to what the convolution returned.
    kernel, stride, padding : (int, int)
    """
    above, left = padding
    padded = functional.pad(image, (left, left, above, above))
    padded = padded.permute(0, 2, 3, 1)
    gradient = gradient.permute(0, 2, 3, 1)

    height, width = image.shape[2:]
    _, gradient_height, gradient_width, channels = gradient.shape
    rows = _windows(height, gradient_height, kernel[0], stride[0], above)
    columns = _windows(width, gradient_width, kernel[1], stride[1], left)

    found = gradient.new_zeros((*kernel, channels))
    for y, row in rows:
        for x, column in columns:
            seen = padded[:, row, column]
            products = seen * gradient
            found[y, x] = products.sum((0, 1, 2))
    by_channel = found.permute(2, 0, 1)
    return by_channel[:, None]


def _windows(size: int, places: int, kernel: int, stride: int, padding: int) -> list[tuple[int, slice]]:
    """Return the places of a kernel that meet more than padding along one axis, and what they meet."""
    windows = []
    for start in range(kernel):
        last = start + stride * (places - 1)
        if last >= padding and start < padding + size:
            windows.append((start, slice(start, last + 1, stride)))
    return windows
