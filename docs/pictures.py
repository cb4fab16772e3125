"""Makes the pictures of the README: ``make readme-pictures``."""

import runpy
import tempfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import synthgen
from synthgen import families
from synthgen.look.gallery import gallery as write_gallery
from synthgen.look.sheet import picture_of, tinted
from synthgen.recipe import Recipe, load_recipe
from synthgen.surface.mesh.builtin import builtin

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


def rendered(label: int, index: int, **options):
    """Return one sample of plates or parts."""
    return synthgen.render(Recipe.from_dict({"family": "stains", "size": "1224x1025", **options}), label, index)


def square(pixels: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """Return a square piece."""
    return pixels[top : top + side, left : left + side]


def overlaid(sample) -> np.ndarray:
    """Return the picture of a sample with its instances in colors."""
    return tinted(np.repeat(sample.image[..., None], 3, axis=2), sample.fields["instances"])


def around(sample, kind: str, side: int) -> tuple[int, int, int]:
    """Return a square around the first object of a kind."""
    top, left, bottom, right = next(t["box"] for t in sample.params["objects"] if t["kind"] == kind)
    height, width = sample.image.shape
    corner = (top + bottom - side) // 2, (left + right - side) // 2
    return min(max(corner[0], 0), height - side), min(max(corner[1], 0), width - side), side


def plates() -> Image.Image:
    """Return plates under three lights, defects and impurities close up with their masks, and parts."""
    lights = [rendered(0, 3, light=light, stains=stains) for light, stains in (
        ("ring", False), ("ring", True), ("ring-rotated", True), ("ring-large", True),
    )]  # fmt: skip
    whole = [square(s.image, 0, 100, 1025) for s in lights]
    close = []
    for label, kind in ((1, "scratch"), (2, "dent"), (3, "bump"), (0, "fingerprint"), (0, "sticker")):
        options = {"layout": "test", "objects": "3:3", "seed": 5}
        if label == 0:
            options |= {"impurities": kind, "stains": False}
        sample = rendered(label, 1, **options)
        close.append((sample, around(sample, kind, 420 if label == 0 else 260)))
    parts = [
        rendered(2, index, layout="test", mesh=mesh) for mesh, index in (("plate", 0), ("ring", 1), ("bolt", 2))
    ]
    return sheet(
        [
            ("the same plate: clean, stained, light turned by 90 degrees, light twice as large", whole),
            ("scratch, dent, bump, fingerprint, sticker", [square(s.image, *box) for s, box in close]),
            ("their instances", [square(overlaid(s), *box) for s, box in close]),
            ("--mesh plate, ring, bolt", [square(s.image, 0, 100, 1025) for s in parts]),
        ]
    )


# Pictures of the options of the family `stains`, a sheet each: rows of a title and the options of its pictures.
CLOSE = {"size": "2448x2050", "seed": 3, "blur": 0.8, "noise": 1}
WHOLE = {"size": "600x500", "blur": 0.5, "seed": 2}
TEST = {"layout": "test", "objects": "2:2", "size": "1224x1025", "blur": 0.8, "seed": 6, "stains": False}
PAPER = {**CLOSE, "water": "paper"}
PART = {"size": "1224x1025", "blur": 0.5, "noise": 1, "seed": 4}
SMALL_RING = "ring.stl"  # written where it is needed
STAIN_OPTIONS = {
    "water": [
        ("--cell-size 10, 5, 2.5 and 1.5", [{**CLOSE, "cell_size": cell} for cell in (10, 5, 2.5, 1.5)]),
        (
            "--radius 1:1.5, --radius 0.1:6, --size-law even, --size-law even --radius 0.1:1",
            [
                {**CLOSE, "radius": "1:1.5"},
                {**CLOSE, "radius": "0.1:6", "cell_size": 6},
                {**CLOSE, "size_law": "even", "cell_size": 9},
                {**CLOSE, "size_law": "even", "radius": "0.1:1", "cell_size": 3},
            ],
        ),
        (
            "--older 0 and 1, --ring-width 0.05 and 0.5",
            [
                {**CLOSE, "size_law": "even", "cell_size": 6, **more}
                for more in ({"older": 0}, {"older": 1}, {"ring_width": 0.05}, {"ring_width": 0.5})
            ],
        ),
        (
            "--ring 0 and 1, --heterogeneity 0 and 0.9",
            [
                {**CLOSE, "size_law": "even", "cell_size": 6, **more}
                for more in ({"ring": 0}, {"ring": 1}, {"heterogeneity": 0}, {"heterogeneity": 0.9})
            ],
        ),
    ],
    "paper": [
        (
            "--water paper, --cells solid, --ring 0, --ring 0 --heterogeneity 0",
            [
                {**PAPER, **more}
                for more in ({}, {"cells": "solid"}, {"ring": 0}, {"ring": 0, "heterogeneity": 0})
            ],
        ),
        (
            "--frequency 0.2 and 1.2, --amplitude 0 and 1",
            [
                {**PAPER, "radius": "1.5:2", "cell_size": 6, **more}
                for more in ({"frequency": 0.2}, {"frequency": 1.2}, {"amplitude": 0}, {"amplitude": 1})
            ],
        ),
        (
            "--decay 0.5 and 8, --intensity -0.5 and 0.2",
            [
                {**PAPER, **more}
                for more in ({"decay": 0.5}, {"decay": 8}, {"intensity": "-0.5"}, {"intensity": 0.2})
            ],
        ),
    ],
    "light": [
        (
            "--light ring, ring-rotated, ring-large",
            [{**WHOLE, "light": light} for light in ("ring", "ring-rotated", "ring-large")],
        ),
        (
            "--light ring-large --light-output power, --light random, --exposure 0.6",
            [
                {**WHOLE, "light": "ring-large", "light_output": "power"},
                {**WHOLE, "light": "random"},
                {**WHOLE, "exposure": 0.6},
            ],
        ),
        (
            "--field-of-view 60, --places 3x4 (the first), --no-stains",
            [{**WHOLE, "field_of_view": 60}, {**WHOLE, "places": "3x4"}, {**WHOLE, "stains": False}],
        ),
    ],
    "parts": [
        (
            "--mesh plate, ring, bolt: dried water",
            [{**PART, "mesh": mesh} for mesh in ("plate", "ring", "bolt")],
        ),
        (
            "--water paper; --cell-size 2.5; --mesh ring.stl --mesh-scale mm, of 40 mm",
            [
                {**PART, "mesh": "plate", "water": "paper"},
                {**PART, "mesh": "plate", "cell_size": 2.5},
                {**PART, "mesh": SMALL_RING, "mesh_scale": "mm"},
            ],
        ),
    ],
    "camera": [
        (
            "no blur and noise, --blur 0.8, --blur 0.8 --noise 2, --blur 3 --noise 12",
            [
                {**CLOSE, "blur": blur, "noise": noise, "cell_size": 2.5}
                for blur, noise in ((0, 0), (0.8, 0), (0.8, 2), (3, 12))
            ],
        ),
    ],
}  # fmt: skip


def stain_options(rows) -> Image.Image:
    """Return a sheet of pictures of plates with options: whole ones, or 17 mm of those of full size."""
    drawn = []
    for title, pictures in rows:
        images = []
        for options in pictures:
            pixels = synthgen.render(Recipe.from_dict({"family": "stains", **with_mesh(options)}), 0, 0).image
            height, width = pixels.shape
            whole = (0, (width - height) // 2, height)
            images.append(square(pixels, *((1180, 640, 360) if height > 2000 else whole)))
        drawn.append((title, images))
    return sheet(drawn).convert("L").quantize(40)


def with_mesh(options: dict) -> dict:
    """Return options whose mesh file is there: a ring of 40 mm."""
    if options.get("mesh") != SMALL_RING:
        return options
    path = Path(tempfile.gettempdir()) / SMALL_RING
    mesh = builtin("ring")
    mesh.apply_scale(40 / mesh.extents.max())
    mesh.export(path)
    return {**options, "mesh": str(path)}


def stain_fields() -> Image.Image:
    """Return how many things there may be, and what a sample holds beside its image."""
    options = {**TEST, "stains": True, "fields": ["clean", "region"], "field_of_view": 140, "seed": 8}
    few, many = (
        rendered(1, 0, **{**options, "objects": number, "defects": "scratch"}) for number in ("1:1", "5:5")
    )
    marks = {**options, "defects": "scratch", "objects": "5:5", "impurities": ["fingerprint", "sticker"]}
    impure = [rendered(1, 0, **marks, impurity_objects=number).image for number in ("0", "1", "3")]
    rows = [
        (
            "--layout test --defects scratch: --objects 1 and 5, --field-of-view 140",
            [few.image, many.image, overlaid(many)],
        ),
        ("--impurities fingerprint,sticker --objects 5: --impurity-objects 0, 1 and 3", impure),
        (
            "--fields clean,region, and the mask of all that lies on the plate",
            [many.fields[name] for name in ("clean", "region", "mask")],
        ),
    ]
    return sheet(
        [(title, [square(pixels, 0, 100, 1025) for pixels in pictures]) for title, pictures in rows]
    ).quantize(64)


def stain_marks() -> Image.Image:
    """Return defects and impurities close up, with the instances that they are."""
    close = []
    for kind, label in (("scratch", 1), ("dent", 2), ("bump", 3), ("fingerprint", 0), ("sticker", 0)):
        more = {"impurities": kind} if label == 0 else {}
        sample = synthgen.render(Recipe.from_dict({"family": "stains", **TEST, **more}), label, 0)
        close.append((sample, around(sample, kind, 420 if label == 0 else 260)))
    return sheet(
        [
            ("--layout test: scratch, dent, bump; --impurities", [square(s.image, *box) for s, box in close]),
            ("their instances", [square(overlaid(s), *box) for s, box in close]),
        ]
    ).quantize(64)


def cutpaste() -> Image.Image:
    """Return defects pasted into a photograph of bricks, with their masks."""
    from skimage import data

    with TemporaryDirectory() as folder:
        for i in range(4):
            Image.fromarray(data.brick()[i * 64 :][:320, i * 40 :][:, :320]).save(Path(folder) / f"{i}.png")
        recipe = Recipe.from_dict({"family": "cutpaste", "normal": folder, "size": 320, "severity": "0.8:1"})
        samples = [synthgen.render(recipe, label, 2) for label in (0, 2, 4, 5, 8, 11)]
    return sheet(
        [
            ("cut-paste: " + ", ".join(describe(recipe, s.label) for s in samples), [s.image for s in samples]),
            ("their masks", [s.fields["mask"] for s in samples]),
        ]
    )


def connectors() -> Image.Image:
    """Return connectors and trays, good and with anomalies, and where these may be found."""
    rows = []
    for part, labels, title in (
        (
            "connector",
            (0, 1, 3, 5, 7, 9),
            "good; a hole missing, misplaced, two swapped; the edge damaged, a scratch",
        ),
        (
            "connector",
            (0, 2, 4, 6, 8, 0),
            "good; a hole more, one too large, one too few in a row; a corner cut off; good",
        ),
        (
            "tray",
            (0, 1, 3, 5, 6, 8),
            "--product tray: good; a washer missing, a screw misplaced, washers swapped, a pair less, one broken",
        ),
    ):
        recipe = Recipe.from_dict({"family": "connectors", "layout": "test", "product": part, "holes": 8})
        samples = [synthgen.render(recipe, label, 3 + place) for place, label in enumerate(labels)]
        rows.append((title, [s.image for s in samples]))
        marked = [tinted(np.repeat(s.image[..., None], 3, axis=2), s.fields["instances"]) for s in samples]
        rows.append(("where it may be found", marked))
    return sheet(rows)


def radial() -> Image.Image:
    """Return visual atoms and contours of RCDB, with a mask, and recipes of one image a class."""
    rows = []
    for kind, labels in (("visualatom", (0, 1, 3, 4, 6, 7)), ("rcdb", (0, 1, 3, 5, 6, 7))):
        recipe = Recipe.from_dict({"family": "radial", "kind": kind, "size": 320})
        samples = [synthgen.render(recipe, label, label % 2) for label in labels]
        rows.append((f"--kind {kind}", [s.image for s in samples]))
    for name in ("1p-frac", "ofdb-1k"):
        recipe = load_recipe(name)
        rows.append((f"synthgen run {name}", [synthgen.render(recipe, label, 0).image for label in range(6)]))
    return sheet(rows)


def textures() -> Image.Image:
    """Return textures of all kinds, images of several with their instances, and a test set of one."""
    rows = []
    lines = (
        ("spectral", "periodic", "cellular"),
        ("leaves", "stamps", "fibers", "wood"),
        ("gabor", "craters", "reaction"),
    )
    for kinds in lines:
        images = []
        for kind in kinds:
            options = {"family": "textures", "kinds": kind, "mixtures": 0.1}
            recipe = Recipe.from_dict(options)
            count = 2 if len(kinds) == 3 or kind in ("leaves", "fibers") else 1
            images += [synthgen.render(recipe, label, 1).image for label in range(3, 3 + count)]
        rows.append((", ".join(kinds), images))

    mixed = Recipe.from_dict({"family": "textures", "regions": "3:4", "size": 160})
    samples = [synthgen.render(mixed, label, 2) for label in range(20, 26)]
    test = Recipe.from_dict({"family": "textures", "layout": "test", "texture": 3, "objects": 1, "size": 160})
    defects = [synthgen.render(test, label, 1) for label in range(6)]
    return sheet(
        [
            *rows,
            ("--regions 3:4", [s.image for s in samples]),
            ("their instances", [tinted(s.image, s.fields["instances"]) for s in samples]),
            ("--layout test: good, patch, displaced, blur, tear, missing", [s.image for s in defects]),
            ("their masks", [s.fields["mask"] for s in defects]),
        ]
    )


def gallery() -> Image.Image:
    """Return the gallery of plates in a browser, light and dark: a plate with its objects, and distributions."""
    browser_of = runpy.run_path(str(HERE.parent / "tools" / "browser.py"))["Browser"]
    values = {
        "family": "stains", "layout": "test", "per_class": 24, "size": "612x512", "cell_size": 18,
        "impurities": ["sticker", "fingerprint"], "fields": ["clean"],
    }  # fmt: skip
    with TemporaryDirectory() as folder, browser_of() as browser:
        data = Path(folder) / "plates"
        synthgen.generate(Recipe.from_dict(values), data, workers=0, progress=False)
        page_file = Path(folder) / "plates.html"
        write_gallery(data, page_file, megabytes=10)

        light = browser.open(page_file, (1240, 900))
        light.value("location.hash = '#/sample/1/' + data.classes[1].indices[0]")
        light.click("#option-overlay")
        light.wait("!document.querySelector('.stage canvas').hidden")
        light.value("scrollTo(0, 0)")

        dark = browser.open(page_file, (1240, 900), "dark")
        dark.value("location.hash = '#/distributions'")
        dark.wait("document.querySelectorAll('.figures figure').length > 0")

        shots = []
        for page in (light, dark):
            file = Path(folder) / "shot.png"
            page.picture(file)
            with Image.open(file) as shot:
                shots.append(shot.convert("RGB"))

    width, height = shots[0].size
    both = Image.new("RGB", (2 * width + GAP, height), "white")
    both.paste(shots[0], (0, 0))
    both.paste(shots[1], (width + GAP, 0))
    return both.resize((both.width * 2 // 3, both.height * 2 // 3), Image.Resampling.LANCZOS)


def describe(recipe: Recipe, label: int) -> str:
    """Return the name of a class."""
    return families.load(recipe.family).describe_class(recipe.options, recipe.seed, label)["name"]


if __name__ == "__main__":
    connectors().quantize(128).save(HERE / "connectors.png", optimize=True)
    radial().quantize(64).save(HERE / "radial.png", optimize=True)
    plates().save(HERE / "plates.png", optimize=True)
    for name, rows in STAIN_OPTIONS.items():
        stain_options(rows).save(HERE / "families" / f"stains-{name}.png", optimize=True)
    stain_fields().save(HERE / "families" / "stains-fields.png", optimize=True)
    stain_marks().save(HERE / "families" / "stains-marks.png", optimize=True)
    cutpaste().save(HERE / "cutpaste.png", optimize=True)
    textures().quantize(128).save(HERE / "textures.png", optimize=True)
    multiformula().save(HERE / "multiformula.png", optimize=True)
    fractals().save(HERE / "fractals.png", optimize=True)
    mandelbulbs().save(HERE / "mandelbulbs.png", optimize=True)
    gallery().quantize(256).save(HERE / "gallery.png", optimize=True)
