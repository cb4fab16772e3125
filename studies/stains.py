"""What do water stains in training images do to an anomaly model? Mao et al. 2025, tables I and II, small, offline.

There are no real plates here. What stands for them are plates that differ from the synthetic ones as real ones
do: stained, with fingerprints, another light, exposure, lens blur and sensor noise. Sequential PatchCore learns
normal plates: the target's, clean synthetic ones (Synth), or stained synthetic ones (Synth WS); both are then
fine-tuned on the target's, or melded with the model of the target's. All are tested on defective target plates.

    python examples/stains.py --out stains-study            # some ten minutes on two cores
    python examples/stains.py --out quick --quick
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from imagenet_lite0 import imagenet_lite0

import synthgen
from synthgen.metrics import best_f1_threshold, defect_wise_recall, pixel_scores
from synthgen.recipe import Recipe
from synthgen.torch.models import SequentialPatchCore, load_model, meld

SIZE = "512x428"
DEFECTS, IMPURITIES = ("scratch", "dent", "bump"), ("stain", "fingerprint")
SYNTHETIC = {"light": "ring"}
TARGET = {
    "light": "ring-rotated", "exposure": "0.75:1.05", "blur": 0.8, "noise": 3, "impurities": "fingerprint",
    "objects": "1:2", "seed": 1,
}  # fmt: skip


def plates(folder: Path, name: str, per_class: int, **options):
    """Return a data set of plates, drawn unless it is there."""
    recipe = Recipe.from_dict({"family": "stains", "per_class": per_class, "size": SIZE, **options})
    synthgen.generate(recipe, folder / name, progress=False)
    return synthgen.open(folder / name)


def loader(dataset) -> list[torch.Tensor]:
    """Return the images of a data set as batches of four."""
    images = [torch.from_numpy(sample.image.copy())[None] for sample in dataset]
    return [torch.stack(images[i : i + 4]) for i in range(0, len(images), 4)]


def fitted(path: Path, make) -> SequentialPatchCore:
    """Return a model, learned unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().save(path)
    return load_model(path)


def models(out: Path, sets: dict, points: int, epochs: int) -> dict[str, SequentialPatchCore]:
    """Learn, fine-tune and meld."""
    backbone = imagenet_lite0()
    folder, found = out / "models", {}
    for name in ("Target", "Synth", "Synth WS"):
        found[name] = fitted(
            folder / f"{name}.safetensors",
            lambda n=name: SequentialPatchCore(backbone, points=points, epochs=epochs).fit(loader(sets[n])),
        )
    for name in ("Synth", "Synth WS"):
        source = folder / f"{name}.safetensors"
        found[f"{name}, fine-tuned"] = fitted(
            folder / f"{name}-ft.safetensors", lambda s=source: load_model(s).update(loader(sets["Target"]))
        )
        found[f"{name}, melded"] = fitted(
            folder / f"{name}-meld.safetensors", lambda n=name: meld([found[n], found["Target"]], points)
        )
    return found


def measure(model: SequentialPatchCore, validation, test) -> dict[str, float]:
    """Return the row of a model; its threshold is that of the best F1 on the validation plates."""
    maps, truth = predicted(model, validation), [defects_of(sample) for sample in validation]
    threshold, _ = best_f1_threshold(np.stack(truth), maps)
    found = predicted(model, test) >= threshold
    pixels = pixel_scores(np.stack([defects_of(sample) for sample in test]), found)
    row = {"P px": pixels["precision"], "R px": pixels["recall"], "F1 px": pixels["f1"]}
    recalls = []
    for kind in (*DEFECTS, *IMPURITIES):
        ids = np.stack([ids_of(sample, kind) for sample in test])
        recall = defect_wise_recall(ids, found)
        if kind in DEFECTS:
            recalls.append(recall)
            row[f"{kind} R dw"] = recall
        else:
            row[f"{kind} R px"] = float(found[ids > 0].mean())
    return {**row, "mean R dw": float(np.mean(recalls))}


def predicted(model: SequentialPatchCore, dataset) -> np.ndarray:
    """Return the maps of all images of a data set."""
    return np.concatenate([model.predict(batch)[1] for batch in loader(dataset)])


def defects_of(sample) -> np.ndarray:
    """Return the mask of defects, without impurities."""
    return np.any([sample.fields[kind] > 0 for kind in DEFECTS], axis=0)


def ids_of(sample, kind: str) -> np.ndarray:
    """Return the instances of one kind."""
    ids = [thing["id"] for thing in sample.params["objects"] if thing["kind"] == kind]
    return np.where(np.isin(sample.fields["instances"], ids), sample.fields["instances"], 0)


def main(out: Path, quick: bool) -> None:
    """Run the study, or the rest of it, and print its table."""
    train, per_class, points, epochs = (6, 2, 256, 1) if quick else (32, 16, 2048, 5)
    sets = {
        "Synth": plates(out / "sets", "synth", train, **SYNTHETIC, stains=False),
        "Synth WS": plates(out / "sets", "synth-ws", train, **SYNTHETIC),
        "Target": plates(out / "sets", "target", train, **TARGET),
    }
    tests = {
        name: plates(out / "sets", name, per_class, layout="test", **{**TARGET, "seed": seed})
        for name, seed in (("validation", 2), ("test", 3))
    }
    rows = {name: measure(model, **tests) for name, model in models(out, sets, points, epochs).items()}
    columns = list(next(iter(rows.values())))
    print("| trained on | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[column]:.3f}" for column in columns) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("stains-study"))
    parser.add_argument("--quick", action="store_true", help="few plates, a small bank, one epoch")
    given = parser.parse_args()
    main(given.out, given.quick)
