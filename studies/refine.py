"""What refinement adds to a coarse map: tables I to IV of Tao et al. 2024 (F2PAD), in small.

Three photographed textures of scikit-image and a drawn capsule, 128 x 128 pixels, defects by `cutpaste-f2pad` and
`cutpaste-structural`, ImageNet weights of EfficientNet-lite0, one set of options for all. The threshold of masks
comes from validation images with defects of their own; training, validation and test images of a texture are
cut from different columns of the photograph. Everything is kept in the folder: an interrupted study goes on.

    python studies/refine.py --out study                                    # all: 75 minutes of one core
    python studies/refine.py --out study --only gravel --models patchcore --images 6
    python studies/refine.py --out study --print                            # the tables of what is there
"""

import argparse
import json
import time
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from shared import as_script, imagenet_lite0, some_of
from skimage import data

import synthgen
from synthgen.metrics import mean_overlap
from synthgen.metrics.overlap import SIZES
from synthgen.recipe import load_recipe
from synthgen.torch import Cflow, PaDiM, PatchCore, load_model
from synthgen.torch.refinement import PIXELS, RefineOptions, Sampled, refine
from synthgen.torch.refinement.pictures import sheet

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
OVERLAPS = ("coarse_iou", "coarse_dice", "refined_iou", "refined_dice")
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
    first, last = columns
    most = photograph.shape[0] - SIZE
    pieces = []
    for _ in range(count):
        top = rng.integers(0, most + 1)
        left = rng.integers(first, last - SIZE + 1)
        bottom = top + SIZE
        right = left + SIZE
        piece = photograph[top:bottom, left:right]
        pieces.append(np.dstack([piece] * 3))
    return np.stack(pieces)


def capsules(count: int, rng) -> np.ndarray:
    """Return drawn capsules, left and right half of different colors and prints, uint8 (N, SIZE, SIZE, 3)."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    wave = 8 * np.sin(rows * 9)
    floor = np.array((88, 96, 104)) + wave[..., None]

    images = []
    for _ in range(count):
        down, right = rng.normal(0, 0.004, 2)
        part, cover = capsule(rows - 0.5 - down, columns - 0.5 - right, columns)
        picture = cover * part + (1 - cover) * floor

        light = rng.normal(1, 0.02)
        noise = rng.normal(0, 3, picture.shape)
        lit = picture * light + noise
        images.append(np.clip(lit, 0, 255).astype(np.uint8))
    return np.stack(images)


def capsule(down: np.ndarray, right: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colors of a capsule (H, W, 3), and how much of each pixel it covers (H, W, 1).

    Parameters
    ----------
    down, right, columns : ndarray, (H, W)
        Where pixels lie from its center, and from the left edge of the image, as shares of the side.
    """
    across = down / 0.2
    beyond = np.abs(right) - 0.22
    along = np.clip(beyond, 0, None) / 0.2
    distance = np.hypot(across, along)
    cover = np.clip((1 - distance) * 12, 0, 1)

    height = np.clip(1 - across**2, 0, 1)
    shade = 0.55 + 0.45 * np.sqrt(height)
    is_left = right < 0
    color = np.where(is_left[..., None], (196, 92, 40), (232, 222, 196))

    letters = (np.abs(across) < 0.35) & (np.sin(columns * 150) > 0.4) & (columns > 0.27)
    ring = np.abs(right - 0.18) < 0.015
    printed = np.where(is_left, letters, ring)
    ink = np.where(printed, 0.45, 1.0)
    tone = shade * ink
    return color * tone[..., None], cover[..., None]


def normal_images(scene: str, part: str, count: int) -> np.ndarray:
    """Return normal images of a scene; those of different parts share nothing."""
    rng = np.random.default_rng(list(f"{scene} {part}".encode()))
    if scene == CAPSULES:
        return capsules(count, rng)
    photograph = getattr(data, scene)()
    place = "test" if part == "good" else part
    return crops(photograph, count, COLUMNS[place], rng)


