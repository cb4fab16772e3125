"""The fit of a job: a model, or the members of an ensemble and then the ensemble, on one clock."""

import inspect
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from synthgen.errors import UsageError, one_line
from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing
from synthgen.torch.benchmark import building
from synthgen.torch.benchmark.clocks import TimedLoader
from synthgen.torch.benchmark.config import is_calibrated
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.benchmark.variants import Variant
from synthgen.torch.calibrate import calibrate_model
from synthgen.torch.deadline import Deadline, within
from synthgen.torch.evaluation import Batches
from synthgen.torch.models.options import LEAST_IMAGES

Say = Callable[[str], object]
_MOST_WARNINGS = 5


class Fitted(NamedTuple):
    """A fitted model.

    Attributes
    ----------
    model : object
    read_s, fit_s : float
        Seconds of reading images, and of fitting without that.
    stopped : bool
        Whether a training ended early, at the time limit.
    warnings : list of str
        What the model, or a package that it uses, warned of.
    """

    model: Any
    read_s: float
    fit_s: float
    stopped: bool
    warnings: list[str]


def fit_model(job: Job, images: ImageSet, held: ImageSet | None, trust: bool = False, say: Say = str) -> Fitted:
    """Return the model of a job, fitted.

    Parameters
    ----------
    job : Job
    images : ImageSet
        Normal images to fit to.
    held : ImageSet or None
        Other normal images, on which a score ensemble calibrates its members.
    trust : bool
        Whether classes of other code may run.
    say : callable
        Given a word on what is being done.

    Raises
    ------
    UsageError
        If the model cannot be made, or there is nothing to calibrate it on.
    """
    with within(job.time_limit) as deadline, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        work = _Work(job, _Normal(images, held), trust, say, deadline)
        model = work.fitted(job.model)
    return Fitted(model, work.read_s, work.fit_s - work.read_s, deadline.stopped, _said(caught))


def _said(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return the first lines of warnings to the user, each once."""
    lines = {}
    for each in caught:
        if isinstance(each.message, UserWarning):
            lines[one_line(each.message, 200)] = True
    return list(lines)[:_MOST_WARNINGS]


class _Normal(NamedTuple):
    """Normal images to fit to, and others that no member of an ensemble sees."""

    fitting: ImageSet
    held: ImageSet | None


class _Work:
    """The models that a job fits, and the seconds that this takes."""

    def __init__(self, job: Job, images: _Normal, trust: bool, say: Say, deadline: Deadline):
        self._job = job
        self._images = images
        self._trust = trust
        self._say = say
        self._deadline = deadline
        self.read_s = 0.0
        self.fit_s = 0.0

    def fitted(self, variant: Variant) -> Any:
        """Return a model after the models that it is made of."""
        members = [each if isinstance(each, str) else self.fitted(each) for each in variant.members]
        self._say("load")
        model = building.built(self._job, self._trust, variant, members)
        loader = TimedLoader(Batches(self._images_for(variant), variant.batch, Framing(), variant.size))

        self._say("fit")
        start = time.perf_counter()
        if variant.calibrate:
            calibrate_model(model, loader, variant.calibrate)
        self._fit(model, loader)
        self.fit_s += time.perf_counter() - start
        self.read_s += loader.seconds
        return model

    def _images_for(self, variant: Variant) -> ImageSet:
        """Return the images that a model is fitted to: of a score ensemble those that no member saw."""
        if not is_calibrated(variant.kind):
            return self._images.fitting
        if self._images.held is None:
            rule = f"must have images to calibrate on: {LEAST_IMAGES} normal ones, of which some are held out"
            raise UsageError(f"models.{variant.name} {rule}, got {len(self._images.fitting)}")
        return self._images.held

    def _fit(self, model: Any, loader: TimedLoader) -> None:
        """Fit a model; a class of other code is given a function that says when its time is over."""
        accepted = inspect.signature(model.fit).parameters
        given: dict[str, Any] = {}
        if "progress" in accepted:
            given["progress"] = "none"
        if "stop" in accepted and self._job.time_limit is not None:
            given["stop"] = lambda *epoch: self._deadline.is_over()
        model.fit(loader, **given)
