"""Does pre-training on formulas help to find defects in real textures? An honest small study, offline.

Photographs of scikit-image (brick, grass, gravel), defects by cut-paste, PatchCore on one architecture with
different weights: random; pre-trained here on single-formula sets, Fractals and Mandelbulbs (a class is a formula,
an image has one object of it), and on multi-formula sets, MultiFractals and MultiMandelbulbs (a class is five
formulas, an image has two to five objects of them); ImageNet as the upper reference; all of them with batch-norm
statistics of the training images too; and a floor without a network. Ugwu et al. 2024 claim that multi-formula sets
are better.

Defects lie in the inspected field, which ends 32 pixels from the image's edge: beyond the edge a network sees its
own padding, which on a texture is stranger to it than most defects. Everything is kept in the folder: an
interrupted study goes on where it was.

    python examples/textures.py --out study                          # three seeds, an hour on two cores
    python examples/textures.py --out study --only MultiFractals-1   # one pre-training, beside another process
    python examples/textures.py --out quick --quick                  # one seed, a short pre-training
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from imagenet_lite0 import ARCH, imagenet_lite0
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

import synthgen
from synthgen.metrics import aupro, image_auroc, pixel_auroc, proportion_localised
from synthgen.metrics.intervals import Counts, count, draws, interval, resampled
from synthgen.recipe import Recipe
from synthgen.torch.backbones import load_backbone
from synthgen.torch.calibrate import calibrate_batch_norm
from synthgen.torch.features import normalised
from synthgen.torch.models import PatchCore
from synthgen.torch.pretrain import pretrain

TEXTURES = ("brick", "grass", "gravel")
SIZE, CROP = 256, 128
# Pixels at the edge of an image where nothing is inspected, and their places in the features of layer 2.
EDGE, BORDER = 32, 4
# Columns of a photograph that training images are cut from; test images are cut from the others.
TRAINING_COLUMNS = 288
TRAIN, GOOD, PER_KIND = 40, 105, 7
FORMULAS = 5  # to a class of a multi-formula set
# Name of a pre-training set -> what draws its objects, formulas to a class, objects in an image.
SETS = {
    "Fractals": ("fractals", 1, "1:1"),
    "Mandelbulbs": ("variants", 1, "1:1"),
    "MultiFractals": ("fractals", FORMULAS, "2:5"),
    "MultiMandelbulbs": ("variants", FORMULAS, "2:5"),
}
METRICS = ("image AUROC", "pixel AUROC", "AUPRO", "PL")
RESAMPLED = ("image_auroc", "pixel_auroc", "aupro", "pl")
RESAMPLES = 1000


def crops(photograph: np.ndarray, count: int, columns: tuple[int, int], rng) -> list[np.ndarray]:
    """Return square pieces of a photograph, enlarged to SIZE."""
    pieces = []
    for _ in range(count):
        top = rng.integers(0, photograph.shape[0] - CROP + 1)
        left = rng.integers(columns[0], columns[1] - CROP + 1)
        piece = Image.fromarray(photograph[top : top + CROP, left : left + CROP])
        pieces.append(np.asarray(piece.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
    return pieces


def make_texture(name: str, folder: Path) -> dict:
    """Return training images, test images and masks of a texture, uint8 (N, H, W)."""
    rng = np.random.default_rng(list(name.encode()))
    photograph = getattr(data, name)()
    test_columns = (TRAINING_COLUMNS, photograph.shape[1])
    train = crops(photograph, TRAIN, (0, TRAINING_COLUMNS), rng)
    good = crops(photograph, GOOD, test_columns, rng)
    normal = {f"{i:03d}": image for i, image in enumerate(crops(photograph, GOOD, test_columns, rng))}
    keep_images(folder / name, normal)
    keep_images(folder / f"{name}-sources", {other: getattr(data, other)() for other in TEXTURES if other != name})
    field = np.zeros((SIZE, SIZE), np.uint8)
    field[EDGE:-EDGE, EDGE:-EDGE] = 255
    keep_images(folder / "region", {"field": field})
    recipe = Recipe.from_dict({
        "family": "cutpaste", "name": name, "normal": str(folder / name), "per_class": PER_KIND, "size": SIZE,
        "source_dir": str(folder / f"{name}-sources"), "region": str(folder / "region" / "field.png"),
        "objects": "1:2", "severity": "0.6:1.0", "area": "0.005:0.05",
    })  # fmt: skip
    synthgen.generate(recipe, folder / f"{name}-defects", progress=False)
    defects = list(synthgen.open(folder / f"{name}-defects"))
    masks = [np.zeros((SIZE, SIZE), bool)] * GOOD + [sample.fields["mask"] > 0 for sample in defects]
    return {
        "train": np.stack(train),
        "test": np.stack(good + [sample.image for sample in defects]),
        "masks": np.stack(masks),
    }


def keep_images(folder: Path, images: dict[str, np.ndarray]) -> None:
    """Write images that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        if not (folder / f"{name}.png").exists():
            Image.fromarray(image).save(folder / f"{name}.png")


