"""The families of data. A family is one module of this package; a new family is a new file and a line here.

A family's module has

``NAME``, ``VERSION``
    What it is called, and the version of its sampler: a change of what is drawn raises it, and with it the data
    fingerprint.
``HELP``
    Help of its command, with examples.
``Options``
    A frozen ``msgspec.Struct`` with the family's own options; their annotations carry limits and help.
``defaults(options)``
    ``classes``, ``per_class`` and ``size`` of a data set that one machine draws today.
``most_classes(options)``
    The largest number of classes that there can be.
``fields(options, size)``
    The fields of every sample: name -> `FieldSpec`; ``image`` is one of them.
``sample(options, seed, label, index)``
    Draws the parameters of one sample: all chance is here.
``draw(params, size)``
    Turns parameters into (pixels, fields, params): no chance is here. The last are the parameters again, with what
    was measured while drawing, such as boxes and areas; drawing from them gives the same once more.
``describe_class(options, seed, label)``
    What the class table says of a class.
``bytes_per_sample(options, size)``
    Rough encoded size, from which the size of a shard is derived; a constant of the options.
``LIBRARIES``
    Packages, beside those of the core, whose versions the pixels depend on.

and where it needs them

``device(options)``
    The `Drawer` of this machine. Where it is exclusive, one process draws, and encodes beside it. Default: any CPU.
``tolerance(options)``
    Gray levels by which other devices may differ, on average over an image. Default: 0, all give the same.
``LOSSLESS``
    True where a lossy codec would make the masks wrong, and is refused.
``resolve(options, classes)``
    Returns the options with what follows from other values written out: what the data set is recorded with.
``inputs(options)``
    Digests of the files that samples are made of: name -> SHA-256. A name that is an option replaces its value in
    the data fingerprint, so that files may move but not change.
"""

import os
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from synthgen.errors import UsageError
from synthgen.machine import DEVICE_VARIABLE

# name -> what its command does
FAMILIES = {
    "fractals": "Draw fractals: attractors of random iterated function systems.",
    "mandelbulb": "Draw Mandelbulb variants, or hybrids of two, with depth and normals.",
    "stains": "Draw inspected metal plates with water stains, other impurities and defects.",
    "multiformula": "Paste objects of several formulas into one image, with instance masks.",
    "cutpaste": "Paste defects into your own images of normal parts, with exact masks.",
}


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


def load(name: str) -> ModuleType:
    """Return the module of a family; raise `UsageError` for an unknown one."""
    if name not in FAMILIES:
        raise UsageError(f"family must be one of {', '.join(FAMILIES)}, got {name!r}")
    return import_module(f"synthgen.families.{name}")


@contextmanager
def chosen_device(device):
    """Make a device the one that families draw on, here and in workers that are started meanwhile."""
    before = os.environ.get(DEVICE_VARIABLE)
    if device is not None:
        os.environ[DEVICE_VARIABLE] = str(device)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(DEVICE_VARIABLE, None)
        else:
            os.environ[DEVICE_VARIABLE] = before
