"""What are drawn plates worth in the inspection of others? Mao et al. 2025, tables I and II and figure 5, offline.

There are no real plates here. What stands for them, the target, differs from the drawn plates as real ones do: in
metal, exposure, blur of the lens, noise of the sensor. As in the paper the plates that are learned are **clean**;
water stains (on about 2 % of a plate), fingerprints and stickers lie on the test plates alone, beside scratches,
dents and bumps: three defects an image and a few impurities a plate, about as many as the paper's tables tell of.
A plate of the target gives 12 images, so that a scratch is wider than a pixel. Three seeds: other drawn plates,
another order, other augmentation. And the curve of 0, 2, 5 and 10 plates of the target, with drawn plates and
without.

This script draws the plates and prints the tables. The rest is `stains.yaml`, a configuration of `synthgen
benchmark`: an interrupted study goes on where it was.

    python studies/stains.py --out study                         # all
    python studies/stains.py --out study --rows target,ws,ws-ft  # some rows
    python studies/stains.py --out quick --quick                 # a small one: two minutes of one core
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from shared import RESULTS, as_script, configured, draw, keep_imagenet, run, table, working_in
from transfer import LIGHTS, PLACES, SETS, TARGET

import synthgen
from synthgen.look.charts import recall_over_coverage
from synthgen.metrics import intervals
from synthgen.metrics.defects import COVERAGES
from synthgen.recipe import Recipe
from synthgen.torch.benchmark.results import Results

DEFECTS = ("scratch", "bump", "dent")
IMPURITIES = ("stain", "fingerprint", "sticker")
KINDS = (*DEFECTS, *IMPURITIES)
# Every plate: a pixel shows 0.06 mm, a scratch is 0.07 to 0.22 mm wide. Stains lie on 2 % of it, if on any.
PLATE = {"family": "stains", "field_of_view": 30, "cell_size": 10}
# The target, as an inspection system sees it.
REAL = {"exposure": "0.75:1.05", "blur": 0.8, "noise": 3}
# What lies on plates for testing. The paper has impurities on one side of a plate, defects on both.
ON_TESTS = {
    "layout": "test",
    "impurities": ["fingerprint", "sticker"],
    "objects": "30:40",
    "impurity_objects": "0:6",
}
# Seeds of what is drawn: the target's sets, and the first of the drawn plates, one for each seed of the study.
SEEDS = {"target": 1, "validation": 2, "test": 3}
FIRST_SEED = 10
MODEL = "bank-learns="
TABLE_ONE = (TARGET, "synth", "ws", "synth-ft", "ws-ft")
# The curve: plates of the target, and the rows without drawn plates, with clean ones, with stained ones.
CURVE = {
    "0": (None, "synth", "ws"),
    "2": ("target-2", "synth-ft-2", "ws-ft-2"),
    "5": ("target-5", "synth-ft-5", "ws-ft-5"),
    "10": (TARGET, "synth-ft", "ws-ft"),
}


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How large the study is.

    Attributes
    ----------
    size : str
        Of an image, WIDTHxHEIGHT.
    drawn : int
        Plates that are drawn for each seed, one image of each, as in the paper.
    target : int
        Plates of the target that are learned.
    validation, test : int
        Images of each class for thresholds and for testing.
    places : str or None
        How the camera stands over plates for testing.
    rows : list of str or None
        Rows that are measured, unless some are asked for; None for all.
    seeds : int
    model : dict
        What is changed of each model.
    """

    size: str = "512x428"
    drawn: int = 80
    target: int = 10
    validation: int = PLACES
    test: int = 2 * PLACES
    places: str | None = "3x4"
    rows: list[str] | None = None
    seeds: int = 3
    model: dict = {}


QUICK = Scale(
    size="128x107",
    drawn=4,
    target=1,
    validation=2,
    test=2,
    places=None,
    rows=[TARGET, "synth", "ws", "ws-da", "ws-dr", "ws-ft", "ws-melded", "target-2", "ws-ft-2"],
    seeds=1,
    model={"points": 64, "epochs": 1},
)


def draw_plates(name: str, scale: Scale, **options) -> None:
    """Draw a set of plates, unless it is there."""
    recipe = Recipe.from_dict({**PLATE, "size": scale.size, **options})
    draw(recipe, SETS / name)


