"""What `synthgen benchmark` costs beside the models: time of a job, memory over many jobs, tables; and its plans.

python benchmarks/harness.py                  # all four
python benchmarks/harness.py tables memory    # some of overhead, memory, tables, plan
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from timing import seconds_of

from synthgen.torch.benchmark import Benchmark, load_benchmark, read_results, run_benchmark
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.record import Begun, Images, Memory, Record, Times, remember, write_record
from synthgen.torch.benchmark.sources import draw_missing
from synthgen.torch.benchmark.tables import make_grid, write_tables
from synthgen.torch.benchmark.workers import run_jobs

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
    """Print what the dry run of `tiny-benchmark` says of each model and of all, beside what a run takes.

    Seconds are those of the CPU, which other programs hardly change; what is drawn is drawn before.
    """
    from synthgen.torch.benchmark.probe import forecast

    time.perf_counter = time.process_time
    made = load_benchmark("tiny-benchmark", {"threads": 1})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        expected = forecast(made, folder)
        taken = Taken(made, folder)
        peaks = {}
        for record in read_results(folder).records.values():
            peaks[record.model] = max(record.memory.peak, peaks.get(record.model, 0))

    print(f"  {'':24}{'CPU s: plan, run':>20}{'ratio':>8}{'MB: plan, run':>20}{'ratio':>8}")
    for model in expected.models:
        name = model.model
        print(compared(name, (model.seconds, taken.models[name]), (model.bytes, peaks[name])))
    print(compared("all", (expected.seconds, taken.total), (expected.bytes, max(peaks.values()))))


def compared(name: str, seconds: tuple[float, float], memory: tuple[int, int]) -> str:
    """Return a line on what was planned and what was taken."""
    cells = []
    for planned, taken in (seconds, (memory[0] / 1e6, memory[1] / 1e6)):
        cells.append(f"{planned:10.1f}{taken:10.1f}{planned / taken:8.2f}")
    return f"  {name:24}{''.join(cells)}"


class Taken:
    """The CPU seconds that the jobs of a benchmark take, with one worker.

    Attributes
    ----------
    models : dict of str to float
        Of all jobs of a model.
    total : float
        Of all jobs, and of the start of the worker.
    """

    def __init__(self, made: Benchmark, folder: Path):
        for name, given in made.sets.items():
            draw_missing(name, given, given.draw, folder, "none")
        jobs = make_plan(made, folder).jobs
        remember(Begun(made.to_dict(), [job.name for job in jobs]), folder)

        self.models = dict.fromkeys([job.model.name for job in jobs], 0.0)
        self._before = 0.0
        ended = seconds_of_ended()
        run_jobs(jobs, folder, 1, False, self._told, self._done)
        self.total = seconds_of_ended() - ended

    def _told(self, job, word: str) -> None:
        if not any(self.models.values()) and word == "load":
            self._before = seconds_of_living()

    def _done(self, job, error: str | None) -> None:
        now = seconds_of_living()
        self.models[job.model.name] += now - self._before
        self._before = now


def seconds_of_ended() -> float:
    """Return the CPU seconds of all ended processes that this one started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds_of_living() -> float:
    """Return the CPU seconds of the processes that this one has started and that are alive (Linux)."""
    total = 0
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        text = Path(f"/proc/{pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime and stime (Linux, proc(5))
    return total / os.sysconf("SC_CLK_TCK")


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
