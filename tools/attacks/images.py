"""Odd and damaged image files among a user's: read as they are, or refused by name."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

import synthgen
from attacks import damage
from attacks.isolated import command, isolated
from attacks.models import BACKBONE, fitted_model
from attacks.trials import Trial, Wrong
from synthgen.layouts import open_images, open_normal, open_test_set
from synthgen.recipe import Recipe
from synthgen.torch.models import PaDiM

SIDE = 40


class Kind(NamedTuple):
    """A kind of image file: its ending, how it is written, and whether its RGB values are beyond doubt."""

    ending: str
    write: Callable[[Path, np.random.Generator], object]
    plain: bool = False


def picture(rng, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Return a picture of random blocks."""
    blocks = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(blocks)
    image = image.resize(size, Image.Resampling.NEAREST)
    return image.convert(mode)


def _in_mode(path: Path, rng, mode: str, **options) -> None:
    picture(rng, mode).save(path, **options)


def _of_size(path: Path, rng, size: tuple[int, int]) -> None:
    picture(rng, "RGB", size).save(path)


def _deep(path: Path, rng) -> None:
    values = rng.integers(0, 2**16, (SIDE, SIDE), dtype=np.uint16)
    Image.fromarray(values).save(path)


def _transparent_palette(path: Path, rng) -> None:
    picture(rng, "P").save(path, transparency=0)


def _turned(path: Path, rng) -> None:
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(0, 10))
    picture(rng).save(path, exif=exif)


def _bomb(path: Path, rng) -> None:
    """Write a PNG whose header promises a giant."""
    picture(rng).save(path)
    data = bytearray(path.read_bytes())

    side = damage.one_of(rng, (2**14, 2**20, 2**31 - 1))
    data[16:24] = side.to_bytes(4, "big") * 2
    path.write_bytes(data)


def _text(path: Path, rng) -> None:
    path.write_text("this is no image\n")


def _several(path: Path, rng) -> None:
    frames = [picture(rng) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


KINDS = (
    *[Kind("png", partial(_in_mode, mode=mode), plain=True) for mode in ("RGB", "L", "P", "1")],
    *[Kind("png", partial(_in_mode, mode=mode)) for mode in ("LA", "RGBA")],
    *[Kind("jpg", partial(_in_mode, mode=mode)) for mode in ("RGB", "L", "CMYK")],
    Kind("jpg", partial(_in_mode, mode="RGB", progressive=True)),
    *[Kind("tif", partial(_in_mode, mode=mode)) for mode in ("RGB", "CMYK", "I", "F", "LAB")],
    *[Kind("bmp", partial(_in_mode, mode=mode), plain=True) for mode in ("RGB", "L", "P")],
    Kind("webp", partial(_in_mode, mode="RGB")),
    Kind("ppm", partial(_in_mode, mode="RGB"), plain=True),
    *[Kind("png", partial(_of_size, size=size)) for size in ((1, 1), (1, 500), (500, 1), (3000, 20))],
    *[Kind(ending, write) for write in (_turned,) for ending in ("jpg", "png", "tif")],
    *[Kind(ending, write) for write in (_several,) for ending in ("png", "tif", "webp")],
    Kind("png", _deep),
    Kind("tif", _deep),
    Kind("png", _transparent_palette),
    Kind("png", _bomb),
    Kind("png", _text),
    Kind("jpg", _text),
)


class Images:
    """Puts one odd or damaged file among healthy images, or among masks."""

    kind = "images"
    count = 465

    def __init__(self, folder: Path):
        torch.set_num_threads(1)
        self.folder = folder
        (folder / "models").mkdir()
        self.model = fitted_model(PaDiM(BACKBONE, channels=8), folder / "models")
        _warm_up(folder / "warm", self.model)

    def trial(self, rng: np.random.Generator) -> Trial:
        """Write a folder with one odd file, and read it in every way."""
        place = self.folder / "images"
        kind = damage.one_of(rng, KINDS)
        as_mask = rng.random() < 0.25
        try:
            path = laid_out(place, kind, as_mask, rng)
            what = path.name
            plain = kind.plain

            if rng.random() < 0.6:
                plain = False
                what = damage.damaged(path, rng)
            findings = isolated(_steps(place, path, plain, self.model))
        finally:
            shutil.rmtree(place)
        return Trial(f"{_name_of(kind)}{' as mask' if as_mask else ''}: {what}", findings)


def _name_of(kind: Kind) -> str:
    function = kind.write
    words = []
    if isinstance(function, partial):
        words = [str(value) for value in function.keywords.values()]
        function = function.func

    name = function.__name__.strip("_")
    return " ".join([kind.ending, name, *words])


def laid_out(place: Path, kind: Kind, as_mask: bool, rng) -> Path:
    """Write healthy images with masks, and an odd file among them; return the odd one."""
    masks = place / "ground_truth" / "hole"
    for folder in (place / "good", place / "hole", masks):
        folder.mkdir(parents=True)

    for name in ("000", "001"):
        for folder in ("good", "hole"):
            picture(rng).save(place / folder / f"{name}.png")
        mask = picture(rng, "1")
        mask.convert("L").save(masks / f"{name}_mask.png")

    if as_mask:
        (masks / "001_mask.png").unlink()
        odd = masks / f"001_mask.{kind.ending}"
    else:
        odd = place / "good" / f"002.{kind.ending}"
    kind.write(odd, rng)
    return odd


def _steps(place: Path, odd: Path, plain: bool, model: Path) -> dict:
    """Return the readers that a folder is given to."""
    return {
        "normal images": lambda: _read(open_normal(place / "good"), odd if plain else None),
        "test set": lambda: _read(open_test_set(place)),
        "files": lambda: _read(open_images([odd])),
        "cutpaste": lambda: _pasted(place / "good"),
        "synthgen detect": lambda: command(
            "detect", model, place / "good", "--out", place / "found", "--progress", "none"
        ),
    }


def _read(images, exact: Path | None = None) -> None:
    """Read all items; compare the file `exact` with what Pillow makes of it."""
    for item in images:
        image = item.image
        height, width, channels = image.shape
        if image.dtype != np.uint8 or channels != 3:
            raise Wrong(f"an image of {image.dtype} {image.shape}")

        mask = item.mask
        if mask is not None and mask.shape != (height, width):
            raise Wrong(f"a mask of {mask.shape} for an image of {image.shape}")

        if item.name == str(exact):
            wanted = _pixels_of(exact)
            if not np.array_equal(image, wanted):
                raise Wrong("other pixels than Pillow's")


def _pixels_of(path: Path) -> np.ndarray:
    """Return what Pillow makes of a file, as RGB."""
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def _pasted(folder: Path) -> None:
    options = {"family": "cutpaste", "normal": str(folder), "per_class": 1, "size": 32}
    recipe = Recipe.from_dict(options)

    for label in range(2):
        image = synthgen.render(recipe, label, 0).image
        if image.dtype != np.uint8 or image.shape[:2] != (32, 32):
            raise Wrong(f"a sample of {image.dtype} {image.shape}")


def _warm_up(place: Path, model: Path) -> None:
    """Run all steps once: compiled functions and modules are then there in every child."""
    odd = laid_out(place, KINDS[0], False, np.random.default_rng(0))
    for name, step in _steps(place, odd, False, model).items():
        if name != "synthgen detect":
            step()
    shutil.rmtree(place)
