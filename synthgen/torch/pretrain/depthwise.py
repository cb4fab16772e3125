"""Depthwise convolutions on the CPU whose kernel is larger than the map: a faster gradient of their weights.

oneDNN (of torch 2.14) takes a slow path there: 106 ms for 1152 channels of 2 x 2, kernel 5 x 5, a batch of 64, on
one core, where a sum for each place of the kernel takes 3 ms. The last stages of EfficientNets on small images are
such; `benchmarks/depthwise.py` measures whole steps.
"""

import torch
from torch.nn import functional
from torch.nn.grad import conv2d_input
from torch.overrides import TorchFunctionMode


class FastDepthwise(TorchFunctionMode):
    """While this context lasts, such convolutions are differentiated by sums; all others are left alone."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Take the place of `conv2d` where it is slow."""
        kwargs = kwargs or {}
        if function is not torch.conv2d or kwargs:
            return function(*args, **kwargs)

        missing = _DEFAULTS[len(args) - 2 :]
        whole = [*args, *missing]
        image, weight, bias, stride, padding, dilation, groups = whole
        if not isinstance(stride, tuple):
            return function(*args)
        if not is_slow(image, weight, padding, dilation, groups):
            return function(*args)
        return _Depthwise.apply(image, weight, bias, stride, padding)


# Of `conv2d`, after image and weight: bias, stride, padding, dilation, groups.
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
        context.stride = stride
        context.padding = padding
        context.has_bias = bias is not None
        channels = len(weight)
        return torch.conv2d(image, weight, bias, stride, padding, groups=channels)

    @staticmethod
    def backward(context, gradient):
        image, weight = context.saved_tensors
        stride = context.stride
        padding = context.padding

        of_image = None
        if context.needs_input_grad[0]:
            channels = len(weight)
            shape = image.shape
            of_image = conv2d_input(shape, weight, gradient, stride, padding, groups=channels)

        kernel = weight.shape[2:]
        of_weight = weight_gradient(image, gradient, kernel, stride, padding)
        of_bias = None
        if context.has_bias:
            of_bias = gradient.sum((0, 2, 3))
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
    sides = (left, left, above, above)
    padded = functional.pad(image, sides)
    padded = padded.permute(0, 2, 3, 1)
    gradient = gradient.permute(0, 2, 3, 1)

    size = image.shape[2:]
    places = gradient.shape[1:3]
    rows, columns = map(_windows, size, places, kernel, stride, padding)

    # one sum for each place of the kernel
    channels = gradient.shape[3]
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
    length = stride * (places - 1)
    end = padding + size
    for start in range(kernel):
        last = start + length
        if last < padding or start >= end:
            continue
        window = slice(start, last + 1, stride)
        windows.append((start, window))
    return windows
