"""Helper functions of the kernels, each in a small kernel of its own, against NumPy."""

import numpy as np
import pytest

from synthgen.mandelbulb.devices import load_pyopencl
from synthgen.mandelbulb.opencl import build, kernel_source, lane_options

LAYOUTS = ("cpu", "gpu")


def run(renderer, layout, files, code, *inputs, outputs):
    """Run `code` as the body of a kernel on float32 arrays `in0..`, LANES numbers a time, into `out0..`."""
    cl = load_pyopencl()
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    names = [f"in{i}" for i in range(len(inputs))] + [f"out{i}" for i in range(outputs)]
    arguments = ", ".join(f"__global float *{name}" for name in names)
    body = f"{{ int i = get_global_id(0) * LANES; {code} }}"
    source = f"{kernel_source(*files)}\n__kernel void test({arguments}) {body}"
    options = lane_options(layout)
    program = build(renderer._context, source, options, "test")
    arrays = [np.ascontiguousarray(array, np.float32) for array in inputs]
    arrays += [np.zeros_like(arrays[0]) for _ in range(outputs)]
    buffers = [cl.Buffer(renderer._context, flags, hostbuf=array) for array in arrays]
    cl.Kernel(program, "test")(renderer._queue, (len(arrays[0]) // options["LANES"],), (1,), *buffers)
    for array, buffer in zip(arrays, buffers, strict=True):
        cl.enqueue_copy(renderer._queue, array, buffer)
    return arrays[len(inputs) :]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logarithm(opencl_renderer, layout):
    values = np.geomspace(1e-30, 1e25, 512).astype(np.float32)
    code = "STORE(logarithm(LOAD(in0 + i)), out0 + i);"
    (result,) = run(opencl_renderer, layout, ["vector.cl"], code, values, outputs=1)
    np.testing.assert_allclose(result, np.log(values.astype(np.float64)), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("power", [2, 3, 7, 15, 16, 20])
def test_powers_of_a_pair_of_complex_numbers(opencl_renderer, layout, power):
    rng = np.random.default_rng(1)
    r = rng.uniform(0.3, 1.8, 64)
    first, second = (r * np.exp(1j * rng.uniform(-np.pi, np.pi, 64)) for _ in range(2))
    code = f"""
        real a = 2.0f * LOAD(in0 + i), b = LOAD(in1 + i), p = 2.0f * LOAD(in2 + i), q = LOAD(in3 + i);
        real r = LOAD(in4 + i);
        power_of_pair({power}, 1 << (30 - clz({power})), &a, &b, &p, &q, &r);
        STORE(a, out0 + i); STORE(b, out1 + i); STORE(p, out2 + i); STORE(q, out3 + i); STORE(r, out4 + i);"""
    inputs = first.real, first.imag, second.real, second.imag, r
    result = run(opencl_renderer, layout, ["vector.cl"], code, *inputs, outputs=5)
    scale = r**power
    truth = (
        2 * (first**power).real,
        (first**power).imag,
        2 * (second**power).real,
        (second**power).imag,
        scale,
    )
    for ours, true in zip(result, truth, strict=True):
        np.testing.assert_allclose(ours / scale, true / scale, atol=2e-7 * power**2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rule", [0, 511, 40, 197, 222, 465])
def test_distance_and_traps_of_a_hybrid(opencl_renderer, plain_marcher, layout, rule):
    points = np.random.default_rng(2).uniform(-1.5, 1.5, (256, 3))
    points = points[plain_marcher.distance_and_traps(points, [(6, rule), (3, 98)])[0] > 0.001]
    points = points[: len(points) // 16 * 16]
    distance, traps = plain_marcher.distance_and_traps(points, [(6, rule), (3, 98)])
    code = f"""
        Formula f = {{read_variant(6, {rule}), read_variant(3, 98), 1}};
        Point c = {{LOAD(in0 + i), LOAD(in1 + i), LOAD(in2 + i)}};
        Point traps = orbit_traps(c, &f, c.x == c.x);
        STORE(distance_estimate(c, &f, 1e8f, c.x == c.x), out0 + i);
        STORE(traps.x, out1 + i); STORE(traps.y, out2 + i); STORE(traps.z, out3 + i);"""
    result = run(opencl_renderer, layout, ["vector.cl", "formula.cl"], code, *points.T, outputs=4)
    ours = np.stack([result[1] ** 0.1, result[2], np.sqrt(result[3])], axis=1)
    close = np.isclose(result[0], distance, rtol=1e-3) & np.isclose(ours, traps, rtol=1e-3).all(axis=1)
    assert close.mean() > 0.97  # the others start a hair from the set, where float32 and float64 part


@pytest.mark.parametrize("layout", LAYOUTS)
def test_trap_weights_are_tenth_powers_clamped_to_one(opencl_renderer, layout):
    traps = np.random.default_rng(3).uniform(0, 1.3, (64, 3))
    code = """
        Point traps = {pow(LOAD(in0 + i), 10.0f), LOAD(in1 + i), LOAD(in2 + i) * LOAD(in2 + i)};
        Point w = trap_weights(traps);
        STORE(w.x, out0 + i); STORE(w.y, out1 + i); STORE(w.z, out2 + i);"""
    files = ["vector.cl", "formula.cl", "shading.cl"]
    result = run(opencl_renderer, layout, files, code, *traps.T, outputs=3)
    np.testing.assert_allclose(np.stack(result, axis=1), np.clip(traps**10, 0, 1), rtol=1e-4, atol=1e-6)
