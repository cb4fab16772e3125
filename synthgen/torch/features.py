"""Patch features of a frozen backbone: layers of `timm`, averaged locally and laid on one grid.

Pure functions from tensor to tensor, and `FeatureExtractor`, which holds the backbone. The steps are those of
PatchCore (Roth et al. 2022, section 3.1), which Ugwu et al. 2024 (section 4) and Mao et al. 2025 (section IV) use.
"""

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch.nn import functional

from synthgen.errors import UsageError
from synthgen.torch.memory import freed_memory_kept
from synthgen.torch.models.batches import size_of
from synthgen.torch.precision import full_precision

LAYERS = (1, 2, 3, 4)
PADDINGS = ("zeros", "none")
ENLARGING = ("bilinear", "nearest")


def normalised(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return images as a backbone wants them.

    Parameters
    ----------
    images : Tensor, (N, C, H, W)
        uint8, or floats in [0, 1]; a single channel is repeated for each of `mean`.
    mean, std : sequence of float
        Of each channel, for values in [0, 1].

    Returns
    -------
    Tensor of float32, (N, len(mean), H, W)

    Raises
    ------
    UsageError
        If the number of channels is another one, or floats do not lie in [0, 1].
    """
    channels = len(mean)
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, channels):
        raise UsageError(f"images must be (N, 1 or {channels}, H, W), got {shape}")

    values = in_unit_range(images)
    offset = _by_channel(mean, images.device)
    scale = _by_channel(std, images.device)
    return (values - offset) / scale


def _by_channel(numbers: Sequence[float], device) -> torch.Tensor:
    """Return a number for each channel, (1, C, 1, 1)."""
    values = torch.tensor(tuple(numbers), device=device)
    return values.view(1, -1, 1, 1)


def in_unit_range(images: torch.Tensor) -> torch.Tensor:
    """Return images as float32 in [0, 1]."""
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not images.is_floating_point():
        raise UsageError(f"images must be uint8 or floats in [0, 1], got {images.dtype}")

    values = images.float()
    low, high = values.detach().aminmax()
    lies_inside = low >= 0 and high <= 1
    if not lies_inside:
        raise UsageError(f"images must lie in [0, 1], before any normalisation, got {low:g} to {high:g}")
    return values


def local_average(maps: torch.Tensor, size: int = 3, padding: str = "zeros") -> torch.Tensor:
    """Return the average of each channel over the `size` x `size` places around each place.

    Parameters
    ----------
    maps : Tensor, (N, D, h, w)
    size : int
        1 leaves the maps as they are.
    padding : {'zeros', 'none'}
        What lies beyond the edges: zeros, which count, as in the published code of PatchCore; or nothing, so that
        the average there is over fewer places.

    Returns
    -------
    Tensor, (N, D, h, w)
    """
    if size == 1:
        return maps

    height, width = maps.shape[-2:]
    half = size // 2
    zeros_count = padding == "zeros"
    mean = functional.avg_pool2d(maps, size, stride=1, padding=half, count_include_pad=zeros_count)
    return mean[..., :height, :width]  # an even size gives one row and column more


def aligned(maps: Sequence[torch.Tensor], mode: str = "bilinear") -> torch.Tensor:
    """Return maps enlarged to the largest of them, with their channels joined.

    Parameters
    ----------
    maps : sequence of Tensor, (N, D_i, h_i, w_i)
    mode : {'bilinear', 'nearest'}
        How they are enlarged; nearest repeats each place.

    Returns
    -------
    Tensor, (N, sum of D_i, h, w)
    """
    sizes = [size_of(each) for each in maps]
    largest = max(sizes, key=math.prod)
    alike = [enlarged(each, largest, mode) for each in maps]
    return torch.cat(alike, dim=1)


def enlarged(maps: torch.Tensor, size: tuple[int, int], mode: str = "bilinear") -> torch.Tensor:
    """Return maps (N, D, h, w) at another size (H, W); `mode` is bilinear or nearest."""
    if size_of(maps) == tuple(size):
        return maps
    corners = False if mode == "bilinear" else None
    return functional.interpolate(maps, size=size, mode=mode, align_corners=corners)


def without_border(maps: torch.Tensor, border: int) -> torch.Tensor:
    """Return maps (N, D, h, w) without `border` places at each edge."""
    height, width = maps.shape[-2:]
    bottom = height - border
    right = width - border
    if min(bottom, right) <= border:
        raise UsageError(f"border must be less than half of the {height} x {width} places, got {border}")
    return maps[..., border:bottom, border:right]


def as_vectors(maps: torch.Tensor) -> torch.Tensor:
    """Return feature maps (N, D, h, w) as rows (N * h * w, D), contiguous, image by image and row by row."""
    channels = maps.shape[1]
    channels_last = maps.permute(0, 2, 3, 1)
    return channels_last.reshape(-1, channels).contiguous()


class FeatureExtractor:
    """A frozen backbone whose chosen layers become one map of patch features.

    Parameters
    ----------
    backbone : str, Path or torch.nn.Module
        A name or path for `load_backbone`, or a module of timm's, with or without ``features_only``; a module
        is used as it is and put into evaluation mode.
    layers : sequence of int
        Ascending, from 1 to 4: the last four resolutions of the backbone. Of a vision transformer the numbers of
        its blocks, from 1.
    pool : int
        Side of the local average, 1 for none.
    device : str or torch.device
    border : int
        Places left out at each edge of the largest map, where what a backbone sees is its own padding.
    pool_padding : {'zeros', 'none'}
        What the local average finds beyond the edges; see `local_average`.
    alignment : {'bilinear', 'nearest'}
        How smaller layers are enlarged to the largest.
    arch : str, optional
        timm name of a file of weights that has no card.

    Raises
    ------
    UsageError
        If the backbone has no such layers.
    """

    def __init__(
        self,
        backbone,
        layers: Sequence[int] = (2, 3),
        pool: int = 3,
        device="cpu",
        border: int = 0,
        pool_padding: str = "zeros",
        alignment: str = "bilinear",
        arch: str | None = None,
    ):
        self.blocks = blocks_of(backbone, arch)
        self.layers = tuple(layers)
        self.pool = pool
        self.device = torch.device(device)
        self.border = border
        self.pool_padding = pool_padding
        self.alignment = alignment
        self._check()

        if not isinstance(backbone, torch.nn.Module):
            from synthgen.torch.backbones import load_backbone

            levels = levels_of(self.layers, self.blocks)
            backbone = load_backbone(backbone, features_only=True, out_indices=levels, arch=arch)

        self.net = backbone.eval().to(self.device)
        self._forward, self._taken = _maps_of(self.net, self.layers, self.blocks)
        self._shapes: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._layer_shapes: dict[tuple[int, int], list[tuple[int, int, int]]] = {}

    def _check(self) -> None:
        """Refuse wrong arguments."""
        layers = self.layers
        there = range(1, self.blocks + 1) if self.blocks else LAYERS
        known = set(there).intersection(layers)
        ascending = tuple(sorted(known))
        if not layers or layers != ascending:
            rule = f"the blocks 1 to {self.blocks}" if self.blocks else LAYERS
            raise UsageError(f"layers must be some of {rule}, ascending, got {layers}")
        if self.pool < 1:
            raise UsageError(f"pool must be >= 1, got {self.pool}")
        if self.border < 0:
            raise UsageError(f"border must be >= 0, got {self.border}")
        _check_word("pool_padding", self.pool_padding, PADDINGS)
        _check_word("alignment", self.alignment, ENLARGING)

    @property
    def config(self) -> dict:
        """Timm's configuration of the backbone: architecture, mean, std."""
        config: Any = self.net.pretrained_cfg
        return dict(config)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return images as the backbone wants them, on its device; see `normalised`."""
        config = self.config
        return normalised(images.to(self.device), config["mean"], config["std"])

    def maps(self, batch: torch.Tensor) -> list[torch.Tensor]:
        """Return the raw maps of the chosen layers, each (N, D_i, h_i, w_i), of normalised images."""
        given = self._forward(batch)
        maps = [given[place] for place in self._taken]
        if _gives_channels_last(self.net):
            maps = [each.permute(0, 3, 1, 2) for each in maps]
        return maps

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the patch features of normalised images; gradients flow back to the images.

        Parameters
        ----------
        batch : Tensor of float32, (N, C, H, W)
            As `normalise` returns it.

        Returns
        -------
        Tensor of float32, (N, D, h, w)

        Raises
        ------
        UsageError
            If the backbone cannot take such images.
        """
        return without_border(self.joined(batch), self.border)

    def joined(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the features of normalised images as `forward` does, the border included."""
        return aligned(self.separate(batch), self.alignment)

    def separate(self, batch: torch.Tensor) -> list[torch.Tensor]:
        """Return the averaged maps of normalised images, one for each layer, the border included."""
        maps = self._tried_maps(batch)
        return [local_average(each, self.pool, self.pool_padding) for each in maps]

    def _tried_maps(self, batch: torch.Tensor) -> list[torch.Tensor]:
        try:
            with full_precision():
                return self.maps(batch)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError, ValueError) as error:
            size = " x ".join(map(str, batch.shape[-2:]))
            reason = str(error).partition("\n")[0]
            raise UsageError(f"backbone cannot take images of {size}: {reason}") from error

    @property
    def coarsest(self) -> int:
        """Pixels between the places of the coarsest of the layers; 0 if each place depends on the whole image."""
        if self.blocks:
            return 0
        info: Any = self.net.feature_info
        strides = [each["reduction"] for each in getattr(info, "info", info)]
        return strides[levels_of(self.layers)[-1] % len(strides)]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the patch features of images, without gradients.

        Parameters
        ----------
        images : Tensor, (N, C, H, W)
            As for `normalised`.

        Returns
        -------
        Tensor of float32, (N, D, h, w)

        Raises
        ------
        UsageError
            If the backbone cannot take such images, or features are not finite.
        """
        with torch.no_grad(), freed_memory_kept():
            batch = self.normalise(images)
            features = self.forward(batch)
        return check_finite(features)

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w) of an image of `size` = (H, W), without computing its features."""
        height, width = size
        size = (height, width)
        if size not in self._shapes:
            try:
                shape = self._without_weights._tried_shape(size)
            except (
                UsageError,
                NotImplementedError,
                TypeError,
            ):  # also of backbones that look at values on their way
                shape = self._tried_shape(size)
            self._shapes[size] = shape
        return self._shapes[size]

    def shapes(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return (D, h, w) of each layer's map of an image of `size` = (H, W), the border included."""
        height, width = size
        size = (height, width)
        if size not in self._layer_shapes:
            try:
                shapes = self._without_weights._tried_shapes(size)
            except (UsageError, NotImplementedError, TypeError):
                shapes = self._tried_shapes(size)
            self._layer_shapes[size] = shapes
        return self._layer_shapes[size]

    def _tried_shapes(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return (D, h, w) of each layer's map of an image of `size` = (H, W), by trying it."""
        maps = self._tried(size, self.separate)
        return [(each.shape[1], *size_of(each)) for each in maps]

    def _tried(self, size: tuple[int, int], forward):
        """Return what a method gives of a black image of `size` = (H, W)."""
        shape = (1, 1, *size)
        black = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        with torch.no_grad():
            return forward(self.normalise(black))

    def _tried_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w) of an image of `size` = (H, W), by trying it."""
        _, channels, height, width = self._tried(size, self.forward).shape
        return channels, height, width

    @cached_property
    def _without_weights(self) -> "FeatureExtractor":
        """The same on torch's meta device, which knows shapes and takes no memory."""
        if self.device.type == "meta":
            return self
        return self.with_net(without_weights(self.net), "meta")

    def with_net(self, net: torch.nn.Module, device=None) -> "FeatureExtractor":
        """Return the same with another backbone, which is of the same architecture."""
        return FeatureExtractor(
            net,
            self.layers,
            self.pool,
            device or self.device,
            self.border,
            self.pool_padding,
            self.alignment,
        )


def check_finite(features: torch.Tensor) -> torch.Tensor:
    """Return features (N, D, h, w); raise `UsageError` if those of an image are not finite."""
    finite = torch.isfinite(features)
    by_image = finite.flatten(1).all(1)
    if not by_image.all():
        first = int(by_image.byte().argmin())
        raise UsageError(f"features must be finite, image {first} of the batch gave NaN or infinity")
    return features


def _check_word(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        listed = ", ".join(known)
        raise UsageError(f"{name} must be one of {listed}, got {value!r}")


def without_weights(net: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a module on torch's meta device; the weights are not copied on the way."""
    replaced: dict[int, torch.Tensor] = {}
    for weight in net.parameters():
        shape = weight.detach().to("meta")
        replaced[id(weight)] = torch.nn.Parameter(shape, requires_grad=False)
    for value in net.buffers():
        replaced[id(value)] = value.detach().to("meta")
    return copy.deepcopy(net, replaced)


def blocks_of(backbone, arch: str | None = None) -> int:
    """Return how many blocks a vision transformer has; 0 for a backbone of layers of several resolutions.

    Parameters
    ----------
    backbone : str, Path or torch.nn.Module
        As for `FeatureExtractor`.
    arch : str, optional
        timm name of a file of weights that has no card.
    """
    from synthgen.torch.backbones import architecture_of, create_skeleton, is_transformer

    net = backbone
    if not isinstance(net, torch.nn.Module):
        name = architecture_of(backbone, arch)
        if not is_transformer(name):
            return 0
        net = create_skeleton(name)

    info = getattr(net, "feature_info", None)
    config = getattr(net, "pretrained_cfg", None) or {}
    made = config.get("architecture")
    if info is None or made is None or not is_transformer(made):
        return 0
    return len(getattr(info, "info", info))


def spread_layers(layers: Sequence[int], blocks: int) -> tuple[int, ...]:
    """Return the blocks of a vision transformer that stand for layers 1 to 4: those that end its quarters."""
    if not blocks:
        return tuple(layers)
    return tuple(math.ceil(layer * blocks / len(LAYERS)) for layer in layers)


def levels_of(layers: Sequence[int], blocks: int = 0) -> tuple[int, ...]:
    """Return the places of layers among a backbone's levels, as timm's ``out_indices``.

    Layers 1 to 4 are counted from the end, the `blocks` of a vision transformer from the beginning.
    """
    if blocks:
        return tuple(layer - 1 for layer in layers)
    end = len(LAYERS) + 1
    return tuple(layer - end for layer in layers)


def _gives_channels_last(net: torch.nn.Module) -> bool:
    """Return whether a module gives maps (N, h, w, D); a whole one is asked for maps (N, D, h, w)."""
    layout = getattr(net, "output_fmt", "")
    has_features_only = hasattr(net.feature_info, "out_indices")
    return has_features_only and "NHWC" in str(layout)


def _maps_of(net: torch.nn.Module, layers: tuple[int, ...], blocks: int):
    """Return a function from images to a list of maps, and which of them belong to the layers."""
    name = type(net).__name__
    info = getattr(net, "feature_info", None)
    if not hasattr(net, "pretrained_cfg") or info is None:
        raise UsageError(f"backbone must be a module made by timm.create_model, got {name}")
    if hasattr(info, "out_indices"):
        return net, _places_among(info, layers, blocks)
    if not hasattr(net, "forward_intermediates"):
        raise UsageError(f"backbone {name} can give no layers; build it with features_only=True")

    def forward(images):
        wanted = list(levels_of(layers, blocks))
        return net.forward_intermediates(images, indices=wanted, intermediates_only=True, stop_early=True)

    return forward, range(len(layers))


def _places_among(info, layers: tuple[int, ...], blocks: int) -> list[int]:
    """Return the places of layers among the maps of a module that was built with ``features_only``."""
    count = len(info.info)
    levels = levels_of(layers, blocks)
    given = [level % count for level in info.out_indices]
    wanted = [level % count for level in levels]
    if not set(wanted).issubset(given):
        raise UsageError(f"layers {layers} are levels {wanted} of the backbone, which gives {given}")
    return [given.index(level) for level in wanted]
