"""MVTec LOCO AD, read and written: as MVTec AD, but a folder of masks for each image, and saturation thresholds.

``ground_truth/KIND/NNN/000.png``, ``001.png``, ..; ``defects_config.json`` says for each gray value that a mask may
have how many pixels of the defect have to be found, since many defects of logic have no single right outline.

Source: Bergmann et al., Beyond Dents and Scratches, IJCV 2022, section 4.3, and the readme of the data set.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from synthgen.errors import UsageError, one_line
from synthgen.layouts import mvtec
from synthgen.layouts.defects import saturations_of
from synthgen.layouts.entries import NORMAL, Entry
from synthgen.layouts.export.pictures import mask_of
from synthgen.layouts.export.sources import Picked, Source
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import File, as_file
from synthgen.layouts.files import normal_entries, paired, pictures_in, read_mask
from synthgen.layouts.truth import Truth, layers_of
from synthgen.options import parse_json
from synthgen.shards.reading import read_whole

NAME = "MVTec LOCO"
_CONFIG = "defects_config.json"
_MOST_BYTES = 2**20
_MOST_KINDS = 255
_WIDEST_STEP = 2**16  # pixels

normal = mvtec.normal


class _Defect(msgspec.Struct):
    """An entry of ``defects_config.json``."""

    pixel_value: Annotated[int, msgspec.Meta(ge=1, le=255)]
    saturation_threshold: Annotated[float, msgspec.Meta(gt=0)]
    relative_saturation: bool
    defect_name: str = ""

    def enough(self, area: int) -> float:
        """Return the pixels of a defect of this area that are enough."""
        threshold = self.saturation_threshold
        if self.relative_saturation:
            threshold *= area
        return min(threshold, area)


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    if not mvtec.recognises(path):
        return False
    if (path / _CONFIG).is_file():
        return True
    masks = (path / "ground_truth").glob("*/*/*.png")
    return any(masks)


def test_set(path: Path) -> list[Entry]:
    """Return the images of ``test``; without a configuration file no region saturates."""
    config_file = path / _CONFIG
    config = _config(config_file) if config_file.exists() else None

    folders = mvtec.subfolders_of(path / "test")
    masks = partial(mvtec.masks_for, path)
    read_all = partial(_truths, config=config)
    return mvtec.kinds_of(folders, path.name, masks, read_all)


def held_out(path: Path) -> list[Entry]:
    """Return the normal images of ``validation/good``, which are neither for fitting nor for testing."""
    images = pictures_in(path / "validation" / "good")
    return normal_entries(images, path.name)


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    as_mvtec = mvtec.known(path, fitting)
    return [*as_mvtec, path / "validation"]


def _truths(images: list[Path], folder: Path, config: dict | None) -> list[Callable]:
    folders = mvtec.subfolders_of(folder)
    by_image = {masks.name: masks for masks in folders}
    of_images = paired(images, by_image, folder)
    return [partial(read_truth, masks, config) for masks in of_images]


def read_truth(folder: Path, config: dict[float, _Defect] | None, shape: tuple[int, int]) -> Truth:
    """Return the truth of a folder of masks: each file is a defect, also where it has several regions."""
    paths = pictures_in(folder)
    if not paths:
        raise UsageError(f"{folder}: must hold masks, got none")

    masks = []
    regions = []
    saturation = []
    for path in paths:
        values = read_mask(path, shape)
        mask = values > 0
        masks.append(mask)

        if config is not None and mask.any():
            defect = _defect_of(values.max().item(), config, path)
            area = int(mask.sum())
            regions.append(mask)
            saturation.append(defect.enough(area))

    layers = layers_of(masks, shape)
    return Truth(layers, tuple(regions), tuple(saturation))


def _defect_of(value: float, config: dict[float, _Defect], path: Path) -> _Defect:
    if value not in config:
        known_values = map(str, sorted(config))
        listed = ", ".join(known_values)
        raise UsageError(f"{path}: must have a gray value of {_CONFIG} ({listed}), got {value}")
    return config[value]


def _config(path: Path) -> dict[float, _Defect]:
    """Return the defects of a configuration file, by the gray value of their masks."""
    raw = read_whole(path, _MOST_BYTES)
    values = parse_json(raw, str(path))
    try:
        defects = msgspec.convert(values, list[_Defect])
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: must be MVTec LOCO's list of defects: {one_line(error)}") from None

    config: dict[float, _Defect] = {}
    for defect in defects:
        value = defect.pixel_value
        if value in config:
            raise UsageError(f"{path}: pixel_value {value} must be of one defect, is of two")
        config[value] = defect
    return config


class Writer(mvtec.Writer):
    """One category. A kind of defect whose class says ``logical`` is one of logic, each other one of structure.

    Each defect is a file, whose gray value stands for its kind and its saturation. A defect of which the data set
    does not say how much is enough has to be found whole, so it saturates at its whole area.
    """

    SPLITS = "train=0.7,validation=0.1,test=0.2"
    TARGET = "mvtec-loco"

    def check(self) -> None:
        """Refuse more kinds than there are gray values."""
        super().check()
        if len(self.kinds) > _MOST_KINDS:
            raise UsageError(f"classes must be {_MOST_KINDS} kinds at most for mvtec-loco, got {len(self.kinds)}")

    def survey(self) -> dict:
        """Return the entries of the configuration, with gray values from 255 down.

        A kind has an entry for each saturation that its defects have. Where there are more of them than gray
        values, saturations are rounded to steps, no wider than needed.
        """
        found = _saturations_in(self.sources)
        step = 1
        while len(_stepped(found, step)) > _MOST_KINDS and step < _WIDEST_STEP:
            step += 1

        entries = sorted(_stepped(found, step), key=lambda entry: (entry[1] is not None, *map(str, entry)))
        if len(entries) > _MOST_KINDS:
            raise UsageError(
                f"classes must be {_MOST_KINDS // 2} kinds at most of several data sets for mvtec-loco"
            )
        values = [(kind, enough, 255 - place) for place, (kind, enough) in enumerate(entries)]
        return {"step": step, "values": values}

    def _folder(self, kind: str) -> str:
        if kind in NORMAL:
            return super()._folder(kind)
        rows = [row for source in self.sources for row in source.dataset.classes if row["name"] == kind]
        return "logical_anomalies" if any(row.get("logical") for row in rows) else "structural_anomalies"

    def masks(self, sample: Picked, place: str) -> list[File]:
        """Return a mask for each defect of a sample."""
        enough = saturations_of(sample.source.dataset.params(sample.place))
        marked = self.marked(sample)
        files = []
        for number, (defect_id, defect) in enumerate(_defects_of(sample, marked)):
            value = self._value(sample.kind, enough.get(defect_id))
            mask = mask_of(defect, self.options, value)
            files.append(as_file(f"{place}/{number:03d}", mask, "mask"))
        if not files:
            # readers want a mask of each image that is not good, also where the camera did not see the defect
            files.append(as_file(f"{place}/000", mask_of(marked, self.options), "mask"))
        return files

    def _value(self, kind: str, enough: float | None) -> int:
        """Return the gray value of a kind and its saturation."""
        wanted = _rounded(enough, self.facts["step"])
        return next(value for name, pixels, value in self.facts["values"] if (name, pixels) == (kind, wanted))

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the configuration."""
        config = [
            {
                "defect_name": kind,
                "pixel_value": value,
                "saturation_threshold": 1.0 if enough is None else enough,
                "relative_saturation": enough is None,
            }
            for kind, enough, value in self.facts["values"]
        ]
        tree.put_text(f"{self.category}/{_CONFIG}", json.dumps(config, indent=2) + "\n")

    def usage(self, out: Path) -> str:
        """Return what the readers of MVTec LOCO are told."""
        return "\n".join(
            (
                f'anomalib.data.datasets.image.MVTecLOCODataset(root="{out}", category="{self.category}")',
                f'synthgen.layouts.open_test_set("{out / self.category}")',
            )
        )


