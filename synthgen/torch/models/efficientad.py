"""EfficientAD: a student and an autoencoder that follow a distilled teacher (Batzner et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from synthgen.errors import UsageError
from synthgen.torch.distillation.options import ARCHITECTURES
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import size_of
from synthgen.torch.models.held import HeldImages, held_bytes
from synthgen.torch.models.options import Meta, ModelOptions

if TYPE_CHECKING:
    import torch

    from synthgen.torch.course import Course
    from synthgen.torch.models.student import Losses, Networks

HELP = """
Fit EfficientAD: a student network learns to follow a distilled teacher on normal images, and an autoencoder to give
what the teacher would. Where they differ lies an anomaly. --backbone is a teacher of `synthgen distill`.

\b
synthgen fit efficientad --normal photos/good --backbone teacher.safetensors --out part.safetensors
synthgen fit efficientad --normal good --backbone teacher.safetensors --penalty multifractals-200 -o m.safetensors
"""
_NET = "networks."
_LAYER = (4,)
# The learning rate falls to a tenth after this share of the steps.
_LATE = 0.95
# Images of other things that are shown in gray.
_GRAY_SHARE = 0.3
_LARGEST_CHANGE = 0.2
_ONE_HELD_OF = 10
_AT_ONCE = 8
_LEAST_DEVIATION = 1e-6
# Numbers that a step holds for each pixel of an image: three passes of the small student, one of the autoencoder.
_NUMBERS_OF_PIXEL = 1700


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of EfficientAD: the published ones."""

    layers: Annotated[
        tuple[Annotated[int, Meta(ge=4, le=4)], ...],
        Meta(min_length=1, description="The layer of the teacher: its last, 4."),
    ] = _LAYER
    pool: Annotated[int, Meta(ge=1, le=1, description="The method has no local average: 1.")] = 1
    border: Annotated[int, Meta(ge=0, le=0, description="The method has no border of its own: 0.")] = 0
    sigma: Annotated[
        float, Meta(ge=0, le=1000, description="Pixels by which maps are smoothed, by a Gaussian; 0 for none.")
    ] = 0.0
    steps: Annotated[int, Meta(ge=1, le=10**8, description="Steps of the training.")] = 70_000
    step_images: Annotated[int, Meta(ge=1, le=10**5, description="Images in a step of the training.")] = 1
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate; a tenth in the last 5 % of the steps.")] = (
        1e-4
    )
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="Weight decay of Adam.")] = 1e-5
    hard_share: Annotated[
        float, Meta(gt=0, le=1, description="Share of the student's largest errors that count.")
    ] = 1e-3
    penalty: Annotated[
        str,
        Meta(
            description="Data set, folder or recipe with images of other things: the student must not follow the "
            "teacher there."
        ),
    ] = ""


# Within the class the name `Options` means its attribute.
_Options = Options


