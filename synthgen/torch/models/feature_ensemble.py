"""Feature ensemble: the features of several members, fused and scored as one (Saghir 2024, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from synthgen.errors import UsageError
from synthgen.options import parse_size
from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel
from synthgen.torch.models.batches import batches, begun, image_progress, size_of
from synthgen.torch.models.memory import refuse_if_larger
from synthgen.torch.models.options import FEATURE_OPTIONS, Meta, ModelOptions

if TYPE_CHECKING:
    import torch

    from synthgen.torch.ensembles.blocks import Found
    from synthgen.torch.models.gaussians import Moments

HELP = """
Fit a feature ensemble: the features of several backbones or fitted models (--member), brought to one grid and to
few components, and scored as one. A member is NAME, NAME:LAYERS, a file of weights, or the file of a fitted model.

\b
synthgen fit feature-ensemble --normal good --member resnet18:2,3 --member best.safetensors --out f.safetensors
synthgen fit feature-ensemble --normal good --member a.safetensors --member resnet18 --scorer padim -o f.safetensors
"""
MEMBERS = "Backbone NAME or NAME:LAYERS, weights of `synthgen pretrain`, or the file of a fitted model."

# Images by which members are judged.
_LOOKED_AT = 16
# What a scorer is called -> the kind of model that scores.
SCORERS = {
    "patchcore": "patchcore",
    "sequential-patchcore": "sequential-patchcore",
    "padim": "padim",
    "discriminator": "simplenet",
}


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a feature ensemble; see the annotations."""

    fuse: Annotated[
        Literal["global", "individual"],
        Meta(description="Components of all members together, or of each member alone."),
    ] = "global"
    components: Annotated[
        int | float,
        Meta(
            description="Components to keep: their number, or the share of the variance that they keep; "
            "512 at most, but 1.0 keeps all."
        ),
    ] = 0.95
    scale: Annotated[
        Literal["member", "channel", "none"],
        Meta(description="What is brought to variance 1 before: each member as a whole, each channel, or nothing."),
    ] = "member"
    whiten: Annotated[bool, Meta(description="Bring each component to variance 1.")] = False
    grid: Annotated[
        str | None, Meta(description="Places of the fused map, N or WxH; by default those of the largest member.")
    ] = None
    scorer: Annotated[
        Literal["patchcore", "sequential-patchcore", "padim", "discriminator"],
        Meta(
            description="What scores the fused features: a bank, one of fixed size, Gaussians, or the network of "
            "SimpleNet."
        ),
    ] = "patchcore"
    set: Annotated[
        dict[str, Any], Meta(description="An option of the scorer, KEY=VALUE. May be given several times.")
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        is_share = isinstance(self.components, float)
        if not (0 < self.components <= 1 if is_share else self.components >= 1):
            raise ValueError(f"components must be a share in (0, 1] or a number >= 1, got {self.components}")
        if self.grid is not None:
            try:
                height, width = parse_size(self.grid, "", "grid")
            except UsageError as error:
                raise ValueError(str(error)) from None
            if min(height, width) < 1:
                raise ValueError(f"grid must have at least 1 place a side, got {self.grid}")


# Within the class the name `Options` means its attribute.
_Options = Options


class FeatureEnsemble(AnomalyModel):
    """Fuse the features of several members, and score them by a model of one backbone.

    Parameters
    ----------
    members : sequence
        Each a `Member`, a backbone as for `AnomalyModel` (text ``NAME:LAYERS`` names its layers), a fitted model or
        its file, or an `Extractor`.
    memory, device
        As for `AnomalyModel`.
    fuse : {'global', 'individual'}
        Whether principal components are those of all members together or of each alone (Saghir 2024, section 4.4).
    components : int or float
        Their number (for ``individual`` of each member), or the share of the variance that they keep.
    scale : {'member', 'channel', 'none'}
        What is brought to variance 1 before: otherwise the components are those of the loudest member.
    whiten : bool
        Bring each component to variance 1.
    grid : str, optional
        Places of the fused map.
    scorer : str
        Kind of model that scores it.
    set : dict
        Options of the scorer.
    **options
        As for `AnomalyModel`; `layers`, `pool`, `pool_padding` and `alignment` are those of members that have none.

    Attributes
    ----------
    features : FusedExtractor
    scorer : AnomalyModel
        What scores the fused features.
    kept : float
        Share of the variance that the components keep; nan before fitting, and after loading.

    Notes
    -----
    The images are gone through twice: for the components, and for the scorer. A fitted model is a member by its
    features; what it learned of normal images plays no part, unless it is cut open behind that.
    """

    kind = "feature-ensemble"
    is_ensemble = True
    Options = Options
    state = ("mean", "scale", "basis", "eigenvalues")
    settings: _Options
    features: Any

    def __init__(self, members: Sequence, *, memory: int | None = None, device=None, **options):
        from synthgen.torch.ensembles.fused import FusedExtractor
        from synthgen.torch.ensembles.members import name_of, opened
        from synthgen.torch.models import load

        self._set_up(memory, options)
        settings = self.settings
        extractors = [opened(each, settings, device) for each in members]
        names = [name_of(each) for each in members]
        grid = None
        if settings.grid is not None:
            height, width = parse_size(settings.grid, "", "grid")
            grid = (height, width)

        self.features = FusedExtractor(extractors, names, grid, settings.border)
        made = load(SCORERS[settings.scorer]).MODEL
        own = _scorer_options(settings)
        self.scorer = made(self.features, memory=memory, **own)
        self.of_places = self.scorer.of_places
        self.kept = float("nan")

    def inner(self):
        """Return the scorer, whose tensors lie beside those of the block; see `AnomalyModel.inner`."""
        return {"scorer.": self.scorer}

    def parts(self):
        """Return the extractors and models that the ensemble is made of; see `AnomalyModel.parts`."""
        return self.features.members

    def state_forms(self, shape):
        """Return the forms of the block; see `AnomalyModel.state_forms`."""
        import torch

        channels = sum(self.features.channels(self._need_fit()))
        return {
            "mean": ((channels,), torch.float32),
            "scale": ((channels,), torch.float32),
            "basis": ((channels, None), torch.float32),
            "eigenvalues": ((None,), torch.float32),
        }

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the tensors of the block; see `AnomalyModel.take`."""
        from synthgen.torch.ensembles.blocks import Block

        self.features.block = Block(**tensors)

    def tensors(self):
        """Return the tensors of the block; see `AnomalyModel.tensors`."""
        return self.features.block._asdict()

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the most that is learned from `images` images of `size` = (H, W), in bytes."""
        channels = sum(self.features.channels(size))
        count = self._most_components(channels)
        block = FLOAT_BYTES * (channels * count + 2 * channels + count)
        return block + self.scorer.predicted_bytes(images, size)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the most memory that fitting takes beside the backbones' own, in bytes."""
        return self._block_bytes(size) + self.scorer.needed_bytes(images, size)

    def _most_components(self, channels: int) -> int:
        from synthgen.torch.ensembles.blocks import MOST

        wanted = self.settings.components
        if self.features.block is not None:
            return self.features.block.basis.shape[1]
        if isinstance(wanted, int):
            return wanted
        return channels if wanted == 1 else min(channels, MOST)

    def _block_bytes(self, size: tuple[int, int]) -> int:
        """Return the memory that finding the components takes: a scatter, and float64 for its eigenvectors."""
        channels = sum(self.features.channels(size))
        return 6 * 2 * FLOAT_BYTES * channels**2

    def fit(self, loader, progress="auto", log=None) -> FeatureEnsemble:
        """Learn normal images; see `AnomalyModel.fit`."""
        if iter(loader) is loader:
            raise UsageError("images must be there twice, for components and scores, got an iterator")

        found, size = self._found_block(loader, progress)
        self.features.block = found.block
        self.kept = found.share
        self.image_size = size
        if log is not None:
            for line in self._remarks(loader, size):
                log(line)
            log(self._said(found, size))
        self.scorer.fit(loader, progress, log)
        return self

    def _found_block(self, loader, progress) -> tuple[Found, tuple[int, int]]:
        """Return the block of the images, and their size."""
        from synthgen.torch.ensembles.blocks import Wanted, global_block, individual_block

        given, first = begun(batches(loader))
        size = size_of(first)
        self._check_memory(size)
        gathered = self._gathered(loader, given, size, progress)

        settings = self.settings
        wanted = Wanted(settings.components, settings.scale, settings.whiten)
        if settings.fuse == "individual":
            return individual_block(gathered, wanted), size
        return global_block(gathered[0], self.features.channels(size), wanted), size

    def _check_memory(self, size: tuple[int, int]) -> None:
        """Refuse members whose components take more than the memory."""
        channels = sum(self.features.channels(size))
        needed = self._block_bytes(size)
        refuse_if_larger(
            f"the components of {channels:,} channels", needed, self._limit(), "fewer layers would fit"
        )

    def _gathered(self, loader, given, size: tuple[int, int], progress) -> list[Moments]:
        """Return the moments of all members together, or of each."""
        from synthgen.torch.ensembles.blocks import joined
        from synthgen.torch.features import as_vectors
        from synthgen.torch.models.gaussians import Moments

        channels = self.features.channels(size)
        grid = self.features.grid_of(size)
        together = self.settings.fuse == "global"
        widths = [sum(channels)] if together else channels
        moments = [Moments(1, width, self.device) for width in widths]

        with image_progress(progress, loader) as bar:
            for images in given:
                maps = self.features.separate(images)
                tables = [joined(maps, grid)] if together else maps
                for each, table in zip(moments, tables, strict=True):
                    each.add(as_vectors(table).unsqueeze(0))
                bar.advance(len(images))
        return moments

    def _remarks(self, loader, size: tuple[int, int]) -> list[str]:
        """Return a line for each member that sees other images, or finds no more of drawn defects than chance."""
        from synthgen.torch.ensembles.fused import Opened
        from synthgen.torch.ensembles.synthetic import WEAK, places_found

        shown = _first_images(loader)
        lines = []
        for name, member in zip(self.features.names, self.features.members, strict=True):
            if isinstance(member, Opened) and member.size != size:
                height, width = member.size
                lines.append(f"member {name} sees images at {width}x{height}, they are resized for it")
            quality = places_found(member, shown, self.settings.seed)
            if quality < WEAK:
                lines.append(f"member {name} is weak: on drawn defects its AUROC is {quality:.2f}, chance has 0.50")
        return lines

    def _said(self, found: Found, size: tuple[int, int]) -> str:
        """Return the line about the components."""
        count = len(found.block.eigenvalues)
        channels = sum(self.features.channels(size))
        each = " of the member that keeps least" if self.settings.fuse == "individual" else ""
        return (
            f"{self.kind}: {count} components of {channels:,} channels keep {found.share:.1%} of the variance{each}"
        )

    def _scores(self, features):
        return self.scorer._scores(features)

    def _features(self, images):
        return self.scorer._features(images)

    def judged(self, scores, size):
        """Return scores and maps as the scorer does; see `AnomalyModel.judged`."""
        return self.scorer.judged(scores, size)


def _first_images(loader) -> torch.Tensor:
    """Return the first images of a loader, at most `_LOOKED_AT`."""
    import torch

    taken = []
    for images in batches(loader):
        taken.append(images)
        if sum(map(len, taken)) >= _LOOKED_AT:
            break
    return torch.cat(taken)[:_LOOKED_AT]


def _scorer_options(settings: _Options) -> dict:
    """Return the options of the scorer: those of the ensemble that all models have, then its own."""
    shared = {}
    for name in ModelOptions.__struct_fields__:
        if name not in FEATURE_OPTIONS:
            shared[name] = getattr(settings, name)

    for name in settings.set:
        if name in ModelOptions.__struct_fields__:
            raise UsageError(f"set must hold options of the scorer alone, got {name}, which is the ensemble's")
    return {**shared, **settings.set}


MODEL = FeatureEnsemble
