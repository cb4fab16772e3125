"""A finished data set, read by position."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.utils import data

from synthgen.errors import FormatError
from synthgen.sample import semantic_map
from synthgen.shards.dataset import open_dataset
from synthgen.torch.data.changes import Changes
from synthgen.torch.data.items import SEMANTIC, ClassNames, check_fields, make_item
from synthgen.torch.data.planes import planes_of


class ShardDataset(ClassNames, data.Dataset):
    """A finished data set, map style: sample `i` is ``(image, label, *fields)``.

    The image is a uint8 tensor (C, H, W), the label an int. Any number of workers may read, under fork, spawn and
    forkserver.

    Parameters
    ----------
    path : str or Path
        Folder of the data set, or an address as for `synthgen.open`.
    transform : callable, optional
        Applied to the image alone, a uint8 tensor (C, H, W) with 1 or 3 channels. With `fields` a transform of
        torchvision that moves pixels is refused: it would leave a mask where it was.
    fields : sequence of str
        Names of fields to return after the label, for example ``("mask",)``: tensors of the stored shape. For
        multi-formula data sets ``semantic`` is the source class of each pixel, int32, -1 for the background.
    transforms : callable, optional
        Applied to the image and all fields together: ``transforms(image, *fields)`` returns as many. The image is a
        ``torchvision.tv_tensors.Image``, as is the field ``clean``; other fields are ``tv_tensors.Mask``, so that
        transforms of ``torchvision.transforms.v2`` move them alike and leave their values as they are. The vectors
        of ``normal`` are moved with their pixels, not turned.
    cache, cache_bytes
        For an address, as for `synthgen.open`.

    Attributes
    ----------
    dataset : synthgen.shards.Dataset
        The data set that is read.
    classes : list of str
        Name of each class, by label.
    class_to_idx : dict
        Label of each class, by name.
    targets : list of int
        Label of each sample.

    Raises
    ------
    FormatError
        If the folder is not a finished data set; when a sample is read, if it is damaged.
    UsageError
        If there is no such field, or the transforms cannot go with the fields.

    Notes
    -----
    For several ranks use torch's ``DistributedSampler``: it gives all ranks equally many samples, by repeating some
    or, with ``drop_last=True``, by leaving some out.
    """

    def __init__(
        self,
        path,
        transform: Callable | None = None,
        fields: Sequence[str] = (),
        transforms: Callable | None = None,
        cache=None,
        cache_bytes: int | None = None,
    ):
        self.dataset = open_dataset(path, cache, cache_bytes)
        self._fields = check_fields(fields, self.dataset.manifest.fields)
        self._transform = Changes(transform, transforms, self._fields)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> tuple:
        planes = self._planes(i)
        image = torch.from_numpy(planes)
        label = self.dataset.label(i)
        fields = []
        for name in self._fields:
            values = self._field(i, name)
            fields.append(torch.from_numpy(values))
        return make_item(image, label, fields, self._transform)

    def _planes(self, i: int) -> np.ndarray:
        """Return the image as uint8 (C, H, W)."""
        entry = self.dataset.manifest.fields["image"]
        stored = self.dataset.encoded(i, "image")
        try:
            return planes_of(stored, entry.spec(), entry.codec)
        except FormatError as error:
            shard, row = self.dataset.locate(i)
            key = shard.key(row)
            raise FormatError(f"{self.dataset.source}: image of {key}: {error}") from None

    def _field(self, i: int, name: str) -> np.ndarray:
        if name == SEMANTIC:
            instances = self.dataset.field(i, "instances")
            objects = self.dataset.params(i)["objects"]
            return semantic_map(instances, objects)
        values = self.dataset.field(i, name)
        return values.copy()

    def _class_table(self) -> list[dict]:
        return self.dataset.classes

    def _run_record(self):
        return self.dataset.manifest