def draw_target(scale: Scale) -> None:
    """Draw the plates of the target: clean ones to learn, and those for thresholds and for testing."""
    clean = {"stains": False, "places": "3x4", "per_class": PLACES * scale.target}
    draw_plates(TARGET, scale, seed=SEEDS[TARGET], **REAL, **clean)
    for name, images in (("validation", scale.validation), ("test", scale.test)):
        placed = {"places": scale.places, "per_class": images}
        draw_plates(name, scale, seed=SEEDS[name], **REAL, **placed, **ON_TESTS)


def draw_synthetic(seed: int, scale: Scale) -> None:
    """Draw the plates of a seed, clean and stained, under three lights: their metal is the same."""
    for name, is_stained in (("synth", False), ("ws", True)):
        for light in ("", *(f"-{light}" for light in LIGHTS)):
            draw_plates(
                f"{name}{light}-{seed}",
                scale,
                stains=is_stained,
                light=f"ring{light}",
                seed=FIRST_SEED + seed,
                per_class=scale.drawn,
            )


class Counts(NamedTuple):
    """What was found on each image of the test set, by one model of one seed.

    Attributes
    ----------
    marked : ndarray, (N,)
        Pixels that were taken for a defect.
    pixels, hits : ndarray, (N, K)
        Pixels of each kind, and those of them that were marked.
    things, noticed : ndarray, (N, K, 1) and (N, K, C)
        Objects of each kind, and those of them of which enough was marked, for each coverage.
    """

    marked: np.ndarray
    pixels: np.ndarray
    hits: np.ndarray
    things: np.ndarray
    noticed: np.ndarray

    def weighted(self, weights: np.ndarray) -> "Counts":
        """Return the sums over resamples of the images, (R, ..); weights (R, N) say how often each is in one."""
        return Counts(*(np.tensordot(weights, values, 1) for values in self))


def count(results: Results, row: str, seed: int) -> Counts:
    """Return what a model found on the test plates, from the maps that the benchmark keeps."""
    dataset = synthgen.open(SETS / "test")
    folder = results.folder / "maps" / f"{MODEL}{row}" / "plates" / "test" / f"seed-{seed}"
    labels = range(len(dataset.classes))
    keys = [(label, index) for label in labels for index in range(dataset.manifest.per_class)]

    found = []
    for number, (label, index) in enumerate(keys):
        sample = dataset[dataset.find(label, index)]
        scores = np.load(folder / f"{number:05d}.npy")
        found.append(count_image(sample, scores >= 1))
    return Counts(*map(np.stack, zip(*found, strict=True)))


def count_image(sample, marked: np.ndarray) -> Counts:
    """Return what was found on one image: a row of each of the arrays of `Counts`."""
    ids = sample.fields["instances"].ravel()
    areas = np.bincount(ids)
    covered = np.bincount(ids, marked.ravel())
    shape = (len(KINDS), len(COVERAGES))
    counts = Counts(marked.sum(), *np.zeros((2, len(KINDS))), np.zeros((len(KINDS), 1)), np.zeros(shape))

    for thing in sample.params["objects"]:
        kind = KINDS.index(thing["kind"])
        area = areas[thing["id"]]
        hit = covered[thing["id"]]
        counts.pixels[kind] += area
        counts.hits[kind] += hit
        counts.things[kind] += 1
        counts.noticed[kind] += (hit > 0) & (hit >= np.multiply(COVERAGES, area))
    return counts


class Measures(NamedTuple):
    """Metrics of a model: of all test images first, then of resamples of them, (1 + R, ..)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    mean_recall: np.ndarray
    pixel_recalls: np.ndarray
    recalls: np.ndarray


def measure(results: Results, row: str) -> Measures | None:
    """Return the metrics of a row; None of one that was not run, or failed."""
    (cell,) = results.cells
    if any(results.record(f"{MODEL}{row}", cell, seed) is None for seed in results.seeds):
        return None
    found = [measure_counts(count(results, row, seed)) for seed in results.seeds]
    return Measures(*(np.mean(values, axis=0) for values in zip(*found, strict=True)))


def measure_counts(counts: Counts) -> Measures:
    """Return the metrics of counts, with the same resamples for all models and seeds."""
    images = len(counts.marked)
    weights = intervals.draws(np.ones(images), name="plates")
    sums = counts.weighted(np.vstack([np.ones(images), weights]))

    defects = len(DEFECTS)
    hits = sums.hits[:, :defects].sum(1)
    precision = ratio(hits, sums.marked)
    recall = ratio(hits, sums.pixels[:, :defects].sum(1))
    recalls = ratio(sums.noticed, sums.things)
    return Measures(
        precision=precision,
        recall=recall,
        f1=ratio(2 * precision * recall, precision + recall),
        mean_recall=recalls[:, :defects, 0].mean(1),
        pixel_recalls=ratio(sums.hits, sums.pixels),
        recalls=recalls,
    )


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return a share, 0 of nothing."""
    return part / np.maximum(whole, 1e-9)


