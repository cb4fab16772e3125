"""The texture of each pixel of a data set's images: what the objective dense learns to tell."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from torch.utils import data

from synthgen import families
from synthgen.errors import UsageError
from synthgen.machine import available_bytes
from synthgen.torch.data import LiveDataset, ShardDataset
from synthgen.torch.data.planes import channels_first
from synthgen.torch.pretrain.dense import NOTHING

FIELD = "instances"
# Share of the free memory in which images that were drawn are kept.
_KEPT_SHARE = 0.25
# Images that a process draws before it hands them over.
_DRAWN_TOGETHER = 32
# The texture of what lies behind objects that are told apart by their kind.
_BACKGROUND = "background"


def check_fields(source, fields: dict) -> None:
    """Raise `UsageError` if images with these fields do not say which texture a pixel lies on."""
    if FIELD in fields:
        return
    found = [name for name in fields if name != "image"]
    names = ", ".join(found) or "none"
    known = ", ".join(_families_with_instances())
    raise UsageError(
        f"{source}: must have the field {FIELD} for the objective dense, has {names}; the families {known} have it"
    )


def _families_with_instances() -> list[str]:
    """Return the built-in families whose samples have instances as they are drawn by default."""
    names = []
    for name in families.FAMILIES:
        family = families.load(name)
        try:
            fields = family.fields(family.Options(), (64, 64))
        except (TypeError, ValueError):  # options that have no default
            continue
        if FIELD in fields:
            names.append(name)
    return names


def texture_map(instances: np.ndarray, objects: list[dict]) -> np.ndarray:
    """Return the texture of each pixel.

    Parameters
    ----------
    instances : ndarray of uint8 or uint16, (H, W)
        Ids of objects, 0 for the background.
    objects : list of dict
        ``params["objects"]``. An object with a ``source_class`` has that texture, and what lies behind such
        objects has none. Others are told apart by their ``kind``, and so is the background.

    Returns
    -------
    ndarray of int32, (H, W)
        Numbers >= 0 that mean the same in all images of a data set; -1 for no texture.
    """
    has_classes = any("source_class" in thing["params"] for thing in objects)
    background = NOTHING if has_classes else _number_of(_BACKGROUND)

    largest = np.iinfo(instances.dtype).max
    table = np.full(largest + 1, background, np.int32)
    for thing in objects:
        source_class = thing["params"].get("source_class")
        kind = thing["kind"]
        table[thing["id"]] = _number_of(kind) if source_class is None else source_class
    return table[instances]


def _number_of(word: str) -> int:
    """Return a number for a word, the same in all processes, below 2**31."""
    code = word.encode()
    return crc32(code) >> 1


class RegionImages(data.Dataset):
    """Images and the texture of each of their pixels, by position: (uint8 (C, H, W), int32 (H, W)).

    Images that are drawn on the fly are kept, as many as a share of the free memory holds.

    Parameters
    ----------
    dataset : ShardDataset or LiveDataset
    """

    def __init__(self, dataset: ShardDataset | LiveDataset):
        self._dataset = dataset
        self._kept: dict[int, tuple] = {}
        self._room = 0.0
        if isinstance(dataset, LiveDataset):
            self._room = _KEPT_SHARE * available_bytes()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self._kept.get(position)
        if kept is not None:
            return kept

        item = self._read(position)
        self._keep(position, item)
        return item

    def draw(self, positions: Sequence[int], loader_options: dict) -> None:
        """Draw images that are asked for again and again, as many as there is room for.

        What a worker of a loader draws is lost with it, at the end of an epoch; what is drawn here is there for
        all. The first images are drawn by this process, so that their code is compiled once, not by each worker.

        Parameters
        ----------
        positions : sequence of int
        loader_options : dict
            Arguments of the `DataLoader` whose workers draw.
        """
        first, rest = positions[:_DRAWN_TOGETHER], positions[_DRAWN_TOGETHER:]
        for position in first:
            self[position]

        wanted: data.Subset = data.Subset(self, rest)
        loader = data.DataLoader(wanted, _DRAWN_TOGETHER, **loader_options)
        left = iter(rest)
        for images, maps in loader:
            for image, textures, position in zip(images, maps, left, strict=False):
                item = (image.clone(), _compact(textures.clone()))
                if not self._keep(position, item):
                    return

    def _keep(self, position: int, item: tuple[torch.Tensor, torch.Tensor]) -> bool:
        """Keep an image if there is room for it; return whether there was."""
        size = _bytes_of(item)
        if size > self._room:
            return False
        self._room -= size
        self._kept[position] = item
        return True

    def _read(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        if isinstance(self._dataset, LiveDataset):
            sample = self._dataset.sample(position)
            image = torch.from_numpy(channels_first(sample.pixels))
            instances = sample.fields[FIELD]
            objects = sample.params["objects"]
        else:
            image = self._dataset[position][0]
            instances = self._dataset.dataset.field(position, FIELD)
            objects = self._dataset.dataset.params(position)["objects"]

        textures = texture_map(instances, objects)
        return image, _compact(torch.from_numpy(textures))


def _compact(textures: torch.Tensor) -> torch.Tensor:
    """Return a map that takes no memory where it has one texture everywhere."""
    first = textures[0, 0]
    if (textures == first).all():
        return first.clone().expand(textures.shape)
    return textures


def _bytes_of(item: tuple[torch.Tensor, torch.Tensor]) -> int:
    """Return the memory that an image and its map take."""
    return sum(part.untyped_storage().nbytes() for part in item)
