"""What an engine draws, sample by sample, and how samples become pixels."""

from typing import NamedTuple

import numpy as np

FILTERS = ("box", "lanczos")


class Picture(NamedTuple):
    """What an engine draws of (rows, columns) pixels with `supersample` samples along each side.

    Attributes
    ----------
    colors : ndarray of uint8, shape (rows * supersample, columns * supersample, 3)
        Of each sample; the background where it hit nothing.
    depth : ndarray of float32, shape (rows, columns)
        Distance along the ray of the nearest sample that hit; infinite where none did.
    normal : ndarray of float32, shape (rows, columns, 3)
        Mean of the unit normals of the samples that hit, so its length lies in [0, 1]; 0 where none did.
    hits : ndarray of uint8, shape (rows, columns)
        How many samples of a pixel hit the object.
    """

    colors: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    hits: np.ndarray

    @property
    def supersample(self) -> int:
        """Samples along each side of a pixel."""
        return len(self.colors) // len(self.depth)

    def image(self, name: str, background: int) -> np.ndarray:
        """Return the image that a filter makes of the samples; exactly the background where no sample hit.

        Parameters
        ----------
        name : {"box", "lanczos"}
        background : int
            Gray level of samples that hit nothing.

        Returns
        -------
        ndarray of uint8, shape (rows, columns, 3)
        """
        samples = np.ascontiguousarray(self.colors)
        if self.supersample == 1:
            return samples
        if name == "box":
            return _reduced(samples, self.supersample)

        image = _resized(samples, self.hits.shape)
        image[self.hits == 0] = background  # the filter carries colors up to three pixels off the object
        return image

    def coverage(self) -> np.ndarray:
        """Return the share of each pixel's samples that hit the object: float32, shape (rows, columns)."""
        samples = self.supersample**2
        return self.hits / np.float32(samples)

    def unit_normal(self, radius: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean normals scaled to length 1, and the length that they had.

        Parameters
        ----------
        radius : int
            The mean is over all samples that hit within so many pixels along both axes.
        """
        normal = self._mean_normal(radius) if radius else self.normal
        squares = np.sum(normal * normal, axis=2)
        length = np.sqrt(squares)
        divisor = np.where(length > 0, length, np.float32(1))
        return normal / divisor[..., None], length

    def _mean_normal(self, radius: int) -> np.ndarray:
        """Return the mean normal around each pixel that was hit, float32 (rows, columns, 3)."""
        hits = self.hits[..., None]
        weights = hits.astype(np.float32)
        weighted = self.normal * weights
        sums = _sums_around(weighted, radius)
        count = _sums_around(weights, radius)
        mean = sums / np.maximum(count, 1)
        return np.where(hits > 0, mean, np.float32(0))


def new_picture(shape: tuple[int, int], supersample: int, channels: int, background: int = 0) -> Picture:
    """Return a picture that nothing has hit yet.

    Raises
    ------
    MemoryError
        If there is no memory for it.
    """
    rows, columns = shape
    samples = rows * supersample, columns * supersample, channels
    return Picture(
        colors=np.full(samples, background, np.uint8),
        depth=np.full(shape, np.inf, np.float32),
        normal=np.zeros((rows, columns, 3), np.float32),
        hits=np.zeros(shape, np.uint8),
    )


def _sums_around(planes: np.ndarray, radius: int) -> np.ndarray:
    """Return for each pixel the sum over a square around it, of what lies in the image: (rows, columns, n)."""
    for axis in (0, 1):
        moved = np.moveaxis(planes, axis, 0)
        total = moved.copy()
        for step in range(1, radius + 1):
            total[step:] += moved[:-step]
            total[:-step] += moved[step:]
        planes = np.moveaxis(total, 0, axis)
    return planes


def _reduced(samples: np.ndarray, factor: int) -> np.ndarray:
    """Return the means over factor x factor samples, rounded: whole numbers throughout."""
    count = factor * factor
    first = samples[::factor, ::factor]
    total = np.full(first.shape, count // 2, np.uint16)

    for row in range(factor):
        for column in range(factor):
            total += samples[row::factor, column::factor]

    mean = total // np.uint16(count)
    return mean.astype(np.uint8)


def _resized(samples: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return samples at a smaller size, by the filter of the published generator."""
    from PIL import Image

    rows, columns = shape
    picture = Image.fromarray(samples)
    return np.array(picture.resize((columns, rows), Image.Resampling.LANCZOS))
