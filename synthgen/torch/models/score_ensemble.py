"""Score ensemble: fitted models whose scores are calibrated and combined (Saghir 2024, sections 2.1 and 4.5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from synthgen.errors import UsageError
from synthgen.machine import counted
from synthgen.seeding import MAX_SEED
from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel
from synthgen.torch.models.batches import batches, begun, image_progress, images_in, size_of
from synthgen.torch.models.memory import megabytes, refuse_if_larger
from synthgen.torch.models.options import Meta

if TYPE_CHECKING:
    import torch

    from synthgen.torch.ensembles.said import Said

HELP = """
Fit a score ensemble: models that are fitted already (--member). Their scores are calibrated on normal images that
no member was fitted to, and combined. Give the folders of --normal that the members were fitted to: the images that
they held out are found again.

\b
synthgen fit score-ensemble --normal good --member a.safetensors --member b.safetensors --out both.safetensors
synthgen fit score-ensemble --normal n --member a.safetensors --member b.safetensors --combine max -o m.safetensors
"""
MEMBERS = "File of a fitted model."
# Members that a vote needs.
VOTERS = 3
# The images of `fit` are those that no member was fitted to.
CALIBRATED = True
# Most pixels of each member that are kept for a calibration.
PIXELS = 2**22
# A member votes where its score lies above this quantile of normal ones.
VOTE_QUANTILE = 0.99


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a score ensemble; see the annotations."""

    combine: Annotated[
        Literal["mean", "max", "median", "weights", "vote", "logistic", "forest"],
        Meta(
            description="How scores become one: weights are given or follow from drawn defects, a vote counts the "
            "members above their own threshold, logistic and forest are stacking on drawn defects."
        ),
    ] = "mean"
    calibration: Annotated[
        Literal["z", "tail", "synthetic", "none"],
        Meta(
            description="How scores become comparable: by mean and deviation, by how rare they are, by the odds of "
            "a drawn defect, or not at all."
        ),
    ] = "z"
    weights: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...],
        Meta(description="A number for each member, with --combine weights; by default from drawn defects."),
    ] = ()
    image_scores: Annotated[
        Literal["max", "apart", "auto"],
        Meta(
            description="Scores of images: the largest of the combined map, or those of the members, combined. "
            "Auto is max; apart for a vote, and where a member has no maps."
        ),
    ] = "auto"
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Seed of the drawn defects.")] = 0

    def __post_init__(self):
        if self.weights and self.combine != "weights":
            raise ValueError(f"weights must be left out unless combine is weights, got combine {self.combine}")


# Within the class the name `Options` means its attribute.
_Options: Any = Options


