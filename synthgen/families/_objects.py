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
# Squared difference of an object from its background, over the channels, under which no coverage can be told.
_LEAST_WAY = 400.0


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
        has_coverage = "coverage" in self.dataset.manifest.fields
        image = self._field(label, index, "image")
        mask = self._field(label, index, "coverage" if has_coverage else "mask")
        if gray:
            image = _gray(image)
        image = np.atleast_3d(image)
        if not has_coverage:
            mask = _with_soft_edge(image, mask)
        image = _without_background(image, mask)

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


def _with_soft_edge(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the coverage of an object before one color that is not black, uint8, as far as its outline tells.

    A pixel of the outline lies between the background and the mean of the object's pixels around it that are not on
    the outline; how far tells how much of it the object covers. Before black, or several colors, all of the mask
    counts: there is no light to take away.
    """
    inside = mask > 0
    outside = image[~inside]
    is_even = len(outside) > 0 and (outside == outside[0]).all()
    if not is_even or not outside[0].any():
        return mask

    # all eight pixels around an inner one belong to the object
    neighbors = _around(inside.astype(np.float32))
    inner = inside & (neighbors > 7.5)
    weights = inner.astype(np.float32)

    # the mean of the object around each pixel, from the background
    behind = outside[0].astype(np.float32)
    own = image - behind
    planes = np.moveaxis(own, 2, 0)
    sums = [_around(plane * weights) for plane in planes]
    count = _around(weights)
    counted = np.maximum(count, 1)
    mean = np.dstack(sums) / counted[..., None]

    # the share of the way from the background to the object
    way = (mean * mean).sum(axis=2)
    gone = (own * mean).sum(axis=2)
    share = gone / np.maximum(way, 1)
    levels = np.rint(255 * share)
    soft = np.clip(levels, 1, 255)

    is_known = inside & ~inner & (way > _LEAST_WAY)
    cover = np.where(is_known, soft, mask)
    return cover.astype(np.uint8)


def _around(plane: np.ndarray) -> np.ndarray:
    """Return for each pixel the sum over the eight around it; beyond the border the plane goes on as it ends."""
    height, width = plane.shape
    padded = np.pad(plane, 1, mode="edge")
    total = -plane
    for down in range(3):
        for right in range(3):
            rows = slice(down, down + height)
            columns = slice(right, right + width)
            total = total + padded[rows, columns]
    return total


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
    """Return an image as gray levels: the luma of its colors, whatever drew it."""
    from synthgen import compose

    if isinstance(pixels, PaletteImage):
        lumas = compose.to_gray(pixels.colors[None])
        return lumas[0, pixels.indices]
    return compose.to_gray(pixels) if pixels.ndim == 3 else pixels


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
