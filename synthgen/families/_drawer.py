"""What draws a family on this machine, and how far other machines may differ."""

from types import ModuleType
from typing import NamedTuple


class Drawer(NamedTuple):
    """What draws a family on this machine.

    Attributes
    ----------
    name : str
        Platform, device and driver; ``any CPU`` where all give the same.
    exclusive : bool
        Whether one process uses all of it.
    """

    name: str
    exclusive: bool


ANY_CPU = Drawer("any CPU", exclusive=False)


def device_of(family: ModuleType, options) -> Drawer:
    """Return what draws a family on this machine."""
    return family.device(options) if hasattr(family, "device") else ANY_CPU


def tolerance_of(family: ModuleType, options) -> float:
    """Return the gray levels by which other devices may differ, on average over an image."""
    return family.tolerance(options) if hasattr(family, "tolerance") else 0.0
