"""SINBAD: an image as the set of its features, which a few quantiles describe (Cohen et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from synthgen.torch.models.bank import Rows
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import batches, begun, expecting, image_progress, images_in, size_of
from synthgen.torch.models.layered import LayeredModel
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import Layers, Meta, ModelOptions

if TYPE_CHECKING:
    import torch

HELP = """
Fit SINBAD: an image is described by how its features are distributed, wherever they lie. It sees that a part is
missing, or one too many. An image is scored as a whole: there are no heat maps.

\b
synthgen fit sinbad --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit sinbad --normal loco/pushpins --backbone wide_resnet50_2 --projections 2000 --out pins.safetensors
"""


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of SINBAD; see the annotations."""

    layers: Layers = (3, 4)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 1
    projections: Annotated[
        int, Meta(ge=1, le=100_000, description="Random directions in which features are looked at.")
    ] = 1000
    quantiles: Annotated[
        int, Meta(ge=1, le=1000, description="Quantiles that describe the features in each direction.")
    ] = 5
    shrinkage: Annotated[
        float,
        Meta(gt=0, le=1, description="Share of a ball in the covariance of the descriptions; 1 for a ball alone."),
    ] = 0.1
    neighbours: Annotated[int, Meta(ge=1, le=10_000, description="Normal images that a score looks at.")] = 1


# Within the class the name `Options` means its attribute.
_Options = Options


class Sinbad(LayeredModel):
    """Describe each image by quantiles of its projected features, and score it by the nearest normal image.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    projections, quantiles : int
        Their product is the length of a description.
    shrinkage : float
        Of the covariance that whitens the descriptions.
    neighbours : int
        A score is the mean of the distances to so many normal images, summed over layers.
    **options
        As for `AnomalyModel`. `alignment` has no effect: each layer keeps its own size.

    Notes
    -----
    Nothing is trained. The publication repeats all this for crops of several sizes and adds the scores; here the
    image is looked at once, as a whole.
    """

    kind = "sinbad"
    localises = False
    Options = Options
    state = ("bank", "basis", "floor")
    settings: _Options
    bank: torch.Tensor
    basis: torch.Tensor
    floor: torch.Tensor

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        self._drawn: dict[int, torch.Tensor] = {}

    @property
    def length(self) -> int:
        """Numbers in the description of an image by a layer."""
        return self.settings.projections * self.settings.quantiles

    def state_forms(self, shape):
        """Return the forms of descriptions and whitening; see `AnomalyModel.state_forms`."""
        import torch

        layers = len(self._shapes(self._need_fit()))
        return {
            "bank": ((layers, None, self.length), torch.float32),
            "basis": ((layers, self.length, None), torch.float32),
            "floor": ((layers,), torch.float32),
        }

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of descriptions and whitening, in bytes."""
        layers = len(self._shapes(size))
        rank = min(images, self.length)
        numbers = (images + rank) * self.length + 1
        return FLOAT_BYTES * layers * numbers

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        shapes = self._shapes(size)
        projected = 0
        directions = 0
        for channels, height, width in shapes:
            projected += self.settings.projections * height * width
            directions += self.settings.projections * channels

        # descriptions before they are whitened, and a copy while they are
        described = 2 * images * self.length * len(shapes)
        numbers = 2 * projected + directions + described
        return self.predicted_bytes(images, size) + FLOAT_BYTES * numbers

    def fit(self, loader, progress="auto", log=None) -> Sinbad:
        """Learn normal images; see `AnomalyModel.fit`."""
        import torch

        from synthgen.torch.models.sets import whitening_of

        given, first = begun(batches(loader))
        size = size_of(first)
        expected = images_in(loader) or 0
        self._check(max(expected, len(first)), size)
        self._report(log, max(expected, len(first)), size)

        banks = []
        bases = []
        floors = []
        for rows in self._described(loader, given, size, expected, progress):
            whitening = whitening_of(rows, self.settings.shrinkage)
            banks.append(whitening(rows))
            bases.append(whitening.basis)
            floors.append(whitening.floor)
        self.bank = torch.stack(banks)
        self.basis = torch.stack(bases)
        self.floor = torch.stack(floors)
        self.image_size = size
        return self

    def _check(self, images: int, size: tuple[int, int]) -> None:
        """Refuse images whose descriptions do not fit into the memory."""

        def needed(count: int) -> int:
            return self.needed_bytes(count, size)

        what = f"descriptions of {images} images by {self.length:,} numbers"
        refuse_too_many(what, images, needed, self._limit(), "{} images would fit")

    def _described(self, loader, given, size, expected: int, progress) -> list[torch.Tensor]:
        """Return the descriptions of all images by each layer, (N, length)."""
        tables = [Rows(expected, self.length, self.device) for _ in self._shapes(size)]
        given = expecting(given, expected, lambda seen: self._check(seen, size))
        with image_progress(progress, loader) as bar:
            for images in given:
                descriptions = self._descriptions(self._features(images))
                for table, rows in zip(tables, descriptions, strict=True):
                    table.append(rows)
                bar.advance(len(images))
        return [table.filled() for table in tables]

    def _descriptions(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the descriptions of images by each layer, (N, length), of maps (N, D, h, w)."""
        from synthgen.torch.models.sets import described

        found = []
        for number, each in enumerate(maps):
            directions = self._directions(number, each.shape[1])
            found.append(described(each, directions, self.settings.quantiles))
        return found

    def _directions(self, number: int, channels: int) -> torch.Tensor:
        """Return the random directions of a layer, which are drawn once."""
        from synthgen.torch.models.sets import random_directions

        drawn = self._drawn.get(number)
        if drawn is None:
            drawn = random_directions(channels, self.settings.projections, self.settings.seed, number)
            drawn = drawn.to(self.device)
            self._drawn[number] = drawn
        return drawn

    def _scores(self, features):
        from synthgen.torch.coreset.greedy import nearest_points
        from synthgen.torch.models.sets import Whitening

        total = 0
        for number, rows in enumerate(self._descriptions(features)):
            whitening = Whitening(self.floor[number], self.basis[number])
            whitened = whitening(rows)
            bank = self.bank[number]
            distances, _ = nearest_points(whitened, bank, self.settings.neighbours)
            total = total + distances.mean(1)
        return total, None


MODEL = Sinbad
