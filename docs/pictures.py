"""Makes the pictures of the README: ``make readme-pictures``."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import synthgen
from synthgen.preview import picture_of, tinted
from synthgen.recipe import Recipe

HERE = Path(__file__).parent
CELL, GAP, TEXT = 160, 4, 20


def sheet(rows: list[tuple[str, list[np.ndarray]]]) -> Image.Image:
    """Lay rows of square pictures out, each under its title."""
    width = GAP + max(len(images) for _, images in rows) * (CELL + GAP)
    page = Image.new("RGB", (width, GAP + len(rows) * (CELL + GAP + TEXT)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for r, (title, images) in enumerate(rows):
        top = GAP + r * (CELL + GAP + TEXT)
        pen.text((GAP, top), title, fill="black", font=font)
        for c, pixels in enumerate(images):
            picture = Image.fromarray(pixels).convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)
            page.paste(picture, (GAP + c * (CELL + GAP), top + TEXT))
    return page


def fractals() -> Image.Image:
    """Return fractals of three classes, with masks, and on backgrounds."""
    plain, behind = (
        Recipe.from_dict({"family": "fractals", "background": background})
        for background in ("black", "diamond-square")
    )
    samples = [
        synthgen.render(plain, label, index) for label, index in zip((0, 5, 11, 16, 22, 27), range(6), strict=True)
    ]
    others = [
        synthgen.render(behind, label, index) for label, index in zip((1, 3, 5, 7, 11, 39), range(6), strict=True)
    ]
    return sheet(
        [
            ("fractals", [s.image for s in samples]),
            ("their masks", [s.fields["mask"] for s in samples]),
            ("--background diamond-square", [s.image for s in others]),
        ]
    )


def mandelbulbs() -> Image.Image:
    """Return three variants and three hybrids with depth and normals."""
    samples = []
    for hybrid, labels in ((False, (0, 1, 5)), (True, (2, 3, 4))):
        recipe = Recipe.from_dict(
            {"family": "mandelbulb", "hybrid": hybrid, "fields": ["depth", "normal"], "size": 320}
        )
        samples += [synthgen.render(recipe, label, 0) for label in labels]
    return sheet(
        [
            ("three variants, three hybrids", [s.image for s in samples]),
            ("depth", [picture_of(s.fields["depth"]) for s in samples]),
            ("normals", [picture_of(s.fields["normal"]) for s in samples]),
        ]
    )


def multiformula() -> Image.Image:
    """Return multi-formula images of fractals and Mandelbulbs with their instance masks."""
    samples = []
    for source, labels in (("fractals", (0, 3, 5)), ("hybrid", (0, 1, 2))):
        recipe = Recipe.from_dict({"family": "multiformula", "source": source, "size": 320})
        samples += [synthgen.render(recipe, label, 0) for label in labels]
    return sheet(
        [
            ("multi-formula images: fractals, Mandelbulb hybrids", [s.image for s in samples]),
            ("their instance masks", [tinted(np.zeros_like(s.image), s.fields["instances"]) for s in samples]),
        ]
    )


if __name__ == "__main__":
    multiformula().save(HERE / "multiformula.png", optimize=True)
    fractals().save(HERE / "fractals.png", optimize=True)
    mandelbulbs().save(HERE / "mandelbulbs.png", optimize=True)
