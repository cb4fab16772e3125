"""A finished data set, read by position."""

from collections.abc import Callable, Sequence
from operator import index

from torch.utils import data
from torch.utils.data import get_worker_info

from synthgen.shards.dataset import open_dataset
from synthgen.torch.data.batches import BatchReader
from synthgen.torch.data.changes import BatchChange, Changes
from synthgen.torch.data.items import ClassNames, check_fields, make_item
from synthgen.torch.data.rows import Pace, Row, Rows


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
    batch_transform : callable, optional
        Applied to whole batches: ``batch_transform(images, labels, *fields)`` returns as many tensors. Images are
        (N, C, H, W), and typed as for `transforms`. It is called where a ``DataLoader`` makes a batch by torch's
        own collate function, not by ``dataset[i]`` and not with a ``collate_fn`` of your own.
    threads : int
        Threads that read and decode a batch, within this process or each worker.
    check : {'crc', 'none'}
        Whether stored bytes are compared with their checksums. ``none`` saves about 1 % for PNG and a seventh
        for raw images, and lets damaged pixels pass.

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
    Loaders ask for a batch at a time. It is decoded into one tensor, which torch's collate function returns as it
    is. The images of a batch share that memory: copy an image that you want to keep without the others. Once nobody
    holds a batch any more, its memory is used for another one; that of two batches is kept for this.

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
        *,
        batch_transform: Callable | None = None,
        threads: int = 1,
        check: str = "crc",
    ):
        self.dataset = open_dataset(path, cache, cache_bytes)
        self._fields = check_fields(fields, self.dataset.manifest.fields)
        self._changes = Changes(transform, transforms, self._fields)
        self._finish = None if batch_transform is None else BatchChange(batch_transform, self._fields)
        self._reader = BatchReader(self.dataset, self._fields, threads, check)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Row:
        batch = self._reader.read([i])
        rows = Rows(batch, self._finish, None)
        return self._changed(rows[0])

    def __getitems__(self, positions: Sequence[int]) -> Sequence[Row]:
        """Return the samples at some positions, for loaders, which ask for a batch at a time."""
        return self.items(positions)

    def items(self, positions: Sequence[int], pace: Pace | None = None) -> Sequence[Row]:
        """Return the samples at some positions; `pace` is told how many of them a loader collates."""
        wanted = [index(position) for position in positions]
        if not wanted:
            return []
        # What a worker sends lies in shared memory at once, unless it is changed and copied before.
        is_sent = get_worker_info() is not None and not self._changes
        batch = self._reader.read(wanted, shared=is_sent)
        rows = Rows(batch, self._finish, pace)
        return [self._changed(row) for row in rows] if self._changes else rows

    def _changed(self, item: Row) -> Row:
        """Return an item as the user's transforms leave it."""
        if not self._changes:
            return item
        image, label, *fields = item
        return item.replaced(make_item(image, label, fields, self._changes))

    def _class_table(self) -> list[dict]:
        return self.dataset.classes

    def _run_record(self):
        return self.dataset.manifest
