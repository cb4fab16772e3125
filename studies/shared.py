"""What the studies share: folders that are filled once, weights as files, a benchmark that is run, its table."""

import argparse
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import torch

import synthgen
from synthgen.errors import SynthgenError, UsageError
from synthgen.metrics import intervals
from synthgen.recipe import Recipe
from synthgen.torch.backbones import config_of, create_model
from synthgen.torch.benchmark import load_benchmark, read_results, run_benchmark
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.pooling import pooled_lines
from synthgen.torch.benchmark.results import Results
from synthgen.torch.benchmark.tables import better_of, heading_of, write_tables
from synthgen.torch.pretrain.report import write_backbone

STUDIES = Path(__file__).parent
sys.path.insert(0, str(STUDIES.parent / "examples"))
from imagenet_lite0 import ARCH, imagenet_lite0  # noqa: E402 - an example lies in a folder of its own

WEIGHTS = Path("weights")
RESULTS = Path("results")
LAST = "last.safetensors"
# Images that are worth worker processes.
MANY = 500


def as_script(main: Callable[[], object]) -> None:
    """Run a study; a user's mistake ends in one line."""
    try:
        main()
    except SynthgenError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{Path(sys.argv[0]).name}: interrupted; run the same command again to go on")


def some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what reads an option: some words with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        strange = [name for name in names if name not in known]
        if strange:
            raise argparse.ArgumentTypeError(f"must be some of {', '.join(known)}, got {strange[0]}")
        return names

    return read


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a folder, and work in it while the block runs: the configurations name what lies there.

    Workers find the modules of the studies.
    """
    path = (str(STUDIES), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def once(folder: Path, fill: Callable[[Path], object]) -> None:
    """Fill a folder, unless that was done before; it gets its name when it is whole."""
    if folder.exists():
        return
    begun = folder.with_name(f".{folder.name}")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    fill(begun)
    begun.rename(folder)


def draw(recipe: Recipe, folder: Path) -> None:
    """Draw a data set, unless it is there; a small one in this process, since workers take seconds to start."""
    images = recipe.classes * recipe.per_class
    synthgen.generate(recipe, folder, workers=0 if images < MANY else None, progress=False)


def weights_of(name: str, seed: int) -> Path:
    """Return the folder of the weights of a name and a seed, as the configurations name it."""
    return WEIGHTS / f"{name}-{seed}"


def keep_weights(name: str, seed: int, make: Callable[[], torch.nn.Module]) -> None:
    """Write the weights of a network as a file with a card, unless it is there."""
    once(weights_of(name, seed), lambda folder: _write_weights(folder / LAST, make()))


def _write_weights(path: Path, model: torch.nn.Module) -> None:
    config = config_of(model)
    card = {"arch": config["architecture"], "mean": list(config["mean"]), "std": list(config["std"]), "size": None}
    write_backbone(path, model, card)


def keep_imagenet() -> None:
    """Write the weights of ImageNet, the same for all seeds."""
    keep_weights("imagenet", 0, imagenet_lite0)


def keep_random(seed: int) -> None:
    """Write the random weights of a seed."""
    keep_weights("random", seed, lambda: create_model(ARCH, seed))


def configured(name: str, changes: dict, rows: list[str] | None, seeds: tuple[int, ...]) -> Benchmark:
    """Return the benchmark of a study.

    Parameters
    ----------
    name : str
        Of its file in this folder.
    changes : dict
        Keys to replace, as ``synthgen benchmark --set`` does.
    rows : list of str or None
        The models that are wanted; None for all.
    seeds : tuple of int

    Raises
    ------
    UsageError
        If there is no such model.
    """
    benchmark = load_benchmark(STUDIES / f"{name}.yaml", changes)
    for row in rows or ():
        if row not in benchmark.models:
            raise UsageError(f"rows must be some of {', '.join(benchmark.models)}, got {row}")
    models = {row: benchmark.models[row] for row in rows or benchmark.models}
    return msgspec.structs.replace(benchmark, models=models, seeds=seeds)


def run(benchmark: Benchmark, workers: int) -> Results:
    """Do the jobs that are left, write the tables, and return the results."""
    run_benchmark(benchmark, RESULTS, workers=workers, trust=True, log=_say)
    write_tables(RESULTS)
    return read_results(RESULTS)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def summary(results: Results, pool: str, base: str | None = None) -> str:
    """Return the table of a pool: a row a model, each metric with its 95 % interval.

    With `base`, the name of a model, there are also the intervals of the gain over it: all models see the same
    resamples of the test images. A gain without spread has none.
    """
    metrics = results.benchmark.metrics
    lines = {}
    for metric in metrics:
        found = pooled_lines(results, pool, metric, better_of(metric))
        lines[metric] = {line.model: line for line in found}

    heads = [heading_of(metric) for metric in metrics]
    if base in results.models:
        heads += [f"{head}, gain over {base}" for head in heads]
    rows = []
    for model in lines[metrics[0]]:
        cells = [_with_interval(lines[metric][model]) for metric in metrics]
        if base in results.models:
            cells += [_gain(results, pool, metric, model, base) for metric in metrics]
        rows.append([model, *cells])
    return table(["model", *heads], rows)


def _with_interval(line) -> str:
    if line.mean is None:
        return "-"
    if line.interval is None:
        return f"{line.mean:.3f}"
    low, high = line.interval
    return f"{line.mean:.3f} ({low:.3f}..{high:.3f})"


def _gain(results: Results, pool: str, metric: str, model: str, base: str) -> str:
    """Return the 95 % interval of the difference of two models, from paired resamples."""
    mine = _resampled(results, pool, metric, model)
    other = _resampled(results, pool, metric, base)
    if mine is None or other is None or model == base:
        return "-"
    low, high = intervals.interval(mine - other)
    return "-" if math.isnan(low) else f"{low:+.3f}..{high:+.3f}"


def _resampled(results: Results, pool: str, metric: str, model: str) -> np.ndarray | None:
    """Return the mean over the categories of a pool for each resample, (R,)."""
    found = [results.samples(model, cell, metric) for cell in results.pool(pool)]
    there = [samples for samples in found if samples is not None]
    return intervals.pooled(there) if there and len(there) == len(found) else None


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    rule = ["---"] * len(heads)
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
    return "\n".join(lines)
