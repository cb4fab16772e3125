"""Every kind of `synthgen fit` on the same images: accuracy, seconds and size, in one table.

Three photographed textures (brick, grass, gravel of scikit-image) with defects by cut-paste, made as in
`textures.py`, and inspected plates as in the recipe `plates-test`, small. All kinds have one backbone; those
of EfficientAD have a teacher that is distilled from it first, on drawn textures. Kinds of anomalib are measured
where it is installed. The work is a `synthgen benchmark`, so that an interrupted study goes on.

    python studies/methods.py --out study --weights out/surface      # two hours of one core
    python studies/methods.py --out study --quick                    # minutes: that everything runs
    python studies/methods.py --out study --only panda --only padim  # some kinds
    python studies/methods.py --out study --print                    # the table of what is there
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import torch
from shared import RESULTS, as_script, once, working_in
from textures import QUICK as QUICK_SCALE
from textures import Scale, make_photographs

from synthgen.torch import FeatureEnsemble, PaDiM, PatchCore, ScoreEnsemble, distill
from synthgen.torch.backbones import config_of, load_backbone
from synthgen.torch.benchmark import read_results, run_benchmark
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.models import MODELS, load
from synthgen.torch.models.bridge import BridgeModel
from synthgen.torch.models.efficientad import EfficientAd

TEACHER = "teacher.safetensors"
PHOTOGRAPHS = Path("photographs")
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
    "efficientad": {"steps": 100, "step_images": 2},
    "puad": {"steps": 100, "step_images": 2},
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
# The preset `surface` trains three layers; these kinds take the fourth by default.
LAYERS = {"cutpaste": [3], "panda": [3], "sinbad": [2, 3]}
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
    scale = scale_of(given.quick)
    return Benchmark.from_dict(
        {
            "benchmark": "methods",
            "sets": {"textures": {"path": str(PHOTOGRAPHS)}, "plates": {"draw": {"plates": plates(scale)}}},
            "models": {kind: entry(kind, given, teacher) for kind in kinds()},
            "size": scale.side,
            "threads": 1,
        }
    )


def scale_of(quick: bool) -> Scale:
    """Return how large the photographs and their sets are."""
    if quick:
        return msgspec.structs.replace(QUICK_SCALE, side=64, crop=64, train=6, good=4)
    return Scale(side=128, crop=128, train=60, good=30, per_kind=2)


def plates(scale: Scale) -> dict:
    """Return good plates, and the recipe `plates-test`, small and with other plates."""
    common = {"family": "stains", "layout": "test", "impurities": ["fingerprint", "sticker"], "size": scale.side}
    return {
        "normal": {**common, "classes": 1, "per_class": scale.train, "seed": 0},
        "test": {**common, "classes": 4, "per_class": scale.good, "seed": 1},
    }


def kinds() -> list[str]:
    """Return the kinds that can be had."""
    if find_spec("anomalib") is not None:
        return list(MODELS)
    return [kind for kind in MODELS if not issubclass(load(kind).MODEL, BridgeModel)]


def entry(kind: str, given, teacher: Path) -> dict:
    """Return the model of a kind, as a benchmark has it."""
    options = dict((QUICK if given.quick else SHORT).get(kind, {}))
    if kind in LAYERS:
        options["layers"] = LAYERS[kind]
    if load(kind).MODEL.needs_backbone:
        options["backbone"] = backbone_of(kind, given, teacher)
    return {"kind": ENSEMBLES.get(kind, kind), **options}


def backbone_of(kind: str, given, teacher: Path) -> str:
    """Return the weights that a kind is fitted with."""
    made = load(kind).MODEL
    if issubclass(made, EfficientAd):
        return str(teacher)
    if issubclass(made, BridgeModel) and arch_of(given.weights) not in made.takes:
        return given.other
    return given.weights


def arch_of(weights: str) -> str:
    """Return the architecture of weights: `random:NAME`, or a file that has a card."""
    return config_of(load_backbone(weights))["architecture"]


def distilled(given) -> Path:
    """Return the teacher that belongs to the weights; it is trained, or gone on with, if it is not there."""
    teacher = Path(TEACHER)
    size, steps, batch_size = (64, 2, 2) if given.quick else (128, given.distill_steps, 8)
    data = "tiny-fractals" if given.quick else "textures"
    options = {"image_size": size, "steps": steps, "batch_size": batch_size, "norm_images": 200}
    distill(given.weights, data, teacher, threads=1, **options)
    return teacher


def rows(pool: str) -> list[dict]:
    """Return a row for each model: means over the sets of a pool."""
    found = read_results(RESULTS)
    table = []
    for model in found.models:
        records = [each for each in found.of_model(model, found.pool(pool)) if not each.failed]
        if not records:
            continue
        row = {"model": model, "backbone": named(found.benchmark.models[model].backbone), "sets": len(records)}
        for name, metric in COLUMNS.items():
            row[name] = mean(each.rows[0].get(metric) for each in records)
        row["fit s"] = mean(each.times.fit_s for each in records)
        row["ms/image"] = mean(each.times.latency_ms for each in records)
        row["MB"] = mean(each.memory.file and each.memory.file / 1e6 for each in records)
        table.append(row)
    return table


def named(backbone: str | None) -> str | None:
    """Return a short name of weights: a file's folder, and the words of others."""
    if backbone is None or ":" in backbone or backbone == TEACHER:
        return backbone
    return Path(backbone).parent.name


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
    parser.add_argument("--other", default="random:resnet18", help="for kinds that do not take that network")
    parser.add_argument("--distill-steps", type=int, default=50)
    parser.add_argument("--only", action="append", choices=list(MODELS), help="a kind; may be given several times")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--print", action="store_true", dest="shows")
    given = parser.parse_args()
    if Path(given.weights).exists():
        given.weights = str(Path(given.weights).resolve())

    with working_in(given.out):
        if not given.shows:
            measure(given)
        for pool in ("textures", "plates"):
            print(f"\n{pool}\n")
            show(rows(pool))


def measure(given) -> None:
    """Do what is left of the study."""
    # the ensembles are named `methods:..`, also where this script is the main module
    sys.modules.setdefault("methods", sys.modules["__main__"])
    once(PHOTOGRAPHS, lambda folder: make_photographs(folder, scale_of(given.quick)))
    made = config(given, distilled(given))
    run_benchmark(made, RESULTS, workers=0, only=given.only or (), trust=True, log=print)


if __name__ == "__main__":
    as_script(main)
