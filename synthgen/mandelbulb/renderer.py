"""A formula drawn as seen from a view: the public face of the renderer."""

import functools
import os
import time
import warnings
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from synthgen.errors import DeviceError, UsageError
from synthgen.extras import install_hint
from synthgen.machine import DEVICE_VARIABLE
from synthgen.mandelbulb.devices import Device, choose_device, list_devices
from synthgen.mandelbulb.formula import Formula, Variant
from synthgen.mandelbulb.picture import FILTERS
from synthgen.mandelbulb.view import View

BACKGROUNDS = {"white": 255, "black": 0}
LARGEST_SIZE = 8192
LARGEST_SUPERSAMPLE = 8
LARGEST_RADIUS = 16

_PROBE = Formula(Variant(8, 197)), View(0.5, 0.5, ((1, 0, 0), (0, 1, 0), (0, 0, 1)))


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture with what is known of each pixel.

    Attributes
    ----------
    image : ndarray of uint8, shape (rows, columns, 3)
    mask : ndarray of uint8, shape (rows, columns)
        255 for each pixel of which a sample hit the object, else 0. Outside, the image is exactly the background.
    coverage : ndarray of float32, shape (rows, columns)
        Share of a pixel's samples that hit the object: its alpha. Drawn on black by the box filter, `image` is the
        object's color times its coverage.
    depth : ndarray of float32, shape (rows, columns)
        Distance from the camera along the ray through the sample that hit the object first, of the samples of
        a pixel; infinite where none did. The camera stands at 2.5 from the origin.
    normal : ndarray of float32, shape (rows, columns, 3)
        Unit vector (x, y, z) out of the object, in the object's coordinates: the direction of the mean normal of
        the samples that hit, of the pixel or of those around it; 0 where none did.
    normal_length : ndarray of float32, shape (rows, columns)
        Length of that mean, in [0, 1]: 1 where the samples of a pixel agree, near 0 where the surface is rougher
        than a pixel and its normal means little. One sample a pixel agrees with itself.
    device : str
        Platform, device and driver that drew it.
    seconds : dict of str to float
        Time on the device in each phase: marching, normals, shadows, resolving. Empty for Numba.
    """

    image: np.ndarray
    mask: np.ndarray
    coverage: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    normal_length: np.ndarray
    device: str
    seconds: dict[str, float] = field(repr=False)


def render(
    formula: Formula,
    view: View,
    size: int | tuple[int, int] = 512,
    supersample: int = 2,
    *,
    background: str = "white",
    filter: str = "lanczos",
    normal_radius: int = 0,
    device: "str | int | Device | None" = None,
) -> Rendering:
    """Return a picture of a Mandelbulb variant or hybrid.

    The picture is that of the published generator: distance-estimated ray marching with orbit-trap colors,
    one light and hard shadows. It is a pure function of the arguments; one device gives the same bits each
    time, other devices differ by less than two gray levels on average.

    Parameters
    ----------
    formula : Formula
    view : View
    size : int or (rows, columns)
        In pixels, 1..8192. The shorter side spans the published field of view.
    supersample : int
        Samples along each side of a pixel, 1..8.
    background : {"white", "black"}
    filter : {"box", "lanczos"}
        How samples become pixels. ``lanczos``: as in the published generator; sharper than the mean, and what it
        carries off the object is replaced by the background. ``box``: their mean, so that the object can be laid
        over something else by its coverage.
    normal_radius : int
        A normal is the mean over so many pixels around its own, 0..16: without the speckles of a surface that is
        rougher than a pixel.
    device : str, int or Device, optional
        See `choose_device`. The first call on a device builds its kernels (one to two seconds).

    Returns
    -------
    Rendering

    Raises
    ------
    UsageError
        If an argument is out of range.
    DeviceError
        If the device does not exist, cannot build the kernels or has too little memory.

    Notes
    -----
    Source: Ugwu et al. 2024, section 3.2, after Chiche et al., "Pre-training Vision Models with Mandelbulb
    Variations", CVPR 2024.
    """
    shape = _checked_shape(size)
    if not isinstance(supersample, Integral) or not 1 <= supersample <= LARGEST_SUPERSAMPLE:
        raise UsageError(f"supersample must lie in 1..{LARGEST_SUPERSAMPLE}, got {supersample!r}")
    if background not in BACKGROUNDS:
        raise UsageError(f"background must be 'white' or 'black', got {background!r}")
    if filter not in FILTERS:
        raise UsageError(f"filter must be 'box' or 'lanczos', got {filter!r}")
    if not isinstance(normal_radius, Integral) or not 0 <= normal_radius <= LARGEST_RADIUS:
        raise UsageError(f"normal_radius must lie in 0..{LARGEST_RADIUS}, got {normal_radius!r}")

    renderer = renderer_for(device)
    numbers = kernel_numbers(formula)
    level = BACKGROUNDS[background]
    picture = renderer.draw(numbers, view.scene(), shape, int(supersample), level)

    normal, normal_length = picture.unit_normal(int(normal_radius))
    return Rendering(
        image=picture.image(filter, level),
        mask=np.where(picture.hits > 0, np.uint8(255), np.uint8(0)),
        coverage=picture.coverage(),
        depth=picture.depth,
        normal=normal,
        normal_length=normal_length,
        device=renderer.device.label,
        seconds=renderer.seconds,
    )


def kernel_numbers(formula: Formula) -> np.ndarray:
    """Return what the kernels take: hybrid (1 or 0), power and rule of both variants; int32, shape (5,)."""
    first = formula.variants[0]
    last = formula.variants[-1]
    hybrid = len(formula.variants) - 1
    numbers = [hybrid, first.power, first.rule, last.power, last.rule]
    return np.array(numbers, np.int32)


def renderer_for(device: "str | int | Device | None" = None):
    """Return the renderer of a device, made on the first call of this process and then kept.

    Where nobody chose, neither here nor in ``SYNTHGEN_DEVICE``, a device that cannot build the kernels is
    passed over with a warning.
    """
    if device is not None or os.environ.get(DEVICE_VARIABLE):
        return _renderer(choose_device(device))
    return _default_renderer()


@functools.cache
def _default_renderer():
    for device in list_devices():
        if device.kind == "numba":
            _warn_of_numba()
        if not device.usable:
            continue
        try:
            return _renderer(device)
        except DeviceError as error:
            warnings.warn(f"{error}", RuntimeWarning, stacklevel=4)
    raise AssertionError("Numba is always in the list")


def rays_per_second(device: "str | int | Device | None" = None) -> float:
    """Return the primary rays a second of a device: a fixed picture of 128 x 128, the better of two runs."""
    seconds = []
    for _ in range(3):  # the first builds
        start = time.perf_counter()
        render(*_PROBE, size=128, supersample=1, device=device)
        seconds.append(time.perf_counter() - start)

    best = min(seconds[1:])
    return 128 * 128 / best


@functools.cache
def _renderer(device: Device):
    if device.kind == "numba":
        from synthgen.mandelbulb.fallback import NumbaRenderer

        return NumbaRenderer(device)
    from synthgen.mandelbulb.opencl import OpenCLRenderer

    return OpenCLRenderer(device)


def _warn_of_numba():
    warnings.warn(
        "no OpenCL device works here: Numba draws, about 6 times slower than Intel's OpenCL runtime on the "
        f"same cores. To install that: {install_hint('opencl-cpu')}",
        RuntimeWarning,
        stacklevel=5,
    )


def _checked_shape(size) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or not all(map(_is_side, sides)):
        raise UsageError(f"size must be N or (rows, columns) in 1..{LARGEST_SIZE}, got {size!r}")
    rows, columns = sides
    return int(rows), int(columns)


def _is_side(side) -> bool:
    return isinstance(side, Integral) and 1 <= int(side) <= LARGEST_SIZE
