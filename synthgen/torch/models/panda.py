"""PANDA: features that were drawn together by training, and their nearest neighbours (Reiss et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from synthgen.errors import UsageError
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import size_of
from synthgen.torch.models.deadline import in_time
from synthgen.torch.models.options import Layers, Meta, ModelOptions
from synthgen.torch.models.tuned import TunedModel, late_weights, middle_of

if TYPE_CHECKING:
    import torch

HELP = """
Fit PANDA: the backbone is trained until the features of normal images lie closer together. An image is scored by
its distance to the nearest of them, as a whole: there are no heat maps.

\b
synthgen fit panda --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit panda --normal photos/good --backbone resnet152 --epochs 30 --out part.safetensors
"""
_MOMENTUM = 0.9
_DECAY = 5e-5
_LONGEST_STEP = 1e-3  # of a gradient


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of PANDA; see the annotations."""

    layers: Layers = (4,)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 1
    epochs: Annotated[
        int, Meta(ge=0, le=10**6, description="Passes through the images; 0 to leave the backbone as it is.")
    ] = 15
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate.")] = 1e-2
    step_images: Annotated[int, Meta(ge=1, le=10**6, description="Images in a step of the training.")] = 32
    neighbours: Annotated[int, Meta(ge=1, le=10_000, description="Normal images that a score looks at.")] = 2


# Within the class the name `Options` means its attribute.
_Options = Options


class Panda(TunedModel):
    """Train the features of normal images to lie close together, and score images by the nearest of them.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    epochs, rate, step_images
        Of the training, by stochastic gradient descent.
    neighbours : int
        A score is the mean of the squared distances to so many normal images.
    **options
        As for `AnomalyModel`.

    Notes
    -----
    Only the weights behind layer 2 change, by gradients that are cut to a length of 0.001, as in the published
    code. The features of normal images could all become one point: the training stops after a number of epochs,
    before they do ("PANDA-Early"). The elastic variant needs the Fisher information of the data that the backbone
    was trained on, and is not here.
    """

    kind = "panda"
    localises = False
    Options = Options
    state = ("bank",)
    settings: _Options
    bank: torch.Tensor

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        middle = middle_of(self.features)
        settings = self.settings
        if settings.epochs and settings.layers[-1] <= middle:
            layers = ", ".join(map(str, settings.layers))
            raise UsageError(f"layers must have one above {middle}, where the weights are trained, got {layers}")

    def state_forms(self, shape):
        """Return the form of the bank; see `AnomalyModel.state_forms`."""
        import torch

        return {"bank": ((None, shape[0]), torch.float32)}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the features of the images, in bytes."""
        channels = self.features.shape(size)[0]
        return FLOAT_BYTES * images * channels

    def fit(self, loader, progress="auto", log=None) -> Panda:
        """Learn normal images; see `AnomalyModel.fit`."""
        pictures = self._pictures(loader, progress, log)
        net = self._begin_tuning()
        net.requires_grad_(False)

        center = self._bank_of(pictures).mean(0)
        self._train(pictures, center, progress)
        net.requires_grad_(False)
        self.bank = self._bank_of(pictures)
        self.image_size = size_of(pictures)
        return self

    def _train(self, pictures: torch.Tensor, center: torch.Tensor, progress) -> None:
        import torch

        from synthgen.run.progress import Progress
        from synthgen.seeding import generator

        settings = self.settings
        weights = [weight.requires_grad_() for weight in late_weights(self.features)]
        optimizer = torch.optim.SGD(weights, settings.rate, momentum=_MOMENTUM, weight_decay=_DECAY)

        with Progress(progress, settings.epochs * len(pictures)) as bar:
            for epoch in range(settings.epochs):
                rng = generator(settings.seed, 0, epoch, "panda.order")
                order = torch.from_numpy(rng.permutation(len(pictures)))
                for chosen in in_time(order.split(settings.step_images)):
                    images = pictures[chosen]
                    offsets = self.embedded(images) - center
                    loss = offsets.square().mean()
                    optimizer.zero_grad()
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(weights, _LONGEST_STEP)
                    optimizer.step()
                    bar.advance(len(chosen))

    def _bank_of(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the features of all images, (N, D)."""
        import torch

        found = [self._features(part) for part in pictures.split(self.settings.step_images)]
        return torch.cat(found)

    def _features(self, images):
        """Return the features of images, averaged over their places, (N, D)."""
        return self.features(images).mean((2, 3))

    def _scores(self, features):
        from synthgen.torch.coreset.greedy import nearest_points

        distances, _ = nearest_points(features, self.bank, self.settings.neighbours)
        squared = distances.square()
        return squared.mean(1), None


MODEL = Panda