def cell(values: np.ndarray) -> str:
    """Return a metric in per cent, with its 95 % interval."""
    low, high = intervals.interval(100 * values[1:])
    return f"{100 * values[0]:.1f} ({low:.1f}..{high:.1f})"


def table_one(found: dict[str, Measures]) -> str:
    """Return recall by kind of defect and of impurity (table I): pixels, objects. Of impurities less is better."""
    rows = []
    for row in TABLE_ONE:
        if row in found:
            pixels = found[row].pixel_recalls[0]
            things = found[row].recalls[0, :, 0]
            cells = [f"{100 * px:.1f} / {100 * dw:.1f}" for px, dw in zip(pixels, things, strict=True)]
            rows.append([row, *cells])
    return table(["learned", *(f"{kind}, pixels / objects" for kind in KINDS)], rows)


def table_two(found: dict[str, Measures]) -> str:
    """Return precision, recall and F1 of the pixels of defects, and the mean recall of defects (table II)."""
    rows = [[row, *map(cell, measures[:4])] for row, measures in found.items()]
    return table(["learned", "precision", "recall", "F1", "mean recall of defects"], rows)


def curve(found: dict[str, Measures]) -> str:
    """Return F1 by the number of plates of the target."""
    rows = []
    for plates, names in CURVE.items():
        rows.append([plates, *(cell(found[name].f1) if name in found else "-" for name in names)])
    return table(["plates of the target", "alone", "after clean drawn plates", "after stained ones"], rows)


def figure_five(found: dict[str, Measures]) -> str:
    """Return the recall of each kind over the share of an object that must be found (figure 5); draw it, too."""
    recalls = found[TARGET].recalls[0]
    recall_over_coverage(
        RESULTS / "coverage.png", {kind: (COVERAGES, of) for kind, of in zip(KINDS, recalls, strict=True)}
    )
    rows = [[kind, *(f"{100 * recall:.0f}" for recall in of)] for kind, of in zip(KINDS, recalls, strict=True)]
    return table(["share of an object", *(f"{share:.0%}" for share in COVERAGES)], rows)


def main(arguments: list[str] | None = None) -> None:
    """Run the study, or the rest of it, and print its tables."""
    given = parsed(arguments)
    scale = QUICK if given.quick else Scale()
    changes = {"size": scale.size, **{f"models.bank.{name}": value for name, value in scale.model.items()}}
    rows = given.rows or scale.rows
    if rows:
        changes["models.bank.grid.learns"] = rows

    with working_in(given.out):
        seeds = tuple(range(given.seeds or scale.seeds))
        benchmark = configured("stains", changes, None, seeds)
        keep_imagenet()
        draw_target(scale)
        for seed in seeds:
            draw_synthetic(seed, scale)
        results = run(benchmark, given.workers)
        print(tables(results, benchmark.models["bank"].grid["learns"]))


def tables(results: Results, rows: list[str]) -> str:
    """Return all tables of the rows that are there."""
    measured = {row: measure(results, row) for row in rows}
    found = {row: measures for row, measures in measured.items() if measures is not None}
    parts = [
        f"Table I: recall by kind\n\n{table_one(found)}",
        f"Table II: pixels and defects\n\n{table_two(found)}",
        f"F1 and the number of plates\n\n{curve(found)}",
    ]
    if TARGET in found:
        parts.append(f"Figure 5: recall over coverage, learned from the target\n\n{figure_five(found)}")
    return "\n\n".join(parts)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("stains-study"))
    parser.add_argument("--quick", action="store_true", help="few small plates, a small bank, one pass, one seed")
    parser.add_argument("--rows", type=lambda text: text.split(","), help="some of the rows of stains.yaml")
    parser.add_argument("--seeds", type=int, help="number of seeds  [default: 3; quick: 1]")
    parser.add_argument("--workers", type=int, default=1, help="of the benchmark")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    as_script(main)
