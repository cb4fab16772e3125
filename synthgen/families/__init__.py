"""The families of data, and how a new one is added.

A family is a module: a new file of this package and a line in `FAMILIES`, or a module of another package with the
entry point ``synthgen.families``. In the ``pyproject.toml`` of that package::

    [project.entry-points."synthgen.families"]
    spirals = "my_package.spirals"

Then ``synthgen spirals``, recipes and training code know the family too. Built-in names win.

A family's module has

``NAME``, ``VERSION``
    The name of the family, and the version of what it draws. The version rises with every change of pixels or
    parameters; it is part of the data fingerprint.
``HELP``
    The help of the family's command, with examples.
``LIBRARIES``
    The packages whose versions the pixels depend on, beside those that synthgen always needs. A family of another
    package names that package.
``Options``
    A frozen ``msgspec.Struct`` with the family's own options. Their annotations carry limits and help.
``defaults(options)``
    The ``classes``, ``per_class`` and ``size`` of a data set that one machine draws today.
``most_classes(options)``
    The largest number of classes that a data set can have.
``fields(options, size)``
    The fields of every sample: name -> `FieldSpec`. One of them is ``image``.
``sample(options, seed, label, index)``
    The parameters of one sample, with ``class`` and ``index``. They can be written as JSON. All chance is here. All
    samples of a data set have the same keys; a key that one of them does not need is None there.
``draw(params, size)``
    Pixels, fields and parameters of one sample. No chance is here. The parameters are those given, with what was
    measured while drawing (boxes, areas); the same sample can be drawn again from them.
``describe_class(options, seed, label)``
    The line of a class in the class table; it has a ``name``.
``bytes_per_sample(options, size)``
    The rough size of an encoded sample, from which the size of a shard follows. It depends on the options alone.

A family that draws several things in an image records them in ``params["objects"]``, each with the keys ``id``,
``kind``, ``box``, ``area``, ``visible_area``, ``center`` and ``params`` (see FORMAT.md).

A module may also have

``draw_many(options, seed, labels, indices, size)``
    What `draw` returns of many samples, as a list; labels and indices are arrays. It is for small images, where
    calls take longer than drawing. Default: samples are drawn one by one.
``seconds_per_sample(options, size)``
    The rough time that one core takes to draw and encode a sample, in seconds. How many samples lie in a shard
    follows from it, so it depends on the options alone and never on the machine at hand. Default: 30 ns a pixel.
``shared_by_threads(options)``
    The share, in [0, 1], of the time of a large sample that threads of one process divide among them, as
    `synthgen.threads` tells. From it plans say how many cores can work. Default: 0.
``device(options)``
    The `Drawer` of this machine. One process draws where it is exclusive, and others encode. Default: any CPU.
``tolerance(options)``
    By how many gray levels other devices may differ, on average over an image. Default: 0.
``LOSSLESS``
    True where a lossy codec would make the masks wrong. Such codecs are then refused.
``resolve(options, classes)``
    The options with everything written out that follows from other values. The data set is recorded with them.
``inputs(options)``
    The digests of the files that samples are made of: name -> SHA-256. A digest whose name is an option replaces
    the option in the data fingerprint: files may move, but not change.
``example(folder)``
    The options that an example of the family needs. It may write files into the folder. Default: none.
``as_source(wanted, **given)``
    A `Source`: the family draws objects for `multiformula`. `wanted` are the options of that family, `given` those
    of an entry of `SOURCES`. The family's samples must have the field ``mask``.
"""

import os
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from types import ModuleType

from synthgen.errors import UsageError, did_you_mean, one_line
from synthgen.families._drawer import ANY_CPU, Drawer, device_of, seconds_of, shared_of, tolerance_of
from synthgen.families._source import Source
from synthgen.machine import DEVICE_VARIABLE

__all__ = [
    "ANY_CPU",
    "FAMILIES",
    "SOURCES",
    "Drawer",
    "Source",
    "chosen_device",
    "device_of",
    "example_of",
    "known",
    "load",
    "seconds_of",
    "shared_of",
    "tolerance_of",
]

# The built-in families: name -> what the command does.
FAMILIES = {
    "fractals": "Draw fractals: attractors of random iterated function systems.",
    "mandelbulb": "Draw Mandelbulb variants, or hybrids of two, with depth and normals.",
    "stains": "Draw inspected metal plates with water stains, other impurities and defects.",
    "multiformula": "Paste objects of several formulas into one image, with instance masks.",
    "radial": "Draw radial contours: visual atoms, and those of RCDB.",
    "textures": "Draw procedural textures, alone or several in an image, with exact regions.",
    "connectors": "Draw metal parts that rules hold for, and logical anomalies that break one.",
    "cutpaste": "Paste defects into your own images of normal parts, with exact masks.",
}
# Further names for `multiformula --source`: name -> family, and the options that make the difference.
SOURCES = {"hybrid": ("mandelbulb", {"hybrid": True})}

_GROUP = "synthgen.families"
_NEEDED = (
    "NAME", "VERSION", "HELP", "LIBRARIES", "Options", "defaults", "most_classes", "fields", "sample", "draw",
    "describe_class", "bytes_per_sample",
)  # fmt: skip


def known() -> dict[str, str]:
    """Return all families, built-in ones first: name -> what the command does.

    Families of other packages are listed by their entry points; none is loaded.
    """
    families = dict(FAMILIES)
    for name, entry in _outside().items():
        families.setdefault(name, f"Draw {name}: a family of the package {entry.dist.name}.")
    return families


def load(name: str) -> ModuleType:
    """Return the module of a family.

    Raises
    ------
    UsageError
        If there is no such family, or its package cannot be loaded.
    """
    if name in FAMILIES:
        return import_module(f"synthgen.families.{name}")
    if name in _outside():
        return _load_outside(name)
    names = known()
    raise UsageError(f"family must be one of {', '.join(names)}, got {name!r}{did_you_mean(name, names)}")


@lru_cache(maxsize=1)
def _outside() -> dict:
    """Return the entry points of families of other packages by their names; built-in names are left out."""
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group=_GROUP)}
    return {name: found[name] for name in sorted(found) if name not in FAMILIES}


@lru_cache(maxsize=32)
def _load_outside(name: str) -> ModuleType:
    entry = _outside()[name]
    place = f"family {name!r} of the package {entry.dist.name}"

    try:
        family = entry.load()
    except Exception as error:  # whatever a module of somebody else raises
        raise UsageError(f"{place} cannot be loaded: {type(error).__name__}: {one_line(error)}") from error

    missing = [needed for needed in _NEEDED if not hasattr(family, needed)]
    if missing:
        raise UsageError(f"{place} must have {', '.join(missing)}: see the help of synthgen.families")
    if name != family.NAME:
        raise UsageError(f"{place} must have that name, got {family.NAME!r}")
    return family


def example_of(family: ModuleType, folder) -> dict:
    """Return the options that an example of a family needs; files that it needs are written into a folder."""
    return family.example(folder) if hasattr(family, "example") else {}


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
