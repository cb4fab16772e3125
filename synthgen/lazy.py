"""Names of a package that load on first use, so that importing the package loads nothing heavy."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module

from synthgen.extras import needed_for


def lazy(package: str, places: dict[str, str], optional: bool = False) -> tuple[Callable, Callable]:
    """Return the functions `__getattr__` and `__dir__` of a package, see PEP 562.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    places : dict of str to str
        Name -> module of the package that has it: ``"run"``, or ``"run:other"`` where the name is another there; a
        module itself as ``"module:"``.
    optional : bool
        Whether the modules import packages of an extra; a missing one raises `MissingExtraError`.
    """

    def load(name: str):
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        place, has_other, other = places[name].partition(":")
        with needed_for(name) if optional else nullcontext():
            value = import_module(f"{package}.{place}")

        if other or not has_other:
            value = getattr(value, other or name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]).get("__all__", ()), *places})

    return load, names
