"""What refinement adds to a coarse map: tables I to IV of Tao et al. 2024 (F2PAD), in small.

Three photographed textures of scikit-image and a drawn capsule, 128 x 128 pixels, defects by `cutpaste-f2pad` and
`cutpaste-structural`, ImageNet weights of EfficientNet-lite0, one set of options for all. The threshold of masks
comes from validation images with defects of their own; training, validation and test images of a texture are
cut from different columns of the photograph. Everything is kept in the folder: an interrupted study goes on.

    python studies/refine.py --out study                                    # all: hours on one core
    python studies/refine.py --out study --only gravel --models patchcore --images 6
    python studies/refine.py --out study --print                            # the tables of what is there
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from skimage import data

import synthgen
from synthgen.metrics import mean_overlap
from synthgen.metrics.overlap import SIZES
from synthgen.recipe import load_recipe
from synthgen.torch import Cflow, PaDiM, PatchCore, load_model
from synthgen.torch.refine import PIXELS, RefineOptions, Sampled, refine
from synthgen.torch.refine.pictures import sheet

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from imagenet_lite0 import imagenet_lite0

SIZE = 128
TEXTURES = ("brick", "grass", "gravel")
CAPSULES = "capsule"
SCENES = (*TEXTURES, CAPSULES)
# Columns of a photograph that each part is cut from.
COLUMNS = {"train": (0, 232), "validation": (232, 372), "test": (372, 512)}
TRAIN = 40
FEW = 16
VALIDATION = 12
TEST = 20
GOOD = 10
THRESHOLDS = 60
MODELS = {
    "patchcore": (PatchCore, {"coreset": 0.1}),
    "padim": (PaDiM, {"channels": 64}),
    "cflow": (Cflow, {}),
}
# Table III: the image that the search starts from, and the search without a term.
VARIANTS = {
    "whole": RefineOptions(),
    "start alone": RefineOptions(iterations=1, step=1e-6, difference=0.2),
    "without colors": RefineOptions(colors=0),
    "without sparsity": RefineOptions(sparsity=0),
}


class Images(NamedTuple):
    """Images uint8 (N, H, W, 3) and their masks, bool (N, H, W)."""

    images: np.ndarray
    masks: np.ndarray


def crops(photograph: np.ndarray, count: int, columns: tuple[int, int], rng) -> np.ndarray:
    """Return square pieces of a gray photograph, uint8 (N, SIZE, SIZE, 3)."""
    pieces = []
    for _ in range(count):
        top = rng.integers(0, photograph.shape[0] - SIZE + 1)
        left = rng.integers(columns[0], columns[1] - SIZE + 1)
        piece = photograph[top : top + SIZE, left : left + SIZE]
        pieces.append(np.repeat(piece[..., None], 3, axis=2))
    return np.stack(pieces)


def capsules(count: int, rng) -> np.ndarray:
    """Return drawn capsules, left and right half of different colors and prints, uint8 (N, SIZE, SIZE, 3)."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    images = []
    for _ in range(count):
        down, right = rng.normal(0, 0.004, 2)
        across = (rows - 0.5 - down) / 0.2
        along = np.clip(np.abs(columns - 0.5 - right) - 0.22, 0, None) / 0.2
        distance = np.hypot(across, along)
        inside = np.clip((1 - distance) * 12, 0, 1)[..., None]

        shade = (0.55 + 0.45 * np.sqrt(np.clip(1 - across**2, 0, 1)))[..., None]
        is_left = (columns < 0.5 + right)[..., None]
        color = np.where(is_left, (196, 92, 40), (232, 222, 196)) * shade
        print_left = is_left[..., 0] & (np.abs(across) < 0.35) & (np.sin(columns * 150) > 0.4) & (columns > 0.27)
        ring = ~is_left[..., 0] & (np.abs(columns - 0.68 - right) < 0.015)
        color = np.where((print_left | ring)[..., None], color * 0.45, color)

        floor = np.array((88, 96, 104)) + 8 * np.sin(rows * 9)[..., None]
        picture = inside * color + (1 - inside) * floor
        picture = picture * rng.normal(1, 0.02) + rng.normal(0, 3, picture.shape)
        images.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(images)


