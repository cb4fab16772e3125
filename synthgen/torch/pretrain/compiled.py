"""Depthwise convolutions on the CPU, compiled: gradients in one pass, and no copy for the padding.

Of a training step of tf_efficientnet_lite0 at 96 x 96, up to stride 16, torch (2.14) spends a fifth in the
gradients of depthwise convolutions and another in copies of images with zeros beside them, for the padding of
TensorFlow, which is wider on one side. Here an image is read where it lies, channels last, and both gradients
come from one pass. Threads share the channels, so their number changes no bit. `benchmarks/dense.py` measures
whole steps.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numba import njit

# Layers that convolve with their weights as they are: torch's, and timm's with the padding of TensorFlow.
_PLAIN = ("Conv2d", "Conv2dSame")
# Channels of which a thread has at least so many.
_LEAST = 16


class _Step(NamedTuple):
    """How a kernel moves over an image.

    Attributes
    ----------
    down, across : int
        Pixels from place to place.
    above, left : int
        Rows and columns of zeros before the image.
    """

    down: int
    across: int
    above: int
    left: int


def use_compiled(net: torch.nn.Module) -> None:
    """Let the depthwise convolutions of a network be compiled ones, on the CPU in fp32; the weights stay."""
    for layer in net.modules():
        if _is_depthwise(layer):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]


def _is_depthwise(layer: torch.nn.Module) -> bool:
    """Return whether a layer is a plain depthwise convolution, padded by zeros."""
    if not isinstance(layer, torch.nn.Conv2d) or type(layer).__name__ not in _PLAIN:
        return False
    return (
        layer.groups == layer.in_channels == layer.out_channels > 1
        and max(layer.kernel_size) > 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and isinstance(layer.padding, tuple)
        and layer.bias is None
    )


def _forward(layer: torch.nn.Conv2d, image: torch.Tensor) -> torch.Tensor:
    """Return what a layer does to an image (N, C, H, W)."""
    is_plain = image.device.type == "cpu" and image.dtype == layer.weight.dtype == torch.float32
    if not is_plain or torch.is_autocast_enabled("cpu"):
        return type(layer).forward(layer, image)

    height, width = image.shape[2:]
    above, below = _padding(layer, 0, height)
    left, right = _padding(layer, 1, width)
    padded = (above + height + below, left + width + right)

    places = []
    for length, kernel, stride in zip(padded, layer.kernel_size, layer.stride, strict=True):
        free = length - kernel
        places.append(free // stride + 1)

    down, across = layer.stride
    step = _Step(down, across, above, left)
    is_even = above == below and left == right
    return _Depthwise.apply(image, layer.weight, step, tuple(places), is_even)


def _padding(layer: torch.nn.Conv2d, axis: int, length: int) -> tuple[int, int]:
    """Return the zeros before and behind an image along an axis."""
    if type(layer) is torch.nn.Conv2d:
        return layer.padding[axis], layer.padding[axis]

    # TensorFlow's: as many places as strides begin in the image
    stride = layer.stride[axis]
    places = -(-length // stride)
    missing = (places - 1) * stride + layer.kernel_size[axis] - length
    both = max(0, missing)
    before = both // 2
    return before, both - before


class _Depthwise(torch.autograd.Function):
    """A convolution with one filter for each channel."""

    @staticmethod
    def forward(context, image, weight, step, places, is_even):
        context.save_for_backward(image, weight)
        context.step = step
        if is_even:
            stride = (step.down, step.across)
            padding = (step.above, step.left)
            channels = len(weight)
            return torch.conv2d(image, weight, None, stride, padding, groups=channels)

        pixels = _channels_last(image)
        filters = _filters(weight)
        count, _, _, channels = pixels.shape
        shape = (count, *places, channels)
        out = np.zeros(shape, np.float32)
        _in_blocks(_convolve, channels, pixels, filters, out, step)
        return _as_tensor(out)

    @staticmethod
    def backward(context, gradient):
        image, weight = context.saved_tensors
        pixels = _channels_last(image)
        filters = _filters(weight)
        given = _channels_last(gradient)
        of_image = np.zeros_like(pixels)
        of_filters = np.zeros_like(filters)

        channels = len(weight)
        step = context.step
        _in_blocks(_differentiate, channels, pixels, filters, given, of_image, of_filters, step)

        by_channel = of_filters.transpose(2, 0, 1)
        of_weight = torch.from_numpy(by_channel[:, None].copy())
        return _as_tensor(of_image), of_weight, None, None, None


def _channels_last(image: torch.Tensor) -> np.ndarray:
    """Return an image (N, C, H, W) as an array (N, H, W, C); of one that lies so in memory nothing is copied."""
    last = image.detach().permute(0, 2, 3, 1)
    return last.contiguous().numpy()


def _as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _filters(weight: torch.Tensor) -> np.ndarray:
    """Return weights (C, 1, kh, kw) as an array (kh, kw, C)."""
    last = weight.detach()[:, 0].permute(1, 2, 0)
    return last.contiguous().numpy()


def _in_blocks(work, channels: int, *arguments) -> None:
    """Call a compiled function for blocks of channels, one for each of torch's threads."""
    most = max(1, channels // _LEAST)
    threads = min(torch.get_num_threads(), most)
    if threads == 1:
        work(*arguments, 0, channels)
        return

    pool = _threads(threads)
    ends = [channels * number // threads for number in range(threads + 1)]
    waiting = []
    for first, last in pairwise(ends):
        block = pool.submit(work, *arguments, first, last)
        waiting.append(block)
    for block in waiting:
        block.result()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


@njit(nogil=True, cache=True)
def _convolve(image, filters, out, step, first, last):
    """Add the convolution of channels `first` to `last` to `out`, (N, h, w, C)."""
    images, height, width, _ = image.shape
    kernel_rows, kernel_columns, _ = filters.shape
    _, rows, columns, _ = out.shape

    for number in range(images):
        for row in range(rows):
            for down in range(kernel_rows):
                y = row * step.down - step.above + down
                if y < 0 or y >= height:
                    continue
                for across in range(kernel_columns):
                    weights = filters[down, across, first:last]

                    for column in range(columns):
                        x = column * step.across - step.left + across
                        if x < 0 or x >= width:
                            continue
                        pixel = image[number, y, x, first:last]
                        place = out[number, row, column, first:last]
                        for channel in range(last - first):
                            place[channel] += pixel[channel] * weights[channel]


@njit(nogil=True, cache=True)
def _differentiate(image, filters, gradient, of_image, of_filters, step, first, last):
    """Add the gradients of channels `first` to `last` to `of_image` and `of_filters`."""
    images, height, width, _ = image.shape
    kernel_rows, kernel_columns, _ = filters.shape
    _, rows, columns, _ = gradient.shape

    for number in range(images):
        for row in range(rows):
            for down in range(kernel_rows):
                y = row * step.down - step.above + down
                if y < 0 or y >= height:
                    continue
                for across in range(kernel_columns):
                    weights = filters[down, across, first:last]
                    of_weights = of_filters[down, across, first:last]

                    for column in range(columns):
                        x = column * step.across - step.left + across
                        if x < 0 or x >= width:
                            continue
                        pixel = image[number, y, x, first:last]
                        of_pixel = of_image[number, y, x, first:last]
                        place = gradient[number, row, column, first:last]
                        for channel in range(last - first):
                            change = place[channel]
                            of_pixel[channel] += change * weights[channel]
                            of_weights[channel] += change * pixel[channel]
