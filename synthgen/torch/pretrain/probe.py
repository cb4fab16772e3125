"""A probe: how well PatchCore does with a backbone that is in training, on a small set of its own."""

from typing import NamedTuple

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.layouts.entries import NORMAL
from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.sample import Sample
from synthgen.torch.backbones import set_config, size_options
from synthgen.torch.data import LiveDataset, ShardDataset
from synthgen.torch.data.planes import channels_first
from synthgen.torch.models import PatchCore
from synthgen.torch.pretrain.augment import resize
from synthgen.torch.pretrain.options import Options
from synthgen.torch.pretrain.reading import is_stored
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
    dataset = ShardDataset(source) if is_stored(source) else LiveDataset(source)
    names = dataset.classes
    good = [name for name in names if name in NORMAL]
    if not good or len(good) == len(names):
        known = ", ".join(names[:5])
        rule = f"probe must be a test set with a class {NORMAL[0]} and classes of defects"
        raise UsageError(f"{rule}, got {known}")

    normal = []
    tested = []
    for label, name in enumerate(names):
        samples = _samples(dataset, label)
        if name in good:
            normal += samples[::2]
            tested += [(sample, "") for sample in samples[1::2]]
        else:
            tested += [(sample, name) for sample in samples]

    of_normal = list(map(_image, normal))
    images = []
    masks = []
    for sample, defect in tested:
        images.append(_image(sample))
        masks.append(_mask(sample, defect))
    return _stacked(of_normal, images, masks)


def _stacked(normal: list[torch.Tensor], images: list[torch.Tensor], masks: list[np.ndarray]) -> Probe:
    return Probe(
        normal=torch.stack(normal),
        images=torch.stack(images),
        masks=np.stack(masks),
    )


def _samples(dataset, label: int) -> list[Sample]:
    """Return some samples of a class."""
    targets = np.array(dataset.targets)
    positions = np.flatnonzero(targets == label)
    chosen = positions[:MOST_OF_A_CLASS].tolist()

    read = dataset.sample if isinstance(dataset, LiveDataset) else dataset.dataset.__getitem__
    return list(map(read, chosen))


def _image(sample: Sample) -> torch.Tensor:
    """Return an image as uint8 (3, H, W)."""
    planes = channels_first(sample.pixels)
    image = torch.from_numpy(planes)
    return image.expand(3, -1, -1)


def _mask(sample: Sample, defect: str) -> np.ndarray:
    """Return where the defects of a sample are, bool (H, W); a good one has no name of a defect."""
    if not defect:
        size = sample.image.shape[:2]
        return np.zeros(size, bool)

    field = defect if defect in sample.fields else "mask"
    if field not in sample.fields:
        found = ", ".join(sample.fields)
        raise UsageError(f"probe must have the field mask, got {found}")
    return sample.fields[field] > 0


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
    batches = probe.images.split(_BATCH)
    found = [model.predict(images) for images in batches]
    scores = np.concatenate([of_images for of_images, _ in found])
    maps = np.concatenate([np.asarray(of_pixels) for _, of_pixels in found])

    masks = probe.masks
    labels = np.any(masks, axis=(1, 2))
    values = (
        image_auroc(labels, scores),
        pixel_auroc(masks, maps),
        aupro(masks, maps),
    )
    rounded = [round(float(value), 4) for value in values]
    return dict(zip(PROBE, rounded, strict=True))


def _layers() -> tuple[int, ...]:
    """Return the layers that PatchCore takes by default."""
    return PatchCore.Options().layers


def _three(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers * 3 if len(numbers) == 1 else numbers


def _resized(probe: Probe, size: tuple[int, int]) -> Probe:
    """Return a probe at another size."""
    normal = [resize(image, size) for image in probe.normal]
    images = [resize(image, size) for image in probe.images]
    masks = []
    for mask in probe.masks:
        plane = torch.from_numpy(mask)[None].int()
        resized = resize(plane, size)
        masks.append(resized[0].numpy() > 0)
    return _stacked(normal, images, masks)
