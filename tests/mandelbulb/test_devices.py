import os
import subprocess
import sys
from dataclasses import replace

import pytest

from synthgen.errors import DeviceError
from synthgen.extras import install_hint
from synthgen.mandelbulb import Formula, View, choose_device, devices, list_devices, renderer
from synthgen.mandelbulb.opencl import OpenCLRenderer, build, kernel_source
from synthgen.mandelbulb.renderer import kernel_numbers, rays_per_second

FORMULA = Formula.parse("power8-rule197")
VIEW = View(0.4, 0.7, ((1, 0, 0), (0, 1, 0), (0, 0, 1)))


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_import_loads_neither_pyopencl_nor_numba():
    code = "import sys, synthgen.mandelbulb; print({'numba', 'pyopencl'} & set(sys.modules))"
    assert run_python(code).stdout.strip() == "set()"


def test_numba_is_always_the_last_device():
    listed = list_devices()
    assert [device.index for device in listed] == list(range(len(listed)))
    assert listed[-1].kind == "numba"


def test_device_is_chosen_by_index_by_part_of_the_name_and_by_environment(monkeypatch):
    last = list_devices()[-1]
    assert choose_device(last.index) == choose_device(str(last.index)) == choose_device("NUMBA") == last
    monkeypatch.setenv("SYNTHGEN_DEVICE", "numba")
    assert choose_device() == last
    assert choose_device(0) == list_devices()[0]


@pytest.mark.parametrize("wanted", ["99", "voodoo 2"])
def test_unknown_device_is_refused_with_the_list(wanted):
    with pytest.raises(DeviceError, match=f"device must be an index or a part of a name, got '{wanted}'; .* numba"):
        choose_device(wanted)


def test_unusable_device_is_refused_with_its_reason(monkeypatch):
    broken = replace(list_devices()[-1], index=0, name="old card", usable=False, note="the driver has no compiler")
    monkeypatch.setattr(devices, "list_devices", lambda: [broken])
    with pytest.raises(DeviceError, match="not usable: the driver has no compiler"):
        choose_device("old card")


def test_without_opencl_numba_draws_and_says_what_to_install():
    code = (
        "import synthgen.mandelbulb.devices as d; d._opencl_devices = lambda: ()\n"
        "import synthgen.mandelbulb as m\n"
        "view = m.View(0.4, 0.7, ((1, 0, 0), (0, 1, 0), (0, 0, 1)))\n"
        "for _ in range(2): print(m.render(m.Formula.parse('power8-rule197'), view, 16).device)\n"
    )
    done = run_python(code)
    assert done.stdout.count("Numba / numba") == 2, done.stderr
    assert done.stderr.count(install_hint("opencl-cpu")) == 1
    assert "times slower" in done.stderr


def test_device_that_cannot_build_is_passed_over_only_where_nobody_chose_it(opencl_device, monkeypatch):
    def broken(device):
        if device.kind != "numba":
            raise DeviceError("some device: the driver cannot build the kernels")
        return device

    monkeypatch.setattr(renderer, "_renderer", broken)
    renderer._default_renderer.cache_clear()
    with pytest.warns(RuntimeWarning) as caught:
        assert renderer.renderer_for().kind == "numba"
    renderer._default_renderer.cache_clear()
    assert "cannot build" in str(caught[0].message)
    assert "pip install" in str(caught[-1].message)
    with pytest.raises(DeviceError, match="cannot build"):
        renderer.renderer_for(opencl_device)


def test_forked_child_is_told_that_opencl_does_not_live_in_both(opencl_device, monkeypatch):
    monkeypatch.setattr(devices.os, "getpid", lambda: -1)
    with pytest.raises(DeviceError, match="forked"):
        devices.load_pyopencl()


def test_build_error_has_the_log_and_what_to_try(opencl_renderer):
    with pytest.raises(DeviceError, match=r"cannot build the kernels\. Try another device") as caught:
        build(opencl_renderer._context, "__kernel void broken( {", {}, "some device")
    assert "error" in str(caught.value)
    assert len(str(caught.value)) < 3000


def draw(engine, size=128):
    return engine.draw(kernel_numbers(FORMULA), VIEW.scene(), (size, size), 2, 255)


def limit_memory(renderer, monkeypatch, largest):
    cl = devices.load_pyopencl()
    allocate, sizes = renderer._allocate, []

    def limited(size):
        if size > largest:
            raise cl.MemoryError("MEM_OBJECT_ALLOCATION_FAILURE")
        sizes.append(size)
        return allocate(size)

    monkeypatch.setattr(renderer, "_allocate", limited)
    return sizes


def test_out_of_memory_falls_to_smaller_bands_with_the_same_picture(opencl_device, monkeypatch):
    renderer = OpenCLRenderer(opencl_device)
    whole = draw(renderer)
    renderer._buffers = (None, ())
    sizes = limit_memory(renderer, monkeypatch, 200_000)
    banded = draw(renderer)
    assert sizes
    for one, other in zip(whole, banded, strict=True):
        assert one.tobytes() == other.tobytes()


def test_out_of_memory_for_the_smallest_band_is_an_error(opencl_device, monkeypatch):
    renderer = OpenCLRenderer(opencl_device)
    limit_memory(renderer, monkeypatch, 1000)
    with pytest.raises(DeviceError, match="out of memory, even for"):
        draw(renderer)


def test_speed_probe_counts_rays(opencl_device):
    assert rays_per_second(opencl_device) > 1000


def test_kernel_source_is_in_the_package():
    assert "__kernel" in kernel_source("march.cl")
