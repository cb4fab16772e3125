"""MVTec LOCO AD: as MVTec AD, but a folder of masks for each image, one for each defect, and saturation thresholds.

``ground_truth/KIND/NNN/000.png``, ``001.png``, ..; ``defects_config.json`` says for each gray value that a mask may
have how many pixels of the defect have to be found, since many defects of logic have no single right outline.

Source: Bergmann et al., Beyond Dents and Scratches, IJCV 2022, section 4.3, and the readme of the data set.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec

from synthgen.errors import UsageError, one_line
from synthgen.layouts import mvtec
from synthgen.layouts.entries import Entry
from synthgen.layouts.files import paired, pictures_in, read_mask
from synthgen.layouts.truth import Truth, layers_of
from synthgen.shards.reading import read_whole

NAME = "MVTec LOCO"
_CONFIG = "defects_config.json"
_MOST_BYTES = 2**20

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
    try:
        defects = msgspec.json.decode(raw, type=list[_Defect])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: must be MVTec LOCO's list of defects: {one_line(error)}") from None
    return {defect.pixel_value: defect for defect in defects}
