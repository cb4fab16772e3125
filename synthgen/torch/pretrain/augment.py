"""Augmentation of uint8 images.

What is done to an image depends on the seed, the epoch and its place in the data set: never on a worker, a rank, or
what was read before.
"""

import math

import numpy as np
import torch
from torch.nn import functional

from synthgen.seeding import generator
from synthgen.torch.pretrain.options import Options

_LUMA = (0.299, 0.587, 0.114)
_MID_GRAY = 127.5


def augment(image: torch.Tensor, options: Options, epoch: int, position: int) -> torch.Tensor:
    """Return the image as it is trained on.

    Parameters
    ----------
    image : uint8 tensor (C, H, W)
        C is 1 or 3.
    options : Options
    epoch : int
    position : int
        Place of the image in the stored order. With the epoch and the seed it determines all random choices.

    Returns
    -------
    uint8 tensor (3, S, S)
        S is the crop; without one, the image has its own size.
    """
    rng = generator(options.seed, epoch, position, "pretrain.augment")
    own = None
    if options.rotate or options.affine or options.blur:
        own = generator(options.seed, epoch, position, "pretrain.transform")
    image, _ = _augmented(image, None, options, rng, own)
    return image


def augment_with_labels(
    image: torch.Tensor, labels: torch.Tensor, options: Options, rng, own=None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image as it is trained on, and the labels of its pixels.

    Parameters
    ----------
    image : uint8 tensor (C, H, W)
    labels : int tensor (H, W)
        They are moved with the pixels; the nearest is taken where an image is resized.
    options : Options
    rng : numpy.random.Generator
    own : numpy.random.Generator, optional
        That of the blur, which leaves the labels where they are; None for no blur.

    Returns
    -------
    image : uint8 tensor (3, S, S)
    labels : int tensor (S, S)
    """
    image, moved = _augmented(image, labels[None], options, rng, None)
    # not before the crop, as without labels: 0.4 ms of 96 x 96 pixels, 4.5 ms of 256 x 256
    if own is not None:
        image = transformed(image, options, own)
    return image, moved[0]


def _augmented(image: torch.Tensor, labels: torch.Tensor | None, options: Options, rng, own) -> tuple:
    """Return an image and its labels (1, H, W), where it has any, after the same random changes.

    The generator `own` is that of `transformed`, which moves no labels; None for no such transform.
    """
    image = _three_channels(image, options.gray)
    planes = [image] if labels is None else [image, labels]

    side = options.resize
    if side:
        planes = [resize(each, (side, side)) for each in planes]
    if own is not None:
        planes = [transformed(planes[0], options, own), *planes[1:]]
    if options.crop:
        planes = _cropped(planes, options.crop, options.scale, rng)
    if options.flip:
        planes = _flipped(planes, rng)

    image = planes[0]
    moved = planes[-1]
    if options.jitter:
        least = 1 - options.jitter
        most = 1 + options.jitter
        brightness, contrast = rng.uniform(least, most, 2)
        image = change_light(image, brightness, contrast)
    return image.contiguous(), moved


def validation_view(image: torch.Tensor, options: Options, size: tuple[int, int]) -> torch.Tensor:
    """Return the whole image, resized, as it is validated on (Ugwu et al. 2024, section 7.3)."""
    image = _three_channels(image, options.gray)
    return resize(image, size).contiguous()


def resize(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return an image (C, H, W) at another size (height, width).

    Images of uint8 are resized bilinearly and antialiased; of others, which are labels, the nearest is taken.
    """
    if tuple(image.shape[1:]) == tuple(size):
        return image
    if image.dtype != torch.uint8:
        return _nearest(image, size)
    batch = image[None]
    resized = functional.interpolate(batch, size, mode="bilinear", antialias=True)
    return resized[0]


def _nearest(labels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return labels (1, H, W) at another size."""
    height, width = labels.shape[1:]
    rows, columns = size
    from_row = _nearest_of(height, rows)
    from_column = _nearest_of(width, columns)
    return labels[:, from_row[:, None], from_column]


def _nearest_of(length: int, count: int) -> torch.Tensor:
    """Return the pixels of a line that lie nearest to the middles of so many parts of it."""
    middles = 2 * torch.arange(count) + 1
    return middles * length // (2 * count)


def random_crop(image: torch.Tensor, side: int, scale: tuple[float, float], rng) -> torch.Tensor:
    """Return a square of the image, `side` pixels wide.

    With a `scale` other than (1, 1) a square of that share of the largest square's area is cut out and resized.
    """
    (cropped,) = _cropped([image], side, scale, rng)
    return cropped


def _cropped(planes: list[torch.Tensor], side: int, scale: tuple[float, float], rng) -> list[torch.Tensor]:
    """Return the same random square of planes (C, H, W); see `random_crop`."""
    height, width = planes[0].shape[1:]
    taken = side
    if tuple(scale) != (1.0, 1.0):
        area = rng.uniform(*scale)
        largest = min(height, width)
        share = area**0.5
        taken = max(1, round(largest * share))

    lowest = height - taken
    rightmost = width - taken
    top = rng.integers(lowest + 1)
    left = rng.integers(rightmost + 1)

    rows = slice(top, top + taken)
    columns = slice(left, left + taken)
    squares = [plane[:, rows, columns] for plane in planes]
    return [resize(square, (side, side)) for square in squares]


def transformed(image: torch.Tensor, options: Options, rng) -> torch.Tensor:
    """Return the image turned, sheared and stretched about its center, then blurred half of the time.

    Pixels are bilinear, and black where they come from beyond the image.
    """
    turn, shear, stretch, is_blurred, width = rng.random(5).tolist()
    pixels = image[None].float()

    if options.rotate or options.affine:
        most = math.radians(options.rotate)
        angle = most * (2 * turn - 1)
        slant = options.affine * (2 * shear - 1)
        exponent = 2 * stretch - 1
        aspect = (1 + options.affine) ** exponent
        pixels = _warped(pixels, angle, slant, aspect)
    if options.blur and is_blurred < 0.5:
        sigma = 0.5 + 0.5 * width
        pixels = _blurred(pixels, sigma)

    levels = pixels[0].round()
    return levels.to(torch.uint8)


def _warped(pixels: torch.Tensor, angle: float, slant: float, aspect: float) -> torch.Tensor:
    """Return images (N, C, H, W) turned by an angle, after a shear and a stretch."""
    height, width = pixels.shape[2:]
    cosine = math.cos(angle)
    sine = math.sin(angle)
    # from a place in the result to one in the source; x and y in pixels from the center
    sheared_cosine = cosine * slant - sine
    sheared_sine = sine * slant + cosine

    # torch counts both axes from -1 to 1
    ratio = height / width
    rows = [
        [cosine * aspect, sheared_cosine / aspect * ratio, 0.0],
        [sine * aspect / ratio, sheared_sine / aspect, 0.0],
    ]
    matrix = torch.tensor([rows])
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode="bilinear", align_corners=False)


def _blurred(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return images (N, C, H, W) blurred by a 3 x 3 Gaussian; beyond the border they are mirrored."""
    side = math.exp(-0.5 / sigma**2)
    total = 1 + 2 * side
    weights = torch.tensor([side, 1.0, side]) / total
    kernel = torch.outer(weights, weights)
    channels = pixels.shape[1]
    kernels = kernel.expand(channels, 1, 3, 3)
    padded = functional.pad(pixels, (1, 1, 1, 1), mode="reflect")
    return functional.conv2d(padded, kernels, groups=channels)


def change_light(image: torch.Tensor, brightness: float, contrast: float) -> torch.Tensor:
    """Return the image with all values multiplied by `brightness`, then stretched by `contrast` about mid-gray."""
    bright = np.arange(256) * brightness
    from_gray = bright - _MID_GRAY
    stretched = from_gray * contrast + _MID_GRAY

    levels = np.rint(stretched)
    levels = np.clip(levels, 0, 255)
    table = levels.astype(np.uint8)
    changed = table[image.numpy()]
    return torch.from_numpy(changed)


def _flipped(planes: list[torch.Tensor], rng) -> list[torch.Tensor]:
    """Return planes of one image mirrored upside down, left to right, both or not at all."""
    for axis in (1, 2):
        if rng.random() < 0.5:
            planes = [plane.flip(axis) for plane in planes]
    return planes


def _three_channels(image: torch.Tensor, gray: bool) -> torch.Tensor:
    """Return (3, H, W), since backbones are used on color images."""
    if gray and len(image) == 3:
        image = luma_of(image)
    return image.expand(3, -1, -1)


def luma_of(image: torch.Tensor) -> torch.Tensor:
    """Return the brightness of a uint8 image (3, H, W) as (1, H, W), by ITU-R BT.601."""
    luma = torch.tensor(_LUMA)
    luma = luma.view(3, 1, 1)
    weighted = image * luma
    brightness = weighted.sum(0, keepdim=True)
    rounded = brightness.round()
    return rounded.to(torch.uint8)
