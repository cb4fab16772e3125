"""Who draws the shards of a run: processes of this machine, or the tasks of a Ray cluster.

All executors have one face. What they write is the same to the last byte: a shard follows from the plan alone.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe
from synthgen.run.estimate import Estimate, drawer_of, effective_workers, probe
from synthgen.run.plan import Plan
from synthgen.run.pool import run_pool
from synthgen.run.progress import Progress
from synthgen.run.target import Target

_MOST_WORKERS = 4096
_MOST_OF_A_TASK = 1024


class Crew(msgspec.Struct, frozen=True):
    """Who is to draw.

    Attributes
    ----------
    executor : str
        A name of `EXECUTORS`.
    workers : int or None
        Processes, or tasks at a time; None for as many as there are CPUs.
    address : str or None
        Of the Ray cluster; None for one that is begun on this machine.
    cpus_per_task, gpus_per_task : float
        What a task of Ray takes of its node.
    """

    executor: str = "local"
    workers: int | None = None
    address: str | None = None
    cpus_per_task: float = 1
    gpus_per_task: float = 0

    def check(self) -> None:
        """Raise `UsageError` unless all values are in range and belong together."""
        if self.executor not in EXECUTORS:
            known = " or ".join(EXECUTORS)
            raise UsageError(f"executor must be {known}, got {self.executor!r}")
        if self.workers is not None and not 0 <= self.workers <= _MOST_WORKERS:
            raise UsageError(f"workers must lie in 0..{_MOST_WORKERS}, got {self.workers}")
        if not 0 < self.cpus_per_task <= _MOST_OF_A_TASK:
            raise UsageError(f"cpus_per_task must lie in (0, {_MOST_OF_A_TASK}], got {self.cpus_per_task}")
        if not 0 <= self.gpus_per_task <= _MOST_OF_A_TASK:
            raise UsageError(f"gpus_per_task must lie in 0..{_MOST_OF_A_TASK}, got {self.gpus_per_task}")

        if self.executor == "ray":
            if self.workers == 0:
                rule = "workers must be at least 1 with the executor ray"
                raise UsageError(f"{rule}, got 0: its tasks draw, and never this process")
            return
        usual = Crew()
        for name in ("address", "cpus_per_task", "gpus_per_task"):
            given = getattr(self, name)
            if given != getattr(usual, name):
                raise UsageError(f"{name} must go with the executor ray, got {self.executor}")


class Executor(Protocol):
    """What draws shards."""

    # Whether shards may be drawn by devices that differ from one another.
    has_many_devices: bool

    def device(self, recipe: Recipe) -> str:
        """Return the name of the device that draws a recipe."""

    def probe(self, plan: Plan, todo: Sequence[int]) -> Estimate:
        """Return what some shards will take, as one process draws them."""

    def offered(self, plan: Plan) -> int:
        """Return how many shards may be drawn at a time, 0 for one in this process."""

    def shares_device(self, plan: Plan) -> bool:
        """Return whether several processes may draw a plan at a time."""

    def run(self, plan: Plan, target: Target, shards: list[int], offered: int, progress: Progress) -> None:
        """Draw shards.

        Parameters
        ----------
        plan : Plan
        target : Target
            Where the shards go.
        shards : list of int
        offered : int
            As `offered` returns: how many to draw at a time at most, 0 for one in this process.
        progress : Progress
            Told of each sample, also of those of a shard that is not finished.

        Raises
        ------
        WorkerError
            If workers died again and again over the same shard.
        SynthgenError
            What a worker reported, for example a full disk.
        """


class Local:
    """Processes of this machine."""

    has_many_devices = False

    def __init__(self, crew: Crew):
        self._crew = crew

    def device(self, recipe: Recipe) -> str:
        """Return the name of the device that draws a recipe."""
        return device_name(recipe)

    def probe(self, plan: Plan, todo: Sequence[int]) -> Estimate:
        """Return what some shards will take."""
        return probe(plan, todo)

    def offered(self, plan: Plan) -> int:
        """Return how many processes may draw, 0 for this one."""
        return effective_workers(plan, self._crew.workers)

    def shares_device(self, plan: Plan) -> bool:
        """Return whether several processes may draw a plan at a time."""
        return not drawer_of(plan).exclusive

    def run(self, plan: Plan, target: Target, shards: list[int], offered: int, progress: Progress) -> None:
        """Draw shards; parameters and errors as for `Executor.run`."""
        if offered and not target.needs_this_process:
            run_pool(plan, target, shards, offered, progress)
            return
        for shard in shards:
            target.write(plan, shard, progress.advance)

    def close(self) -> None:
        """Do nothing: the processes have ended with the shards."""


def _ray(crew: Crew):
    from synthgen.run.ray import Ray

    return Ray(crew)


EXECUTORS = {"local": Local, "ray": _ray}


@contextmanager
def executor_of(crew: Crew):
    """Yield the executor of a crew; it is closed at the end."""
    executor = EXECUTORS[crew.executor](crew)
    try:
        yield executor
    finally:
        executor.close()


def device_name(recipe: Recipe) -> str:
    """Return the name of the device that draws a recipe in this process."""
    family = families.load(recipe.family)
    return families.device_of(family, recipe.options).name
