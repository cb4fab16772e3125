"""Sheets of a benchmark: image, truth, and map and mask of each model side by side, of the maps that were kept.

Source: Ugwu et al. 2024, figure 9.
"""

from pathlib import Path
from typing import Any

import numpy as np

from synthgen.errors import FormatError
from synthgen.layouts import ImageSet, open_test_set
from synthgen.layouts.framing import Framing
from synthgen.shards.files import make_folder
from synthgen.torch.benchmark.record import MAPS, Record
from synthgen.torch.benchmark.results import Cell, Results
from synthgen.torch.benchmark.sources import categories_of

SHEETS = "sheets"


def draw_sheets(results: Results) -> list[str]:
    """Draw sheets of all categories whose maps were kept, and return their names in the folder of the benchmark.

    Those of the first seed are shown. Categories whose images are not there any more are left out.
    """
    names = []
    for name, given in results.benchmark.sets.items():
        found = categories_of(name, given, results.folder)
        folders = {Cell(name, each.name): Path(each.test) for each in found.categories}
        for cell in results.cells:
            if cell in folders:
                names += _draw(results, cell, folders[cell])
    return names


def _draw(results: Results, cell: Cell, test: Path) -> list[str]:
    """Draw the sheets of a category."""
    found = {}
    first = results.seeds[0]
    for model in results.models:
        record = results.record(model, cell, first)
        if record is None:
            continue
        if _maps_of(results, record).is_dir():
            found[model] = record
    if not found or not test.is_dir():
        return []

    from synthgen.torch.evaluation import predict_set
    from synthgen.torch.evaluation.pictures import write_pictures

    images = open_test_set(test)
    predictions = {}
    thresholds = {}
    for model, record in found.items():
        place = _maps_of(results, record)
        kept = _Kept(place, record, images)
        predictions[model] = predict_set(kept, images, framing=Framing())
        thresholds[model] = record.thresholds.get("pixel")

    folder = results.folder / SHEETS / cell.set / cell.category
    make_folder(folder)
    written = write_pictures(predictions, folder, thresholds)
    return [path.relative_to(results.folder).as_posix() for path in written]


def _maps_of(results: Results, record: Record) -> Path:
    """Return the folder of the maps of a job."""
    model, _, head = record.model.partition(":")
    ending = f".{head}" if head else ""
    return results.folder / MAPS / model / record.set / record.category / f"seed-{record.seed}{ending}"


class _Kept:
    """A model that answers with what another one said before, image by image in their order."""

    def __init__(self, folder: Path, record: Record, images: ImageSet):
        found = folder.glob("*.npy")
        paths = sorted(found)
        said = [] if record.images is None else record.images.scores
        if not len(said) == len(paths) == len(images):
            raise FormatError(f"{folder}: must hold a map of each of {len(images)} images, got {len(paths)}")
        self._answers = list(zip(said, paths, strict=True))
        self._next = 0
        self.kind = record.model
        self.image_size = np.load(paths[0]).shape

    def predict(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and maps of the next images."""
        end = self._next + len(images)
        answers = self._answers[self._next : end]
        self._next = end
        scores = [score for score, _ in answers]
        maps = [np.load(path) for _, path in answers]
        together = np.stack(maps)
        return np.array(scores, np.float32), together.astype(np.float32)
