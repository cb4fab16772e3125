"""The OpenCL renderer: builds the kernels once per device and runs them band by band."""

import threading
import warnings
from importlib import resources
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from synthgen.errors import DeviceError
from synthgen.mandelbulb.devices import Device, load_pyopencl
from synthgen.mandelbulb.picture import Picture, new_picture

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


class Band(NamedTuple):
    """The rows of pixels that are drawn at a time.

    Attributes
    ----------
    row, rows : int
        The first, and how many.
    columns, factor : int
        Pixels in a row, and samples along each side of a pixel.
    """

    row: int
    rows: int
    columns: int
    factor: int

    @property
    def samples(self) -> tuple[int, int]:
        """Width and height in samples."""
        return self.columns * self.factor, self.rows * self.factor

    def across(self, side: int) -> tuple[int, int]:
        """Return how many squares of so many samples a side cover the band, in width and in height."""
        width, height = self.samples
        return ceil(width / side), ceil(height / side)

    @property
    def padded(self) -> int:
        """Samples of the squares that cover the band."""
        wide, high = self.across(SQUARE)
        return wide * high * SQUARE**2


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
        self._buffers: tuple = (None, ())

    def draw(self, numbers, scene, shape, supersample, background) -> Picture:
        """Return a picture.

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

        Raises
        ------
        DeviceError
            If the device has not even the memory for one row of tiles.
        """
        rows, _ = shape
        picture = new_picture(shape, supersample, channels=4)  # colors and a byte that is not used

        with self._lock:
            self.seconds = dict.fromkeys(PHASES, 0.0)
            inputs = self._constant(numbers), self._constant(scene), np.int32(background)
            row = 0
            while row < rows:
                row += self._draw_rows(inputs, picture, row)

        return picture._replace(colors=picture.colors[..., :3])

    def _draw_rows(self, inputs, picture: Picture, row: int) -> int:
        """Draw the next band and return its rows: 0 if the memory was too small, and the next will be smaller."""
        rows, columns = picture.depth.shape
        factor = picture.supersample
        count = min(rows - row, self._band_rows(columns, factor))
        band = Band(row, count, columns, factor)

        try:
            self._draw_band(inputs, picture, band)
        except load_pyopencl().Error as error:
            if not _is_out_of_memory(error):
                raise DeviceError(f"{self.device.label}: the driver failed while it drew ({error})") from error
            self._halve_bands(band, error)
            return 0
        return count

    def _band_unit(self, columns: int, supersample: int) -> tuple[int, int]:
        """Return the fewest rows of pixels that make whole squares, and their bytes: 32 a sample."""
        rows = SQUARE // gcd(SQUARE, supersample)
        squares = ceil(columns * supersample / SQUARE)
        across = squares * SQUARE
        down = rows * supersample
        return rows, across * down * 32

    def _band_rows(self, columns: int, supersample: int) -> int:
        rows, size = self._band_unit(columns, supersample)
        units = max(1, self._band_bytes // size)
        return rows * units

    def _halve_bands(self, band: Band, error: Exception):
        self._buffers = (None, ())
        rows, size = self._band_unit(band.columns, band.factor)
        if band.rows <= rows:
            pixels = f"{band.rows} x {band.columns} pixels"
            raise DeviceError(
                f"{self.device.label}: out of memory, even for {pixels} ({error}). "
                "Close what else runs on the device, or choose another one"
            ) from error
        units = ceil(band.rows / rows / 2)
        self._band_bytes = size * units

    def _allocate(self, size: int):
        cl = load_pyopencl()
        return cl.Buffer(self._context, cl.mem_flags.READ_WRITE, size)

    def _constant(self, array):
        cl = load_pyopencl()
        flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
        return cl.Buffer(self._context, flags, hostbuf=array)

    def _band_buffers(self, band: Band):
        """Return the buffers of a band, kept for the next picture of the same size."""
        width, height = band.samples
        key = (width, height, band.factor)
        if self._buffers[0] != key:
            self._buffers = (None, ())
            made = map(self._allocate, _buffer_sizes(band))
            self._buffers = (key, tuple(made))
        return self._buffers[1]

    def _draw_band(self, inputs, picture: Picture, band: Band):
        """Draw some rows of a picture."""
        buffers = self._band_buffers(band)
        events = self._run(inputs, picture, band, buffers)

        cl = load_pyopencl()
        last = band.row + band.rows
        part = slice(band.row, last)
        samples = slice(band.row * band.factor, last * band.factor)
        *_, pixels, depths, normals, hits = buffers
        cl.enqueue_copy(self._queue, picture.colors[samples], pixels)
        cl.enqueue_copy(self._queue, picture.depth[part], depths)
        cl.enqueue_copy(self._queue, picture.normal[part], normals)
        cl.enqueue_copy(self._queue, picture.hits[part], hits)

        for phase, event in zip(("marching", *PHASES), events, strict=True):
            nanoseconds = event.profile.end - event.profile.start
            self.seconds[phase] += 1e-9 * nanoseconds

    def _run(self, inputs, picture: Picture, band: Band, buffers) -> tuple:
        """Start all kernels for a band, and return their events."""
        numbers, scene, background = inputs
        starts, distances, normals, base, pixels, *resolved = buffers
        approach, march, shade, shadow, resolve = self._kernels

        width, height = band.samples
        factor = band.factor
        frame = load_pyopencl().cltypes.make_int4(width, len(picture.colors), band.row * factor, height)
        head = (numbers, scene, frame)
        hit = (distances, normals)
        tiles = band.across(self._tile)
        pixel = band.columns, band.rows
        queue = self._queue
        one = self._group

        return (
            approach(queue, band.across(SQUARE), one, *head, starts),
            march(queue, tiles, one, *head, starts, distances),
            shade(queue, tiles, one, *head, *hit, base),
            shadow(queue, tiles, one, *head, *hit, base, background, pixels),
            resolve(queue, pixel, None, frame, np.int32(factor), *hit, *resolved),
        )


def _buffer_sizes(band: Band) -> tuple[int, ...]:
    """Return the bytes of starts, distances, normals and colors in tile order, and of what leaves in rows."""
    width, height = band.samples
    samples = width * height
    pixels = band.columns * band.rows
    padded = band.padded
    squares = padded // SQUARE**2

    tiled = (4 * BLOCKS * squares, 4 * padded, 12 * padded, 12 * padded)
    rows = (4 * samples, 4 * pixels, 12 * pixels, pixels)
    return tiled + rows