class ScoreEnsemble(AnomalyModel):
    """Calibrate the scores of fitted models, and combine them.

    Parameters
    ----------
    members : sequence
        Fitted models, or their files.
    memory, device
        As for `AnomalyModel`; of members that are read from files.
    combine : str
        ``mean``, ``max``, ``median``, ``weights`` (given, or the fourth power of the AUPRO on drawn defects),
        ``vote`` (the share of the members above their own threshold), ``logistic`` or ``forest`` (stacking on
        drawn defects).
    calibration : str
        ``z``, ``tail`` (minus the logarithm of the share of normal scores that are as high), ``synthetic``
        (log-odds of a drawn defect) or ``none``.
    weights : sequence of float
        For ``weights``.
    image_scores : {'auto', 'max', 'apart'}
        Whether the score of an image is the largest of the combined map, or combined from the members' own.
    seed : int
        Of the drawn defects.

    Attributes
    ----------
    members : list of AnomalyModel
    localises : bool
        Whether a member has maps.
    qualities : list of float
        For each member the AUROC of its pixels on drawn defects (of images, without maps); empty after loading.

    Notes
    -----
    `fit` takes normal images that no member was fitted to: a model scores those that it knows far lower. Images are
    resized for members of another size, and their maps are resized to the size of the images.
    """

    kind = "score-ensemble"
    Options = _Options
    state = ("of_pixels", "of_images", "weights_of_pixels", "weights_of_images")
    is_ensemble = True
    settings: Any
    of_pixels: torch.Tensor
    of_images: torch.Tensor
    weights_of_pixels: torch.Tensor
    weights_of_images: torch.Tensor

    def __init__(self, members: Sequence, *, memory: int | None = None, device=None, **options):
        from synthgen.torch.ensembles.members import load_members, name_of

        self._set_up(memory, options)
        self.members = load_members(members, memory, device)
        self.names = [name_of(each) for each in members]
        self.qualities: list[float] = []
        self._check()
        self.localises = bool(self.with_maps)

        sizes = [each._need_fit() for each in self.members]
        self.members_size = max(sizes, key=math.prod)
        self.features = self.members[0].features

    def _check(self) -> None:
        """Refuse members and options that do not go together."""
        settings = self.settings
        count = len(self.members)
        for member in self.members:
            member._need_fit()
        if settings.weights and len(settings.weights) != count:
            raise UsageError(f"weights must be {count}, one for each member, got {len(settings.weights)}")
        if settings.combine == "vote" and count < VOTERS:
            raise UsageError(f"combine must have at least {VOTERS} members for a vote, got {count}")
        if settings.image_scores == "max" and not all(member.localises for member in self.members):
            raise UsageError("image_scores must be apart where a member has no maps, got max")

    @property
    def device(self) -> torch.device:
        """Where the members compute."""
        return self.members[0].device

    @property
    def state_device(self) -> torch.device:
        """The CPU, where the scores of the members are calibrated and combined."""
        import torch

        return torch.device("cpu")

    @property
    def with_maps(self) -> list[int]:
        """Places of the members that have maps."""
        return [number for number, member in enumerate(self.members) if member.localises]

    @property
    def scores_apart(self) -> bool:
        """Whether scores of images come from the members' own."""
        how = self.settings.image_scores
        if how == "auto":
            return self.settings.combine == "vote" or len(self.with_maps) < len(self.members)
        return how == "apart"

    def parts(self):
        """Return the members; see `AnomalyModel.parts`."""
        return self.members

    def state_forms(self, shape):
        """Return the forms of calibrations and weights; see `AnomalyModel.state_forms`."""
        import torch

        from synthgen.torch.ensembles import calibration, combining

        length = calibration.length_of(self.settings.calibration)
        count = len(self.members)
        mapped = len(self.with_maps)
        length_of_pixels = length if mapped else 0
        combine = self.settings.combine
        return {
            "of_pixels": ((mapped, length_of_pixels), torch.float32),
            "of_images": ((count, length), torch.float32),
            "weights_of_pixels": ((combining.length_of(combine, mapped),), torch.float32),
            "weights_of_images": ((combining.length_of(combine, count),), torch.float32),
        }

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of calibrations and weights, in bytes, for any number of images."""
        forms = self.state_forms((0, 0, 0))
        numbers = sum(math.prod(shape) for shape, _ in forms.values())
        return FLOAT_BYTES * numbers

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the members' own, in bytes."""
        height, width = size
        pixels = min(PIXELS, images * height * width)
        # scores of normal images and of drawn defects; sorted as float64
        return FLOAT_BYTES * pixels * (2 * len(self.members) + 4)

    def check_prediction(self, images: int, size: tuple[int, int]) -> None:
        """Raise `UsageError` if a member cannot take so many images at a time; see `AnomalyModel`."""
        for member in self.members:
            member.check_prediction(images, member._need_fit())

    def fit(self, loader, progress="auto", log=None) -> ScoreEnsemble:
        """Calibrate the members on normal images that none was fitted to; see `AnomalyModel.fit`."""
        from synthgen.torch.ensembles.said import Gathered

        given, first = begun(batches(loader))
        size = size_of(first)
        known = images_in(loader) or 0
        expected = known or len(first)
        needed = self.needed_bytes(expected, size)
        refuse_if_larger(f"the scores of {expected} images", needed, self._limit(), "fewer images would fit")
        if log is not None:
            for line in self.remarks():
                log(line)
            log(f"{self.kind}: calibrating {counted(len(self.members), 'member')} takes {megabytes(needed)}")

        gathered = Gathered(self, known * math.prod(size), PIXELS)
        with image_progress(progress, loader) as bar:
            for images in given:
                gathered.add(images)
                bar.advance(len(images))
        self._learn(gathered.said(), log)
        self.image_size = size
        return self

    def unfitted(self) -> ScoreEnsemble:
        """Return an ensemble of the same members and options that is not calibrated."""
        return ScoreEnsemble(self.members, memory=self.memory, **self.options())

    def remarks(self) -> list[str]:
        """Return a line for each thing in which the members differ, though they should not."""
        lines = []
        for name, member in zip(self.names, self.members, strict=True):
            height, width = member._need_fit()
            if (height, width) != self.members_size:
                lines.append(f"member {name} sees images at {width}x{height}, they are resized for it")
            if "normal" not in member.notes:
                lines.append(f"member {name} does not say which images it was fitted to")
            elif member.notes["normal"] != self.members[0].notes.get("normal"):
                lines.append(f"member {name} was fitted to other images than member {self.names[0]}")
        return lines

    def _learn(self, said: Said, log) -> None:
        """Learn calibrations and weights from what the members say."""
        import torch

        self.of_pixels = self._calibrations(said.pixels, said.defect_pixels)
        self.of_images = self._calibrations(said.images, said.defect_images)

        # what weighs in, of all members and of those with maps
        qualities = torch.tensor([quality.aupro for quality in said.qualities])
        if self.settings.weights:
            qualities = torch.tensor(self.settings.weights)
        of_mapped = qualities[self.with_maps]

        pixels = self._calibrated(said.pixels, self.of_pixels)
        defect_pixels = self._calibrated(said.defect_pixels, self.of_pixels)
        self.weights_of_pixels = self._weights(pixels, defect_pixels, of_mapped)

        images = self._calibrated(said.images, self.of_images)
        defect_images = self._calibrated(said.defect_images, self.of_images)
        self.weights_of_images = self._weights(images, defect_images, qualities)

        self.qualities = [quality.auroc for quality in said.qualities]
        rounded = [round(quality, 4) for quality in self.qualities]
        self.notes["found_of_drawn_defects"] = rounded
        self._warn_of_weak(log)

    def _warn_of_weak(self, log) -> None:
        """Say which member finds no more of the drawn defects than chance."""
        from synthgen.torch.ensembles.synthetic import WEAK

        if log is None:
            return
        for name, quality in zip(self.names, self.qualities, strict=True):
            if quality < WEAK:
                log(f"member {name} is weak: on drawn defects its AUROC is {quality:.2f}, chance has 0.50")

    def _calibrations(self, normal: torch.Tensor, defects: torch.Tensor) -> torch.Tensor:
        """Return the calibration of each member, (M, length), of scores (M, N) and (M, K)."""
        import torch

        from synthgen.torch.ensembles import calibration

        way = self.settings.calibration
        found = []
        for scores, drawn in zip(normal, defects, strict=True):
            if way == "z":
                found.append(calibration.by_moments(scores))
            elif way == "tail":
                found.append(calibration.by_tail(scores))
            elif way == "synthetic":
                found.append(calibration.by_defects(scores, drawn))
        if not found:
            return torch.zeros(len(normal), 0)
        return torch.stack(found)

    def _calibrated(self, scores: Any, numbers: torch.Tensor) -> torch.Tensor:
        """Return the calibrated scores (M, ..) of each member."""
        import torch

        from synthgen.torch.ensembles.calibration import calibrated

        if not len(scores):
            return torch.zeros(0, 0)
        way = self.settings.calibration
        found = []
        for each, own in zip(scores, numbers, strict=True):
            found.append(calibrated(each, way, own))
        return torch.stack(found)

    def _weights(self, normal: torch.Tensor, defects: torch.Tensor, qualities: torch.Tensor) -> torch.Tensor:
        """Return what combining needs beside the scores, of calibrated scores (M, N) and (M, K)."""
        import torch

        from synthgen.torch.ensembles import calibration, combining, forest

        combine = self.settings.combine
        members = len(normal)
        if not members or combine in ("mean", "max", "median"):
            return torch.zeros(combining.length_of(combine, members))
        if combine == "vote":
            return _thresholds(normal)
        if combine == "logistic":
            return calibration.logistic(normal.T, defects.T)
        if combine == "forest":
            return forest.grown(normal, defects, self.settings.seed)
        if self.settings.weights:
            return qualities / qualities.sum()
        return combining.weights_by_quality(qualities)

    def _predicted(self, images):
        from synthgen.torch.ensembles.combining import combined
        from synthgen.torch.ensembles.said import asked

        scores, maps = asked(self.members, images)

        combine = self.settings.combine
        whole = None
        if maps:
            whole = combined(self._calibrated(maps, self.of_pixels), combine, self.weights_of_pixels)
        if whole is not None and not self.scores_apart:
            of_images = whole.amax((1, 2))
        else:
            of_images = combined(self._calibrated(scores, self.of_images), combine, self.weights_of_images)
        return of_images, whole

    def _scores(self, features):
        raise UsageError(f"{self.kind} has no scores of features, it asks its members")


def _thresholds(normal: torch.Tensor) -> torch.Tensor:
    """Return for each member the normal score that one of a hundred lies above, (M,)."""
    last = normal.shape[1] - 1
    rank = int(VOTE_QUANTILE * last) + 1
    return normal.kthvalue(rank, dim=1).values


MODEL = ScoreEnsemble
