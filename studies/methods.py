"""Every kind of `synthgen fit` on the same images: accuracy, seconds and size, in one table.

Three drawn textures, and inspected plates as in the recipe `plates-test`, small. All kinds have one backbone; those
of EfficientAD have a teacher that is distilled from it first, on drawn textures. Kinds of anomalib are measured
where it is installed. The work is a `synthgen benchmark`, so that an interrupted study goes on.

    python studies/methods.py --out study --weights out/resnet18     # hours
    python studies/methods.py --out study --quick                    # minutes: that everything runs
    python studies/methods.py --out study --only panda --only padim  # some kinds
    python studies/methods.py --out study --print                    # the table of what is there
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from synthgen.torch import FeatureEnsemble, PaDiM, PatchCore, ScoreEnsemble, distill
from synthgen.torch.benchmark import read_results, run_benchmark
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.models import MODELS, load
from synthgen.torch.models.bridge import BridgeModel
from synthgen.torch.models.efficientad import EfficientAd

TEACHER = "teacher.safetensors"
TEXTURES = {"noise": 0, "weave": 7, "cells": 9}
COLUMNS = {
    "image AUROC": "image_auroc",
    "pixel AUROC": "pixel_auroc",
    "AUPRO": "aupro",
    "PL": "pl",
}
# Options by which kinds that train for long end within some minutes on one core.
SHORT = {
    "cflow": {"epochs": 10},
    "cutpaste": {"epochs": 40},
    "efficientad": {"steps": 2000, "step_images": 2},
    "puad": {"steps": 2000, "step_images": 2},
    "fastflow": {"epochs": 20},
    "reverse-distillation": {"epochs": 20},
    "stfpm": {"epochs": 40},
    "sequential-patchcore": {"points": 2000},
    "patchcore": {"coreset": 0.05},
    "padim": {"channels": 100},
}
QUICK = {
    "cflow": {"epochs": 1, "blocks": 1},
    "simplenet": {"steps": 20},
    "cutpaste": {"epochs": 1, "views": 1},
    "panda": {"epochs": 1},
    "efficientad": {"steps": 2},
    "puad": {"steps": 2},
    "fastflow": {"epochs": 1, "set": {"flow_steps": 1}},
    "reverse-distillation": {"epochs": 1},
    "stfpm": {"epochs": 1},
    "sequential-patchcore": {"points": 100},
    "patchcore": {"coreset": 0.01},
    "padim": {"channels": 10},
}
ENSEMBLES = {"feature-ensemble": "methods:Fused", "score-ensemble": "methods:Both"}


class Fused:
    """Two layers of the backbone, each a member of a feature ensemble."""

    def __init__(self, backbone: str, seed: int):
        members = [f"{backbone}:2", f"{backbone}:3"]
        self.model = FeatureEnsemble(members, components=64, seed=seed)

    def fit(self, loader) -> None:
        """Learn normal images."""
        self.model.fit(loader, progress="none")

    def predict(self, images):
        """Return scores and maps."""
        return self.model.predict(images)


class Both:
    """PatchCore and PaDiM as a score ensemble, calibrated on a fifth of the images."""

    def __init__(self, backbone: str, seed: int):
        self.members = [PatchCore(backbone, coreset=0.05, seed=seed), PaDiM(backbone, channels=50, seed=seed)]

    def fit(self, loader) -> None:
        """Learn normal images."""
        images = torch.cat(list(loader))
        kept = max(2, len(images) // 5)
        for member in self.members:
            member.fit(images[kept:].split(8), progress="none")
        self.model = ScoreEnsemble(self.members).fit(images[:kept].split(8), progress="none")

    def predict(self, images):
        """Return scores and maps."""
        return self.model.predict(images)


def config(given, teacher: Path) -> Benchmark:
    """Return the benchmark: sets, and a model for each kind that can be had."""
    count, tests, size = (6, 2, 64) if given.quick else (60, 20, 128)
    drawn = {}
    for name, number in TEXTURES.items():
        common = {"family": "textures", "texture": number, "size": size, "rotation": 3}
        normal = {**common, "classes": 1, "per_class": count}
        drawn[name] = {"normal": normal, "test": {**common, "layout": "test", "per_class": tests}}
    return Benchmark.from_dict(
        {
            "benchmark": "methods",
            "sets": {"textures": {"draw": drawn}, "plates": {"draw": {"plates": plates(count, tests, size)}}},
            "models": {kind: entry(kind, given, teacher) for kind in kinds()},
            "size": size,
            "threads": 1,
        }
    )


def plates(count: int, tests: int, size: int) -> dict:
    """Return good plates, and the recipe `plates-test`, small and with other plates."""
    common = {"family": "stains", "layout": "test", "impurities": ["fingerprint", "sticker"], "size": size}
    return {
        "normal": {**common, "classes": 1, "per_class": count, "seed": 0},
        "test": {**common, "classes": 4, "per_class": tests, "seed": 1},
    }


def kinds() -> list[str]:
    """Return the kinds that can be had."""
    if find_spec("anomalib") is not None:
        return list(MODELS)
    return [kind for kind in MODELS if not issubclass(load(kind).MODEL, BridgeModel)]


def entry(kind: str, given, teacher: Path) -> dict:
    """Return the model of a kind, as a benchmark has it."""
    made = load(kind).MODEL
    options = (QUICK if given.quick else SHORT).get(kind, {})
    backbone = str(teacher) if issubclass(made, EfficientAd) else given.weights
    if kind in ENSEMBLES:
        return {"kind": ENSEMBLES[kind], "backbone": backbone}
    return {"kind": kind, **({"backbone": backbone} if made.needs_backbone else {}), **options}


def distilled(given, out: Path) -> Path:
    """Return the teacher that belongs to the weights; it is trained, or gone on with, if it is not there."""
    teacher = out / TEACHER
    size, steps, batch_size = (64, 2, 2) if given.quick else (128, given.distill_steps, 8)
    data = "tiny-fractals" if given.quick else "textures"
    options = {"image_size": size, "steps": steps, "batch_size": batch_size, "norm_images": 200}
    distill(given.weights, data, teacher, threads=1, **options)
    return teacher


def rows(out: Path) -> list[dict]:
    """Return a row for each model: means over all sets."""
    found = read_results(out / "benchmark")
    table = []
    for model in found.models:
        records = [each for each in found.of_model(model, found.cells) if not each.failed]
        if not records:
            continue
        row = {"model": model, "sets": len(records)}
        for name, metric in COLUMNS.items():
            row[name] = mean(each.rows[0].get(metric) for each in records)
        row["fit s"] = mean(each.times.fit_s for each in records)
        row["ms/image"] = mean(each.times.latency_ms for each in records)
        row["MB"] = mean(each.memory.file and each.memory.file / 1e6 for each in records)
        table.append(row)
    return table


def mean(values) -> float | None:
    """Return the mean of the values that are there, None without any."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def show(table: list[dict]) -> None:
    """Print a table in Markdown."""
    if not table:
        print("nothing is measured yet")
        return
    print("| " + " | ".join(table[0]) + " |")
    print("|---" * len(table[0]) + "|")
    for row in table:
        cells = [f"{cell:.3f}" if isinstance(cell, float) else str(cell or "-") for cell in row.values()]
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Do what is left of the study, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", default="random:resnet18")
    parser.add_argument("--distill-steps", type=int, default=500)
    parser.add_argument("--only", action="append", choices=list(MODELS), help="a kind; may be given several times")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--print", action="store_true", dest="shows")
    given = parser.parse_args()

    if not given.shows:
        sys.modules.setdefault("methods", sys.modules["__main__"])
        given.out.mkdir(parents=True, exist_ok=True)
        made = config(given, distilled(given, given.out))
        run_benchmark(made, given.out / "benchmark", workers=0, only=given.only or (), trust=True, log=print)
    show(rows(given.out))


if __name__ == "__main__":
    main()
