"""The tasks of a Ray cluster as workers: each draws one shard at a time, on any node.

Ray starts a task again whose process or node died. That is safe, since a shard appears whole or not at all and has
the same bytes each time.
"""

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec

from synthgen.compiled import VARIABLE
from synthgen.errors import SynthgenError, UsageError, WorkerError, error_of, one_line
from synthgen.extras import needed_for
from synthgen.recipe import Recipe
from synthgen.run.estimate import Estimate, probe
from synthgen.run.executors import Crew, device_name
from synthgen.run.orders import Order, order_of, prepared
from synthgen.run.plan import Plan
from synthgen.run.progress import Progress
from synthgen.run.target import Target
from synthgen.run.worker import Counter
from synthgen.threads import drawing_threads

# Tasks that wait or run, for each CPU: more of them would only fill the memory of the head.
_TASKS_PER_CPU = 4
# How often a task is started again whose process died.
_RETRIES = 2
_POLL_SECONDS = 0.5
_MOST_REASON = 300
_HOST_AND_PORT = re.compile(r"([^:/]+):([0-9]{1,5})")
_PATIENCE = 10.0


class Tally:
    """An actor that counts the samples of each shard as they are drawn."""

    def __init__(self):
        self._counts: dict[int, int] = {}

    def set(self, shard: int, samples: int) -> None:
        """Note how many samples of a shard are drawn."""
        self._counts[shard] = samples

    def take(self) -> dict[int, int]:
        """Return what was noted since the last call."""
        counts = self._counts
        self._counts = {}
        return counts


def draw_shard(text: str, shard: int, tally, threads: int = 1) -> dict:
    """Draw one shard of an order, in a task; return what went wrong, or nothing.

    Parameters
    ----------
    text : str
        The order as JSON.
    shard : int
    tally : actor handle of `Tally`
    threads : int
        That may share a picture.
    """
    drawn = 0

    def send(message: dict) -> None:
        nonlocal drawn
        drawn += message["progress"]
        tally.set.remote(shard, drawn)

    try:
        order, plan = _prepared(text)
        with drawing_threads(threads):
            order.target.write(plan, shard, Counter(send))
    except SynthgenError as error:
        return _reported(error)
    return {}


def survey(text: str, todo: list[int] | None) -> dict:
    """Return the device that draws an order, in a task, and on request what some shards will take."""
    try:
        _, plan = _prepared(text)
        found = {"device": device_name(plan.recipe)}
        if todo is not None:
            found["estimate"] = msgspec.to_builtins(probe(plan, todo))
    except SynthgenError as error:
        return _reported(error)
    return found


@lru_cache(maxsize=1)
def _prepared(text: str) -> tuple[Order, Plan]:
    """Return an order and its plan; a process draws many shards of one."""
    order = Order.from_dict(json.loads(text))
    return order, prepared(order)


def _reported(error: SynthgenError) -> dict:
    return {"kind": type(error).__name__, "error": str(error)}


