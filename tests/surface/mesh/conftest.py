import pytest

from synthgen.errors import DeviceError, MissingExtraError
from synthgen.surface.mesh import opengl


@pytest.fixture(scope="module")
def gl():
    try:
        opengl.triangle_drawer()
    except (DeviceError, MissingExtraError) as error:
        pytest.skip(f"no OpenGL here: {error}")
    yield
    opengl.close()
