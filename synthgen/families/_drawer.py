"""What draws a family on this machine, and how far other machines may differ."""

from types import ModuleType
from typing import NamedTuple

from synthgen.threads import is_large

# The time that a pixel takes where a family does not say what a sample does.
_SECONDS_PER_PIXEL = 30e-9


class Drawer(NamedTuple):
    """What draws a family on this machine.

    Attributes
    ----------
    name : str
        Platform, device and driver; ``any CPU`` where all give the same.
    exclusive : bool
        Whether one process uses all of it.
    beside : bool
        Whether it works beside the CPU, as a graphics card does, so that its work takes none of the process's time.
    """

    name: str
    exclusive: bool
    beside: bool = False


ANY_CPU = Drawer("any CPU", exclusive=False)


def device_of(family: ModuleType, options) -> Drawer:
    """Return what draws a family on this machine."""
    if hasattr(family, "device"):
        return family.device(options)
    return ANY_CPU


def tolerance_of(family: ModuleType, options) -> float:
    """Return the gray levels by which other devices may differ, on average over an image."""
    if hasattr(family, "tolerance"):
        return family.tolerance(options)
    return 0.0


def shared_of(family: ModuleType, options, size: tuple[int, int]) -> float:
    """Return the share of a sample's time that threads of one process divide among them."""
    if hasattr(family, "shared_by_threads") and is_large(size):
        return family.shared_by_threads(options)
    return 0.0


def seconds_of(family: ModuleType, options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core, the same on every machine."""
    if hasattr(family, "seconds_per_sample"):
        return family.seconds_per_sample(options, size)
    height, width = size
    return height * width * _SECONDS_PER_PIXEL
