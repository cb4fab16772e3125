"""What `synthgen benchmark` costs beside the models: time of a job, memory over many jobs, tables, and the dry run.

python benchmarks/harness.py                  # all four
python benchmarks/harness.py tables memory    # some of overhead, memory, tables, plan
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image
from timing import seconds_of

from synthgen.torch.benchmark import Benchmark, load_benchmark, read_results, run_benchmark
from synthgen.torch.benchmark.record import Begun, Images, Memory, Record, Times, remember, write_record
from synthgen.torch.benchmark.tables import make_grid, write_tables

SIZE = 128
MODELS, CLASSES, RESAMPLES = 15, 27, 2000
METRICS = ("image_auroc", "pixel_auroc", "aupro", "pl", "average_precision")
FEW, MANY = 10, 100


def photographs(home: Path, size: int, normal: int, test: int) -> Path:
    """Write a category of MVTec AD's layout: noise, and noise with a bright square."""
    rng = np.random.default_rng(0)
    folders = {"train/good": (normal, 0), "test/good": (test // 2, 0), "test/spot": (test // 2, 90)}
    for place, (count, bright) in folders.items():
        folder = home / "brick" / place
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 120, (size, size, 3), np.uint8)
            mask = np.zeros((size, size), np.uint8)
            top, left = rng.integers(0, size // 2, 2)
            mask[top : top + size // 4, left : left + size // 4] = 255
            pixels[mask > 0] += bright
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
            if bright:
                truth = home / "brick" / "ground_truth" / "spot" / f"{number:03d}_mask.png"
                truth.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(truth)
    return home


def config(path: Path, models: dict, **more) -> Benchmark:
    """Return a benchmark of one data set."""
    values = {"benchmark": "harness", "sets": {"s": {"path": str(path)}}, "models": models, "threads": 1, **more}
    return Benchmark.from_dict(values)


def overhead() -> None:
    """Print which share of a job is neither loading, reading, fitting, predicting nor measuring."""
    from synthgen.torch.benchmark.job import run_job
    from synthgen.torch.benchmark.jobs import make_plan

    models = {
        "patchcore": {"kind": "patchcore", "backbone": "random:resnet18", "coreset": 0.1},
        "padim": {"kind": "padim", "backbone": "random:resnet18"},
        "floor": {"kind": "floor"},
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = config(photographs(folder / "photos", SIZE, 60, 60), models, size=SIZE, seeds=[0, 1])
        for job in make_plan(made, folder).jobs:
            words = {}
            start = time.perf_counter()
            record = run_job(job, folder, say=lambda word, words=words: words.setdefault(word, time.perf_counter()))
            total = time.perf_counter() - start
            if job.seed == 0:
                continue  # the first compiles, and reads all files for their digest

            times = record.times
            load = words["fit"] - words["load"]
            singles = min(50, 60) * times.latency_ms / 1000
            own = load + times.read_s + times.fit_s + times.predict_s + singles + times.measure_s
            rest = total - own
            beside = f"of which the harness {1000 * rest:.0f} ms, {rest / total:.1%}"
            print(f"  {job.model.name}: {total:.2f} s, {beside}")


def memory() -> None:
    """Print the most memory of a process that does few jobs, and of one that does many."""
    for count in (FEW, MANY):
        command = [sys.executable, __file__, "jobs", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"  {count:4} jobs: peak {float(done.stdout):,.0f} MB")


def do_jobs(count: int) -> None:
    """Do so many tiny jobs in this process, and print the most memory that it took, in megabytes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos = photographs(folder / "photos", 32, 12, 8)
        made = config(photos, {"floor": {"kind": "floor"}}, size=32, seeds=list(range(count)))
        run_benchmark(made, folder / "out", workers=0, progress="none")
        write_tables(folder / "out")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def tables() -> None:
    """Print how long a table of many jobs takes: as many as Taylor et al. 2025 have."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write_records(folder)
        for name, work in {
            "one table": lambda: make_grid(read_results(folder), "s", "pl"),
            "by class": lambda: make_grid(read_results(folder), "s", "pl", "class"),
            f"all files, {len(METRICS)} metrics": lambda: write_tables(folder),
        }.items():
            print(f"  {MODELS * CLASSES} jobs, {name}: {seconds_of(work):.2f} s")


def _write_records(folder: Path) -> None:
    """Write the records and resamples of many jobs that nobody did."""
    rng = np.random.default_rng(0)
    count = 120
    names = []
    for model in range(MODELS):
        for category in range(CLASSES):
            place = {"model": f"m{model}", "set": "s", "category": f"c{category}", "seed": 0}
            values = {metric: float(rng.uniform(0.6, 1)) for metric in METRICS}
            record = Record(
                **place,
                fingerprint="",
                spec={},
                rows=[{"kind": "all", "normal": 60, "anomalous": 60, **values}],
                data={"sha256": "", "tested": {"good": 60, "bad": 60}, "notes": []},
                images=Images(
                    names=[f"test/bad/{i:03d}.png" for i in range(count)],
                    kinds=["bad"] * count,
                    labels=[1] * count,
                    scores=rng.random(count).tolist(),
                ),
                times=Times(
                    read_s=1, fit_s=1, predict_s=1, measure_s=1, fit_ms_image=1, predict_ms_image=1, latency_ms=1
                ),
                memory=Memory(peak=10**9, file=10**8),
            )
            home = Path(record.model) / "s" / record.category
            write_record(folder / "jobs" / home / "seed-0.json", record)
            names.append(record.name)

            samples = {metric: rng.normal(values[metric], 0.02, RESAMPLES).astype(np.float32) for metric in METRICS}
            target = folder / "samples" / home
            target.mkdir(parents=True)
            np.savez(target / "seed-0.npz", **samples)

    models = {f"m{number}": {"kind": "chance"} for number in range(MODELS)}
    values = {"benchmark": "many", "sets": {"s": {"path": "x"}}, "models": models, "metrics": list(METRICS)}
    remember(Begun(values, names), folder)


def plan() -> None:
    """Print what the dry run of `tiny-benchmark` says, and what it takes."""
    from synthgen.torch.benchmark.probe import forecast

    made = load_benchmark("tiny-benchmark", {"threads": 1})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        expected = forecast(made, folder)
        start = time.perf_counter()
        run_benchmark(made, folder, workers=1, progress="none")
        taken = time.perf_counter() - start
        records = [msgspec.to_builtins(record) for record in read_results(folder).records.values()]
        most = max(record["memory"]["peak"] for record in records)
    print(f"  time: {expected.seconds:.0f} s expected, {taken:.0f} s taken: x{expected.seconds / taken:.2f}")
    planned = expected.bytes / 1e6
    needed = most / 1e6
    print(f"  memory: {planned:.0f} MB expected, {needed:.0f} MB taken: x{planned / needed:.2f}")


PARTS = {"overhead": overhead, "memory": memory, "tables": tables, "plan": plan}


def main() -> None:
    if sys.argv[1:2] == ["jobs"]:
        do_jobs(int(sys.argv[2]))
        return
    for name in sys.argv[1:] or PARTS:
        print(name)
        PARTS[name]()


if __name__ == "__main__":
    main()
