"""Figures of the Mandelbulb renderer: fidelity and time, beside a plain port of the published one.

    python benchmarks/mandelbulb.py [--reference FOLDER] [--size 256] [--runs 5]

The published generator needs EGL and cannot run here. Its own seconds (160 x 160, on one core of such a
machine) come with the reference renders and are set against ours for 160 x 160 on all cores: not the same
number of cores, so halve them on two. The baseline that does run beside ours is a straightforward OpenCL port
of its shader: trigonometry in place of complex powers, a work item per sample, no shortcuts, two distance
estimates per step.
"""

import argparse
import json
import os
import platform
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from synthgen.mandelbulb import Formula, View, choose_device, list_devices, render
from synthgen.mandelbulb.devices import load_pyopencl
from synthgen.mandelbulb.renderer import kernel_numbers

REFERENCE = Path(__file__).parents[1] / "tests" / "mandelbulb" / "data"

HEADING = f"{'formula':32}  SSIM   IoU     seconds  baseline/ours  published/ours  gray levels off first device"
ROW = "{:32}  {:.3f}  {:.4f}  {:7.3f}  {:13.1f}  {:14.0f}  {:.2f}"

BASELINE = """
float3 variant(float3 z, int n, int rule, float r) {
    float theta = n * acos(z.z / r), phi = n * atan2(z.y, z.x), v[3];
    for (int k = 0; k < 3; k++) {
        int bits = rule >> (6 - 3 * k);
        float angle = bits & 2 ? theta : phi, value = bits & 4 ? sin(angle) : cos(angle);
        v[k] = bits & 1 ? -value : value;
    }
    return pow(r, (float)n) * (float3)(v[0], v[1], v[2]);
}
float estimate(float3 c, __constant int *f, float3 *traps) {
    float3 z = c;
    float dr = 1.0f, r = length(z);
    *traps = (float3)(1e10f);
    for (int i = 0; i < 100 * (1 + f[0]); i++) {
        int k = 1 + 2 * (i & f[0]);
        r = length(z);
        if (r > 4.0f) break;
        dr = f[k] * pow(r, (float)f[k]) * dr + 1.0f;
        z = variant(z, f[k], f[k + 1], r) + c;
        float3 a = fabs(z);
        *traps = fmin(*traps, (float3)(pow(a.z, 0.1f), (a.x + a.y + a.z) / 1.5f, length(z)));
    }
    r = length(z);
    return 0.5f * log(r) * r / dr;
}
float march(float3 p, float3 d, __constant int *f, float near, int steps) {
    float3 traps;
    float t = 0.0f;
    for (int i = 0; i < steps && t < 10.0f; i++) {
        if (estimate(p + t * d, f, &traps) < near) return t;
        t += estimate(p + t * d, f, &traps);
    }
    return INFINITY;
}
__kernel void draw(__constant int *f, __constant float *s, __global uchar *pixels) {
    int x = get_global_id(0), y = get_global_id(1), size = get_global_size(0);
    float3 eye = vload3(0, s), unused, traps, light = (float3)(-10, 10, 10), color = (float3)(1.0f);
    float u = (x + 0.5f) / size - 0.5f, v = 0.5f - (y + 0.5f) / size;
    float3 d = normalize(u * vload3(2, s) + v * vload3(3, s) + vload3(1, s));
    float t = march(eye, d, f, 0.001f, 1000);
    if (t < 10.0f) {
        float3 p = eye + t * d, g;
        float3 h[3] = {(float3)(0.001f, 0, 0), (float3)(0, 0.001f, 0), (float3)(0, 0, 0.001f)};
        g.x = estimate(p + h[0], f, &unused) - estimate(p - h[0], f, &unused);
        g.y = estimate(p + h[1], f, &unused) - estimate(p - h[1], f, &unused);
        g.z = estimate(p + h[2], f, &unused) - estimate(p - h[2], f, &unused);
        g = normalize(g);
        estimate(p, f, &traps);
        float3 w = clamp(pow(traps, 10.0f), 0.0f, 1.0f);
        color = w.x * vload3(4, s) + w.y * vload3(5, s) + w.z * vload3(6, s);
        color *= (0.3f + 0.9f * fmax(dot(normalize(light - p), -g), 0.0f)) * dot(p, p);
        float3 start = p + 1e-5f * g;
        if (isinf(march(start, normalize(light - start), f, 0.0001f, 10000))) color += 0.2f;
    }
    vstore3(convert_uchar3_sat_rte(color * 255.0f), y * size + x, pixels);
}
"""


