"""Triangles as OpenGL draws them, to compare ours with."""

from contextlib import suppress

import numpy as np
import pytest

VERTEX = """
#version 330 core
in vec3 corner;
void main() { gl_Position = vec4(corner, 1.0); }
"""
FRAGMENT = """
#version 330 core
out vec4 color;
void main()
{
    int number = gl_PrimitiveID + 1;
    color = vec4(number & 255, (number >> 8) & 255, (number >> 16) & 255, 255.0) / 255.0;
}
"""


def drawn_by_opengl(context, screen, size):
    """Return the number of the nearest triangle at each pixel, -1 for none."""
    height, width = size
    rows, columns, near = screen.corners.T
    depths = 1 - 1.8 * (near - near.min()) / np.ptp(near)
    corners = np.stack([2 * columns / width - 1, 2 * rows / height - 1, depths], axis=1)
    program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
    buffer = context.buffer(corners[screen.faces.ravel()].astype("f4").tobytes())
    target = context.framebuffer(
        [context.renderbuffer((width, height), 4)], context.depth_renderbuffer((width, height))
    )
    target.use()
    context.enable(context.DEPTH_TEST)
    target.clear(0, 0, 0, 0, depth=1)
    context.vertex_array(program, [(buffer, "3f", "corner")]).render()
    colors = np.frombuffer(target.read(components=4), np.uint8).reshape(height, width, 4).astype(np.int32)
    return colors[..., 0] + (colors[..., 1] << 8) + (colors[..., 2] << 16) - 1


@pytest.fixture(scope="session")
def opengl():
    """A function that draws triangles by OpenGL, without a screen."""
    moderngl = pytest.importorskip("moderngl")
    # Both bring an LLVM. Triton, which torch loads late, crashes where that of OpenGL was first; the other way
    # round both work.
    with suppress(ImportError):
        import triton  # noqa: F401
    try:
        context = moderngl.create_context(standalone=True, backend="egl")
    except Exception as error:  # noqa: BLE001 - each driver fails in its own way
        pytest.skip(f"no OpenGL without a screen here: {error}")
    yield lambda screen, size: drawn_by_opengl(context, screen, size)
    context.release()
