"""The OpenCL renderer: builds the kernels once per device and runs them band by band."""

import threading
import warnings
from importlib import resources
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from synthgen.errors import DeviceError
from synthgen.mandelbulb.devices import Device, load_pyopencl

FILES = ("vector.cl", "formula.cl", "shading.cl", "march.cl")
PHASES = ("marching", "normals", "shadows", "resolving")

# Squares of samples start together (march.cl). Bands hold whole ones, so that their size changes nothing.
SQUARE = 32
BLOCKS = 64

# A band is what is drawn at a time. 256 MB hold a 1024 x 1024 picture with 2 x 2 samples in one band.
BAND_BYTES = 256 << 20


def kernel_source(*files: str) -> str:
    """Return the text of kernel files (default: all), in the order in which they need each other."""
    folder = resources.files("synthgen.kernels")
    texts = [(folder / name).read_text(encoding="utf-8") for name in files or FILES]
    return "\n".join(texts)


def lane_options(kind: str) -> dict[str, int]:
    """Return the build options of a kind of device.

    A CPU works on 16 rays side by side and 1024 samples per work item, a GPU on one ray and 64 samples.
    """
    if kind == "gpu":
        return {"LANES": 1, "BLOCK_BITS": 1}
    return {"LANES": 16, "BLOCK_BITS": 3}


def build(context, source: str, options: dict[str, int], place: str):
    """Return a built OpenCL program.

    Raises
    ------
    DeviceError
        With the driver's log, shortened, and what to try.
    """
    cl = load_pyopencl()
    definitions = [f"-D{name}={value}" for name, value in options.items()]
    flags = ["-w", *definitions]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Intel's compiler logs "Compilation started" each time
            # pyopencl's cache on disk would save two seconds, but a process killed while it holds the cache's lock
            # makes all later ones wait a minute and fail.
            return cl.Program(context, source).build(options=flags, cache_dir=False)
    except cl.Error as error:
        raise DeviceError(
            f"{place}: the driver cannot build the kernels. Try another device (synthgen doctor lists them), "
            f"a newer driver, or device 'numba'. The log begins:\n  {_shortened(str(error))}"
        ) from error


def _shortened(log: str) -> str:
    """Return the first lines of a driver's log."""
    lines = [line[:160] for line in log.splitlines() if line.strip()]
    return "\n  ".join(lines[:12])


def _is_out_of_memory(error) -> bool:
    """Whether an error of the driver is one of the three that stand for too little memory."""
    cl = load_pyopencl()
    short = (
        cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
        cl.status_code.OUT_OF_RESOURCES,
        cl.status_code.OUT_OF_HOST_MEMORY,
    )
    return isinstance(error, cl.MemoryError) or getattr(error, "code", None) in short


class Picture(NamedTuple):
    """What is drawn band by band: arrays of samples (`colors`) and of pixels (`depth`, `normal`), to be filled."""

    colors: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    supersample: int
    background: int