def make_pretraining_sets(folder: Path, quick: bool) -> dict[str, Path]:
    """Draw the small pre-training sets, all of as many classes and images.

    Mandelbulbs are drawn once and then pasted from their shards.
    """
    classes, per_class = (20, 40) if quick else (100, 200)
    variants = Recipe.from_dict({
        "family": "mandelbulb", "classes": FORMULAS * classes, "per_class": 8 if quick else 16, "size": 64,
        "background": "black", "filter": "box", "fields": "coverage",
    })  # fmt: skip
    synthgen.generate(variants, folder / "variants")

    sources = {"fractals": "fractals", "variants": str(folder / "variants")}
    paths = {}
    for name, (source, formulas, objects) in SETS.items():
        recipe = Recipe.from_dict({
            "family": "multiformula", "source": sources[source], "source_classes": formulas * classes,
            "groups": classes, "classes": classes, "per_class": per_class, "size": 64, "systems": 1,
            "objects": objects, "scale": "0.5:1.0",
        })  # fmt: skip
        paths[name] = folder / name
        synthgen.generate(recipe, paths[name])
    return paths


def pretrained(name: str, path: Path, seed: int, folder: Path, epochs: int, threads: int | None) -> Path:
    """Return the weights of a short pre-training; a finished one is not repeated."""
    out = folder / f"{name}-{seed}"
    changes = {
        "epochs": epochs, "batch_size": 32, "optimizer": "adamw", "lr": 2e-3, "weight_decay": 0.05,
        "schedule": "cosine", "flip": True, "jitter": 0.2, "mean": (0.2,), "std": (0.5,), "seed": seed,
        "val_images": 500,
    }  # fmt: skip
    pretrain(path, out, ARCH, threads=threads, **changes)
    return out / "last.safetensors"


def calibrated(model: torch.nn.Module, train: np.ndarray) -> torch.nn.Module:
    """Return a model whose batch-norm statistics are those of the training images."""
    images = torch.from_numpy(train)[:, None].expand(-1, 3, -1, -1)
    cfg = model.pretrained_cfg
    batches = [normalised(images[i : i + 8], cfg["mean"], cfg["std"]) for i in range(0, len(images), 8)]
    return calibrate_batch_norm(model, batches)


