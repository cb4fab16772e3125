"""The OpenCL renderer: builds the kernels once per device and runs them band by band."""

import threading
import warnings
from importlib import resources
from math import ceil, gcd

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
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in files or FILES)


def lane_options(kind: str) -> dict[str, int]:
    """Return the build options of a kind of device.

    A CPU works on 16 rays side by side and 1024 samples per work item, a GPU on one ray and 64 samples.
    """
    return {"LANES": 1, "BLOCK_BITS": 1} if kind == "gpu" else {"LANES": 16, "BLOCK_BITS": 3}


def build(context, source: str, options: dict[str, int], place: str):
    """Build an OpenCL program.

    Raises
    ------
    DeviceError
        With the driver's log, shortened, and what to try.
    """
    cl = load_pyopencl()
    flags = ["-w", *(f"-D{name}={value}" for name, value in options.items())]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Intel's compiler logs "Compilation started" each time
            # pyopencl's cache on disk would save two seconds, but a process killed while it holds the cache's lock
            # makes all later ones wait a minute and fail.
            return cl.Program(context, source).build(options=flags, cache_dir=False)
    except cl.Error as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        log = "\n  ".join(line[:160] for line in lines[:12])
        raise DeviceError(
            f"{place}: the driver cannot build the kernels. Try another device (synthgen doctor lists them), "
            f"a newer driver, or device 'numba'. The log begins:\n  {log}"
        ) from error


def _is_out_of_memory(error) -> bool:
    """Tell whether an error of the driver is one of the three that stand for too little memory."""
    status = load_pyopencl().status_code
    short = (status.MEM_OBJECT_ALLOCATION_FAILURE, status.OUT_OF_RESOURCES, status.OUT_OF_HOST_MEMORY)
    return isinstance(error, load_pyopencl().MemoryError) or getattr(error, "code", None) in short


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
        """Draw a picture.

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
            scene_buffers = self._constant(numbers), self._constant(scene)
            row = 0
            while row < rows:
                count = min(rows - row, self._band_rows(columns, supersample))
                part = slice(row, row + count)
                samples = slice(row * supersample, (row + count) * supersample)
                try:
                    targets = colors[samples], depth[part], normal[part]
                    frame = tuple(n * supersample for n in (columns, rows, row, count))
                    self._draw_band(scene_buffers, frame, supersample, background, targets)
                except load_pyopencl().Error as error:
                    if not _is_out_of_memory(error):
                        raise DeviceError(
                            f"{self.device.label}: the driver failed while it drew ({error})"
                        ) from error
                    self._halve_bands(columns, count, supersample, error)
                    continue
                row += count
        return colors[..., :3], depth, normal

    def _band_unit(self, columns: int, supersample: int) -> tuple[int, int]:
        """Fewest rows of pixels that make whole squares, and their bytes: 32 a sample."""
        rows = SQUARE // gcd(SQUARE, supersample)
        return rows, ceil(columns * supersample / SQUARE) * SQUARE * rows * supersample * 32

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
        """Buffers of a band, kept for the next picture of the same size."""
        key = (samples, pixels, tiled)
        if self._buffers[0] != key:
            self._buffers = (None, ())
            starts = 4 * BLOCKS * ceil(tiled / SQUARE**2)
            sizes = (starts, 4 * tiled, 12 * tiled, 12 * tiled, 4 * samples, 4 * pixels, 12 * pixels)
            self._buffers = (key, tuple(self._allocate(size) for size in sizes))
        return self._buffers[1]

    def _draw_band(self, scene_buffers, frame, supersample, background, targets):
        cl = load_pyopencl()
        colors, depth, normal = targets
        width, _, _, height = frame
        squares, tiles = ((ceil(width / n), ceil(height / n)) for n in (SQUARE, self._tile))
        starts, distances, normals, base, pixels, depths, pixel_normals = self._band_buffers(
            width * height, depth.size, squares[0] * squares[1] * SQUARE**2
        )
        approach, march, shade, shadow, resolve = self._kernels
        queue, frame = self._queue, cl.cltypes.make_int4(*frame)
        head, one = (*scene_buffers, frame), self._group
        first = approach(queue, squares, one, *head, starts)
        events = (
            march(queue, tiles, one, *head, starts, distances),
            shade(queue, tiles, one, *head, distances, normals, base),
            shadow(queue, tiles, one, *head, distances, normals, base, np.int32(background), pixels),
            resolve(
                queue, depth.shape[::-1], None, frame, np.int32(supersample), distances, normals, depths,
                pixel_normals,
            ),
        )  # fmt: skip
        for target, source in ((colors, pixels), (depth, depths), (normal, pixel_normals)):
            cl.enqueue_copy(queue, target, source)
        for phase, event in zip(PHASES, events, strict=True):
            self.seconds[phase] += 1e-9 * (event.profile.end - event.profile.start)
        self.seconds["marching"] += 1e-9 * (first.profile.end - first.profile.start)
