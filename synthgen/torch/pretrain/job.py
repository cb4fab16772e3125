"""A pre-training from start to end: epochs, checkpoints, report. Running it again resumes it."""

import time
from pathlib import Path

import msgspec
import torch

from synthgen.errors import UsageError
from synthgen.run.progress import Progress
from synthgen.torch.backbones import BEST, check_architecture, create_model, size_options
from synthgen.torch.pretrain import report
from synthgen.torch.pretrain.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from synthgen.torch.pretrain.folder import LAST, finished_card, owned_folder
from synthgen.torch.pretrain.loop import Clock, Trainer, check_finite, means
from synthgen.torch.pretrain.options import Options, learning_rate, make_options
from synthgen.torch.pretrain.ranks import Ranks, choose_precision, joined_ranks
from synthgen.torch.pretrain.reading import (
    Shares,
    Source,
    choose_workers,
    open_source,
    share_out,
    training_batches,
    validation_batches,
)

# Curves take half a second to draw: after short epochs that waits for the end.
_LONG_EPOCH = 10.0


class Report(msgspec.Struct, frozen=True):
    """What a pre-training came to.

    Attributes
    ----------
    path : str
        The folder.
    epochs : int
        Trained; fewer than asked for where the accuracy reached ``stop_at``.
    best_epoch : int
        1-based.
    accuracy, loss : float
        Best validation accuracy, and the loss at that epoch.
    was_finished : bool
        Nothing was left to do.
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
    arch: str,
    preset: str = "baseline",
    read: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_seconds: float = 300,
    keep_every: int = 0,
    progress="auto",
    overwrite: bool = False,
    place: str = "pretrain",
    **changes,
) -> Report:
    """Train a backbone to tell the classes of a data set apart, or the rest of a training that was interrupted.

    The final weights do not depend on interruptions, nor (but for ``read="stream"``) on the number of workers. In
    the folder are then ``best.safetensors`` and ``last.safetensors`` (timm `state_dict`) with cards, ``log.csv``,
    ``log.png``, ``filters.png``.

    Parameters
    ----------
    source : str or Path
        Folder of a data set, or a recipe, whose images are drawn as they are needed.
    out : str or Path
        Folder of the results.
    arch : str
        Any name of a timm model.
    preset : {'baseline', 'var1', 'var1-batch', 'var1-noscheduler'}
        Settings of paper 000, sections 4 and 7.3; `changes` replace single ones, see `Options`.
    read : {'map', 'stream', 'live'}, optional
        Shards in a new order each epoch; nearly in stored order, for slow disks; or drawn on the fly. By default
        map for a data set and live for a recipe.
    workers : int, optional
        Processes that read.
    threads : int, optional
        Of torch on the CPU; by default all cores.
    device : {'auto', 'cpu', 'cuda'}
    checkpoint_seconds : float
        Interval between checkpoints within an epoch; at its end there is always one.
    keep_every : int
        Keep the weights of each epoch that this divides; 0: of none.
    progress : bool or {'auto', 'plain', 'none'}
    overwrite : bool
        Replace a pre-training that lies in the folder.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If an option breaks a rule, or the folder holds something else; the message says what differs.
    LockedError
        If another process trains in the folder.
    """
    options = make_options(preset, changes, place)
    check_architecture(arch)
    images = open_source(source, read)
    if checkpoint_seconds < 0 or keep_every < 0:
        raise UsageError(f"intervals must be >= 0, got {checkpoint_seconds} s and {keep_every} epochs")
    with joined_ranks(device, threads, options.deterministic) as ranks:
        options = msgspec.structs.replace(options, precision=choose_precision(options.precision, ranks.device))
        workers = choose_workers(images, workers, ranks.device.type == "cuda")
        shares = share_out(len(images.dataset), images.read, options, ranks.world, workers)
        job = _Job(Path(out), arch, images, options, shares, ranks, workers, input_size(images.size, options))
        with owned_folder(job.folder, job.identity(), overwrite, ranks):
            card = finished_card(job.folder)
            was_finished = card is not None
            if not was_finished:
                card = job.run(progress if ranks.rank == 0 else "none", checkpoint_seconds, keep_every)
            best = card["best"]
            return Report(
                str(out), card["epoch"], best["epoch"], best["val_accuracy"], best["val_loss"], was_finished
            )


def input_size(size: tuple[int, int], options: Options) -> tuple[int, int]:
    """Return height and width of what the network sees, of images of `size`."""
    if options.resize:
        size = (options.resize, options.resize)
    if options.crop > min(size) and options.scale == (1.0, 1.0):
        raise UsageError(
            f"--crop must be <= {min(size)}, the images' side in pixels, or go with --resize; got {options.crop}"
        )
    return (options.crop, options.crop) if options.crop else size


def build_model(arch: str, classes: int, seed: int, size: tuple[int, int]) -> torch.nn.Module:
    """Return a model with random weights; it has been tried on an image of `size`.

    Raises
    ------
    UsageError
        If the architecture does not take such images.
    """
    try:
        model = create_model(arch, seed, num_classes=classes, **size_options(arch, size))
        with torch.inference_mode():
            scores = model.eval()(torch.zeros(1, 3, *size))
        fits = isinstance(scores, torch.Tensor) and scores.shape == (1, classes)
        reason = "" if fits else ": it has no classifier"
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        fits, reason = False, ": " + " ".join(str(error).split())[:200]
    if not fits:
        raise UsageError(f"--arch {arch} must classify images of {size[1]}x{size[0]} pixels{reason}")
    silence(model)
    return model


@torch.no_grad()
def silence(model: torch.nn.Module) -> None:
    """Set the last layer of each classifier of a model of timm's to zero: training begins from no opinion.

    16,000 images of 10 classes then bring tf_efficientnet_lite0 to 24 % instead of 16 % accuracy: timm's random
    scores, up to 6 nats wrong, must be unlearned first. Zeros in earlier layers would never be left again.
    """
    heads = model.get_classifier()
    for head in heads if isinstance(heads, tuple) else (heads,):
        layers = [m for m in head.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
        for weights in layers[-1].parameters() if layers else ():
            weights.zero_()


class _Job(msgspec.Struct, frozen=True):
    """All that is settled before the first step."""

    folder: Path
    arch: str
    source: Source
    options: Options
    shares: Shares
    ranks: Ranks
    workers: int
    size: tuple[int, int]

    def identity(self) -> dict:
        """Return all that the weights depend on, flat: what a resumed run compares with."""
        return {
            "arch": self.arch,
            "data": self.source.record.fingerprints.data,
            "read": self.source.read,
            "ranks": self.ranks.world,
            # a stream's batches depend on who reads them
            "workers": self.workers if self.source.read == "stream" else None,
            **msgspec.to_builtins(self.options),
        }

    def validates(self, epoch: int) -> bool:
        return (epoch + 1) % self.options.val_every == 0 or epoch + 1 == self.options.epochs

    def images_of(self, epoch: int) -> int:
        """Return how many images an epoch reads."""
        training = self.shares.steps * self.options.batch_size
        return training + self.validates(epoch) * len(self.shares.validation)

    def run(self, progress, checkpoint_seconds: float, keep_every: int) -> dict:
        """Train what is left to train; return the card of the last weights."""
        options, ranks = self.options, self.ranks
        model = build_model(self.arch, self.source.record.classes, options.seed, self.size)
        trainer = Trainer(model.to(ranks.device, memory_format=torch.channels_last), options, ranks)
        state = load_checkpoint(self.folder, model, trainer.optimizer)
        state = state or {"epoch": 0, "step": 0, "sums": [0.0] * 3, "seconds": 0.0, "history": [], "stopped": False}
        total = sum(map(self.images_of, range(options.epochs)))
        done = sum(map(self.images_of, range(state["epoch"]))) + state["step"] * options.batch_size
        clock = Clock(checkpoint_seconds)
        with Progress(progress, total, done) as bar, clock.holding_signals(bar.note, alone=ranks.world == 1):
            if done:
                bar.note(f"{self.folder}: resumed in epoch {state['epoch'] + 1} after step {state['step']}")
            while state["epoch"] < options.epochs and not state["stopped"]:
                self._epoch(trainer, state, clock, bar, keep_every)
        return self._finish(model, state)

    def _epoch(self, trainer: Trainer, state: dict, clock: Clock, bar: Progress, keep_every: int) -> None:
        """Train and validate for the rest of an epoch, and write down what came of it."""
        epoch, first, begin, before = state["epoch"], state["step"], time.monotonic(), state["seconds"]
        sums = torch.tensor(state["sums"], dtype=torch.float64, device=self.ranks.device)

        def save(step: int) -> None:
            state.update(step=step, sums=sums.tolist(), seconds=before + time.monotonic() - begin)
            check_finite(sums, f"epoch {epoch + 1}, step {step}")
            self._save(trainer, state)
            if clock.interrupted:
                raise KeyboardInterrupt

        def after_step(step: int, images: int) -> None:
            bar.advance(images)
            if step < self.shares.steps and clock.due():
                save(step)

        def after_validation_batch(images: int) -> None:
            bar.advance(images)
            if clock.interrupted:
                save(self.shares.steps)

        batches = training_batches(self.source, self.options, self.shares, self.ranks, self.workers, epoch, first)
        trainer.train_epoch(batches, epoch, first, self.shares.steps, sums, after_step)
        total = self.ranks.total(sums)
        check_finite(total, f"epoch {epoch + 1}")
        trained = (self.shares.steps - first) * self.options.batch_size
        row = dict.fromkeys(report.COLUMNS)
        row["epoch"], row["lr"] = epoch + 1, learning_rate(self.options, epoch)
        row["train_loss"], row["train_accuracy"] = means(total)
        row["images_per_second"] = round(trained / max(time.monotonic() - begin, 1e-9), 1)
        if self.validates(epoch):
            views = validation_batches(self.source, self.options, self.shares, self.ranks, self.workers, self.size)
            row["val_loss"], row["val_accuracy"] = trainer.validate(views, after_validation_batch)
            state["stopped"] = row["val_accuracy"] >= self.options.stop_at
        row["seconds"] = round(before + time.monotonic() - begin, 1)
        state["history"].append(row)
        self._report(trainer.model, state, keep_every)
        bar.note(_told(row, self.options.epochs))
        state.update(epoch=epoch + 1, step=0, sums=[0.0] * 3, seconds=0.0)
        self._save(trainer, state)
        if clock.interrupted:
            raise KeyboardInterrupt

    def _save(self, trainer: Trainer, state: dict) -> None:
        if self.ranks.rank == 0:
            save_checkpoint(self.folder, trainer.model, trainer.optimizer, state)

    def _report(self, model, state: dict, keep_every: int) -> None:
        """Write the files of an epoch. Those of one that is trained again after a kill are written again, equal."""
        if self.ranks.rank:
            return
        row, best = state["history"][-1], best_row(state["history"])
        if row is best:
            report.write_backbone(self.folder / BEST, model, self._card(state))
            report.write_filters(self.folder / report.FILTERS, model)
        if keep_every and row["epoch"] % keep_every == 0:
            report.write_backbone(self.folder / report.files_of_epoch(row["epoch"]), model, self._card(state))
        report.write_csv(self.folder / report.CSV, state["history"])
        if row["seconds"] > _LONG_EPOCH:
            self._draw_curves(state)

    def _draw_curves(self, state: dict) -> None:
        title = f"{self.arch} on {self.source.record.recipe['name']}"
        report.write_curves(self.folder / report.CURVES, state["history"], title)

    def _finish(self, model, state: dict) -> dict:
        """Write the last weights; their card says that the training is finished."""
        card = self._card(state)
        if self.ranks.rank == 0:
            self._draw_curves(state)
            report.write_backbone(self.folder / LAST, model, card)
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return card

    def _card(self, state: dict) -> dict:
        row = state["history"][-1]
        keys = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
        card = report.make_card(self.arch, self.options, self.source, self.size, self.ranks)
        best = best_row(state["history"])
        return {**card, **{key: row[key] for key in keys}, "best": best and {key: best[key] for key in keys}}


def best_row(history: list[dict]) -> dict | None:
    """Return the row of the best validation accuracy, the first of several that are equal."""
    rows = [row for row in history if row["val_accuracy"] is not None]
    return max(rows, key=lambda row: row["val_accuracy"], default=None)


def _told(row: dict, epochs: int) -> str:
    text = f"epoch {row['epoch']} of {epochs}: loss {row['train_loss']:.4f}, accuracy {row['train_accuracy']:.2%}"
    if row["val_accuracy"] is not None:
        text += f"; validation {row['val_loss']:.4f}, {row['val_accuracy']:.2%}"
    return f"{text}; {row['images_per_second']:,.0f} images/s"
