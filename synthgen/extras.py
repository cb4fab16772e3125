"""Optional packages: which extra brings each, and the line that says how to install it."""

from contextlib import contextmanager

from synthgen.errors import MissingExtraError

# extra -> packages, by the names under which they are imported
EXTRAS = {
    "torch": ("torch", "torchvision", "timm", "safetensors", "scipy", "sklearn", "skimage", "matplotlib"),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "scene": ("pyrender", "trimesh", "OpenGL"),
}


def install_hint(extra: str) -> str:
    """Return the command that installs an extra.

    Examples
    --------
    >>> install_hint("torch")
    "pip install 'synthgen[torch]'"
    """
    return f"pip install 'synthgen[{extra}]'"


@contextmanager
def needed_for(what: str):
    """Import optional packages in the block; raise `MissingExtraError` if one is not installed.

    Parameters
    ----------
    what : str
        What cannot be done without the package; the message begins with it.

    Examples
    --------
    >>> with needed_for("the sum of two numbers"):
    ...     raise ModuleNotFoundError("No module named 'timm'", name="timm.models")
    Traceback (most recent call last):
    synthgen.errors.MissingExtraError: the sum of two numbers: needs timm, pip install 'synthgen[torch]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise MissingExtraError(f"{what}: needs {package}, {install_hint(extra)}") from error
