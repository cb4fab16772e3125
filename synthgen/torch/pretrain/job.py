"""A pre-training from start to end: epochs, checkpoints, report. Running it again resumes it."""

import hashlib
import json
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import torch

from synthgen.errors import UsageError
from synthgen.run.progress import Progress
from synthgen.shards.files import refuse_remote
from synthgen.tables import write_csv
from synthgen.torch.backbones import BEST, check_architecture
from synthgen.torch.memory import freed_memory_kept
from synthgen.torch.pretrain import report
from synthgen.torch.pretrain.checkpoint import CHECKPOINT, damaged, load_checkpoint, save_checkpoint
from synthgen.torch.pretrain.composites import Composites, share_out_composites
from synthgen.torch.pretrain.dense import DenseNetwork, build_dense
from synthgen.torch.pretrain.folder import LAST, finished_results, owned_folder, results_on
from synthgen.torch.pretrain.loop import Clock, Trainer, check_finite, means
from synthgen.torch.pretrain.network import build_model, input_size
from synthgen.torch.pretrain.options import ARCHITECTURES, LATER, Options, learning_rate, make_options
from synthgen.torch.pretrain.probe import Probe, measure_probe, open_probe
from synthgen.torch.pretrain.ranks import TrainingGroup, choose_precision, joined_ranks
from synthgen.torch.pretrain.reading import (
    ImageBatches,
    Shares,
    Source,
    choose_workers,
    open_source,
    share_out,
)
from synthgen.torch.pretrain.regions import check_fields

# Curves take half a second to draw: after epochs shorter than this they are left for the end.
_LONG_EPOCH = 10.0
# Steps in which a training need not have learned anything yet.
_EARLY = 200
_Natural = Annotated[int, msgspec.Meta(ge=0)]


class PretrainReport(msgspec.Struct, frozen=True):
    """The results of a pre-training.

    Attributes
    ----------
    path : str
        The folder.
    epochs : int
        Epochs that were trained; fewer than asked for where the accuracy reached ``stop_at``.
    best_epoch : int
        Epoch of the best validation accuracy, 1-based.
    accuracy, loss : float
        Validation accuracy and loss of that epoch.
    was_finished : bool
        Whether nothing was left to do.
    """

    path: str
    epochs: int
    best_epoch: int
    accuracy: float
    loss: float
    was_finished: bool


def pretrain(
    source,
    out,
    arch: str | None = None,
    preset: str = "baseline",
    read: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_seconds: float = 300,
    keep_every: int = 0,
    probe=None,
    probe_every: int = 1,
    progress="auto",
    overwrite: bool = False,
    **changes,
) -> PretrainReport:
    """Train a backbone on a data set, by its classes or its textures; a training that was interrupted goes on.

    The final weights do not depend on interruptions, nor (but for ``read="stream"``) on the number of workers. In
    the folder are then ``best.safetensors`` and ``last.safetensors`` (timm `state_dict`) with cards, ``log.csv``,
    ``log.png``, ``filters.png``.

    Parameters
    ----------
    source : str or Path
        Folder of a data set, or a recipe, whose images are drawn as they are needed.
    out : str or Path
        Folder of the results.
    arch : str, optional
        Any name of a timm model; by default that of the preset, where it has one.
    preset : {'baseline', 'var1', 'var1-batch', 'var1-noscheduler', 'transforms', 'surface', 'surface-quick'}
        Settings of Ugwu et al. 2024, sections 4 and 7.3, or of our backbones for surfaces; `changes` replace
        single ones, see `Options`.
    read : {'map', 'stream', 'live'}, optional
        Shards in a new order each epoch; nearly in stored order, for slow disks; or drawn on the fly. By default
        map for a data set and live for a recipe.
    workers : int, optional
        Processes that read.
    threads : int, optional
        Threads of torch on the CPU; by default one for each core.
    device : {'auto', 'cpu', 'cuda'}
    checkpoint_seconds : float
        Interval between checkpoints within an epoch; at its end there is always one.
    keep_every : int
        Keep the weights of every n-th epoch; 0 keeps none.
    probe : str or Path, optional
        A test set of ours, or its recipe: PatchCore is measured on it, in columns of ``log.csv``. It changes
        neither the weights nor which epoch is the best.
    probe_every : int
        Probe after every n-th epoch, and after the last.
    progress : bool or {'auto', 'plain', 'none'}
    overwrite : bool
        Replace a pre-training that lies in the folder.

    Returns
    -------
    PretrainReport

    Raises
    ------
    UsageError
        If an option breaks a rule, or the folder holds something else; the message says what differs.
    FormatError
        If the data set or a file in the folder is damaged.
    LockedError
        If another process trains in the folder.
    """
    refuse_remote(out)
    options = make_options(preset, changes)
    arch = _architecture(arch, preset)
    if checkpoint_seconds < 0:
        raise UsageError(f"checkpoint_seconds must be >= 0, got {checkpoint_seconds}")
    if keep_every < 0:
        raise UsageError(f"keep_every must be >= 0, got {keep_every}")
    if probe_every < 1:
        raise UsageError(f"probe_every must be >= 1, got {probe_every}")

    images = _opened(source, read, options)
    probing = _Probing(open_probe(probe), probe_every) if probe is not None else None
    with joined_ranks(device, threads, options.deterministic) as ranks:
        job = _settled(Path(out), arch, images, options, ranks, workers)
        with owned_folder(job.folder, job.identity(), overwrite, ranks):
            results = finished_results(job.folder)
            was_finished = results is not None
            if results is None:
                clock = Clock(checkpoint_seconds)
                shown = progress if ranks.rank == 0 else "none"
                card = _Training(job, clock, keep_every, probing).run(shown)
                results = results_on(card, out)

    best = results.best
    return PretrainReport(
        path=str(out),
        epochs=results.epoch,
        best_epoch=best.epoch,
        accuracy=best.val_accuracy,
        loss=best.val_loss,
        was_finished=was_finished,
    )


