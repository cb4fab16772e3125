"""Patch features of a frozen backbone: layers of `timm`, averaged locally and laid on one grid.

Pure functions from tensor to tensor, and `FeatureExtractor`, which holds the backbone. The recipe is that of
PatchCore (Roth et al. 2022, section 3.1), which paper 000 (section 4) and paper 002 (section IV) use as well.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from synthgen.errors import UsageError

LAYERS = (1, 2, 3, 4)
PADDINGS = ("zeros", "none")


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
    if images.ndim != 4 or images.shape[1] not in (1, len(mean)):
        raise UsageError(f"images: must be (N, 1 or {len(mean)}, H, W), got {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        values = images.float() / 255
    elif images.is_floating_point():
        values = images.float()
        low, high = (float(v) for v in values.aminmax())
        if not (low >= 0 and high <= 1):
            raise UsageError(
                f"images: floats must lie in [0, 1], before any normalisation, got {low:g} to {high:g}"
            )
    else:
        raise UsageError(f"images: must be uint8 or floats in [0, 1], got {images.dtype}")
    shape = (1, len(mean), 1, 1)
    offset = torch.tensor(tuple(mean), device=images.device).view(shape)
    scale = torch.tensor(tuple(std), device=images.device).view(shape)
    return (values - offset) / scale


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
    zeros_count = padding == "zeros"
    mean = functional.avg_pool2d(maps, size, stride=1, padding=size // 2, count_include_pad=zeros_count)
    return mean[..., :height, :width]  # an even size gives one row and column more


def aligned(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Resize maps (N, D_i, h_i, w_i) bilinearly to the largest and join their channels: (N, sum of D_i, h, w)."""
    size = max((tuple(m.shape[-2:]) for m in maps), key=lambda s: s[0] * s[1])
    return torch.cat([m if m.shape[-2:] == size else _resized(m, size) for m in maps], dim=1)


def _resized(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def without_border(maps: torch.Tensor, border: int) -> torch.Tensor:
    """Leave out `border` places at each edge of maps (N, D, h, w)."""
    height, width = maps.shape[-2:]
    if min(height, width) <= 2 * border:
        raise UsageError(f"border: must be less than half of the {height} x {width} places, got {border}")
    return maps[..., border : height - border, border : width - border]


def as_vectors(maps: torch.Tensor) -> torch.Tensor:
    """Return feature maps (N, D, h, w) as rows (N * h * w, D), contiguous, image by image and row by row."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).contiguous()


class FeatureExtractor:
    """A frozen backbone whose chosen layers become one map of patch features.

    Parameters
    ----------
    backbone : str, Path or torch.nn.Module
        A name or path for `load_backbone`, or a module of timm's, with or without ``features_only``; a module
        is used as it is and put into evaluation mode.
    layers : sequence of int
        Ascending, from 1 to 4: the last four resolutions of the backbone.
    pool : int
        Side of the local average, 1 for none.
    device : str or torch.device
    border : int
        Places left out at each edge of the largest map, where what a backbone sees is its own padding.
    pool_padding : {'zeros', 'none'}
        What the local average finds beyond the edges; see `local_average`.

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
    ):
        layers = tuple(layers)
        if not layers or list(layers) != sorted(set(layers) & set(LAYERS)):
            raise UsageError(f"layers: must be some of {LAYERS}, ascending, got {layers}")
        if pool < 1:
            raise UsageError(f"pool: must be >= 1, got {pool}")
        if border < 0:
            raise UsageError(f"border: must be >= 0, got {border}")
        if pool_padding not in PADDINGS:
            raise UsageError(f"pool_padding: must be {' or '.join(PADDINGS)}, got {pool_padding!r}")
        self.border = border
        self.pool_padding = pool_padding
        self.layers, self.pool, self.device = layers, pool, torch.device(device)
        if not isinstance(backbone, torch.nn.Module):
            from synthgen.torch.backbones import load_backbone

            backbone = load_backbone(backbone, features_only=True, out_indices=levels_of(layers))
        self.net = backbone.eval().to(self.device)
        self._forward, self._taken = _maps_of(self.net, layers)

    @property
    def config(self) -> dict:
        """Timm's configuration of the backbone: architecture, mean, std."""
        return dict(self.net.pretrained_cfg)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the raw maps of the chosen layers, each (N, D_i, h_i, w_i)."""
        batch = normalised(images.to(self.device), self.config["mean"], self.config["std"])
        with torch.no_grad():
            maps = self._forward(batch)
        maps = [maps[i] for i in self._taken]
        if "NHWC" in str(getattr(self.net, "output_fmt", "")):
            maps = [m.permute(0, 3, 1, 2) for m in maps]
        return maps

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the patch features of images.

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
        try:
            maps = self.maps(images)
        except (AssertionError, RuntimeError, ValueError) as error:
            if isinstance(error, UsageError | torch.OutOfMemoryError):
                raise
            size = " x ".join(map(str, images.shape[-2:]))
            raise UsageError(f"backbone: cannot take images of {size}: {str(error).splitlines()[0]}") from error
        with torch.no_grad():
            averaged = [local_average(m, self.pool, self.pool_padding) for m in maps]
            features = without_border(aligned(averaged), self.border)
            bad = ~torch.isfinite(features).flatten(1).all(1)
        if bad.any():
            first = int(bad.nonzero()[0])
            raise UsageError(f"features: must be finite, image {first} of the batch gave NaN or infinity")
        return features

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w) of an image of `size` = (H, W), by trying it."""
        return tuple(self(torch.zeros((1, 1, *size), dtype=torch.uint8)).shape[1:])


def levels_of(layers: Sequence[int]) -> tuple[int, ...]:
    """Return the places of layers 1 to 4 among a backbone's levels, from the end, as timm's ``out_indices``."""
    return tuple(layer - 1 - len(LAYERS) for layer in layers)


def _maps_of(net: torch.nn.Module, layers: tuple[int, ...]):
    """Return a function from images to a list of maps, and which of them belong to the layers."""
    name = type(net).__name__
    info = getattr(net, "feature_info", None)
    if not hasattr(net, "pretrained_cfg") or info is None:
        raise UsageError(f"backbone: must be a module made by timm.create_model, got {name}")
    if hasattr(info, "out_indices"):  # built with features_only
        count = len(info.info)
        given = [i % count for i in info.out_indices]
        wanted = [count + level for level in levels_of(layers)]
        if not set(wanted) <= set(given):
            raise UsageError(f"layers: {layers} are levels {wanted} of the backbone, which gives {given}")
        return net, [given.index(i) for i in wanted]
    if not hasattr(net, "forward_intermediates"):
        raise UsageError(f"backbone: {name} can give no layers; build it with features_only=True")

    def forward(images):
        taken = list(levels_of(layers))
        return net.forward_intermediates(images, indices=taken, intermediates_only=True, stop_early=True)

    return forward, range(len(layers))
