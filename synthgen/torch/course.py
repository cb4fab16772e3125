"""A training, step by step: seeds, a bar with the time left, means of the losses, and what it goes on from."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.run.progress import Progress
from synthgen.seeding import generator
from synthgen.tables import write_csv
from synthgen.torch.deadline import in_time
from synthgen.torch.pretrain.checkpoint import damaged, load_checkpoint, save_checkpoint
from synthgen.torch.pretrain.loop import Clock

# Most rows of a history: each has the means over as many steps.
ROWS = 1000
_Natural = Annotated[int, msgspec.Meta(ge=0)]


class Kept(NamedTuple):
    """Where a training is kept.

    Attributes
    ----------
    folder : Path
        Of the checkpoint.
    table : Path
        The losses, as comma-separated values.
    seconds : float
        Interval between checkpoints.
    """

    folder: Path
    table: Path
    seconds: float = 300.0


class _State(msgspec.Struct):
    """Where a training is; a checkpoint holds it.

    Attributes
    ----------
    step : int
        Steps that are done.
    sums : dict of float
        Of the losses since the last row of the history.
    counted : int
        Steps since then.
    history : list of dict
    """

    step: _Natural = 0
    sums: dict[str, float] = msgspec.field(default_factory=dict)
    counted: _Natural = 0
    history: list[dict] = msgspec.field(default_factory=list)


class Course:
    """The steps of a training: a context, within which the steps that are left are iterated over.

    All that a step draws at random depends on the seed and its number. So a training that was interrupted ends with
    the weights that it would have had.

    Parameters
    ----------
    network : torch.nn.Module
        All that the steps change.
    optimizer : torch.optim.Optimizer or Optimizers
    steps : int
    seed : int
    name : str
        What is trained, for messages.
    kept : Kept, optional
        Where the training is kept; without it, it cannot go on.
    data : sequence of Tensor
        What is learned from: a checkpoint of other data is refused.
    progress : {'auto', 'plain', 'none'} or bool

    Attributes
    ----------
    history : list of dict
        Rows of the number of a step and the mean losses up to it, since the row before.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        optimizer: "torch.optim.Optimizer | Optimizers",
        steps: int,
        seed: int,
        name: str,
        kept: Kept | None = None,
        data: Sequence[torch.Tensor] = (),
        progress="auto",
    ):
        self.network = network
        self.optimizer = optimizer
        self.steps = steps
        self._seed = seed
        self._name = name
        self._kept = kept
        self._data = data
        self._progress = progress
        self._clock = Clock(kept.seconds if kept else math.inf)
        self._state = _State()
        self._stack = ExitStack()

    @property
    def history(self) -> list[dict]:
        """The rows so far."""
        return self._state.history

    @property
    def first(self) -> int:
        """The step that the training begins with, or goes on with."""
        return self._state.step

    def __enter__(self) -> "Course":
        self._training = digest_of(self._data) if self._kept else ""
        self._load()

        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=[]))
            progress = Progress(self._progress, self.steps, self.first, unit="steps")
            self._bar = stack.enter_context(progress)
            saves = self._kept is not None
            stack.enter_context(self._clock.holding_signals(self._bar.note, saves))
            self._stack = stack.pop_all()

        if self.first:
            self._bar.note(f"{self._name}: resumed after step {self.first:,}")
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the steps that are left; each is seeded, and kept where it is time to.

        A deadline (`synthgen.torch.deadline`) ends them earlier.
        """
        left = range(self.first, self.steps)
        for step in in_time(left):
            self._draw_seed(step)
            yield step
            self._finish(step)

        if self._state.counted:
            self._add_row()
        self._write_table()

    def descend(self, loss: torch.Tensor, longest: float | None = None, **others: torch.Tensor) -> None:
        """Change the weights against the gradient of a loss, and note it and others in the history.

        Parameters
        ----------
        loss : Tensor
        longest : float, optional
            Length that the gradient is cut to.
        **others : Tensor
            Parts of the loss, by name.

        Raises
        ------
        UsageError
            If the loss is no number.
        """
        self._note(loss=loss, **others)
        self.optimizer.zero_grad()
        loss.backward()
        if longest is not None:
            torch.nn.utils.clip_grad_norm_(trained_weights(self.optimizer), longest)
        self.optimizer.step()

    def _note(self, **losses: torch.Tensor) -> None:
        sums = self._state.sums
        for name, loss in losses.items():
            value = float(loss.detach())
            if not math.isfinite(value):
                step = self._state.step + 1
                raise UsageError(
                    f"{self._name} does not learn from these images: its loss is {value} in step {step}"
                )
            sums[name] = sums.get(name, 0.0) + value

    def _draw_seed(self, step: int) -> None:
        rng = generator(self._seed, 0, step, "course.step")
        seed = int(rng.integers(2**63))
        # `torch.manual_seed` keeps a list of all seeds until there is a GPU: 20 ms a step
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)

    def _finish(self, step: int) -> None:
        """Count a step as done."""
        state = self._state
        state.step = step + 1
        state.counted += 1
        is_last = state.step == self.steps
        if is_last or state.counted == math.ceil(self.steps / ROWS):
            self._add_row()
        self._bar.advance(1)

        if self._kept and not is_last and self._clock.due():
            self._save(self._kept.folder)

    def _add_row(self) -> None:
        state = self._state
        row: dict = {"step": state.step}
        for name, total in state.sums.items():
            row[name] = total / state.counted
        state.history.append(row)
        state.sums = {}
        state.counted = 0

    def _save(self, folder: Path) -> None:
        """Write the checkpoint; end here if the user asked to."""
        values = msgspec.to_builtins(self._state)
        save_checkpoint(folder, self.network, self.optimizer, values, self._training)
        self._write_table()
        if self._clock.interrupted:
            raise KeyboardInterrupt

    def _load(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self._kept is None:
            return
        folder = self._kept.folder
        values = load_checkpoint(folder, self.network, self.optimizer, self._training)
        if values is None:
            return

        try:
            state = msgspec.convert(values, _State)
        except msgspec.ValidationError as error:
            raise damaged(folder, str(error)) from None
        if state.step > self.steps:
            raise damaged(folder, f"its step must be at most {self.steps}, got {state.step}")
        self._state = state

    def _write_table(self) -> None:
        if self._kept is not None and self.history:
            write_csv(self._kept.table, self.history, list(self.history[0]))


class Optimizers:
    """Several optimizers as one: what a `Course` asks of an optimizer.

    Parameters
    ----------
    members : sequence of torch.optim.Optimizer
    """

    def __init__(self, members: Sequence[torch.optim.Optimizer]):
        self.members = list(members)

    @property
    def param_groups(self) -> list[dict]:
        """The groups of all members, one after the other."""
        return [group for member in self.members for group in member.param_groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad()

    def step(self) -> None:
        """Change all weights."""
        for member in self.members:
            member.step()

    def state_dict(self) -> dict:
        """Return the numbers that belong to the weights, which are counted over all members."""
        state = {}
        for first, member in self._numbered():
            for number, slots in member.state_dict()["state"].items():
                state[first + number] = slots
        return {"state": state}

    def load_state_dict(self, whole: dict) -> None:
        """Take numbers as `state_dict` returned them."""
        for first, member in self._numbered():
            own = member.state_dict()
            last = first + len(trained_weights(member))
            own["state"] = {n - first: slots for n, slots in whole["state"].items() if first <= n < last}
            member.load_state_dict(own)

    def _numbered(self) -> Iterator[tuple[int, torch.optim.Optimizer]]:
        """Yield each member with the number of its first weight."""
        first = 0
        for member in self.members:
            yield first, member
            first += len(trained_weights(member))


def trained_weights(optimizer: torch.optim.Optimizer | Optimizers) -> list[torch.nn.Parameter]:
    """Return the weights that an optimizer changes."""
    weights: list[torch.nn.Parameter] = []
    for group in optimizer.param_groups:
        weights += group["params"]
    return weights


def set_rate(optimizer: torch.optim.Optimizer | Optimizers, rate: float) -> None:
    """Set the learning rate of all weights."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def shuffled(count: int, at_once: int, seed: int, name: str, step: int) -> np.ndarray:
    """Return the places of the images of a step: those of a part of an epoch, in an order of its own.

    Parameters
    ----------
    count : int
        Images in all.
    at_once : int
        Images in a step; the last step of an epoch may have fewer.
    seed : int
    name : str
        Of the stream of random numbers.
    step : int
    """
    epoch, number = divmod(step, steps_in_epoch(count, at_once))
    order = _order_of(count, seed, epoch, name)
    start = number * at_once
    return order[start : start + at_once]


@lru_cache(maxsize=4)
def _order_of(count: int, seed: int, epoch: int, name: str) -> np.ndarray:
    """Return an order of so many images; that of millions is not drawn anew for each step."""
    rng = generator(seed, 0, epoch, name)
    return rng.permutation(count)


def steps_in_epoch(count: int, at_once: int) -> int:
    """Return how many steps go once through so many images."""
    return math.ceil(count / at_once)


def digest_of(tensors: Sequence[torch.Tensor]) -> str:
    """Return the SHA-256 of shapes, types and bytes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        shape = tuple(tensor.shape)
        digest.update(f"{tensor.dtype} {shape}\n".encode())
        plain = tensor.detach().cpu().contiguous()
        digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
