"""What refinement adds to a coarse map: tables I to IV of Tao et al. 2024 (F2PAD), in small.

Three photographed textures of scikit-image and a drawn capsule, 128 x 128 pixels, defects by `cutpaste-f2pad` and
`cutpaste-structural`, ImageNet weights of EfficientNet-lite0, one set of options for all. The threshold of masks
comes from validation images with defects of their own; training, validation and test images of a texture are
cut from different columns of the photograph. Everything is kept in the folder: an interrupted study goes on.

    python studies/refine.py --out study                                    # all: hours on one core
    python studies/refine.py --out study --only gravel --models patchcore --images 6
    python studies/refine.py --out study --print                            # the tables of what is there
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage import data

import synthgen
from synthgen.recipe import load_recipe

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

SIZE = 128
TEXTURES = ("brick", "grass", "gravel")
CAPSULES = "capsule"
SCENES = (*TEXTURES, CAPSULES)
# Columns of a photograph that each part is cut from.
COLUMNS = {"train": (0, 232), "validation": (232, 372), "test": (372, 512)}
TRAIN = 40
VALIDATION = 12
TEST = 20
GOOD = 10


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
