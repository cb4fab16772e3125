"""Pictures of what models say of a test set: sheets, right and wrong pixels, recall over coverage."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from synthgen.layouts.framing import Box
from synthgen.look.charts import recall_over_coverage
from synthgen.look.colors import color_range
from synthgen.look.comparison import Scale, Shown, comparison_sheet, decision_sheet
from synthgen.metrics.defects import recall_curve
from synthgen.metrics.part import Part
from synthgen.shards.files import replacing
from synthgen.torch.evaluation.predictions import Predictions

PER_KIND = 2  # images of each kind of defect on a sheet
_MOST_PIXELS = 10_000  # of an image, which tell the range of colors

Boxes = Callable[[tuple[int, int]], Box]


def write_pictures(
    models: Mapping[str, Predictions],
    folder: Path,
    thresholds: Mapping[str, float | None] | None = None,
    boxes: Boxes | None = None,
) -> list[Path]:
    """Write for each category ``sheet``, ``decisions`` and ``coverage`` as PNG, with the category's name behind it.

    Parameters
    ----------
    models : dict of str to Predictions
        What each model says of the same images. Those without maps are left out.
    folder : Path
        Is there.
    thresholds : dict of str to float, optional
        From which on a pixel is found. Without one the best of the category itself is taken, and the name of the
        model says so.
    boxes : callable, optional
        Takes the size of an image and returns the box of it that the maps show; by default all of it.

    Returns
    -------
    list of Path
        The files written; none where no model has maps, or no defect is marked.
    """
    mapped = {name: found for name, found in models.items() if found.maps is not None}
    if not mapped:
        return []

    first = next(iter(mapped.values()))
    several = len(first.parts()) > 1
    given = thresholds or {}
    written = []
    for category, kinds in first.parts():
        parts = {name: found.part(category) for name, found in mapped.items()}
        if not all(part.is_measured_by_pixels for part in parts.values()):
            continue
        scales = [_scale(name, part, given.get(name)) for name, part in parts.items()]
        images = _shown(mapped, category, boxes)
        curves = _curves(mapped, scales, category, kinds)

        ending = f"-{category}.png" if several else ".png"
        sheet = comparison_sheet(images, scales)
        decisions = decision_sheet(images, scales)
        written.append(_save(sheet, folder / f"sheet{ending}"))
        written.append(_save(decisions, folder / f"decisions{ending}"))
        coverage = folder / f"coverage{ending}"
        written.append(recall_over_coverage(coverage, curves, category))
    return written


def _scale(name: str, part: Part, threshold: float | None) -> Scale:
    """Return how the scores of a model are shown on a category."""
    shown = name
    if threshold is None:
        threshold, _ = part.best_pixel_threshold
        shown = f"{name}, oracle"
    some = []
    for scores in part.pixel_maps:
        inside = np.ma.compressed(scores)
        step = max(1, inside.size // _MOST_PIXELS)
        some.append(inside[::step])
    low, high = color_range(np.concatenate(some), threshold)
    return Scale(shown, low, high, threshold)


def _shown(models: Mapping[str, Predictions], category: str, boxes: Boxes | None) -> list[Shown]:
    """Return some images of each kind of defect, evenly spread, with the maps of all models."""
    first = next(iter(models.values()))
    places: dict[str, list[int]] = {}
    for number, entry in enumerate(first.images.entries):
        if entry.category == category and entry.label:
            places.setdefault(entry.kind, []).append(number)

    images = []
    for kind in sorted(places):
        of_kind = places[kind]
        last = len(of_kind) - 1
        spread = np.linspace(0, last, min(PER_KIND, last + 1))
        for place in spread.astype(int):
            shown = _shown_at(models, of_kind[place], boxes)
            images.append(shown)
    return images


def _shown_at(models: Mapping[str, Predictions], number: int, boxes: Boxes | None) -> Shown:
    first = next(iter(models.values()))
    item = first.images[number]
    image = item.image
    if boxes is not None:
        image = image[boxes(image.shape[:2]).place]
    truth = first.truths[number]
    mask = None if truth is None else truth.instances > 0
    maps = [np.asarray(found.maps[number]) for found in models.values() if found.maps is not None]
    name = f"{item.kind}/{Path(item.name).stem}"
    return Shown(name, image, mask, maps)


def _curves(models: Mapping[str, Predictions], scales: list[Scale], category: str, kinds: list[str]) -> dict:
    """Return the recall over coverage: for each kind where there is one model, or else for each model."""
    curves = {}
    for (_, found), scale in zip(models.items(), scales, strict=True):
        names = ["all", *kinds] if len(models) == 1 and len(kinds) > 1 else ["all"]
        for kind in names:
            part = found.part(category, kind)
            noticed = ((layer, scores >= scale.threshold) for layer, scores in part.layers())
            title = kind if len(models) == 1 else scale.name
            curves[title] = recall_curve(noticed)
    return curves


def _save(picture, path: Path) -> Path:
    with replacing(path) as temporary:
        picture.save(temporary, "PNG")
    return path