def normal_images(scene: str, part: str, count: int) -> np.ndarray:
    """Return normal images of a scene; those of different parts share nothing."""
    rng = np.random.default_rng(list(f"{scene} {part}".encode()))
    if scene == CAPSULES:
        return capsules(count, rng)
    photograph = getattr(data, scene)()
    columns = COLUMNS["test" if part == "good" else part]
    return crops(photograph, count, columns, rng)


def defective(scene: str, part: str, count: int, seed: int, folder: Path) -> Images:
    """Return images with one defect each; capsules have structural ones, too."""
    normal = folder / f"{scene}-{part}"
    normal.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(normal_images(scene, part, max(count, 20))):
        if not (normal / f"{number:03d}.png").exists():
            Image.fromarray(image).save(normal / f"{number:03d}.png")

    recipes = ["cutpaste-f2pad", "cutpaste-structural"] if scene == CAPSULES else ["cutpaste-f2pad"]
    images, masks = [], []
    for recipe in recipes:
        for sample in _samples(recipe, normal, count, seed, folder / f"{scene}-{part}-{recipe}-{seed}"):
            images.append(sample.image)
            masks.append(sample.fields["mask"] > 0)

    # as many of each kind, in a fixed mixed order
    order = np.random.default_rng(seed).permutation(len(images))[:count]
    return Images(np.stack(images)[order], np.stack(masks)[order])