class Ray:
    """The nodes of a Ray cluster.

    Parameters
    ----------
    crew : Crew

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    UsageError
        If the cluster cannot be joined.
    """

    has_many_devices = True

    def __init__(self, crew: Crew):
        with needed_for("executor ray: cannot be used"):
            import ray

        self._crew = crew
        self._ray: Any = ray
        self._is_begun_here = not ray.is_initialized()
        if self._is_begun_here:
            self._join()

    def _join(self) -> None:
        means: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        chosen = os.environ.get(VARIABLE)
        if chosen:
            means["runtime_env"] = {"env_vars": {VARIABLE: chosen}}
        if self._crew.address is None:
            means |= {"include_dashboard": False}

        try:
            _check_reachable(self._crew.address or "")
            self._ray.init(address=self._crew.address, **means)
        # It raises errors of many kinds, also for other versions of itself.
        except Exception as error:
            where = self._crew.address or "of a cluster of this machine"
            reason = one_line(error, _MOST_REASON)
            raise UsageError(
                f"address must be that of a Ray cluster that can be joined, got {where}: {reason}"
            ) from error

    def close(self) -> None:
        """Leave the cluster; one that was begun here ends, with all its processes."""
        if self._is_begun_here:
            self._ray.shutdown()

    def device(self, recipe: Recipe) -> str:
        """Return the name of the device that draws a recipe, as a task finds it: this machine may have none."""
        from synthgen.run.plan import make_plan

        return self._survey(make_plan(recipe), None)["device"]

    def probe(self, plan: Plan, todo: Sequence[int]) -> Estimate:
        """Return what some shards will take, as a task finds it."""
        found = self._survey(plan, list(todo))
        return msgspec.convert(found["estimate"], Estimate)

    def _survey(self, plan: Plan, todo: list[int] | None) -> dict:
        text = _text_of(plan, Target("."))
        return self._result(self._task(survey).remote(text, todo), "the probe")

    def offered(self, plan: Plan) -> int:
        """Return how many tasks can run at a time."""
        cpus = self._ray.cluster_resources().get("CPU", 1)
        fitting = max(1, int(cpus / self._crew.cpus_per_task))
        asked = self._crew.workers
        return fitting if asked is None else max(1, min(asked, fitting))

    def shares_device(self, plan: Plan) -> bool:
        """Return that several tasks may draw: what each takes of its node is an option."""
        return True

    def _task(self, function):
        means = {"num_cpus": self._crew.cpus_per_task, "num_gpus": self._crew.gpus_per_task}
        return self._ray.remote(max_retries=_RETRIES, **means)(function)

    def run(self, plan: Plan, target: Target, shards: list[int], offered: int, progress: Progress) -> None:
        """Draw shards; parameters and errors as for `Executor.run`."""
        if target.needs_this_process:
            raise UsageError(f"out must be seen by all tasks, got {target.address}")

        tally = self._ray.remote(num_cpus=0)(Tally).remote()
        text = self._ray.put(_text_of(plan, target))
        draw = self._task(draw_shard)
        begin = partial(self._begin, draw, text, tally)
        counted = _Counted(plan, progress)

        most = self._most_at_a_time()
        waiting = iter(shards)
        running: dict = {}
        try:
            while begin(waiting, running, most):
                ready, _ = self._ray.wait(list(running), timeout=_POLL_SECONDS)
                counted.update(self._ray.get(tally.take.remote()))
                for reference in ready:
                    shard = running.pop(reference)
                    self._result(reference, f"shard {shard}")
                    counted.finish(shard)
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)

    def _most_at_a_time(self) -> int:
        """Return how many tasks may wait or run."""
        if self._crew.workers is not None:
            return max(1, self._crew.workers)
        cpus = self._ray.cluster_resources().get("CPU", 1)
        return max(1, int(_TASKS_PER_CPU * cpus))

    def _begin(self, draw, text, tally, waiting: Iterator[int], running: dict, most: int) -> bool:
        """Begin further tasks; return whether there is any."""
        while len(running) < most:
            shard = next(waiting, None)
            if shard is None:
                break
            threads = max(1, int(self._crew.cpus_per_task))
            running[draw.remote(text, shard, tally, threads)] = shard
        return bool(running)

    def _result(self, reference, what: str) -> dict:
        """Return what a task returned; raise what it reported."""
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            times = _RETRIES + 1
            reason = one_line(error, _MOST_REASON)
            raise WorkerError(
                f"workers died {times} times on {what} ({reason}); all finished shards are kept"
            ) from None
        if "error" in found:
            raise error_of(found["kind"], found["error"])
        return found


def _check_reachable(address: str) -> None:
    """Raise `OSError` if nobody listens at HOST:PORT: Ray itself would wait for minutes."""
    match = _HOST_AND_PORT.fullmatch(address)
    if match is not None:
        socket.create_connection((match[1], int(match[2])), _PATIENCE).close()


class _Counted:
    """What a progress was told of each shard: a task that is started again counts from the beginning."""

    def __init__(self, plan: Plan, progress: Progress):
        self._plan = plan
        self._progress = progress
        self._told: dict[int, int] = {}
        self._finished: set[int] = set()

    def update(self, counts: dict[int, int]) -> None:
        """Tell how many samples of some shards are drawn."""
        for shard, samples in counts.items():
            if shard not in self._finished:
                self._progress.advance(samples - self._told.get(shard, 0))
                self._told[shard] = samples

    def finish(self, shard: int) -> None:
        """Tell that a shard is finished."""
        count = self._plan.run.shard_count(shard)
        self._progress.advance(count - self._told.get(shard, 0))
        self._finished.add(shard)


def _text_of(plan: Plan, target: Target) -> str:
    return json.dumps(order_of(plan, target).to_dict())