def defective(scene: str, part: str, count: int, seed: int, folder: Path) -> Images:
    """Return images with one defect each; capsules have structural ones, too."""
    normal = folder / f"{scene}-{part}"
    normal.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(normal_images(scene, part, TEST)):
        path = normal / f"{number:03d}.png"
        if not path.exists():
            Image.fromarray(image).save(path)

    recipes = ["cutpaste-f2pad"]
    if scene == CAPSULES:
        recipes.append("cutpaste-structural")
    images = []
    masks = []
    for recipe in recipes:
        place = folder / f"{scene}-{part}-{recipe}-{seed}"
        for sample in _samples(recipe, normal, count, seed, place):
            images.append(sample.image)
            masks.append(sample.fields["mask"] > 0)

    # all kinds, in a fixed mixed order
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))[:count]
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
    net = imagenet_lite0()
    model = made(net, layers=(1, 2), sigma=2.0, seed=setting.seed, device="cpu", **options)

    rng = np.random.default_rng(setting.seed)
    chosen = rng.permutation(TRAIN)[: setting.train]
    images = normal_images(setting.scene, "train", TRAIN)
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
    ious = []
    for threshold in tried:
        found = mean_overlap(validation.masks, maps >= threshold)
        ious.append(found["iou"])
    best = int(np.argmax(ious))
    return float(tried[best])


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
    wanted = [(variant, "test", i) for variant in variants for i in range(min(count, TEST))]
    wanted += [("whole", "good", i) for i in range(min(good, GOOD))]
    left = [each for each in wanted if not results.has(setting, *each)]
    if not left:
        return

    normal = normal_images(setting.scene, "good", GOOD)
    nothing = np.zeros(normal.shape[:3], bool)
    parts = {
        "test": defective(setting.scene, "test", TEST, setting.seed, folder),
        "good": Images(normal, nothing),
    }

    model = fitted(setting, folder)
    validation = defective(setting.scene, "validation", VALIDATION, setting.seed, folder)
    threshold = threshold_of(model, validation)
    for variant, part, i in left:
        image = parts[part].images[i]
        truth = parts[part].masks[i]
        place = None
        if variant == "whole":
            place = folder / "sheets" / setting.name / f"{part}-{i:02d}.png"
        values = run_one(model, image, truth, threshold, VARIANTS[variant], place)
        results.add(setting, variant, part, i, values)


def run_one(model, image, truth, threshold: float, options: RefineOptions, place: Path | None) -> dict:
    """Return what was measured on an image, and write its sheet to a place."""
    _, maps = model.predict(as_batch(image[None]))
    coarse = maps[0] >= threshold
    start = time.process_time()
    found = refine(model, image, coarse, options=options)
    seconds = time.process_time() - start

    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = sheet(image, maps[0], threshold, coarse, found)
        Image.fromarray(pixels).save(place)
    return {**measured(truth, coarse, found), "seconds": seconds, "iterations": found.iterations}


def measured(truth: np.ndarray, coarse: np.ndarray, found) -> dict:
    """Return what the tables need of an image."""
    values: dict = {"note": found.notes[:1]}
    for name, mask in (("size", truth), ("area", coarse), ("refined_area", found.mask)):
        values[name] = float(mask.mean())
    if truth.any():
        for name, mask in (("coarse", coarse), ("refined", found.mask)):
            overlap = mean_overlap([truth], [mask])
            values[f"{name}_iou"] = overlap["iou"]
            values[f"{name}_dice"] = overlap["dice"]
    return values


def mean_of(rows: list[dict], name: str) -> float:
    """Return the mean of a value over rows, in per cent."""
    values = [row[name] for row in rows]
    return 100 * float(np.mean(values))


