"""Images without labels, all of one size: of a data set of ours, of a folder, or drawn by a recipe."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils import data

from synthgen.compose.pictures import stretched
from synthgen.seeding import generator
from synthgen.torch.course import shuffled, steps_in_epoch
from synthgen.torch.pretrain.augment import luma_of
from synthgen.torch.pretrain.reading import loader_options


class Pictures(data.Dataset):
    """Images of any source, stretched to one size: [i] -> uint8 tensor (3, H, W).

    Parameters
    ----------
    source : str or Path
        Folder of a data set of ours, folder of images, also in folders inside, or a recipe.
    size : (int, int)
        Height and width in pixels.

    Attributes
    ----------
    place : str
        The source.
    identity : str
        Fingerprint of a data set or a recipe; empty for a folder.
    """

    def __init__(self, source, size: tuple[int, int]):
        self.place = str(source)
        self.size = size
        self.count, self.identity, self._read = _opened(source)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> torch.Tensor:
        color = _in_color(self._read(position))
        picture = Image.fromarray(color)
        image = np.asarray(stretched(picture, self.size))
        channels_first = image.transpose(2, 0, 1)
        return torch.from_numpy(channels_first.copy())


class GrayPictures(data.Dataset):
    """The same images, of which some are gray: [epoch, i] -> uint8 tensor (3, H, W).

    Parameters
    ----------
    pictures : Pictures
    share : float
        Of the images that are gray; which they are depends on epoch and image.
    seed : int
    """

    def __init__(self, pictures: Pictures, share: float, seed: int):
        self.pictures = pictures
        self.share = share
        self.seed = seed

    def __getitem__(self, place: tuple[int, int]) -> torch.Tensor:
        epoch, position = place
        image = self.pictures[position]
        rng = generator(self.seed, epoch, position, "pictures.gray")
        return gray(image) if rng.random() < self.share else image


def gray(image: torch.Tensor) -> torch.Tensor:
    """Return a uint8 image (3, H, W) in gray, by the luma of ITU-R BT.601; it keeps three channels."""
    return luma_of(image).repeat(3, 1, 1)


def shuffled_batches(
    pictures: Pictures, gray_share: float, batch_size: int, steps: range, seed: int, name: str, workers, ranks
) -> Iterator[torch.Tensor]:
    """Return an iterator of the images of some steps, uint8 (N, 3, S, S), in a new order in each epoch.

    Parameters
    ----------
    pictures : Pictures
    gray_share : float
        Of the images that are shown in gray.
    batch_size : int
    steps : range
    seed : int
    name : str
        Of the stream of random numbers that gives the order.
    workers : int
        Processes that read.
    ranks : TrainingGroup
    """
    order = _Order(len(pictures), batch_size, steps, seed, name)
    images = GrayPictures(pictures, gray_share, seed)
    usual = loader_options(workers, ranks)
    return iter(data.DataLoader(images, batch_sampler=order, **usual))


class _Order(data.Sampler):
    """The images of each step: pairs of epoch and position."""

    def __init__(self, count: int, batch_size: int, steps: range, seed: int, name: str):
        self.count = count
        self.batch_size = min(batch_size, count)
        self.steps = steps
        self.seed = seed
        self.name = name

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self):
        in_epoch = steps_in_epoch(self.count, self.batch_size)
        for step in self.steps:
            epoch = step // in_epoch
            places = shuffled(self.count, self.batch_size, self.seed, self.name, step)
            yield [(epoch, place) for place in places.tolist()]


def _opened(source) -> tuple[int, str, Callable[[int], np.ndarray]]:
    """Return how many images there are, what they are, and what reads one of them."""
    if Path(source).is_dir():
        return _of_folder(Path(source))

    from synthgen.torch.data import LiveDataset

    live = LiveDataset(str(source))
    return len(live), live.plan.run.fingerprints.data, lambda position: live.sample(position).image


def _of_folder(folder: Path) -> tuple[int, str, Callable[[int], np.ndarray]]:
    from synthgen.layouts import open_images, own
    from synthgen.shards.dataset import open_dataset

    images = open_images([folder])
    identity = ""
    if own.recognises(folder):
        identity = open_dataset(folder).manifest.fingerprints.data
    return len(images), identity, lambda position: images.entries[position].picture()


def _in_color(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W) or (H, W, 3) as (H, W, 3)."""
    return np.stack([image] * 3, axis=2) if image.ndim == 2 else image