class Baseline:
    """The published shader, ported without thought to speed, on the default OpenCL device."""

    def __init__(self):
        cl = load_pyopencl()
        self.context = cl.Context([choose_device().handle])
        self.queue = cl.CommandQueue(self.context)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.kernel = cl.Kernel(cl.Program(self.context, BASELINE).build(["-w"]), "draw")

    def draw(self, formula, view, size):
        """Return the image, uint8 (size, size, 3)."""
        cl = load_pyopencl()
        flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
        inputs = [cl.Buffer(self.context, flags, hostbuf=a) for a in (kernel_numbers(formula), view.scene())]
        samples = np.empty((2 * size, 2 * size, 3), np.uint8)
        output = cl.Buffer(self.context, cl.mem_flags.WRITE_ONLY, samples.nbytes)
        self.kernel(self.queue, (2 * size, 2 * size), (16, 4), *inputs, output)
        cl.enqueue_copy(self.queue, samples, output)
        return np.asarray(Image.fromarray(samples).resize((size, size), Image.Resampling.LANCZOS))


def read_cases(folder):
    cases = json.loads((folder / "published.json").read_text())
    for case in cases:
        formula = Formula.parse(case["formula"])
        view = View(case["latitude"], case["longitude"], case["colors"])
        image = Image.open(folder / case["file"]).convert("RGB")
        yield formula, view, np.asarray(image), case["seconds"]


def best_seconds(draw, runs):
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def fidelity(ours, theirs):
    one = np.any(ours < 255, axis=2)
    other = np.any(theirs < 255, axis=2)
    score = structural_similarity(ours, theirs, channel_axis=2)
    overlap = np.sum(one & other) / np.sum(one | other)
    return score, overlap


def print_device(device, cases, size, runs, baseline_seconds, first_images):
    print(f"\n{device.label}, {size} x {size}, 2 x 2 samples")
    print(HEADING)
    rows = []
    shares = np.zeros(4)
    for number, (formula, view, theirs, published) in enumerate(cases):
        draw = partial(render, formula, view, device=device)
        ours = draw(160).image
        small = best_seconds(partial(draw, 160), runs)
        seconds = best_seconds(partial(draw, size), runs)
        phases = [*draw(size).seconds.values()]
        shares += np.array(phases or [0] * 4)

        first = first_images.setdefault(number, ours).astype(int)
        row = (
            *fidelity(ours, theirs),
            seconds,
            baseline_seconds[number] / seconds,
            published / small,
            np.mean(np.abs(first - ours)),
        )
        rows.append(row)
        print(ROW.format(formula.name, *row))

    mean = np.mean(rows, axis=0)
    print(ROW.format("mean", *mean))
    rays = (2 * size) ** 2 / mean[2] / 1e6
    print(f"lowest SSIM {np.min(rows, axis=0)[0]:.3f}; {rays:.2f} million primary rays/s")
    if shares.any():
        names = ("marching", "normals", "shadows", "resolving")
        print("; ".join(f"{n} {s:.0%}" for n, s in zip(names, shares / shares.sum(), strict=True)))


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    cases = list(read_cases(options.reference))
    print(f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}")
    baseline = Baseline()
    seconds = [best_seconds(lambda c=c: baseline.draw(*c[:2], options.size), 2) for c in cases]
    scores = np.array([fidelity(baseline.draw(*case[:2], 160), case[2]) for case in cases])
    score, overlap = scores.mean(axis=0)
    print(f"baseline: mean SSIM {score:.3f}, IoU {overlap:.4f}, {np.mean(seconds):.2f} s")
    first_images = {}
    for device in list_devices():
        print_device(device, cases, options.size, options.runs, seconds, first_images)


if __name__ == "__main__":
    main()
