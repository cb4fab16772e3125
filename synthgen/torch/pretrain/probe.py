"""A probe: how well PatchCore does with a backbone that is in training, on a small set of its own."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.layouts.entries import NORMAL
from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.torch.backbones import set_config, size_options
from synthgen.torch.data import LiveDataset, ShardDataset
from synthgen.torch.data.planes import channels_first
from synthgen.torch.models import PatchCore
from synthgen.torch.pretrain.augment import resize
from synthgen.torch.pretrain.options import Options
from synthgen.torch.pretrain.report import PROBE

# The most images of a class that a probe takes.
MOST_OF_A_CLASS = 24
# Share of the patches that PatchCore keeps, and images that it sees at a time.
_CORESET = 0.1
_BATCH = 8


class Probe(NamedTuple):
    """Images to probe a backbone with.

    Attributes
    ----------
    normal : Tensor of uint8, (N, 3, H, W)
        What PatchCore is fitted to.
    images : Tensor of uint8, (M, 3, H, W)
        What it is tested on.
    masks : ndarray of bool, (M, H, W)
        Where the defects are.
    """

    normal: torch.Tensor
    images: torch.Tensor
    masks: np.ndarray


def open_probe(source) -> Probe:
    """Return the images of a test set of ours: a folder, or a recipe that is drawn now.

    Half of the class ``good`` is normal, the rest and all other classes are tested. The field that is named as the
    class, or else ``mask``, says where defects are.

    Raises
    ------
    UsageError
        If there is no class of good images, no other, or no mask.
    """
    is_folder = isinstance(source, str | Path) and Path(source).is_dir()
    dataset = ShardDataset(source) if is_folder else LiveDataset(source)
    names = dataset.classes
    good = [label for label, name in enumerate(names) if name in NORMAL]
    if not good or len(good) == len(names):
        known = ", ".join(names[:5])
        raise UsageError(f"probe must be a test set with a class {NORMAL[0]} and classes of defects, got {known}")

    normal: list[torch.Tensor] = []
    images: list[torch.Tensor] = []
    masks: list[np.ndarray] = []
    for label in range(len(names)):
        places = _places_of(dataset, label)
        for number, place in enumerate(places):
            image, mask = _read(dataset, place, "" if label in good else names[label])
            if label in good and number % 2 == 0:
                normal.append(image)
                continue
            images.append(image)
            masks.append(mask)
    return Probe(torch.stack(normal), torch.stack(images), np.stack(masks))


def _places_of(dataset, label: int) -> list[int]:
    """Return the positions of some images of a class."""
    positions = np.flatnonzero(np.array(dataset.targets) == label)
    return positions[:MOST_OF_A_CLASS].tolist()


def _read(dataset, position: int, name: str) -> tuple[torch.Tensor, np.ndarray]:
    """Return an image and the mask of its defects; a good image has no name of a defect."""
    sample = dataset.sample(position) if isinstance(dataset, LiveDataset) else dataset.dataset[position]
    image = torch.from_numpy(channels_first(sample.pixels)).expand(3, -1, -1)
    if not name:
        return image, np.zeros(image.shape[1:], bool)

    field = name if name in sample.fields else "mask"
    if field not in sample.fields:
        raise UsageError(f"probe must have the field mask, got {', '.join(sample.fields)}")
    return image, sample.fields[field] > 0


def measure_probe(probe: Probe, net: torch.nn.Module, arch: str, options: Options, size: tuple[int, int]) -> dict:
    """Return the columns of a probe: PatchCore on the layers that are trained, its options as they are by default.

    Parameters
    ----------
    probe : Probe
    net : torch.nn.Module
        It is left in evaluation mode.
    arch : str
    options : Options
        Of the training.
    size : (int, int)
        Of the images that the network is trained on: probes are resized to it where it takes no other.
    """
    device = next(net.parameters()).device
    mean = _three(options.mean)
    std = _three(options.std)
    set_config(net, mean=mean, std=std)
    if size_options(arch, size):
        probe = _resized(probe, size)

    layers = options.used_layers if options.is_dense else _layers()
    model = PatchCore(net, layers=layers, coreset=_CORESET, seed=options.seed, device=device)
    model.fit(probe.normal.split(_BATCH), progress="none")
    found = [model.predict(images) for images in probe.images.split(_BATCH)]
    scores = np.concatenate([each[0] for each in found])
    maps = np.concatenate([each[1] for each in found])

    labels = probe.masks.any((1, 2))
    values = (image_auroc(labels, scores), pixel_auroc(probe.masks, maps), aupro(probe.masks, maps))
    return {name: round(float(value), 4) for name, value in zip(PROBE, values, strict=True)}


def _layers() -> tuple[int, ...]:
    """Return the layers that PatchCore takes by default."""
    return PatchCore.Options().layers


def _three(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers * 3 if len(numbers) == 1 else numbers


def _resized(probe: Probe, size: tuple[int, int]) -> Probe:
    """Return a probe at another size."""
    planes = [torch.from_numpy(mask)[None].int() for mask in probe.masks]
    masks = [resize(mask, size)[0].numpy() > 0 for mask in planes]
    return Probe(
        torch.stack([resize(image, size) for image in probe.normal]),
        torch.stack([resize(image, size) for image in probe.images]),
        np.stack(masks),
    )
