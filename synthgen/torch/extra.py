"""What is optional here, and the line that says how to install it."""

from contextlib import contextmanager

from synthgen.errors import MissingExtraError

PACKAGES = ("torch", "torchvision", "timm", "safetensors", "scipy", "matplotlib")


@contextmanager
def needed_for(what: str):
    """Import optional packages in the block; raise `MissingExtraError` if one is not installed.

    Parameters
    ----------
    what : str
        What cannot be done without it, the start of the message.

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
        if package not in PACKAGES:
            raise
        raise MissingExtraError(f"{what}: needs {package}, pip install 'synthgen[torch]'") from error
