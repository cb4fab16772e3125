"""Where the objects of multi-formula images come from: drawn by another family, or taken from a data set."""

from functools import lru_cache

import numpy as np

from synthgen.errors import FormatError, UsageError
from synthgen.families import ANY_CPU, Drawer, device_of, fractals, mandelbulb, tolerance_of

DRAWN = ("fractals", "mandelbulb", "hybrid")
# A descriptor is the mean over this many systems of a class, or stored images at this size.
_SYSTEMS, _IMAGES, _THUMBNAIL = 8, 4, 8


def source_of(options):
    """Return the source that the options of `multiformula` name.

    Raises
    ------
    UsageError
        If it is neither a family nor a finished data set with masks.
    """
    if options.source == "fractals":
        drawn = fractals.Options(
            points=options.points, systems=options.systems, maps=options.maps, gray=options.gray, flips=False
        )
        return Fractals(fractals, drawn, classes=1000)
    if options.source in DRAWN:
        drawn = mandelbulb.Options(hybrid=options.source == "hybrid", background="black")
        return Mandelbulbs(mandelbulb, drawn, classes=mandelbulb.most_classes(drawn))
    return _stored(options.source)


class _Drawn:
    """Objects that another family draws, at the size in which they are pasted."""

    fingerprint = None

    def __init__(self, family, options, classes: int):
        self.family, self.options, self.classes = family, options, classes

    def name(self, seed: int, label: int) -> str:
        """Return the name of a class."""
        return self.family.describe_class(self.options, seed, label)["name"]

    def device(self) -> Drawer:
        """Return what draws the objects."""
        return device_of(self.family, self.options)

    def tolerance(self) -> float:
        """Return the gray levels by which other devices may differ."""
        return tolerance_of(self.family, self.options)

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Draw the parameters of an object; `share` is its side over half of the image's."""
        return self.family.sample(self.options, seed, label, member)


class Fractals(_Drawn):
    """Fractals, with as many points a pixel whatever their size."""

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Draw the parameters of an object; its points grow with its area."""
        params = super().sample(seed, label, member, share)
        return {**params, "points": max(1, min(20_000_000, round(self.options.points * share**2)))}

    def descriptors(self, seed: int, count: int) -> np.ndarray:
        """Return for each class the means over its first systems of: maps, sigma factor a map, area, shift."""
        members = range(min(_SYSTEMS, self.options.systems))
        facts = [
            [_facts(fractals.sample_system(self.options, seed, label, k)) for k in members]
            for label in range(count)
        ]
        return np.mean(facts, axis=1)


def _facts(system) -> tuple:
    a, b, c, d = (system.maps[:, row, column] for row in (0, 1) for column in (0, 1))
    shift = np.abs(system.maps[:, :, 2]).mean()
    return len(system.maps), system.sigma_factor / len(system.maps), np.abs(a * d - b * c).sum(), shift


class Mandelbulbs(_Drawn):
    """Mandelbulb variants or hybrids."""

    def descriptors(self, seed: int, count: int) -> np.ndarray:
        """Return for each class the power over 20 and the nine bits of the rule, of one variant or of two."""
        return np.array([
            [
                value
                for variant in mandelbulb.formula_of(self.options, seed, label).variants
                for value in (variant.power / 20, *(variant.rule >> bit & 1 for bit in range(9)))
            ]
            for label in range(count)
        ])  # fmt: skip


@lru_cache(maxsize=4)
def _stored(path: str):
    return Stored(path)


class Stored:
    """Objects of a finished data set, cut out by its masks."""

    def __init__(self, path: str):
        from synthgen.shards import open_dataset

        try:
            self.dataset = open_dataset(path)
        except FormatError as error:
            choices = ", ".join(DRAWN)
            raise UsageError(f"source must be {choices} or the folder of a data set: {error}") from None
        manifest = self.dataset.manifest
        if "mask" not in manifest.fields:
            raise UsageError(f"source must be a data set with masks, got {path} with {', '.join(manifest.fields)}")
        self.classes, self.per_class = manifest.classes, manifest.per_class
        self.fingerprint = manifest.fingerprints.data

    def name(self, seed: int, label: int) -> str:
        """Return the name of a class."""
        return self.dataset.classes[label]["name"]

    def device(self) -> Drawer:
        """Return that any CPU gives the same."""
        return ANY_CPU

    def tolerance(self) -> float:
        """Return that there is none."""
        return 0.0

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Return which sample of the data set an object is."""
        return {"class": label, "index": member % self.per_class}

    def descriptors(self, seed: int, count: int) -> np.ndarray:
        """Return for each class the mean of the masks of its first images, at 8 x 8 pixels."""
        return np.array([
            np.mean([self._thumbnail(label, i) for i in range(min(_IMAGES, self.per_class))], axis=0)
            for label in range(count)
        ])  # fmt: skip

    def _thumbnail(self, label: int, index: int) -> np.ndarray:
        from PIL import Image

        mask = self.dataset.field(self.dataset.find(label, index), "mask")
        return (
            np.asarray(Image.fromarray(mask).resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)).ravel() / 255
        )

    def cut_out(self, label: int, index: int, side: int, gray: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return an object at a size: pixels times their coverage, and coverage, as `draw_object` does."""
        from PIL import Image

        from synthgen import compose

        i = self.dataset.find(label, index)
        image, mask = self.dataset.field(i, "image"), self.dataset.field(i, "mask")
        if gray and image.ndim == 3:
            image = compose.to_grey(image)
        image = np.atleast_3d(image) * np.atleast_3d(mask != 0)
        size = [max(1, round(n * side / max(mask.shape))) for n in mask.shape[::-1]]
        *channels, cover = (
            np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX), dtype=np.float32)
            for plane in (*np.moveaxis(image, 2, 0), mask)
        )
        pixels = channels[0] if gray else np.dstack(channels if len(channels) == 3 else channels * 3)
        return pixels, cover / np.float32(255)


def draw_object(source: str, params: dict, side: int, gray: bool) -> tuple:
    """Draw an object `side` pixels large.

    Returns
    -------
    pixels : PaletteImage, or ndarray, (h, w, 3) or (h, w)
        uint8; of a data set float32, the pixels times their coverage.
    cover : ndarray, (h, w)
        bool; of a data set float32, the coverage in [0, 1].
    """
    from synthgen import compose

    if source not in DRAWN:
        return _stored(source).cut_out(params["class"], params["index"], side, gray)
    family = fractals if source == "fractals" else mandelbulb
    pixels, fields, _ = family.draw(params, (side, side))
    if gray and source != "fractals":
        pixels = compose.to_grey(pixels)
    return pixels, fields["mask"] != 0
