"""The training loop: steps, validation, and when to save. It knows no files but through `save`."""

import math
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from synthgen.errors import SynthgenError, UsageError
from synthgen.seeding import generator
from synthgen.torch.pretrain.batchnorm import SyncedBatchNorm
from synthgen.torch.pretrain.dense import DenseOutputs, dense_loss
from synthgen.torch.pretrain.depthwise import FastDepthwise
from synthgen.torch.pretrain.options import Options, learning_rate
from synthgen.torch.pretrain.ranks import TrainingGroup

# A loss above this share of that of guessing has learned nothing.
_GUESSING = 0.98


def make_optimizer(model: torch.nn.Module, options: Options) -> torch.optim.Optimizer:
    """Return the optimizer of all weights that are trained (Ugwu et al. 2024, section 4: SGD with momentum)."""
    weights = [each for each in model.parameters() if each.requires_grad]
    decay = options.weight_decay
    if options.optimizer == "adamw":
        return torch.optim.AdamW(weights, options.lr, weight_decay=decay)
    return torch.optim.SGD(weights, options.lr, momentum=options.momentum, weight_decay=decay)


def normalised(images: torch.Tensor, options: Options, device: torch.device) -> torch.Tensor:
    """Return uint8 images (N, 3, H, W) as floats of the options' mean and deviation, channels last in memory."""
    images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
    values = images.float()
    values /= 255
    values -= _by_channel(options.mean, device)
    values /= _by_channel(options.std, device)
    return values