class OpenCLRenderer:
    """Draws on one OpenCL device. Not for use after a fork; calls from several threads wait for each other.

    Parameters
    ----------
    device : Device
        From `choose_device`.
    layout : {"cpu", "gpu"}, optional
        How work is cut up, in place of what suits the device: see `lane_options`.

    Attributes
    ----------
    seconds : dict of str to float
        Time on the device of each phase of the last picture.
    """

    def __init__(self, device: Device, layout: str | None = None):
        cl = load_pyopencl()
        options = lane_options(layout or device.kind)
        self.device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._group = (1, 1) if options["LANES"] > 1 else None
        self._tile = 4 << options["BLOCK_BITS"]

        try:
            self._context = cl.Context([device.handle])
            self._queue = cl.CommandQueue(self._context, properties=cl.command_queue_properties.PROFILING_ENABLE)
        except cl.Error as error:
            raise DeviceError(f"{device.label}: the driver cannot start ({error})") from error

        program = build(self._context, kernel_source(), options, device.label)
        names = ("approach", "march", "shade", "shadow", "resolve")
        self._kernels = [cl.Kernel(program, name) for name in names]

        self._lock = threading.Lock()
        self._band_bytes = min(BAND_BYTES, device.handle.max_mem_alloc_size)
        self._buffers = (None, ())

    def draw(self, numbers, scene, shape, supersample, background):
        """Return a picture: its samples, and depth and normal of its pixels.

        Parameters
        ----------
        numbers : ndarray of int32, shape (5,)
            1 for a hybrid else 0, power and rule of the first and of the second variant.
        scene : ndarray of float32, shape (21,)
            From `View.scene`.
        shape : tuple of int
            Rows and columns of the picture, in pixels.
        supersample : int
            Samples along each side of a pixel.
        background : int
            Gray level of samples that hit nothing.

        Returns
        -------
        colors : ndarray of uint8, shape (rows * supersample, columns * supersample, 3)
        depth : ndarray of float32, shape (rows, columns)
        normal : ndarray of float32, shape (rows, columns, 3)

        Raises
        ------
        DeviceError
            If the device has not even the memory for one row of tiles.
        """
        rows, columns = shape
        colors = np.empty((rows * supersample, columns * supersample, 4), np.uint8)
        depth = np.empty((rows, columns), np.float32)
        normal = np.empty((rows, columns, 3), np.float32)

        with self._lock:
            self.seconds = dict.fromkeys(PHASES, 0.0)
            buffers = self._constant(numbers), self._constant(scene)
            picture = Picture(colors, depth, normal, supersample, background)
            row = 0
            while row < rows:
                row += self._draw_rows(buffers, picture, row)
        return colors[..., :3], depth, normal

    def _draw_rows(self, buffers, picture: "Picture", row: int) -> int:
        """Draw the next band and return its rows: 0 if the memory was too small, and the next will be smaller."""
        rows, columns = picture.depth.shape
        factor = picture.supersample
        count = min(rows - row, self._band_rows(columns, factor))

        try:
            self._draw_band(buffers, picture, row, count)
        except load_pyopencl().Error as error:
            if not _is_out_of_memory(error):
                raise DeviceError(f"{self.device.label}: the driver failed while it drew ({error})") from error
            self._halve_bands(columns, count, factor, error)
            return 0
        return count

    def _band_unit(self, columns: int, supersample: int) -> tuple[int, int]:
        """Return the fewest rows of pixels that make whole squares, and their bytes: 32 a sample."""
        rows = SQUARE // gcd(SQUARE, supersample)
        across = ceil(columns * supersample / SQUARE) * SQUARE
        down = rows * supersample
        return rows, across * down * 32

    def _band_rows(self, columns: int, supersample: int) -> int:
        rows, size = self._band_unit(columns, supersample)
        return rows * max(1, self._band_bytes // size)

    def _halve_bands(self, columns: int, count: int, supersample: int, error: Exception):
        self._buffers = (None, ())
        rows, size = self._band_unit(columns, supersample)
        if count <= rows:
            raise DeviceError(
                f"{self.device.label}: out of memory, even for {count} x {columns} pixels ({error}). "
                "Close what else runs on the device, or choose another one"
            ) from error
        self._band_bytes = size * ceil(count / rows / 2)

    def _allocate(self, size: int):
        cl = load_pyopencl()
        return cl.Buffer(self._context, cl.mem_flags.READ_WRITE, size)

    def _constant(self, array):
        cl = load_pyopencl()
        flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
        return cl.Buffer(self._context, flags, hostbuf=array)

    def _band_buffers(self, samples: int, pixels: int, tiled: int):
        """Return the buffers of a band, kept for the next picture of the same size."""
        key = (samples, pixels, tiled)
        if self._buffers[0] != key:
            self._buffers = (None, ())
            sizes = (
                4 * BLOCKS * ceil(tiled / SQUARE**2),
                4 * tiled,
                12 * tiled,
                12 * tiled,
                4 * samples,
                4 * pixels,
                12 * pixels,
            )
            self._buffers = (key, tuple(map(self._allocate, sizes)))
        return self._buffers[1]

    def _draw_band(self, scene_buffers, picture: "Picture", row: int, count: int):
        """Draw some rows of a picture."""
        cl = load_pyopencl()
        factor = picture.supersample
        rows, columns = picture.depth.shape
        width = columns * factor
        height = count * factor
        squares = ceil(width / SQUARE), ceil(height / SQUARE)
        tiles = ceil(width / self._tile), ceil(height / self._tile)

        tiled = squares[0] * squares[1] * SQUARE**2
        buffers = self._band_buffers(width * height, count * columns, tiled)
        starts, distances, normals, base, pixels, depths, pixel_normals = buffers

        approach, march, shade, shadow, resolve = self._kernels
        frame = cl.cltypes.make_int4(width, rows * factor, row * factor, height)
        head = (*scene_buffers, frame)
        queue = self._queue
        one = self._group
        events = (
            approach(queue, squares, one, *head, starts),
            march(queue, tiles, one, *head, starts, distances),
            shade(queue, tiles, one, *head, distances, normals, base),
            shadow(queue, tiles, one, *head, distances, normals, base, np.int32(picture.background), pixels),
            resolve(
                queue, (columns, count), None, frame, np.int32(factor), distances, normals, depths, pixel_normals
            ),
        )  # fmt: skip

        part = slice(row, row + count)
        samples = slice(row * factor, (row + count) * factor)
        cl.enqueue_copy(queue, picture.colors[samples], pixels)
        cl.enqueue_copy(queue, picture.depth[part], depths)
        cl.enqueue_copy(queue, picture.normal[part], pixel_normals)

        for phase, event in zip(("marching", *PHASES), events, strict=True):
            nanoseconds = event.profile.end - event.profile.start
            self.seconds[phase] += 1e-9 * nanoseconds