def network_maps(model: torch.nn.Module, texture: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (N,) and maps (N, H, W) of PatchCore."""
    detector = PatchCore(model, layers=(2, 3), coreset=0.1, border=BORDER)
    train = torch.from_numpy(texture["train"])[:, None]
    detector.fit(train.split(8), progress="none")
    found = [detector.predict(torch.from_numpy(batch)[:, None]) for batch in np.array_split(texture["test"], 15)]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def floor_maps(texture: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and maps without a network: distance of the blurred gray value from the training mean."""
    mean = texture["train"].mean()
    maps = np.stack([np.abs(gaussian_filter(image.astype(np.float32), 4) - mean) for image in texture["test"]])
    return inspected(maps).max(axis=(1, 2)), maps


def measure(scores: np.ndarray, maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Return the four metrics."""
    labels = masks.any(axis=(1, 2))
    values = image_auroc(labels, scores), pixel_auroc(masks, maps), aupro(masks, maps)
    return dict(zip(METRICS, (*values, proportion_localised(masks, maps)), strict=True))


def main(out: Path, quick: bool, epochs: int, threads: int | None, only: str | None) -> None:
    """Run the study, or the rest of it, and print its table."""
    seeds = (0,) if quick else (0, 1, 2)
    sets = make_pretraining_sets(out / "sets", quick)
    if only:
        kind, _, seed = only.rpartition("-")
        pretrained(kind, sets[kind], int(seed), out / "pretrained", epochs, threads)
        return
    textures = {name: make_texture(name, out / "textures") for name in TEXTURES}
    for name, texture in textures.items():
        study(out, "no network: blurred gray value", name, lambda t=texture: floor_maps(t), texture)
    run_both(out, "ImageNet", 0, imagenet_lite0(), textures)
    for seed in seeds:
        run_both(out, "random", seed, load_backbone(f"random:{ARCH}", seed=seed), textures)
    for seed in seeds:
        for kind, path in sets.items():
            weights = pretrained(kind, path, seed, out / "pretrained", epochs, threads)
            run_both(out, kind, seed, load_backbone(weights), textures)
    print(table(out, {name: inspected(texture["masks"]) for name, texture in textures.items()}))


def inspected(planes: np.ndarray) -> np.ndarray:
    """Return the inspected field of images, masks or maps (N, H, W)."""
    return planes[:, EDGE:-EDGE, EDGE:-EDGE]


def run_both(out: Path, kind: str, seed: int, model, textures: dict) -> None:
    """Measure a model as it is, and with the batch-norm statistics of each texture's training images."""
    for name, texture in textures.items():
        study(out, f"{kind} / {seed}", name, lambda m=model, t=texture: network_maps(m, t), texture)
        study(
            out,
            f"{kind}, calibrated / {seed}",
            name,
            lambda m=model, t=texture: network_maps(calibrated(m, t["train"]), t),
            texture,
        )


def study(out: Path, method: str, name: str, predict, texture: dict) -> None:
    """Predict, measure and keep the result with what the bootstrap needs, unless it is there already."""
    path = out / "results" / f"{method.replace(' ', '_').replace('/', '-')}-{name}.npz"
    if path.exists():
        return
    scores, maps = predict()
    maps, masks = inspected(maps), inspected(texture["masks"])
    values = measure(scores, maps, masks)
    print(f"{method:34s} {name:8s} " + "  ".join(f"{key} {value:.3f}" for key, value in values.items()), flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    facts = {"method": method, "texture": name, "values": values}
    counts = count(masks.any(axis=(1, 2)), scores, masks, maps)
    there = {key: array for key, array in counts._asdict().items() if array is not None}
    np.savez(temporary, facts=json.dumps(facts), **there)
    temporary.rename(path)


def table(out: Path, masks: dict[str, np.ndarray]) -> str:
    """Return the table of all methods: means over textures and seeds, and 95 % intervals of the gain.

    The gain is over random weights with calibrated batch norm; all methods see the same resamples of the images.
    """
    weights = {name: draws(m.any(axis=(1, 2)), RESAMPLES, name=name) for name, m in masks.items()}
    values, samples = {}, {}
    for path in sorted((out / "results").glob("*.npz")):
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        facts = json.loads(str(arrays.pop("facts")))
        method, name = facts["method"].split(" / ")[0], facts["texture"]
        values.setdefault(method, []).append([facts["values"][key] for key in METRICS])
        found = resampled(Counts(**arrays), weights[name])
        samples.setdefault(method, []).append(np.column_stack([found[key] for key in RESAMPLED]))
    base = "random, calibrated"
    reference = np.mean(samples[base], axis=0)
    start, top = (np.mean(values[method], axis=0) for method in (base, "ImageNet"))
    lines = [
        "| weights | " + " | ".join(METRICS) + " | gain over calibrated random (95 %) | of the way to ImageNet |"
    ]
    lines.append("|---" * (len(METRICS) + 3) + "|")
    for method in sorted(values, key=lambda m: np.mean(values[m], axis=0)[2]):
        mean = np.mean(values[method], axis=0)
        gain = np.mean(samples[method], axis=0) - reference
        bounds = [interval(column) for column in gain.T]
        spans = ", ".join(f"{low:+.3f}..{high:+.3f}" for low, high in bounds)
        way = ", ".join(map(share, mean, start, top))
        lines.append(f"| {method} | " + " | ".join([*(f"{v:.3f}" for v in mean), spans, way]) + " |")
    return "\n".join(lines)


def share(value: float, start: float, top: float) -> str:
    """Return how far a value has come from `start` to `top`; there is no telling where they are within 0.02."""
    return f"{(value - start) / (top - start):.0%}" if top - start > 0.02 else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("textures-study"))
    parser.add_argument("--quick", action="store_true", help="one seed, smaller data sets, fewer epochs")
    parser.add_argument("--epochs", type=int, help="of each pre-training [default: 2; quick: 1]")
    parser.add_argument("--only", metavar="SET-SEED", help="only this pre-training, such as MultiFractals-1")
    parser.add_argument("--threads", type=int, help="of torch [default: all cores]")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    main(given.out, given.quick, given.epochs or (1 if given.quick else 2), given.threads, given.only)