def _saturations_in(sources: Sequence[Source]) -> set[tuple[str, float | None]]:
    """Return the kinds of defects with their saturations, None where all of a defect is to be found."""
    found: set[tuple[str, float | None]] = set()
    for source in sources:
        for place in source.places.tolist():
            params = source.dataset.params(place)
            kind = source.names[params["class"]]
            if kind in NORMAL:
                continue
            enough = saturations_of(params)
            found |= {(kind, pixels) for pixels in enough.values()}
            if not enough:
                # the family knows no saturation: no other sample has any
                found |= {(other, None) for other in source.kinds}
                break
    return found


def _stepped(found: set, step: int) -> set[tuple[str, int | None]]:
    return {(kind, _rounded(pixels, step)) for kind, pixels in found}


def _rounded(pixels: float | None, step: int) -> int | None:
    """Return a saturation rounded to a step, at least 1 pixel; None stays.

    A whole number: MVTec's own script refuses thresholds that are absolute and have a point.
    """
    if pixels is None:
        return None
    steps = round(pixels / step)
    return max(1, step * steps)


def _defects_of(sample: Picked, marked: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return id and pixels of each defect of a sample, bool (H, W): by its ids, or else all of them as one."""
    if "instances" not in sample.source.manifest.fields:
        return [(1, marked)]
    ids = sample.pixels_of("instances") * marked
    numbers = np.unique(ids[ids > 0])
    return [(number, ids == number) for number in numbers.tolist()]
