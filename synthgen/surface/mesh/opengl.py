"""Which triangle lies in each pixel: the only module that knows pyrender and OpenGL.

Pyrender's segmentation pass draws without antialiasing; `shaders/` stands in for its shaders, and writes the number
of the triangle as a color.
"""

import contextlib
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from synthgen.errors import DeviceError, SynthgenError, one_line
from synthgen.extras import needed_for

SHADERS = Path(__file__).parent / "shaders"
PACKAGES = "apt install libegl1 libgl1-mesa-dri (or: make system-deps)"
_lock = threading.Lock()
_open: list["TriangleDrawer"] = []


def triangle_drawer() -> "TriangleDrawer":
    """Return this process's drawer; it is made once.

    Raises
    ------
    MissingExtraError
        If pyrender is not installed.
    DeviceError
        If OpenGL cannot draw without a screen here (the message names the packages to install), or was started
        before this process was forked.
    """
    with _lock:
        if not _open:
            _open.append(TriangleDrawer())
        if _open[0].process != os.getpid():
            raise DeviceError(
                "OpenGL was started before this process was forked, and does not live in both; start workers with "
                "the 'spawn' or 'forkserver' method"
            )
        return _open[0]


def close():
    """Free what OpenGL holds in this process; the next picture opens it again."""
    with _lock:
        if _open and _open[0].process == os.getpid():
            _open.pop().close()


class TriangleDrawer:
    """An offscreen renderer in a thread of its own, since an OpenGL context belongs to one thread."""

    def __init__(self):
        self.process = os.getpid()
        self._pyrender = _import_pyrender()
        self._thread = ThreadPoolExecutor(1, "synthgen-opengl")
        self._positions = None
        self._scene = None
        try:
            self._renderer = self._thread.submit(self._start).result()
        except Exception as error:  # each driver fails in its own way
            self._thread.shutdown()
            reason = one_line(error, 100)
            raise DeviceError(f"OpenGL must draw without a screen, {PACKAGES}, got: {reason}") from error

    def draw(self, positions: np.ndarray, faces: np.ndarray, lens: tuple, depths: tuple, side: int) -> np.ndarray:
        """Draw a square tile.

        Parameters
        ----------
        positions : ndarray of float32, (V, 3)
            From the camera: x to the right, y up, z towards the viewer.
        faces : ndarray of int, (F, 3)
        lens : (float, float, float)
            Focal length, and the row and column of the camera's axis in the tile; in pixels.
        depths : (float, float)
            Nearest and farthest distance along the axis.
        side : int
            Of the tile, in pixels.

        Returns
        -------
        ndarray of uint32, (side, side)
            Number of the nearest triangle, counted from 1; 0 where there is none.
        """
        return self._thread.submit(self._draw, positions, faces, lens, depths, side).result()

    def close(self):
        """Free the context."""
        self._thread.submit(self._renderer.delete).result()
        self._thread.shutdown()

    def _start(self):
        from pyrender.shader_program import ShaderProgramCache

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            renderer = self._pyrender.OffscreenRenderer(16, 16)
        renderer._renderer._program_cache = ShaderProgramCache(shader_dir=str(SHADERS))
        return renderer

    def _draw(self, positions, faces, lens, depths, side):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if positions is not self._positions:  # the tiles of a picture share what was sent to OpenGL
                self._positions = positions
                self._scene = self._scene_of(positions, faces)
            self._aim(lens, depths)
            self._renderer.viewport_width = side
            self._renderer.viewport_height = side
            nodes = dict.fromkeys(self._scene.mesh_nodes, (0, 0, 0))
            colors, _ = self._renderer.render(self._scene, self._pyrender.RenderFlags.SEG, nodes)

        low = colors[..., 0]
        middle = colors[..., 1] * np.uint32(1 << 8)
        high = colors[..., 2] * np.uint32(1 << 16)
        return low + middle + high

    def _aim(self, lens, depths):
        """Set the camera of the scene."""
        focal, row, column = lens
        near, far = depths
        camera = self._scene.main_camera_node.camera
        camera.fx = focal
        camera.fy = focal
        camera.cx = column
        camera.cy = row
        camera.znear = near
        camera.zfar = far

    def _scene_of(self, positions, faces):
        pyrender = self._pyrender
        both_sides = pyrender.MetallicRoughnessMaterial(doubleSided=True)
        triangles = pyrender.Primitive(positions, indices=faces.astype(np.uint32), material=both_sides, mode=4)
        scene = pyrender.Scene()
        scene.add(pyrender.Mesh([triangles]))
        scene.add(pyrender.IntrinsicsCamera(1.0, 1.0, 0.0, 0.0))
        return scene


def _import_pyrender():
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    _load_triton()
    try:
        with needed_for("scene"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pyrender
    except SynthgenError:
        raise
    except Exception as error:  # PyOpenGL without its library fails with many kinds of error
        raise DeviceError(f"OpenGL needs its library, {PACKAGES}, got: {one_line(error, 100)}") from error
    return pyrender


def _load_triton():
    """Load triton, which torch brings along, before Mesa shows its LLVM to the whole process.

    Loaded after it, triton binds its own LLVM's symbols to Mesa's, and importing torchvision ends the process by a
    segmentation fault (triton 3.8, Mesa 22.3). It costs 0.3 s in a process that draws parts.
    """
    with contextlib.suppress(Exception):  # absent or broken: nothing here needs it
        import triton  # noqa: F401
