"""Where the objects of multi-formula images come from: drawn by another family, or taken from a data set."""

from functools import lru_cache
from types import ModuleType

import numpy as np

from synthgen.errors import FormatError, UsageError
from synthgen.families import ANY_CPU, FAMILIES, SOURCES, Drawer, known, load
from synthgen.sample import PaletteImage

# Descriptors of a stored class: the mean over so many images, at so many pixels a side.
_IMAGES = 4
_THUMBNAIL = 8


def family_of(source: str) -> tuple[ModuleType, dict] | None:
    """Return the family that a source names, and the options that it stands for; None for any other text."""
    name, given = SOURCES.get(source, (source, {}))
    if name not in FAMILIES and name not in known():
        return None

    family = load(name)
    return (family, given) if hasattr(family, "as_source") else None


def drawn_sources() -> list[str]:
    """Return the sources that built-in families draw."""
    families = [name for name in FAMILIES if hasattr(load(name), "as_source")]
    return [*families, *SOURCES]


def source_of(options):
    """Return the source that the options of `multiformula` name.

    Raises
    ------
    UsageError
        If it is neither a family that draws objects nor a finished data set with masks.
    """
    found = family_of(options.source)
    if found is None:
        return _stored(options.source)

    family, given = found
    return family.as_source(options, **given)


@lru_cache(maxsize=4)
def _stored(path: str):
    return Stored(path)


class Stored:
    """Objects of a finished data set, cut out by its masks.

    Parameters
    ----------
    path : str
        The folder of the data set.

    Raises
    ------
    UsageError
        If there is no finished data set with masks.
    """

    kind = "cutout"
    per_class = 2000

    def __init__(self, path: str):
        from synthgen.shards import open_dataset

        try:
            self.dataset = open_dataset(path)
        except FormatError as error:
            choices = ", ".join(drawn_sources())
            raise UsageError(f"source must be {choices} or the folder of a data set: {error}") from None

        manifest = self.dataset.manifest
        if "mask" not in manifest.fields:
            raise UsageError(f"source must be a data set with masks, got {path} with {', '.join(manifest.fields)}")
        self.classes = manifest.classes
        self.images = manifest.per_class

    @property
    def inputs(self) -> dict[str, str]:
        """The data fingerprint of the source: it may move, but not change."""
        return {"source": self.dataset.manifest.fingerprints.data}

    def name(self, seed: int, label: int) -> str:
        """Return the name of a class."""
        return self.dataset.classes[label]["name"]

    def device(self) -> Drawer:
        """Return that any CPU gives the same."""
        return ANY_CPU

    def tolerance(self) -> float:
        """Return that there is none."""
        return 0.0

    def seconds(self, size: tuple[int, int]) -> float:
        """Return the rough time in which an object is read and brought to its size."""
        stored = self.dataset.manifest.fields["image"].shape
        return stored[0] * stored[1] * 40e-9

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Return which sample of the data set an object is."""
        return {"class": label, "index": member % self.images}

    def descriptors(self, seed: int, count: int) -> np.ndarray:
        """Return for each class the mean of the masks of its first images, at 8 x 8 pixels."""
        images = range(min(_IMAGES, self.images))
        means = []
        for label in range(count):
            thumbnails = [self._thumbnail(label, index) for index in images]
            means.append(np.mean(thumbnails, axis=0))
        return np.array(means)

    def _thumbnail(self, label: int, index: int) -> np.ndarray:
        mask = self._field(label, index, "mask")
        small = _resized(mask, (_THUMBNAIL, _THUMBNAIL))
        return small.ravel() / 255

    def _field(self, label: int, index: int, name: str) -> np.ndarray:
        place = self.dataset.find(label, index)
        return self.dataset.field(place, name)

    def cut_out(self, params: dict, side: int, gray: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return an object at a size: pixels times their coverage, and coverage, as `draw_object` does."""
        label = params["class"]
        index = params["index"]
        cover_name = "coverage" if "coverage" in self.dataset.manifest.fields else "mask"
        image = self._field(label, index, "image")
        mask = self._field(label, index, cover_name)
        if gray:
            image = _gray(image)
        image = _without_background(np.atleast_3d(image), mask)

        # the longer side becomes `side`
        height, width = mask.shape
        longer = max(mask.shape)
        new_width = round(width * side / longer)
        new_height = round(height * side / longer)
        size = max(1, new_width), max(1, new_height)

        planes = np.moveaxis(image, 2, 0)
        channels = [_resized(plane, size).astype(np.float32) for plane in planes]
        levels = _resized(mask, size).astype(np.float32)
        cover = levels / np.float32(255)

        if gray:
            return channels[0], cover
        if len(channels) == 1:
            channels *= 3
        return np.dstack(channels), cover


def _without_background(image: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return pixels times their coverage, uint8: without the share of the background, where that is one color."""
    outside = image[cover == 0]
    behind = outside[0] if len(outside) else np.zeros(image.shape[2], np.uint8)
    alpha = cover[..., None] / np.float32(255)
    if (outside != behind).any():
        return np.rint(image * alpha).astype(np.uint8)

    own = np.rint(image - behind * (1 - alpha))
    most = np.rint(255 * alpha)
    return np.clip(own, 0, most).astype(np.uint8)


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a plane of uint8 at a size (width, height): means over boxes."""
    from PIL import Image

    small = Image.fromarray(plane).resize(size, Image.Resampling.BOX)
    return np.asarray(small)


def _gray(pixels) -> np.ndarray:
    """Return an image as gray levels."""
    from synthgen import compose

    image = pixels.to_rgb() if isinstance(pixels, PaletteImage) else pixels
    return compose.to_gray(image) if image.ndim == 3 else image


def draw_object(source: str, params: dict, side: int, gray: bool) -> tuple:
    """Return an object `side` pixels large.

    Returns
    -------
    pixels : PaletteImage, or ndarray, (h, w, 3) or (h, w)
        uint8; of a data set or with coverage float32, the pixels times their coverage.
    cover : ndarray, (h, w)
        bool; of a data set or with coverage float32, the coverage in [0, 1].
    """
    found = family_of(source)
    if found is None:
        return _stored(source).cut_out(params, side, gray)

    family, _ = found
    pixels, fields, _ = family.draw(params, (side, side))
    if gray:
        pixels = _gray(pixels)
    elif isinstance(pixels, np.ndarray) and pixels.ndim == 2:
        pixels = np.dstack([pixels] * 3)
    if "coverage" in fields:
        return pixels.astype(np.float32), fields["coverage"] / np.float32(255)
    return pixels, fields["mask"] != 0
