"""What a job costs: seconds without reading, and the most memory."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_WARM_UP = 3  # batches that the clock of predictions leaves out
_STATUS = Path("/proc/self/status")
# Writing 5 here makes the most resident memory that of now (Linux, proc(5)).
_RESET = Path("/proc/self/clear_refs")
_KILOBYTE = 1024


class TimedLoader(Iterable):
    """A loader that counts the seconds of reading.

    Parameters
    ----------
    loader : iterable
        Of batches, with the attribute ``dataset``.
    """

    def __init__(self, loader):
        self._loader = loader
        self.dataset = loader.dataset
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator:
        batches = iter(self._loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch


class TimedModel:
    """A model whose predictions are timed; all else is the model's.

    Parameters
    ----------
    model : object
        With ``predict(images)``.
    image_size : (int, int)
        Height and width of the images that it was fitted to.

    Attributes
    ----------
    model, image_size
        As given.
    """

    def __init__(self, model, image_size: tuple[int, int]):
        self.model = model
        self.image_size = image_size
        self.kind = getattr(model, "kind", type(model).__name__)
        self._batches: list[tuple[int, float]] = []

    def predict(self, images):
        """Return scores and maps of images."""
        start = time.perf_counter()
        found = self.model.predict(images)
        self._batches.append((len(images), time.perf_counter() - start))
        return found

    @property
    def seconds(self) -> float:
        """Of all predictions."""
        return sum(seconds for _, seconds in self._batches)

    @property
    def ms_image(self) -> float:
        """Milliseconds for each image, without the first batches where there are more."""
        counted = self._batches[_WARM_UP:] or self._batches
        images = sum(count for count, _ in counted)
        seconds = sum(taken for _, taken in counted)
        return 1000 * seconds / images if images else 0.0


def latency_ms(predict: Callable, images: Iterable) -> tuple[float | None, list]:
    """Return the median milliseconds of single images, and what `predict` returned for each."""
    taken = []
    answers = []
    for image in images:
        start = time.perf_counter()
        answers.append(predict(image))
        taken.append(time.perf_counter() - start)
    return (1000 * statistics.median(taken) if taken else None), answers


class PeakMemory:
    """The most memory that a piece of work takes beyond what was resident before.

    The count begins when this is made.
    """

    def __init__(self, device):
        self._device = device
        with suppress(OSError):
            _RESET.write_text("5")
        self._before = _resident("VmRSS")
        if device is not None and device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)

    def bytes(self) -> int | None:
        """Return the most memory so far; None where the system does not say."""
        most = _resident("VmHWM")
        if most is None or self._before is None:
            return None
        return max(0, most - self._before)

    def gpu_bytes(self) -> int | None:
        """Return the most memory that torch held on a GPU; None without one."""
        if self._device is None or self._device.type != "cuda":
            return None
        import torch

        return torch.cuda.max_memory_allocated(self._device)


def _resident(name: str) -> int | None:
    """Return a size that the system states of this process, in bytes."""
    try:
        text = _STATUS.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * _KILOBYTE
    return None


def most_resident(usage) -> int:
    """Return the most resident memory of an ended process, in bytes, from what the system says of it."""
    return usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * _KILOBYTE
