"""Readers of others: each keeps the PNG bytes that synthgen stores in a format of its own, and makes batches.

A reader is a function ``(dataset, folder)``. It writes the samples of an open data set into the folder once, and
returns a function that gives batches ``(images, labels)``, images as uint8 (N, C, H, W). ImageFolder and webdataset
decode by Pillow, as they usually do, the others by ``torchvision.io``, which is faster.
"""

import struct
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_png
from torchvision.transforms import PILToTensor

BATCH = 64
_LABEL = struct.Struct("<q")
# Bytes of a file that litData writes, as many as a shard of ours may have.
_CHUNK_BYTES = 2**27


def stored_samples(dataset) -> Iterator[tuple[bytes, int]]:
    """Yield (PNG bytes, label) of each sample of an open data set."""
    for i in range(len(dataset)):
        yield dataset.encoded(i, "image"), dataset.label(i)


def decoded(data) -> torch.Tensor:
    """Return the pixels of a PNG, uint8 (3, H, W)."""
    return decode_png(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)


def image_folder(dataset, folder: Path) -> Callable:
    """Read RGB files, as Pillow writes them, by torchvision."""
    from PIL import Image
    from torchvision.datasets import ImageFolder

    for sample in dataset:
        path = folder / f"{sample.label:06d}" / f"{sample.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(path)
    return lambda: DataLoader(ImageFolder(folder, PILToTensor()), BATCH)


def web_dataset(dataset, folder: Path) -> Callable:
    """Read by the ``webdataset`` package and its usual decoder."""
    import webdataset

    folder.mkdir()
    path = str(folder / "samples.tar")
    with webdataset.TarWriter(path) as out:
        for i, (data, label) in enumerate(stored_samples(dataset)):
            out.write({"__key__": f"{i:08d}", "png": data, "cls": label})

    def batches():
        stream = webdataset.WebDataset([path], shardshuffle=False).decode("pil").to_tuple("png", "cls")
        return DataLoader(stream.map_tuple(PILToTensor(), int), BATCH)

    return batches


def _array_record(dataset, folder: Path):
    """Return a source of records, each a label and the bytes of a PNG."""
    from array_record.python.array_record_data_source import ArrayRecordDataSource
    from array_record.python.array_record_module import ArrayRecordWriter

    folder.mkdir()
    path = str(folder / "samples.array_record")
    out = ArrayRecordWriter(path, "group_size:1,uncompressed")
    for data, label in stored_samples(dataset):
        out.write(_LABEL.pack(label) + data)
    out.close()
    return ArrayRecordDataSource(path)


def _of_record(record: bytes) -> tuple[torch.Tensor, int]:
    (label,) = _LABEL.unpack_from(record)
    return decoded(record[_LABEL.size :]), label


class _Records(Dataset):
    """The records of a source, a batch at a time."""

    def __init__(self, source):
        self._source = source

    def __len__(self):
        return len(self._source)

    def __getitems__(self, positions):
        return [_of_record(record) for record in self._source.__getitems__(positions)]


def array_record(dataset, folder: Path) -> Callable:
    """Read ArrayRecord by torch's loader, which asks it for a batch at a time."""
    records = _Records(_array_record(dataset, folder))
    return lambda: DataLoader(records, BATCH)


def grain(dataset, folder: Path) -> Callable:
    """Read ArrayRecord by grain, without threads of its own: there is one core."""
    import grain.python as pygrain

    source = _array_record(dataset, folder)
    options = pygrain.ReadOptions(num_threads=0, prefetch_buffer_size=0)

    def as_arrays(record):
        image, label = _of_record(record)
        return image.numpy(), label

    def batches():
        items = pygrain.MapDataset.source(source).map(as_arrays).to_iter_dataset(options)
        for images, labels in items.batch(BATCH):
            yield torch.from_numpy(images), torch.from_numpy(labels)

    return batches


def litdata(dataset, folder: Path) -> Callable:
    """Read chunks of litData in order."""
    from litdata import StreamingDataLoader, StreamingDataset
    from litdata.streaming import Cache

    folder.mkdir()
    out = Cache(str(folder), chunk_bytes=_CHUNK_BYTES)
    for i, (data, label) in enumerate(stored_samples(dataset)):
        out[i] = {"image": data, "label": label}
    out.done()
    out.merge()

    class Decoded(StreamingDataset):
        def __getitem__(self, i):
            item = super().__getitem__(i)
            return decoded(item["image"]), item["label"]

    return lambda: StreamingDataLoader(Decoded(str(folder)), batch_size=BATCH, num_workers=0)


def lance(dataset, folder: Path) -> Callable:
    """Read a table of Lance in order."""
    import lance as lance_format
    import pyarrow

    images, labels = zip(*stored_samples(dataset), strict=True)
    table = pyarrow.table({"image": pyarrow.array(images, pyarrow.binary()), "label": list(labels)})
    lance_format.write_dataset(table, str(folder))
    stored = lance_format.dataset(str(folder))

    def batches():
        for batch in stored.to_batches(batch_size=BATCH):
            pixels = [decoded(item.as_buffer()) for item in batch["image"]]
            yield torch.stack(pixels), torch.tensor(batch["label"].to_pylist())

    return batches


# Name -> the package that must be there, and the reader.
READERS = {
    "torchvision ImageFolder": ("torchvision", image_folder),
    "webdataset": ("webdataset", web_dataset),
    "array_record": ("array_record", array_record),
    "grain, ArrayRecord": ("grain", grain),
    "litData": ("litdata", litdata),
    "Lance": ("lance", lance),
}


def readers_of(dataset, folder: Path) -> dict[str, Callable]:
    """Return what each reader that is installed here makes batches by; name those that are not."""
    found = {}
    for name, (package, reader) in READERS.items():
        if find_spec(package) is None:
            print(f"  {name}: not installed")
            continue
        found[name] = reader(dataset, folder / package)
    return found