class EfficientAd(HeldImages):
    """Train a student and an autoencoder to follow a teacher on normal images.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`; a teacher of `synthgen.torch.distill`.
    steps, step_images, rate, weight_decay
        Of the training.
    hard_share : float
        Share of the student's largest errors that count.
    penalty : str
        Images of other things; in the publication those of ImageNet.
    **options
        As for `AnomalyModel`.

    Attributes
    ----------
    networks : Networks
    arch : str
        Of teacher and student.

    Notes
    -----
    A tenth of the images is not trained on: both maps are brought to one scale by their quantiles there. The score
    of an image is the largest value of its map.

    Images of other things are stretched to the size of the others, where the publication cuts out the middle. The
    four places that the networks cannot see at each edge repeat what is nearest, where the publication has zeros.
    """

    kind = "efficientad"
    of_places = True
    Options = Options
    state: ClassVar[tuple[str, ...]] = ()
    counts_channels = False
    resumes = True
    trained = "the training of the student"
    settings: _Options
    features: Any
    networks: Networks

    def __init__(self, backbone, **options):
        _check_teacher(backbone, options.get("arch"), self.kind)
        if options.get("penalty"):
            options["penalty"] = str(options["penalty"])
        super().__init__(backbone, **options)
        config = getattr(self.features, "config", {})
        self.arch = str(config.get("architecture"))
        _check_arch(self.arch, self.kind)

    def _made(self, size: tuple[int, int]) -> Networks:
        """Return the networks for images of a size, random from the seed."""
        import torch

        from synthgen.torch.models.student import Networks

        _, height, width = self.features.shape(size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return Networks(self.arch, size, (height, width))

    def _outline(self, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Return tensors without memory of the forms that are learned."""
        import torch

        with torch.device("meta"):
            return self._made(size).state_dict()

    def tensors(self):
        """Return what was learned; see `AnomalyModel.tensors`."""
        return {_NET + name: value for name, value in self.networks.state_dict().items()}

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take what was learned; see `AnomalyModel.take`."""
        networks = self._made(self._need_fit())
        learned = {name.removeprefix(_NET): value for name, value in tensors.items() if name.startswith(_NET)}
        networks.load_state_dict(learned)
        self.networks = networks.to(self.device).eval().requires_grad_(False)

    def state_forms(self, shape):
        """Return the forms of what was learned; see `AnomalyModel.state_forms`."""
        outline = self._outline(self._need_fit())
        return {_NET + name: (tuple(value.shape), value.dtype) for name, value in outline.items()}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the networks, in bytes, for any number of images."""
        return sum(value.nbytes for value in self._outline(size).values())

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the teacher's own, in bytes."""
        height, width = size
        in_a_step = min(images, self.settings.step_images)
        numbers = in_a_step * height * width * _NUMBERS_OF_PIXEL
        if self.arch == ARCHITECTURES["medium"]:
            numbers *= 2
        # gradients, and two more numbers of each weight
        learned = 4 * self.predicted_bytes(images, size)
        return held_bytes(images, size) + learned + FLOAT_BYTES * numbers

    def fit(self, loader, progress="auto", log=None) -> EfficientAd:
        """Learn normal images; see `AnomalyModel.fit`."""
        pictures = self._pictures(loader, progress, log)
        learned, held = self._divided(len(pictures))
        self.networks = self._learned(pictures[learned], pictures[held], progress)
        self.image_size = size_of(pictures)
        self._look_at_whole(pictures[learned], pictures[held])
        return self

    def _learned(self, pictures: torch.Tensor, held: torch.Tensor, progress) -> Networks:
        """Return networks that were trained on images, with the quantiles of their maps on those held out."""
        networks = self._made(size_of(pictures)).to(self.device)
        self._measure_channels(networks, pictures)
        self._train(networks, pictures, progress)
        networks.eval().requires_grad_(False)
        self._measure_maps(networks, held)
        return networks

    def _look_at_whole(self, pictures: torch.Tensor, held: torch.Tensor) -> None:
        """Learn what whole images are like, beside the maps: nothing here."""

    def _divided(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the images to train on, and of those that are held out; a single one is both."""
        from synthgen.seeding import generator

        rng = generator(self.settings.seed, 0, 0, "efficientad.held")
        order = rng.permutation(count)
        held = max(1, count // _ONE_HELD_OF)
        return (order if count == 1 else order[held:]), order[:held]

    def _measure_channels(self, networks: Networks, pictures: torch.Tensor) -> None:
        """Take mean and deviation of each channel of the teacher."""
        import torch

        sums = torch.zeros(2, len(networks.mean), dtype=torch.float64, device=self.device)
        places = 0
        for images in pictures.split(_AT_ONCE):
            features = self.features(images).double()
            sums[0] += features.sum((0, 2, 3))
            sums[1] += features.square().sum((0, 2, 3))
            places += features[:, 0].numel()

        mean = sums[0] / places
        variance = (sums[1] / places - mean.square()).clamp(min=0)
        networks.mean.copy_(mean)
        networks.deviation.copy_(variance.sqrt().clamp(min=_LEAST_DEVIATION))

    def _train(self, networks: Networks, pictures: torch.Tensor, progress) -> None:
        import torch

        from synthgen.torch.course import Course, set_rate, shuffled

        settings = self.settings
        optimizer = torch.optim.Adam(networks.parameters(), settings.rate, weight_decay=settings.weight_decay)
        networks.train()
        course = Course(
            networks, optimizer, settings.steps, settings.seed, self.kind, self.kept_in, [pictures], progress
        )
        with course:
            others = self._others(course, size_of(pictures))
            for step in course:
                is_late = step >= _LATE * settings.steps
                set_rate(optimizer, settings.rate / 10 if is_late else settings.rate)
                places = shuffled(len(pictures), settings.step_images, settings.seed, "efficientad.images", step)
                losses = self._losses(networks, pictures[places], next(others), step)
                total = torch.stack(losses).sum()
                course.descend(total, **losses._asdict())
        self.history = course.history

    def _losses(self, networks: Networks, images: torch.Tensor, others, step: int) -> Losses:
        changed = self._changed(images, step)
        batch = self.features.normalise(images)
        other_colors = self.features.normalise(changed)
        return networks.losses(
            batch,
            other_colors,
            self._wanted(networks, batch),
            self._wanted(networks, other_colors),
            None if others is None else self.features.normalise(others),
            self.settings.hard_share,
        )

    def _wanted(self, networks: Networks, batch: torch.Tensor) -> torch.Tensor:
        """Return what the teacher gives of normalised images, with mean 0 and deviation 1 in each channel."""
        import torch

        with torch.no_grad():
            return networks.normalised(self.features.forward(batch))

    def _changed(self, images: torch.Tensor, step: int) -> torch.Tensor:
        """Return images of another brightness, contrast or saturation, floats in [0, 1]."""
        import torch
        from torchvision.transforms.v2 import functional

        from synthgen.seeding import generator

        changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
        changed = []
        rng = generator(self.settings.seed, 0, step, "efficientad.colors")
        for image in images:
            change = changes[rng.integers(len(changes))]
            factor = rng.uniform(1 - _LARGEST_CHANGE, 1 + _LARGEST_CHANGE)
            changed.append(change(image.float() / 255, factor))
        return torch.stack(changed)

    def _others(self, course: Course, size: tuple[int, int]) -> Iterator[torch.Tensor | None]:
        """Yield the images of other things for each step that is left; None where there are none."""
        settings = self.settings
        if not settings.penalty:
            while True:
                yield None

        from synthgen.torch.pictures import Pictures, shuffled_batches
        from synthgen.torch.pretrain.ranks import TrainingGroup

        steps = range(course.first, course.steps)
        alone = TrainingGroup(0, 1, self.device)
        yield from shuffled_batches(
            Pictures(settings.penalty, size),
            _GRAY_SHARE,
            settings.step_images,
            steps,
            settings.seed,
            "efficientad.others",
            0,
            alone,
        )

    def _measure_maps(self, networks: Networks, pictures: torch.Tensor) -> None:
        """Take the quantiles of both maps on images that were not trained on."""
        import torch

        from synthgen.torch.models.student import QUANTILES

        found = []
        with torch.no_grad():
            for images in pictures.split(_AT_ONCE):
                batch = self.features.normalise(images)
                maps, _ = networks.judged(batch, self._wanted(networks, batch))
                found.append(maps.flatten(1))
        values = torch.cat(found, 1).cpu().numpy()
        quantiles = np.quantile(values, QUANTILES, axis=1)
        networks.quantiles.copy_(torch.from_numpy(quantiles.T.copy()))

    def _features(self, images):
        """Return normalised images, which the networks take."""
        return self.features.normalise(images)

    def _scores(self, features):
        maps, _ = self._judged(features)
        return None, self.networks.combined(maps)

    def _judged(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both maps (2, N, h, w) of normalised images, and the student's mean features (N, 384)."""
        import torch

        with torch.no_grad():
            return self.networks.judged(batch, self._wanted(self.networks, batch))

    def _pixel_maps(self, patch_scores, size):
        from synthgen.torch.distillation.pdn import BORDER
        from synthgen.torch.models.scoring import pixel_maps, with_border

        whole = with_border(patch_scores, BORDER)
        return pixel_maps(whole, size, self.settings.sigma, self.settings.interpolation)


def _check_teacher(backbone, arch: str | None, kind: str) -> None:
    """Refuse a name or a file that is no teacher, before its weights are read."""
    from pathlib import Path

    if isinstance(backbone, str | Path):
        from synthgen.extras import needed_for

        with needed_for(kind):
            from synthgen.torch.backbones import architecture_of
        _check_arch(architecture_of(backbone, arch), kind)


def _check_arch(arch: str, kind: str) -> None:
    known = tuple(ARCHITECTURES.values())
    if arch not in known:
        names = ", ".join(known)
        raise UsageError(f"backbone must be a teacher of `synthgen distill` ({names}) for {kind}, got {arch}")


MODEL = EfficientAd