def _samples(recipe: str, normal: Path, count: int, seed: int, folder: Path):
    """Return the defective samples of a recipe."""
    size = f"{SIZE}x{SIZE}"
    changes = {"normal": str(normal), "size": size, "seed": seed, "channels": "color"}
    classes = load_recipe(recipe, changes).classes
    changes["per_class"] = -(-count // classes) + 1
    synthgen.generate(load_recipe(recipe, changes), folder, workers=0, progress=False)
    return [sample for sample in synthgen.open(folder) if sample.fields["mask"].any()]


class Setting(NamedTuple):
    """One model on one scene.

    Attributes
    ----------
    scene, kind : str
    seed : int
        Of the model, the choice of its images, and the defects.
    train : int
        Images that the model is fitted to.
    """

    scene: str
    kind: str
    seed: int
    train: int

    @property
    def name(self) -> str:
        """What files of the setting are called."""
        return f"{self.scene}-{self.kind}-{self.seed}-{self.train}"


def as_batch(images: np.ndarray) -> torch.Tensor:
    """Return images (N, H, W, 3) as a tensor (N, 3, H, W)."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def fitted(setting: Setting, folder: Path):
    """Return the model of a setting, which keeps its prior of colors; a fitted one is not fitted again."""
    path = folder / f"{setting.name}.safetensors"
    if path.exists():
        return load_model(path, device="cpu")

    made, options = MODELS[setting.kind]
    model = made(imagenet_lite0(), layers=(1, 2), sigma=2.0, seed=setting.seed, device="cpu", **options)
    images = normal_images(setting.scene, "train", TRAIN)
    chosen = np.random.default_rng(setting.seed).permutation(TRAIN)[: setting.train]
    batch = as_batch(images[np.sort(chosen)])
    loader = Sampled(list(batch.split(8)), setting.seed)
    model.fit(loader, progress="none")
    model.notes[PIXELS] = loader.prior().notes()
    model.save(path)
    return model


def threshold_of(model, validation: Images) -> float:
    """Return the threshold whose masks fit best on validation images: the best mean IoU of 60 thresholds."""
    _, maps = model.predict(as_batch(validation.images))
    shares = np.geomspace(0.002, 0.3, THRESHOLDS)
    tried = np.quantile(maps, 1 - shares)
    ious = [mean_overlap(validation.masks, maps >= threshold)["iou"] for threshold in tried]
    return float(tried[int(np.argmax(ious))])


class Results:
    """Rows of results in a file, one a line: what is there is not computed again."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = [json.loads(line) for line in lines]
        self._known = {self._key(row) for row in self.rows}

    @staticmethod
    def _key(row: dict) -> tuple:
        return (*(row[name] for name in Setting._fields), row["variant"], row["part"], row["image"])

    def has(self, setting: Setting, variant: str, part: str, image: int) -> bool:
        """Return whether a row is there."""
        return (*setting, variant, part, image) in self._known

    def add(self, setting: Setting, variant: str, part: str, image: int, values: dict) -> None:
        """Append a row."""
        row = {**setting._asdict(), "variant": variant, "part": part, "image": image, **values}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(row)
        self._known.add(self._key(row))


def run(setting: Setting, variants: list[str], count: int, good: int, folder: Path, results: Results) -> None:
    """Refine test images of a setting, and normal ones, that are not refined yet."""
    test = defective(setting.scene, "test", TEST, setting.seed, folder)
    normal = normal_images(setting.scene, "good", GOOD)
    wanted = [(variant, "test", i) for variant in variants for i in range(min(count, TEST))]
    wanted += [("whole", "good", i) for i in range(min(good, GOOD))]
    left = [each for each in wanted if not results.has(setting, *each)]
    if not left:
        return

    model = fitted(setting, folder)
    threshold = threshold_of(model, defective(setting.scene, "validation", VALIDATION, setting.seed, folder))
    for variant, part, i in left:
        image = test.images[i] if part == "test" else normal[i]
        truth = test.masks[i] if part == "test" else np.zeros((SIZE, SIZE), bool)
        _, maps = model.predict(as_batch(image[None]))
        coarse = maps[0] >= threshold
        start = time.process_time()
        found = refine(model, image, coarse, options=VARIANTS[variant])
        seconds = time.process_time() - start
        values = {**measured(truth, coarse, found), "seconds": seconds, "iterations": found.iterations}
        results.add(setting, variant, part, i, values)
        if variant == "whole":
            place = folder / "sheets" / setting.name / f"{part}-{i:02d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sheet(image, maps[0], threshold, coarse, found)).save(place)


def measured(truth: np.ndarray, coarse: np.ndarray, found) -> dict:
    """Return what the tables need of an image."""
    values = {
        "size": truth.mean(),
        "area": coarse.mean(),
        "refined_area": found.mask.mean(),
        "note": found.notes[:1],
    }
    if truth.any():
        for name, mask in (("coarse", coarse), ("refined", found.mask)):
            overlap = mean_overlap([truth], [mask])
            values |= {f"{name}_iou": overlap["iou"], f"{name}_dice": overlap["dice"]}
    return {name: float(value) if isinstance(value, np.floating) else value for name, value in values.items()}


def mean_of(rows: list[dict], name: str) -> float:
    """Return the mean of a value over rows, in per cent."""
    return 100 * float(np.mean([row[name] for row in rows]))


def tables(rows: list[dict]) -> str:
    """Return all tables as text."""
    parts = [
        comparison("Table I: normal setting", rows, TRAIN),
        comparison(f"Table II: {FEW} training images", rows, FEW),
        ablation(rows),
        effort(rows),
        sizes(rows),
        good_images(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _chosen(rows: list[dict], **wanted) -> list[dict]:
    """Return the rows of some values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def comparison(title: str, rows: list[dict], train: int) -> str:
    """Return the table of a number of training images: IoU and DICE before and after."""
    lines = [
        title,
        "| scene | model | images | seeds | IoU | DICE | refined IoU | refined DICE | gain by seed |",
        "|---" * 9 + "|",
    ]
    for kind in MODELS:
        for scene in (*SCENES, "mean"):
            found = _chosen(rows, kind=kind, train=train, variant="whole", part="test")
            found = [row for row in found if scene in (row["scene"], "mean")]
            if not found:
                continue
            seeds = sorted({row["seed"] for row in found})
            gains = [
                mean_of(_chosen(found, seed=seed), "refined_iou") - mean_of(_chosen(found, seed=seed), "coarse_iou")
                for seed in seeds
            ]
            names = ("coarse_iou", "coarse_dice", "refined_iou", "refined_dice")
            values = [f"{mean_of(found, name):.1f}" for name in names]
            by_seed = ", ".join(f"{gain:+.1f}" for gain in gains)
            lines.append(f"| {scene} | {kind} | {len(found)} | {len(seeds)} | {' | '.join(values)} | {by_seed} |")
    return "\n".join(lines) if len(lines) > 3 else ""


def ablation(rows: list[dict]) -> str:
    """Return table III, over the images that every variant has seen."""
    test = _chosen(rows, train=TRAIN, part="test")
    keys = [
        {(r["scene"], r["kind"], r["seed"], r["image"]) for r in _chosen(test, variant=name)} for name in VARIANTS
    ]
    shared = set.intersection(*keys)
    if not shared:
        return ""
    lines = [
        f"Table III: ablations ({len(shared)} images)",
        "| variant | " + " | ".join(f"{kind} IoU | {kind} DICE" for kind in MODELS) + " |",
        "|---" * (1 + 2 * len(MODELS)) + "|",
    ]
    for variant in VARIANTS:
        cells = []
        for kind in MODELS:
            found = _chosen(test, variant=variant, kind=kind)
            found = [row for row in found if (row["scene"], row["kind"], row["seed"], row["image"]) in shared]
            cells += [f"{mean_of(found, name):.1f}" if found else "-" for name in ("refined_iou", "refined_dice")]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def effort(rows: list[dict]) -> str:
    """Return table IV: iterations and CPU seconds of an image."""
    lines = ["Table IV: effort of an image", "| model | iterations | CPU seconds |", "|---|---|---|"]
    for kind in MODELS:
        found = [row for row in _chosen(rows, kind=kind, variant="whole", part="test") if row["iterations"]]
        if found:
            iterations = mean_of(found, "iterations") / 100
            seconds = mean_of(found, "seconds") / 100
            lines.append(f"| {kind} | {iterations:.0f} | {seconds:.2f} |")
    return "\n".join(lines)


def sizes(rows: list[dict]) -> str:
    """Return figure 7 as a table: IoU before and after by the size of the defect."""
    found = _chosen(rows, train=TRAIN, variant="whole", part="test")
    lines = ["By size (figure 7)", "| share of the image | images | IoU | refined IoU |", "|---|---|---|---|"]
    for low, high in pairwise(SIZES):
        inside = [row for row in found if low < row["size"] <= high]
        if inside:
            before, after = mean_of(inside, "coarse_iou"), mean_of(inside, "refined_iou")
            lines.append(f"| {low:g} to {high:g} | {len(inside)} | {before:.1f} | {after:.1f} |")
    return "\n".join(lines)


def good_images(rows: list[dict]) -> str:
    """Return what is marked in normal images, in per cent of their pixels."""
    lines = ["Normal images: per cent marked", "| model | images | coarse | refined |", "|---|---|---|---|"]
    for kind in MODELS:
        found = _chosen(rows, kind=kind, part="good")
        if found:
            before, after = mean_of(found, "area"), mean_of(found, "refined_area")
            lines.append(f"| {kind} | {len(found)} | {before:.2f} | {after:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, and print the tables of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("refine-study"))
    parser.add_argument("--only", default=",".join(SCENES), help="scenes")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--images", type=int, default=TEST, help="test images of a setting")
    parser.add_argument("--ablated", type=int, default=6, help="test images of the ablations, 0 for none")
    parser.add_argument("--few", type=int, default=6, help=f"test images with {FEW} training images, 0 for none")
    parser.add_argument("--good", type=int, default=GOOD, help="normal images")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--print", action="store_true", dest="only_print", help="only the tables of what is there")
    given = parser.parse_args()

    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    results = Results(given.out / "results.jsonl")
    if not given.only_print:
        for seed in map(int, given.seeds.split(",")):
            for scene in given.only.split(","):
                for kind in given.models.split(","):
                    setting = Setting(scene, kind, seed, TRAIN)
                    run(setting, ["whole"], given.images, given.good, given.out, results)
                    run(setting, list(VARIANTS), given.ablated, 0, given.out, results)
                    run(setting._replace(train=FEW), ["whole"], given.few, 0, given.out, results)
    print(tables(results.rows))


if __name__ == "__main__":
    main()
