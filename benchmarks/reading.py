"""Reading 256 x 256 fractals into a DataLoader on one core, against torchvision's ImageFolder and `webdataset`.

ImageFolder reads the same images as RGB PNG files (Pillow, level 6), the `webdataset` package reads the same tar
files as we do, with its usual decoder. Reading without checksums and without comparing keys shows what they cost.
Batches of 64, no workers, no shuffling; every image ends as a uint8 tensor (C, H, W).

    python benchmarks/reading.py
"""

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import torch
import webdataset
from PIL import Image
from timing import compare, on_one_core
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import PILToTensor

import synthgen
from synthgen.recipe import Recipe
from synthgen.shards import hdf5, opened
from synthgen.shards import webdataset as tar
from synthgen.torch import ShardDataset, StreamDataset

CLASSES, PER_CLASS, BATCH = 20, 100, 64


def draw(folder: Path) -> None:
    for storage in ("hdf5", "webdataset"):
        for codec in ("png", "png-stored", "raw"):
            values = {"family": "fractals", "classes": CLASSES, "per_class": PER_CLASS,
                      "storage": {"format": storage, "codec": codec}}  # fmt: skip
            synthgen.generate(Recipe.from_dict(values), folder / f"{storage}-{codec}", progress=False)
    for sample in synthgen.open(folder / "hdf5-png"):
        path = folder / "files" / f"{sample.label:06d}" / f"{sample.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(path)


def nothing(*_) -> None:
    """Stand in for a check."""


def read(loader) -> None:
    count = sum(len(images) for images, *_ in loader)
    assert count == CLASSES * PER_CLASS, count


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        draw(folder)
        on_one_core()
        torch.set_num_threads(1)
        to_tensor = PILToTensor()
        tars = sorted(map(str, (folder / "webdataset-png" / "shards").glob("*.tar")))

        def image_folder():
            read(DataLoader(ImageFolder(folder / "files", to_tensor), BATCH))

        def web_dataset():
            stream = webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("png", "cls")
            read(DataLoader(stream.map_tuple(to_tensor, int), BATCH))

        def ours(kind, name):
            return lambda: read(DataLoader(kind(folder / name), BATCH))

        def unchecked(kind, name):
            def work():
                with (
                    mock.patch.object(hdf5, "check_bytes", nothing),
                    mock.patch.object(tar, "check_bytes", nothing),
                    mock.patch.object(opened, "check_order", nothing),
                ):
                    ours(kind, name)()

            return work

        works = {
            "torchvision ImageFolder": image_folder,
            "webdataset": web_dataset,
            "ShardDataset, HDF5, png": ours(ShardDataset, "hdf5-png"),
            "StreamDataset, HDF5, png": ours(StreamDataset, "hdf5-png"),
            "ShardDataset, tar, png": ours(ShardDataset, "webdataset-png"),
            "ShardDataset, HDF5, png-stored": ours(ShardDataset, "hdf5-png-stored"),
            "StreamDataset, tar, png-stored": ours(StreamDataset, "webdataset-png-stored"),
            "ShardDataset, HDF5, raw": ours(ShardDataset, "hdf5-raw"),
            "StreamDataset, HDF5, raw": ours(StreamDataset, "hdf5-raw"),
            "ShardDataset, tar, raw": ours(ShardDataset, "webdataset-raw"),
        }
        print("reading into a DataLoader, one core (ratio to ImageFolder)")
        compare({name: (work, CLASSES * PER_CLASS) for name, work in works.items()}, "images")

        for name in ("hdf5-png", "hdf5-png-stored", "hdf5-raw", "webdataset-png"):
            print(f"{name}: what checksums and the comparison of keys cost (ratio to reading without)")
            pair = {
                "without checks": unchecked(ShardDataset, name),
                "with checks": ours(ShardDataset, name),
            }
            compare({name: (work, CLASSES * PER_CLASS) for name, work in pair.items()}, "images", rounds=15)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