def _by_channel(numbers: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return one number or three, (1, 1 or 3, 1, 1)."""
    values = torch.tensor(numbers, device=device)
    return values.view(1, -1, 1, 1)


class Measured(NamedTuple):
    """How well a model does on a batch.

    Attributes
    ----------
    loss : Tensor
        The mean over the images.
    hits : Tensor
        Images whose class is found; in the objective dense a sum over the images, of the share of their places.
    chance : float
        The loss of guessing.
    """

    loss: torch.Tensor
    hits: torch.Tensor
    chance: float


def measure_classes(scores: torch.Tensor, labels: torch.Tensor, options: Options, smoothing: float) -> Measured:
    """Return how well the scores (N, classes) of images tell their labels (N,)."""
    scores = scores.float()
    loss = functional.cross_entropy(scores, labels, label_smoothing=smoothing)
    found = scores.argmax(1) == labels
    return Measured(loss, found.sum(), math.log(scores.shape[1]))


def measure_places(outputs: DenseOutputs, labels: torch.Tensor, options: Options, smoothing: float) -> Measured:
    """Return how well the embeddings of places tell the textures (N, H, W) of images; see `dense_loss`."""
    found = dense_loss(outputs, labels, options)
    hits = found.accuracy * len(labels)
    return Measured(found.loss, hits, found.chance)


class Trainer:
    """A model in training.

    Parameters
    ----------
    model : torch.nn.Module
        On its device, as it is saved.
    options : Options
        With a precision that has been chosen.
    ranks : TrainingGroup
    """

    def __init__(self, model: torch.nn.Module, options: Options, ranks: TrainingGroup):
        self.model = model
        self.options = options
        self.ranks = ranks
        self.optimizer = make_optimizer(model, options)
        self._measure = measure_places if options.is_dense else measure_classes
        self._chances: list[float] = []
        self.parallel: torch.nn.Module = model
        if ranks.world > 1:
            devices = [ranks.device] if ranks.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(model, device_ids=devices)

    def train_epoch(self, batches, epoch: int, first: int, steps: int, sums: torch.Tensor, after_step) -> None:
        """Take the steps of an epoch from number `first` on.

        Parameters
        ----------
        batches : iterable
            (images, labels) of this rank, for each step that is left.
        epoch, first, steps : int
            Number of the epoch, of its first step to take, and how many steps it has.
        sums : float64 tensor (3,)
            Loss, hits and images of each step are added to it.
        after_step : callable
            Called with the number of steps of this epoch that are done, and the images of the step.
        """
        self._chances.clear()
        self.model.train()
        for step, (images, labels) in enumerate(batches, first):
            self._seed(epoch, step)
            middle = step + 0.5
            self._set_rate(epoch, middle / steps)

            self.optimizer.zero_grad(set_to_none=True)
            self._add_gradients(images, labels, sums)
            if epoch == step == 0:
                self._check_first()
            self.optimizer.step()
            after_step(step + 1, len(labels) * self.ranks.world)

    def _add_gradients(self, images, labels, sums: torch.Tensor) -> None:
        """Add the gradient of a step's mean loss: of one part of its images after the other."""
        whole = len(labels)
        count = self.options.accumulate
        parts = list(zip(images.tensor_split(count), labels.tensor_split(count), strict=True))
        for number, (images, labels) in enumerate(parts, 1):
            is_last = number == count
            with self._within_part(is_last):
                found = self._forward(self.parallel, images, labels, self.options.label_smoothing)
                share = len(labels) / whole
                torch.mul(found.loss, share).backward()

            self._chances.append(found.chance)
            total = found.loss.detach() * len(labels)
            _add(sums, total, found.hits, len(labels))

    @contextmanager
    def _within_part(self, is_last: bool):
        """Compute as a part of a step does; ranks share their gradients with the last part only."""
        with ExitStack() as stack:
            if isinstance(self.parallel, DistributedDataParallel) and not is_last:
                stack.enter_context(self.parallel.no_sync())
            if self.ranks.device.type == "cpu":
                stack.enter_context(FastDepthwise())
            if self.options.sync_batchnorm and self.ranks.world > 1:
                stack.enter_context(SyncedBatchNorm())
            yield

    def _check_first(self) -> None:
        """Refuse a first batch in which there is nothing to tell apart."""
        if self.chance == 0:
            rule = "batch_size must give batches in which two textures lie in two images each"
            advice = "use a larger one, or fewer batch_classes"
            raise UsageError(f"{rule}, got {self.options.batch_size}; {advice}")

    @property
    def chance(self) -> float:
        """The mean loss of guessing, over the batches of the epoch."""
        return sum(self._chances) / max(1, len(self._chances))

    def is_guessing(self, loss: float) -> bool:
        """Return whether a mean loss is about that of guessing."""
        return 0 < _GUESSING * self.chance < loss

    def _seed(self, epoch: int, step: int) -> None:
        """Seed the random choices within a step, such as dropout: they depend on nothing before it."""
        place = step << 16 | self.ranks.rank
        rng = generator(self.options.seed, epoch, place, "pretrain.step")
        seed = rng.integers(2**63)
        torch.manual_seed(int(seed))

    @torch.inference_mode()
    def validate(self, batches, advance) -> tuple[float, float]:
        """Return loss and accuracy over the validation images of all ranks."""
        self.ranks.share_buffers(self.model)
        self.model.eval()
        sums = new_sums(self.ranks.device)
        for images, labels in batches:
            count = len(labels)
            found = self._forward(self.model, images, labels, 0.0)
            _add(sums, found.loss * count, found.hits, count)
            advance(count * self.ranks.world)

        total = self.ranks.total(sums)
        return means(total)

    def _set_rate(self, epoch: int, part: float) -> None:
        rate = learning_rate(self.options, epoch, part)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _forward(self, model, images, labels, smoothing: float) -> Measured:
        device = self.ranks.device
        labels = labels.to(device, non_blocking=True)
        half = self.options.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            values = normalised(images, self.options, device)
            outputs = model(values)
        return self._measure(outputs, labels, self.options, smoothing)


def new_sums(device: torch.device) -> torch.Tensor:
    """Return zero loss, hits and images."""
    return torch.zeros(3, dtype=torch.float64, device=device)


def _add(sums: torch.Tensor, loss, hits, count: int) -> None:
    images = torch.full_like(hits, count)
    rows = torch.stack([loss.double(), hits.double(), images.double()])
    sums += rows


def means(sums: torch.Tensor) -> tuple[float, float]:
    """Return mean loss and accuracy."""
    loss, hits, count = sums.tolist()
    mean_loss = loss / count
    accuracy = hits / count
    return mean_loss, accuracy


def check_finite(sums: torch.Tensor, place: str) -> None:
    """Raise `SynthgenError` once the loss is infinite or not a number."""
    loss = float(sums[0])
    if not math.isfinite(loss):
        advice = "begin anew with a lower --lr or a --warmup"
        raise SynthgenError(f"{place}: the loss is no number any more; {advice}")


class Clock:
    """Says when to save: at an interval, and when the user or the batch system asks the run to end."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._last = time.monotonic()
        self.interrupted = False

    def due(self) -> bool:
        """Return whether to save now; if so, the interval begins anew."""
        if not self.interrupted and time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True

    @contextmanager
    def holding_signals(self, note, alone: bool = True):
        """Turn the first SIGINT or SIGTERM into a wish: the step is finished and saved. A second one ends at once.

        TrainingGroup that are not `alone` end at once: they would wait for each other for ever.
        """
        if not alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def wish(number, frame):
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            note("saving after this step; once more to stop at once")

        for number in before:
            signal.signal(number, wish)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
