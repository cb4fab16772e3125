"""Optional packages: which extra brings each, and the line that says how to install it."""

import shlex
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from synthgen.errors import MissingExtraError

# The name that pip knows us by. `synthgen` is the name of another project there.
DISTRIBUTION = "synthgen-vision"
# extra -> packages, by the names under which they are imported
EXTRAS = {
    "torch": ("torch", "torchvision", "timm", "safetensors", "scipy", "sklearn", "skimage", "matplotlib"),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "anomalib": ("anomalib",),
    "scene": ("trimesh",),
    "remote": ("fsspec", "s3fs"),
    "ray": ("ray",),
    "mae": ("transformers",),
}
_CHECKOUT = Path(__file__).parents[1]


def install_hint(extra: str) -> str:
    """Return the command that installs an extra.

    It names the installed distribution, or the checkout that the package runs from where none is installed.

    Examples
    --------
    >>> install_hint("torch").startswith("pip install ")
    True
    """
    if _is_installed() or not (_CHECKOUT / "setup.cfg").is_file():
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    place = shlex.quote(f"{_CHECKOUT}[{extra}]")
    return f"pip install -e {place}"


def has_extra(extra: str) -> bool:
    """Return whether all packages of an extra can be found; none is imported."""
    return all(find_spec(package) is not None for package in EXTRAS[extra])


def _is_installed() -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def needed_for(what: str):
    """Import optional packages in the block; raise `MissingExtraError` if one is not installed.

    Parameters
    ----------
    what : str
        What cannot be done without the package; the message begins with it.

    Examples
    --------
    >>> from synthgen.errors import MissingExtraError
    >>> try:
    ...     with needed_for("the sum of two numbers"):
    ...         raise ModuleNotFoundError("No module named 'timm'", name="timm.models")
    ... except MissingExtraError as error:
    ...     print(str(error).partition(", pip")[0])
    the sum of two numbers: needs timm
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise MissingExtraError(f"{what}: needs {package}, {install_hint(extra)}") from error
