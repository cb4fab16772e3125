"""Logical anomalies measured twice: by `synthgen evaluate`, and by the evaluation script of MVTec LOCO itself.

Connectors and their anomalies are exported as a category of MVTec LOCO, a small PatchCore is fitted to it, and its
maps are measured by both. The script is not part of this project: get it from MVTec's page of the data set.

    python benchmarks/loco.py FOLDER_OF_THE_SCRIPT
"""

import csv
import json
import os
import runpy
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from itertools import product
from pathlib import Path

import numpy as np

import synthgen
from synthgen.cli import cli
from synthgen.layouts.export import export
from synthgen.recipe import Recipe

CATEGORY = "splicing_connectors"  # the script knows the names of MVTec alone
KINDS = ("logical_anomalies", "structural_anomalies", "mean")
LIMITS = (0.01, 0.05, 0.1, 0.3)
SIZE = 160


def exported(folder: Path) -> Path:
    """Return a category of MVTec LOCO: normal connectors, and each kind of anomaly."""
    common = {"family": "connectors", "size": SIZE}
    recipes = {
        "normal": {**common, "per_class": 24},
        "test": {**common, "layout": "test", "per_class": 4},
    }
    for name, values in recipes.items():
        synthgen.generate(Recipe.from_dict(values), folder / name, workers=0, progress=False)
    export("mvtec-loco", [folder / "normal", folder / "test"], folder / "loco", category=CATEGORY)
    return folder / "loco" / CATEGORY


def command(*words) -> None:
    """Run a command of ours."""
    cli.main([str(word) for word in words], standalone_mode=False)


def ours(category: Path, folder: Path) -> dict[tuple[str, float], float]:
    """Return the sPRO of `synthgen evaluate`, by kind and limit; write maps as MVTec's script reads them."""
    model = folder / "model.safetensors"
    fitting = ["--backbone", "random:resnet18", "--size", SIZE, "--out", model]
    command("fit", "patchcore", "--normal", category, *fitting)

    limits = [word for limit in LIMITS for word in ("--metric", f"spro@{limit}")]
    command("evaluate", model, category, *limits, "--own-size", "--out", folder / "report")
    command("detect", model, category / "test", "--maps", "tiff", "--out", folder / "found")
    copy_maps(folder)

    rows = json.loads((folder / "report" / "table.json").read_text())
    table = {row["kind"]: row for row in rows}
    found = {}
    for kind, limit in product(KINDS, LIMITS):
        row = table["mean of kinds" if kind == "mean" else kind]
        found[kind, limit] = row[f"spro@{limit}"]
    return found


def copy_maps(folder: Path) -> None:
    """Copy the maps of all test images to where MVTec's script looks for them."""
    with open(folder / "found" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        image = Path(row["image"])
        of_kind = folder / "maps" / CATEGORY / "test" / image.parent.name
        of_kind.mkdir(parents=True, exist_ok=True)
        shutil.copy(row["map"], of_kind / f"{image.stem}.tiff")


def theirs(script: Path, folder: Path) -> dict[tuple[str, float], float]:
    """Return the same by MVTec's script."""
    vars(np).setdefault("trapz", np.trapezoid)  # the script is older than NumPy 2
    sys.path.insert(0, str(script))
    sys.argv = [
        "evaluate_experiment.py", "--object_name", CATEGORY, "--dataset_base_dir", str(folder / "loco"),
        "--anomaly_maps_dir", str(folder / "maps"), "--output_dir", str(folder / "theirs"),
        "--curve_max_distance", "0.0005",
    ]  # fmt: skip
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        runpy.run_path(str(script / "evaluate_experiment.py"), run_name="__main__")

    found = json.loads((folder / "theirs" / "metrics.json").read_text())
    values = found["localization"]["auc_spro"]
    pairs = product(KINDS, LIMITS)
    return {(kind, limit): values[kind][str(limit)] for kind, limit in pairs}


def main(script: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        our_values = ours(exported(folder), folder)
        their_values = theirs(script, folder)

    print(f"{'kind':22s} {'limit':>6s} {'ours':>9s} {'MVTec':>9s} {'difference':>11s}")
    for (kind, limit), value in our_values.items():
        other = their_values[kind, limit]
        print(f"{kind:22s} {limit:6} {value:9.5f} {other:9.5f} {value - other:+11.5f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