class _Probing(NamedTuple):
    """Images to probe with, and how often."""

    probe: Probe
    every: int


def _architecture(arch: str | None, preset: str) -> str:
    """Return the architecture that was asked for, or that of the preset."""
    arch = arch or ARCHITECTURES.get(preset)
    if arch is None:
        known = ", ".join(ARCHITECTURES)
        raise UsageError(f"arch must be the name of a timm model, got none; only the presets {known} have one")
    check_architecture(arch)
    return arch


def _opened(source, read: str | None, options: Options) -> Source:
    """Return the images of a data set, if they suit the objective."""
    if not options.is_dense:
        return open_source(source, read)
    images = open_source(source, read, least=1)
    check_fields(source, images.record.fields)
    return images


class _Job(msgspec.Struct, frozen=True):
    """All that is settled before the first step."""

    folder: Path
    arch: str
    source: Source
    options: Options
    shares: Shares
    ranks: TrainingGroup
    workers: int
    size: tuple[int, int]

    def identity(self) -> dict:
        """Return all that the weights depend on, flat: what a resumed run compares with."""
        read = self.source.read
        options = msgspec.to_builtins(self.options)
        for name, value in LATER.items():
            if options[name] == value:
                del options[name]
        return {
            "arch": self.arch,
            "data": self.source.record.fingerprints.data,
            "read": read,
            "ranks": self.ranks.world,
            # the batches of a stream depend on who reads them
            "workers": self.workers if read == "stream" else None,
            **options,
        }

    def fingerprint(self) -> str:
        """Return a digest of the identity: what a checkpoint is of."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def validates(self, epoch: int) -> bool:
        """Return whether there is a validation after an epoch."""
        done = epoch + 1
        is_last = done == self.options.epochs
        return is_last or done % self.options.val_every == 0

    def images_before(self, epoch: int) -> int:
        """Return how many images are read before an epoch."""
        steps = epoch * self.shares.steps
        training = steps * self.options.batch_size
        validations = sum(map(self.validates, range(epoch)))
        validating = validations * self.shares.validated
        return training + validating

    def network(self) -> torch.nn.Module:
        """Return the network before the first step."""
        classes = self.source.record.classes
        if self.options.is_dense:
            return build_dense(self.arch, self.options, self.size, classes)
        return build_model(self.arch, classes, self.options.seed, self.size)

    def batches(self) -> ImageBatches | Composites:
        """Return what gives the batches of training and validation."""
        given = (self.source, self.options, self.shares, self.ranks, self.workers)
        if self.options.is_dense:
            return Composites(*given)
        return ImageBatches(*given, self.size)

    def card(self, history: list[dict]) -> dict:
        """Return what is known of the weights after the epochs of a history."""
        card = report.make_card(self.arch, self.options, self.source, self.size, self.ranks)
        results = report.results_of(history)
        return {**card, **results}


def _settled(folder: Path, arch: str, images: Source, options: Options, ranks, workers: int | None) -> _Job:
    """Return the job, with all that was left open chosen and checked."""
    precision = choose_precision(options.precision, ranks.device)
    options = msgspec.structs.replace(options, precision=precision)
    on_gpu = ranks.device.type == "cuda"
    workers = choose_workers(images, workers, on_gpu)
    if options.is_dense:
        shares = share_out_composites(images, options, ranks.world)
    else:
        shares = share_out(len(images.dataset), images.read, options, ranks.world, workers)

    return _Job(
        folder=folder,
        arch=arch,
        source=images,
        options=options,
        shares=shares,
        ranks=ranks,
        workers=workers,
        size=input_size(images.size, options),
    )


class _State(msgspec.Struct):
    """Where a training is; a checkpoint holds it.

    Attributes
    ----------
    epoch, step : int
        Whole epochs, and steps of the next one, that are done.
    sums : list of float
        Loss, hits and images of these steps.
    seconds : float
        Time that they took.
    history : list of dict
        A row for each epoch.
    stopped : bool
        Whether the validation accuracy reached ``stop_at``.
    """

    epoch: _Natural = 0
    step: _Natural = 0
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seconds: float = 0.0
    history: list[dict] = msgspec.field(default_factory=list)
    stopped: bool = False

    def begin_next(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.step = 0
        self.sums = (0.0, 0.0, 0.0)
        self.seconds = 0.0


class _Training:
    """A training under way."""

    def __init__(self, job: _Job, clock: Clock, keep_every: int, probing: _Probing | None):
        model = job.network()
        model.to(job.ranks.device)
        model.to(memory_format=torch.channels_last)
        self.job = job
        self.clock = clock
        self.keep_every = keep_every
        self.probing = probing
        self.model = model
        self.batches = job.batches()
        self.trainer = Trainer(model, job.options, job.ranks)
        self.state = self._loaded_state()

    def run(self, progress) -> dict:
        """Train what is left to train; return the card of the last weights."""
        job = self.job
        state = self.state
        epochs = job.options.epochs
        total = job.images_before(epochs)
        done = job.images_before(state.epoch) + state.step * job.options.batch_size
        alone = job.ranks.world == 1

        with freed_memory_kept(), Progress(progress, total, done) as self.bar:
            self.batches.prepare(self.bar.note)
            with self.clock.holding_signals(self.bar.note, alone):
                if done:
                    place = f"epoch {state.epoch + 1} after step {state.step}"
                    self.bar.note(f"{job.folder}: resumed in {place}")
                while state.epoch < epochs and not state.stopped:
                    self._train_epoch()
        return self._finish()

    def _loaded_state(self) -> _State:
        """Return the state of the checkpoint, with its weights loaded, or that of the beginning."""
        job = self.job
        values = load_checkpoint(job.folder, self.model, self.trainer.optimizer, job.fingerprint())
        if values is None:
            return _State()
        try:
            state = msgspec.convert(values, _State)
        except msgspec.ValidationError as error:
            raise damaged(job.folder, str(error)) from None

        rows = len(state.history)
        steps = job.shares.steps
        if rows != state.epoch:
            raise damaged(job.folder, f"its history must have {state.epoch} epochs, got {rows}")
        if state.step > steps:
            raise damaged(job.folder, f"its step must be at most {steps}, got {state.step}")
        return state

    def _train_epoch(self) -> None:
        """Train and validate for the rest of an epoch, and write down its results."""
        job = self.job
        state = self.state
        epoch = state.epoch
        first = state.step
        self._begin = time.monotonic()
        self._before = state.seconds
        self._sums = torch.tensor(state.sums, dtype=torch.float64, device=job.ranks.device)

        batches = self.batches.training(epoch, first)
        self.trainer.train_epoch(batches, epoch, first, job.shares.steps, self._sums, self._after_step)
        row = self._training_row(first)
        if job.validates(state.epoch):
            self._validate(row)
        self._probe(row)
        row["seconds"] = round(self._seconds(), 1)

        state.history.append(row)
        self._report()
        self.bar.note(report.line_of(row, job.options.epochs))
        self._warn_of_guessing(row)
        state.begin_next()
        self._write_checkpoint()

    def _warn_of_guessing(self, row: dict) -> None:
        """Say so where a training that had time to learn has learned nothing."""
        steps = row["epoch"] * self.job.shares.steps
        is_early = steps < _EARLY or row["epoch"] <= self.job.options.warmup
        loss = row["train_loss"]
        if is_early or not self.trainer.is_guessing(loss):
            return
        chance = self.trainer.chance
        advice = "a lower --lr or a longer --warmup may help, or classes that differ more"
        self.bar.note(f"epoch {row['epoch']}: the loss {loss:.3f} is that of guessing, {chance:.3f}; {advice}")

    def _seconds(self) -> float:
        """Return how long the epoch has taken, over all runs."""
        now = time.monotonic()
        return self._before + now - self._begin

    def _after_step(self, step: int, images: int) -> None:
        self.bar.advance(images)
        is_last = step >= self.job.shares.steps
        if not is_last and self.clock.due():
            self._save(step)

    def _after_validation_batch(self, images: int) -> None:
        self.bar.advance(images)
        if self.clock.interrupted:
            self._save(self.job.shares.steps)

    def _save(self, step: int) -> None:
        """Write a checkpoint within the epoch."""
        state = self.state
        check_finite(self._sums, f"epoch {state.epoch + 1}, step {step}")
        state.step = step
        loss, hits, images = self._sums.tolist()
        state.sums = (loss, hits, images)
        state.seconds = self._seconds()
        self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        """Write the checkpoint; end here if the user asked to."""
        job = self.job
        if job.ranks.rank == 0:
            values = msgspec.to_builtins(self.state)
            save_checkpoint(job.folder, self.model, self.trainer.optimizer, values, job.fingerprint())
        if self.clock.interrupted:
            raise KeyboardInterrupt

    def _training_row(self, first: int) -> dict:
        """Return the row of the epoch, without its validation."""
        job = self.job
        epoch = self.state.epoch
        total = job.ranks.total(self._sums)
        check_finite(total, f"epoch {epoch + 1}")

        steps = job.shares.steps - first
        trained = steps * job.options.batch_size
        passed = time.monotonic() - self._begin
        rate = trained / max(passed, 1e-9)
        loss, accuracy = means(total)

        row = dict.fromkeys(report.COLUMNS)
        row["epoch"] = epoch + 1
        row["lr"] = learning_rate(job.options, epoch)
        row["train_loss"] = loss
        row["train_accuracy"] = accuracy
        row["images_per_second"] = round(rate, 1)
        return row

    def _validate(self, row: dict) -> None:
        """Add the results of a validation to a row."""
        options = self.job.options
        batches = self.batches.validation()
        loss, accuracy = self.trainer.validate(batches, self._after_validation_batch)
        row["val_loss"] = loss
        row["val_accuracy"] = accuracy
        self.state.stopped = accuracy >= options.stop_at

    def _probe(self, row: dict) -> None:
        """Add what a probe finds to a row."""
        job = self.job
        epoch = row["epoch"]
        if self.probing is None or job.ranks.rank:
            return
        if epoch % self.probing.every == 0 or epoch == job.options.epochs:
            row |= measure_probe(self.probing.probe, self.backbone, job.arch, job.options, job.size)

    def _report(self) -> None:
        """Write the files of an epoch. An epoch that is trained again after a kill writes the same ones."""
        if self.job.ranks.rank:
            return
        folder = self.job.folder
        history = self.state.history
        row = history[-1]
        epoch = row["epoch"]
        if row is report.best_row(history):
            self._write_weights(BEST)
            report.write_filters(folder / report.FILTERS, self.backbone)
        if self.keep_every and epoch % self.keep_every == 0:
            name = report.files_of_epoch(epoch)
            self._write_weights(name)

        write_csv(folder / report.CSV, history, report.columns_of(history))
        if row["seconds"] > _LONG_EPOCH:
            self._draw_curves()

    def _write_weights(self, name: str) -> None:
        card = self.job.card(self.state.history)
        report.write_backbone(self.job.folder / name, self.backbone, card)

    @property
    def backbone(self) -> torch.nn.Module:
        """The network that is saved: without the heads of the objective dense."""
        return self.model.net if isinstance(self.model, DenseNetwork) else self.model

    def _draw_curves(self) -> None:
        job = self.job
        path = job.folder / report.CURVES
        data_set = job.source.record.recipe["name"]
        title = f"{job.arch} on {data_set}"
        report.write_curves(path, self.state.history, title)

    def _finish(self) -> dict:
        """Write the last weights; their card says that the training is finished."""
        if self.job.ranks.rank == 0:
            self._draw_curves()
            self._write_weights(LAST)
            checkpoint = self.job.folder / CHECKPOINT
            checkpoint.unlink(missing_ok=True)
        return self.job.card(self.state.history)
