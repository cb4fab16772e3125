"""What all anomaly models share: options, images in, scores and maps out, memory, files.

No torch at import, so that help pages come at once.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import msgspec

from synthgen.errors import DeviceError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.torch.models.batches import as_images, size_of
from synthgen.torch.models.memory import available_bytes, megabytes, refuse_if_larger
from synthgen.torch.models.options import FEATURE_OPTIONS, ModelOptions, make_options

if TYPE_CHECKING:
    import numpy as np
    import torch

    from synthgen.torch.course import Kept

FLOAT_BYTES = 4


@runtime_checkable
class Extractor(Protocol):
    """What gives a model its features: `FeatureExtractor`, or anything like it.

    Attributes
    ----------
    device : torch.device
        Where the features are.
    border : int
        Places that are left out of the features at each edge.
    """

    device: torch.device
    border: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (N, D, h, w) of images (N, C, H, W)."""

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w) of an image of `size` = (H, W)."""


class AnomalyModel(abc.ABC):
    """A model of normal images; see `synthgen.torch.models` for the protocol.

    Parameters
    ----------
    backbone : str, Path, torch.nn.Module or Extractor
        As for `FeatureExtractor`; or what gives features in a way of its own.
    arch : str, optional
        timm name of a backbone that is a file of weights without a card.
    memory : int, optional
        Bytes that may be used; by default what the device has left.
    device : str or torch.device, optional
        By default a GPU where there is one.
    **options
        As of the model's ``Options``, among them:

        layers : sequence of int
            Of 1 to 4; of a vision transformer its blocks, by default those that end such a part of it.
        pool : int
            Side of the local average of features.
        pool_padding : {'zeros', 'none'}
            What the local average finds beyond the edges of the features: zeros, as in the published code, or
            nothing.
        border : int
            Places of the features left out at each edge; maps repeat there what is nearest.
        sigma : float
            Of the Gaussian that smooths the maps, in pixels of the image; 0 for none.
        seed : int
            Of all random choices: equal seeds, images and machines give equal models.

    Attributes
    ----------
    settings : ModelOptions
        All options, checked.
    features : Extractor
    image_size : tuple of int or None
        (H, W) of the images that the model was fitted to.
    notes : dict

    Raises
    ------
    UsageError
        If an option or the backbone cannot be used.
    DeviceError
        If torch cannot use the device.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[ModelOptions]]
    #: Tensors that make up the fitted model, by attribute.
    state: ClassVar[tuple[str, ...]]
    #: Whether `predict` returns maps.
    localises: bool = True
    #: Whether what is learned belongs to places of the image: `predict` takes images of the fitted size alone.
    of_places: bool = False
    #: Whether `local_scores` is there.
    differentiable: ClassVar[bool] = False
    #: Whether the constructor takes a backbone.
    needs_backbone: ClassVar[bool] = True
    #: Whether `graph_scores` can be written as ONNX.
    exportable: ClassVar[bool] = False
    #: The extra whose packages the model needs beside torch.
    extra: ClassVar[str | None] = None
    #: Whether the constructor takes members in place of a backbone.
    is_ensemble: ClassVar[bool] = False
    #: Whether tensors of integers hold places of channels, which a file may not exceed.
    counts_channels: ClassVar[bool] = True
    #: Whether a training that was interrupted can go on.
    resumes: ClassVar[bool] = False
    #: Where the training is kept, by `synthgen fit`; without it, it cannot go on.
    kept_in: Kept | None = None
    #: Of a model that was trained: rows of a step and its mean losses.
    history: Sequence[dict] = ()
    #: Whether an ensemble of features needs the whole model: `feature_maps` is more than `features`.
    whole_in_ensembles: ClassVar[bool] = False

    def __init__(self, backbone, *, arch: str | None = None, memory: int | None = None, device=None, **options):
        self._set_up(memory, options)
        if isinstance(backbone, Extractor):
            _refuse_for_extractor([*options, *(["device"] if device else []), *(["arch"] if arch else [])])
            self.features = backbone
        else:
            if "layers" not in options:
                self._choose_layers(backbone, arch)
            self.features = self._extractor(backbone, arch, device)

    def _set_up(self, memory: int | None, options: dict) -> None:
        """Check the options; nothing is learned yet."""
        if memory is not None and memory <= 0:
            raise UsageError(f"memory must be a positive number of bytes, got {memory}")

        self.settings = make_options(self.Options, options)
        self.memory = memory
        self.image_size: tuple[int, int] | None = None
        self.notes: dict = {}

    def _choose_layers(self, backbone, arch: str | None) -> None:
        """Take the blocks of a vision transformer that stand for the layers of this kind of model."""
        with needed_for(self.kind):
            from synthgen.torch.features import blocks_of, spread_layers

        layers = spread_layers(self.settings.layers, blocks_of(backbone, arch))
        self.settings = msgspec.structs.replace(self.settings, layers=layers)

    def _extractor(self, backbone, arch: str | None, device):
        with needed_for(self.kind):
            from synthgen.torch.features import FeatureExtractor

        options = {name: getattr(self.settings, name) for name in FEATURE_OPTIONS}
        return FeatureExtractor(backbone, device=choose_device(device), arch=arch, **options)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.features.device

    @property
    def state_device(self) -> torch.device:
        """Where the tensors of `state` are."""
        return self.device

    @property
    def fitted(self) -> bool:
        """Whether the model can predict."""
        return self.image_size is not None

    def options(self) -> dict:
        """Return the options of the constructor, without backbone, memory and device: JSON-able."""
        return msgspec.to_builtins(self.settings)

    @abc.abstractmethod
    def fit(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> AnomalyModel:
        """Learn normal images, from the start.

        Parameters
        ----------
        loader : iterable
            Of batches of images; see `synthgen.torch.models`.
        progress : {'auto', 'plain', 'none'} or bool
            On stderr, with the time left.
        log : callable, optional
            Given a line of text before the work begins: the size of the bank, and the memory that is needed.

        Raises
        ------
        UsageError
            If the images cannot be used, or what is needed is more than `memory`.
        """

    @abc.abstractmethod
    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return how large what is learned from `images` images of `size` = (H, W) will be, in bytes."""

    @abc.abstractmethod
    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""

    @abc.abstractmethod
    def state_forms(self, shape: tuple[int, int, int]) -> dict[str, tuple[tuple, torch.dtype]]:
        """Return shape and type of each tensor of `state`, of features of `shape` (D, h, w); None: any length."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors that make up the fitted model, by the names in `state_forms`."""
        return {name: getattr(self, name) for name in self.state}

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take tensors as `tensors` returned them; ``image_size`` is there already."""
        for name, tensor in tensors.items():
            setattr(self, name, tensor)

    def parts(self) -> Sequence[AnomalyModel | Extractor]:
        """Return the members of an ensemble, as its constructor takes them."""
        return ()

    def inner(self) -> dict[str, AnomalyModel]:
        """Return models that the constructor made, whose tensors are stored under these beginnings of names."""
        return {}

    def feature_maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (N, D, h, w) of images where an ensemble of features cuts the model open."""
        return self.features(images)

    def maps_shape(self) -> tuple[int, int, int]:
        """Return (D, h, w) of what `feature_maps` returns of an image of the model's size."""
        return self.features.shape(self._need_fit())

    def _features(self, images):
        """Return what `_scores` takes."""
        return self.features(images)

    @abc.abstractmethod
    def _scores(self, features: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the scores of images (N,) and of patches (N, h, w).

        The first may be None where the largest value of the map is the score, the second where the model has no
        maps.
        """

    def graph_scores(self, features: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return what `_scores` returns, by a fixed chain of operations for any number of images, as ONNX needs."""
        return self._scores(features)

    def predict(self, images) -> tuple[np.ndarray, np.ndarray | None]:
        """Return how far images are from normal.

        Parameters
        ----------
        images : Tensor or ndarray, (N, C, H, W)
            uint8, or floats in [0, 1]. There may be none of them.

        Returns
        -------
        scores : ndarray of float32, (N,)
        maps : ndarray of float32, (N, H, W), or None
            None where the model has no maps (``localises`` is False).

        Raises
        ------
        UsageError
            If the model is not fitted, such images cannot be used, or they have another size than the model's
            and it keeps something for each place of the image (``of_places``).
        """
        from synthgen.torch.precision import full_precision

        self._need_fit()
        images = as_images(images)
        if self.of_places:
            self._need_own_size(images)
        size = size_of(images)
        self.check_prediction(len(images), size)
        with full_precision():
            scores, maps = self._predicted(images) if len(images) else self._of_none(size)
        return _plain(scores), None if maps is None else _plain(maps)

    def _predicted(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return scores (N,) and maps (N, H, W), or None, of at least one checked image."""
        features = self._features(images)
        return self.judged(self._scores(features), size_of(images))

    def _of_none(self, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return scores (0,) and maps (0, H, W), or None, of no image of `size` = (H, W)."""
        import torch

        scores = torch.zeros(0)
        maps = torch.zeros(0, *size) if self.localises else None
        return scores, maps

    def judged(self, scores: tuple, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return scores of images and maps of `size` = (H, W), from what `_scores` returns."""
        of_images, patch_scores = scores
        if patch_scores is None or not self.localises:
            return of_images, None

        maps = self._pixel_maps(patch_scores, size)
        return maps.amax((1, 2)) if of_images is None else of_images, maps

    def local_scores(
        self, reference: torch.Tensor, places: Sequence[torch.Tensor]
    ) -> Callable[[torch.Tensor], list[torch.Tensor]]:
        """Return the scores of some places as a function of the images, through which gradients flow.

        Parameters
        ----------
        reference : Tensor of float32, (N, C, H, W)
            Normalised images near which the function is wanted: what depends on them is computed once.
        places : sequence of Tensor of bool, (N, h, w)
            For each of the `grids` the places that are wanted.

        Returns
        -------
        callable
            From normalised images to a tensor (P,) for each grid, image by image and row by row. Scores are >= 0,
            and small where an image is normal; their scale is the model's own, and not that of `predict`.

        Raises
        ------
        UsageError
            If the model has no such scores.
        """
        from synthgen.torch import models

        known = ", ".join(models.differentiable())
        raise UsageError(f"model must have a differentiable score ({known}), got {self.kind}")

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return height, width and border of each grid of places that are scored; (h, w) is without the border."""
        _, height, width = self.features.shape(size)
        return [(height, width, self.features.border)]

    def _local_rows(self, reference, places):
        """Return the function from normalised images to the rows of features at some places."""
        from synthgen.torch.models.local import LocalRows

        maps_of, coarsest = self._whole_maps()
        bordered = []
        for each, grid in zip(places, self.grids(reference.shape[-2:]), strict=True):
            bordered.append(_with_false_border(each, grid[2]))
        return LocalRows(maps_of, reference, bordered, coarsest)

    def _whole_maps(self) -> tuple[Callable[[torch.Tensor], list[torch.Tensor]], int]:
        """Return the function from normalised images to maps with their borders, and the coarsest stride."""
        features = self._gradual_features()
        return lambda batch: [features.joined(batch)], features.coarsest

    def _gradual_features(self) -> Any:
        """Return the extractor, if gradients flow through it."""
        if not hasattr(self.features, "joined"):
            name = type(self.features).__name__
            raise UsageError(f"model must have features with gradients, got features of {name}")
        return self.features

    def check_prediction(self, images: int, size: tuple[int, int]) -> None:
        """Raise `UsageError` if so many images of `size` = (H, W) at a time do not fit into the device's memory."""
        height, width = size
        pixels = height * width
        channels, rows, columns = self.features.shape(size)

        # three channels and a map of each pixel; the features are there twice while they are joined
        numbers = 4 * pixels + 2 * channels * rows * columns
        needed = FLOAT_BYTES * images * numbers
        what = f"{images} images of {height} x {width} at a time"
        limit = available_bytes(self.device)
        refuse_if_larger(what, needed, limit, "fewer at a time take less")

    def _pixel_maps(self, patch_scores: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        from synthgen.torch.models.scoring import pixel_maps, with_border

        whole = with_border(patch_scores, self.features.border)
        return pixel_maps(whole, size, self.settings.sigma, self.settings.interpolation)

    def save(self, path) -> None:
        """Write the model, its backbone included, to a safetensors file; an older one is replaced at the end."""
        from synthgen.torch.models.store import save_model

        self._need_fit()
        save_model(self, path)

    def _need_fit(self) -> tuple[int, int]:
        """Return the size of the images that the model was fitted to; refuse one that was not."""
        if self.image_size is None:
            raise UsageError(f"{self.kind} must be fitted first")
        return self.image_size

    def _need_own_size(self, images: torch.Tensor) -> None:
        """Refuse images of another size than those that the model was fitted to."""
        own = self._need_fit()
        if size_of(images) != own:
            height, width = own
            found = " x ".join(map(str, size_of(images)))
            raise UsageError(f"images must be {height} x {width} as the model's, got {found}")

    def _limit(self) -> float:
        """Return the bytes that may be used."""
        return available_bytes(self.device) if self.memory is None else self.memory

    def _report(self, log, images: int, size: tuple[int, int]) -> None:
        """Give `log` the line about memory."""
        if log is None:
            return
        bank = megabytes(self.predicted_bytes(images, size))
        needed = megabytes(self.needed_bytes(images, size))
        log(f"{self.kind}: the bank takes {bank}, fitting {needed}")


def _with_false_border(places: torch.Tensor, border: int) -> torch.Tensor:
    """Return places (N, h, w) with `border` more at each edge, which are not wanted."""
    from torch.nn.functional import pad

    return pad(places, [border] * 4)


def _plain(tensor) -> np.ndarray:
    """Return a tensor of any device as an array."""
    return tensor.cpu().numpy()


def _refuse_for_extractor(given: list[str]) -> None:
    """Refuse options that say how features are taken, where an extractor is given that does it in its own way."""
    for name in given:
        if name in (*FEATURE_OPTIONS, "device", "arch"):
            raise UsageError(f"{name} must be left out with an extractor, which has its own")


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return a device, by default a GPU where there is one; raise `DeviceError` if torch cannot use it."""
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # the latter from a torch that was built without GPUs
        reason = one_line(error)
        raise DeviceError(f"device must be one that torch can use, got {device}: {reason}") from None
    return torch.device(device)