def tables(rows: list[dict]) -> str:
    """Return all tables as text."""
    parts = [
        comparison(f"Table I: {TRAIN} training images", rows, TRAIN),
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


def _table(title: str, heads: list[str], lines: list[list]) -> str:
    """Return a table with its title, or nothing of no line."""
    if not lines:
        return ""
    rule = ["---"] * len(heads)
    rows = [_line(cells) for cells in (heads, rule, *lines)]
    return "\n".join([title, *rows])


def _line(cells: list) -> str:
    """Return a row of a table."""
    texts = map(str, cells)
    return f"| {' | '.join(texts)} |"


def comparison(title: str, rows: list[dict], train: int) -> str:
    """Return the table of a number of training images: IoU and DICE before and after."""
    chosen = _chosen(rows, train=train, variant="whole", part="test")
    lines = []
    for kind, scene in product(MODELS, (*SCENES, "mean")):
        found = _chosen(chosen, kind=kind)
        if scene != "mean":
            found = _chosen(found, scene=scene)
        if found:
            cells = [f"{mean_of(found, name):.1f}" for name in OVERLAPS]
            lines.append([scene, kind, len(found), *cells, gains(found)])
    heads = ["scene", "model", "images", "IoU", "DICE", "refined IoU", "refined DICE", "gain of each seed"]
    return _table(title, heads, lines)


def gains(rows: list[dict]) -> str:
    """Return the gains of the mean IoU, seed by seed."""
    seeds = sorted({row["seed"] for row in rows})
    texts = []
    for seed in seeds:
        found = _chosen(rows, seed=seed)
        gain = mean_of(found, "refined_iou") - mean_of(found, "coarse_iou")
        texts.append(f"{gain:+.1f}")
    return ", ".join(texts)


def ablation(rows: list[dict]) -> str:
    """Return table III, over the images that every variant has seen."""
    test = _chosen(rows, train=TRAIN, part="test")
    seen = [{_image(row) for row in _chosen(test, variant=variant)} for variant in VARIANTS]
    shared = set.intersection(*seen)
    counts = {kind: sum(key[1] == kind for key in shared) for kind in MODELS}
    kinds = [kind for kind in MODELS if counts[kind]]
    if not kinds:
        return ""

    lines = []
    for variant in VARIANTS:
        cells = [variant]
        for kind in kinds:
            found = [row for row in _chosen(test, variant=variant, kind=kind) if _image(row) in shared]
            iou = mean_of(found, "refined_iou")
            dice = mean_of(found, "refined_dice")
            cells.append(f"{iou:.1f}, {dice:.1f}")
        lines.append(cells)
    heads = [f"{kind} IoU, DICE ({counts[kind]} images)" for kind in kinds]
    return _table("Table III: ablations", ["variant", *heads], lines)


def _image(row: dict) -> tuple:
    """Return which image a row is about, and by which model."""
    return row["scene"], row["kind"], row["seed"], row["image"]


def effort(rows: list[dict]) -> str:
    """Return table IV: iterations and CPU seconds of an image."""
    lines = []
    for kind in MODELS:
        found = _chosen(rows, kind=kind, variant="whole", part="test")
        searched = [row for row in found if row["iterations"]]
        if searched:
            iterations = mean_of(searched, "iterations") / 100
            seconds = mean_of(searched, "seconds") / 100
            lines.append([kind, f"{iterations:.0f}", f"{seconds:.2f}"])
    return _table("Table IV: effort of an image", ["model", "iterations", "CPU seconds"], lines)


def sizes(rows: list[dict]) -> str:
    """Return figure 7 as a table: IoU before and after by the size of the defect."""
    found = _chosen(rows, train=TRAIN, variant="whole", part="test")
    lines = []
    for low, high in pairwise(SIZES):
        inside = [row for row in found if low < row["size"] <= high]
        if inside:
            before = mean_of(inside, "coarse_iou")
            after = mean_of(inside, "refined_iou")
            lines.append([f"{low:g} to {high:g}", len(inside), f"{before:.1f}", f"{after:.1f}"])
    heads = ["share of the image", "images", "IoU", "refined IoU"]
    return _table("By size (figure 7)", heads, lines)


def good_images(rows: list[dict]) -> str:
    """Return what is marked in normal images, in per cent of their pixels."""
    lines = []
    for kind in MODELS:
        found = _chosen(rows, kind=kind, part="good")
        if found:
            before = mean_of(found, "area")
            after = mean_of(found, "refined_area")
            lines.append([kind, len(found), f"{before:.2f}", f"{after:.2f}"])
    return _table("Normal images: per cent marked", ["model", "images", "coarse", "refined"], lines)


def main() -> None:
    """Run what is asked for, and print the tables of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("refine-study"))
    parser.add_argument("--only", type=some_of(SCENES), default=list(SCENES), metavar="A,B,..", help="scenes")
    parser.add_argument("--models", type=some_of(MODELS), default=list(MODELS), metavar="A,B,..")
    parser.add_argument("--images", type=int, default=TEST, help="test images of a setting")
    parser.add_argument("--ablated", type=int, default=6, help="test images of the ablations, 0 for none")
    parser.add_argument("--few", type=int, default=6, help=f"test images with {FEW} training images, 0 for none")
    parser.add_argument("--good", type=int, default=GOOD, help="normal images")
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], metavar="A,B,..")
    parser.add_argument("--print", action="store_true", dest="only_print", help="only the tables of what is there")
    given = parser.parse_args()

    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    results = Results(given.out / "results.jsonl")
    if not given.only_print:
        run_all(given, results)
    print(tables(results.rows))


def numbers(text: str) -> list[int]:
    """Return the numbers of an option, with commas between them."""
    return [int(number) for number in text.split(",")]


def run_all(given: argparse.Namespace, results: Results) -> None:
    """Run each seed of each scene with each model."""
    for seed, scene, kind in product(given.seeds, given.only, given.models):
        setting = Setting(scene, kind, seed, TRAIN)
        few = setting._replace(train=FEW)
        run(setting, ["whole"], given.images, given.good, given.out, results)
        run(setting, list(VARIANTS), given.ablated, 0, given.out, results)
        run(few, ["whole"], given.few, 0, given.out, results)


if __name__ == "__main__":
    as_script(main)
