"""A distillation from start to end: a small network learns the features of a backbone (Batzner et al. 2024)."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from torch import nn
from torch.nn import functional

from synthgen.errors import UsageError
from synthgen.machine import counted
from synthgen.run.progress import Progress
from synthgen.shards.files import refuse_remote
from synthgen.torch.backbones import SUFFIX, create_model, fingerprint, read_card
from synthgen.torch.course import Course
from synthgen.torch.distillation.options import ARCHITECTURES, CHANNELS, Options, make_options
from synthgen.torch.distillation.pdn import BORDER, STRIDE
from synthgen.torch.features import FeatureExtractor, normalised
from synthgen.torch.pictures import Pictures, shuffled_batches
from synthgen.torch.pretrain.ranks import TrainingGroup, joined_ranks
from synthgen.torch.pretrain.report import library_versions, write_backbone
from synthgen.torch.unfinished import unfinished

# Ending of the table of losses beside the teacher.
LOG = ".log.csv"
_LEAST_DEVIATION = 1e-6


class DistillReport(msgspec.Struct, frozen=True):
    """The results of a distillation.

    Attributes
    ----------
    path : str
        The file; its card and its table of losses lie beside it.
    arch : str
    steps : int
    loss : float
        The mean over the last steps: 1 is that of a network which knows the mean of each channel alone.
    was_finished : bool
        Whether nothing was left to do.
    """

    path: str
    arch: str
    steps: int
    loss: float
    was_finished: bool


def distill(
    weights,
    data,
    out,
    arch: str | None = None,
    workers: int = 0,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_seconds: float = 300,
    progress="auto",
    overwrite: bool = False,
    log: Callable[[str], object] | None = None,
    **changes,
) -> DistillReport:
    """Train a small network to give the features of a backbone; a training that was interrupted goes on.

    The final weights do not depend on interruptions, nor on the number of workers. Beside the file of weights are
    then its card and its table of losses, ``NAME.log.csv``.

    Parameters
    ----------
    weights : str or Path
        The backbone: a name of timm's, a file of weights, or a folder of ``synthgen pretrain``.
    data : str or Path
        Images: a data set of ours, a folder, or a recipe, whose images are drawn as they are needed.
    out : str or Path
        The safetensors file to write.
    arch : str, optional
        timm name of a backbone that is a file without a card.
    workers : int
        Processes that read.
    threads : int, optional
        Threads of torch on the CPU; by default one for each core.
    device : {'auto', 'cpu', 'cuda'}
    checkpoint_seconds : float
        Interval between checkpoints.
    progress : bool or {'auto', 'plain', 'none'}
    overwrite : bool
        Replace a teacher that is there, or another training that was interrupted.
    log : callable, optional
        Given a line of text before the work begins.
    **changes
        Options; see `Options`.

    Returns
    -------
    DistillReport

    Raises
    ------
    UsageError
        If an option breaks a rule, or there is another file or training; the message says what differs.
    FormatError
        If a file is damaged.
    LockedError
        If another process trains the same file.
    """
    refuse_remote(out)
    out = Path(out)
    options = make_options(changes)
    _check(out, workers, checkpoint_seconds)
    side = options.enlarged_size
    pictures = Pictures(data, (side, side))

    with joined_ranks(device, threads) as ranks:
        job = _Job(out, options, weights, arch, pictures, workers, ranks)
        done = None if overwrite else job.finished()
        if done is not None:
            return done
        with unfinished(out, LOG, job.identity(), overwrite, "distillation", checkpoint_seconds) as kept:
            if log is not None:
                log(job.line())
            return job.run(kept, progress)


def _check(out: Path, workers: int, checkpoint_seconds: float) -> None:
    """Refuse a file that cannot be written, and numbers out of range."""
    if out.suffix != SUFFIX or not out.parent.is_dir():
        raise UsageError(f"out must be a {SUFFIX} file in a folder that is there, got {out}")
    if not 0 <= workers <= 4096:
        raise UsageError(f"workers must lie in 0..4096, got {workers}")
    if checkpoint_seconds < 0:
        raise UsageError(f"checkpoint_seconds must be >= 0, got {checkpoint_seconds}")


class Distilled(nn.Module):
    """A teacher in training, with mean and deviation of the channels that it learns.

    Parameters
    ----------
    arch : str
        Of timm.
    seed : int
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, arch: str, seed: int):
        super().__init__()
        self.teacher = create_model(arch, seed)
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("deviation", torch.ones(CHANNELS))

    def loss(self, batch: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of what the teacher gives of normalised images."""
        found = self.teacher(batch)
        target = (wanted - _by_channel(self.mean)) / _by_channel(self.deviation)
        return functional.mse_loss(found, target)


def _by_channel(values: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, 1, 1)


def pooled_channels(maps: torch.Tensor, channels: int) -> torch.Tensor:
    """Return maps (N, D, h, w) with `channels` channels: each is the mean of neighboring ones, as in PatchCore.

    Where D is smaller, channels come more than once.
    """
    last = maps.permute(0, 2, 3, 1)
    flat = last.flatten(0, 2).unsqueeze(1)
    pooled = functional.adaptive_avg_pool1d(flat, channels)
    shape = (*last.shape[:3], channels)
    return pooled.view(shape).permute(0, 3, 1, 2)


class _Job:
    """All that is settled before the first step."""

    def __init__(
        self,
        out: Path,
        options: Options,
        weights,
        arch: str | None,
        pictures: Pictures,
        workers: int,
        ranks: TrainingGroup,
    ):
        self.out = out
        self.options = options
        self.weights = str(weights)
        self.pictures = pictures
        self.workers = workers
        self.ranks = ranks
        self.arch = ARCHITECTURES[options.network]
        self.backbone = FeatureExtractor(weights, options.layers, options.pool, ranks.device, arch=arch)
        side = options.enlarged_size
        self.channels = self.backbone.shape((side, side))[0]

    def identity(self) -> dict:
        """Return all that the weights depend on, flat: what a resumed run compares with."""
        return {
            "backbone": fingerprint(self.backbone.net),
            "data": self.pictures.identity or self.pictures.place,
            "images": len(self.pictures),
            **msgspec.to_builtins(self.options),
        }

    def digest(self) -> str:
        """Return a digest of the identity, which the card of the teacher has."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def line(self) -> str:
        """Return what is learned from what, as a line for people."""
        config = self.backbone.config
        return (
            f"{self.arch} learns {self.channels} channels of {config['architecture']} as {CHANNELS}, "
            f"from {counted(len(self.pictures), 'image')}"
        )

    def finished(self) -> DistillReport | None:
        """Return the report of this training, if it is finished; refuse another file that is there."""
        if not os.path.lexists(self.out):
            return None
        card = read_card(self.out) if self.out.is_file() else {}
        distilled = card.get("distilled")
        if not isinstance(distilled, dict) or distilled.get("training") != self.digest():
            raise UsageError(f"{self.out}: is there already; --overwrite replaces it")
        return self._report(float(distilled["loss"]), was_finished=True)

    def run(self, kept, progress) -> DistillReport:
        """Train what is left to train, and write the teacher."""
        options = self.options
        network = Distilled(self.arch, options.seed).to(self.ranks.device)
        weights = network.teacher.parameters()
        optimizer = torch.optim.Adam(weights, options.rate, weight_decay=options.weight_decay)
        network.train()

        course = Course(network, optimizer, options.steps, options.seed, "the teacher", kept, progress=progress)
        with course:
            if course.first == 0:
                self._measure_channels(network, progress)
            batches = self._batches(range(course.first, options.steps))
            for _, images in zip(course, batches, strict=True):
                batch, wanted = self._pair(images)
                course.descend(network.loss(batch, wanted))

        loss = course.history[-1]["loss"]
        write_backbone(self.out, network.teacher, self._card(network, loss))
        return self._report(loss, was_finished=False)

    def _batches(self, steps: range):
        options = self.options
        return shuffled_batches(
            self.pictures,
            options.gray_share,
            options.batch_size,
            steps,
            options.seed,
            "distill.order",
            self.workers,
            self.ranks,
        )

    def _pair(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images as the teacher sees them, normalised, and what the backbone sees there."""
        side = self.options.image_size
        images = images.to(self.ranks.device)
        with torch.no_grad():
            wanted = self._wanted(images)
        smaller = functional.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)

        config = self.backbone.config
        levels = smaller.clamp(0, 255) / 255
        return normalised(levels, config["mean"], config["std"]), wanted

    def _wanted(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of a backbone at the places of the teacher, (N, 384, h, w)."""
        maps = pooled_channels(self.backbone(images), CHANNELS)
        places = self.options.image_size // STRIDE
        whole = functional.interpolate(maps, (places, places), mode="bilinear", align_corners=False)
        return whole[:, :, BORDER:-BORDER, BORDER:-BORDER]

    def _measure_channels(self, network: Distilled, progress) -> None:
        """Take mean and deviation of the backbone's channels, of images that are chosen at random."""
        options = self.options
        at_once = min(options.batch_size, len(self.pictures))
        most = min(options.norm_images, len(self.pictures))
        steps = range(-(-most // at_once))

        sums = torch.zeros(2, CHANNELS, dtype=torch.float64, device=self.ranks.device)
        places = 0
        with Progress(progress, len(steps), unit="batches to normalize") as bar:
            for images in self._batches(steps):
                wanted = self._wanted(images.to(self.ranks.device)).double()
                sums[0] += wanted.sum((0, 2, 3))
                sums[1] += wanted.square().sum((0, 2, 3))
                places += wanted[:, 0].numel()
                bar.advance(1)

        mean = sums[0] / places
        variance = sums[1] / places - mean.square()
        deviation = variance.clamp(min=0).sqrt().clamp(min=_LEAST_DEVIATION)
        network.mean.copy_(mean)
        network.deviation.copy_(deviation)

    def _card(self, network: Distilled, loss: float) -> dict:
        """Return what is known of the teacher."""
        config = self.backbone.config
        distilled = {
            "training": self.digest(),
            "loss": loss,
            "backbone": {
                "weights": self.weights,
                "arch": config["architecture"],
                "fingerprint": fingerprint(self.backbone.net),
                "channels": self.channels,
            },
            "data": {
                "place": self.pictures.place,
                "fingerprint": self.pictures.identity or None,
                "images": len(self.pictures),
            },
            "options": msgspec.to_builtins(self.options),
        }
        return {
            "arch": self.arch,
            "classes": 0,
            "mean": list(config["mean"]),
            "std": list(config["std"]),
            "size": None,
            "distilled": distilled,
            "versions": library_versions(),
        }

    def _report(self, loss: float, was_finished: bool) -> DistillReport:
        return DistillReport(str(self.out), self.arch, self.options.steps, loss, was_finished)
