"""MVTec LOCO AD: as MVTec AD, but a folder of masks for each image, one a defect, and saturation thresholds.

``ground_truth/KIND/NNN/000.png``, ``001.png``, ..; ``defects_config.json`` says for each grey value that a mask may
have how many pixels of the defect have to be found: many defects of logic have no single right outline.

Source: Bergmann et al., Beyond Dents and Scratches, IJCV 2022, section 4.3, and the readme of the data set.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts import mvtec
from synthgen.layouts.entries import Entry, Truth, paired, subfolders
from synthgen.layouts.files import pictures_in, read_mask

NAME = "MVTec LOCO"
_CONFIG = "defects_config.json"

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
        return min(threshold * area if self.relative_saturation else threshold, area)


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    return mvtec.recognises(path) and ((path / _CONFIG).is_file() or any((path / "ground_truth").glob("*/*/*.png")))


def test_set(path: Path) -> list[Entry]:
    """Return the images of ``test``; without a configuration file no region saturates."""
    config = _config(path / _CONFIG) if (path / _CONFIG).exists() else None
    return mvtec.kinds_of(path / "test", path / "ground_truth", path.name, partial(_truths, config=config))


def _truths(pictures: list[Path], folder: Path, config: dict | None) -> list[Callable]:
    masks = {mask.name: mask for mask in subfolders(folder)} if folder.is_dir() else {}
    return [partial(read_truth, mask, config) for mask in paired(pictures, masks, folder)]


def read_truth(folder: Path, config: dict[int, _Defect] | None, shape: tuple[int, int]) -> Truth:
    """Return the truth of a folder of masks: each file is a defect, also where it falls into pieces."""
    paths = pictures_in(folder)
    if not paths:
        raise UsageError(f"{folder}: must hold masks, got none")
    instances, regions, saturation = np.zeros(shape, np.int32), [], []
    for number, path in enumerate(paths, 1):
        mask = read_mask(path, shape)
        value = int(mask.max())
        instances[mask > 0] = number
        if config is None or not value:
            continue
        if value not in config:
            raise UsageError(f"{path}: must have a grey value of {_CONFIG} ({_listed(config)}), got {value}")
        regions.append(mask > 0)
        saturation.append(config[value].enough(int(regions[-1].sum())))
    return Truth(instances, tuple(regions), tuple(saturation))


def _config(path: Path) -> dict[int, _Defect]:
    try:
        defects = msgspec.json.decode(path.read_bytes(), type=list[_Defect])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: must be MVTec LOCO's list of defects: {error}") from None
    return {defect.pixel_value: defect for defect in defects}


def _listed(config: dict) -> str:
    return ", ".join(map(str, sorted(config)))
