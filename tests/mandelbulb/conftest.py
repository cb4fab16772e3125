import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from synthgen.errors import DeviceError
from synthgen.mandelbulb import Formula, View, choose_device
from synthgen.mandelbulb.opencl import OpenCLRenderer
from synthgen.mandelbulb.renderer import renderer_for

ENGINES = ("intel", "pocl", "numba", "gpu layout")
COLORS = ((0.9, 0.3, 0.2), (0.1, 0.6, 0.9), (0.4, 0.8, 0.3))


@pytest.fixture(scope="session")
def plain_marcher():
    """The functions of plain_marcher.py, the truth of these tests."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("plain_marcher.py"))))


@pytest.fixture(scope="session")
def opencl_device():
    """The first device that is not Numba, or a skip."""
    device = choose_device()
    if device.kind == "numba":
        pytest.skip("no OpenCL device here")
    return device


@pytest.fixture(scope="session", params=ENGINES)
def engine(request):
    """Each renderer of this machine; the layout of work on a GPU runs on the first device, whatever it is."""
    if request.param == "gpu layout":
        return OpenCLRenderer(request.getfixturevalue("opencl_device"), layout="gpu")
    try:
        return renderer_for(request.param)
    except DeviceError as error:
        pytest.skip(str(error)[:60])


@pytest.fixture(scope="session")
def opencl_renderer(opencl_device):
    return renderer_for(opencl_device)


@pytest.fixture(scope="session", params=["power8-rule197", "power5-rule180_power2-rule222"])
def formula(request):
    return Formula.parse(request.param)


@pytest.fixture(scope="session")
def view():
    return View(6.3, 229.7, COLORS)
