"""The answers of a model: one, or several that it makes of one fit, each of which is a row of the table."""

from typing import Any

from synthgen.errors import UsageError
from synthgen.torch.benchmark.config import check_name


class Head:
    """One of the answers of a model.

    Parameters
    ----------
    model : object
        With ``heads(images)``, a dict of scores and maps by name.
    name : str
        Of this answer.
    """

    def __init__(self, model: Any, name: str):
        kind = getattr(model, "kind", type(model).__name__)
        self._model = model
        self._name = name
        self.kind = f"{kind}:{name}"

    def predict(self, images):
        """Return scores and maps of images."""
        return self._model.heads(images)[self._name]


def heads_of(model: Any, image) -> dict[str, Any]:
    """Return what is measured of a model, by name: its heads, or the model itself under the name "".

    Parameters
    ----------
    model : object
        Fitted.
    image : Tensor
        An image, of which the names of the heads are learned.

    Raises
    ------
    UsageError
        If there is no head, or a name cannot stand in a table.
    """
    if not callable(getattr(model, "heads", None)):
        return {"": model}

    names = list(model.heads(image))
    if not names:
        raise UsageError("heads must be at least one answer, got none")
    if names == [""]:
        return {"": model}
    for name in names:
        check_name(name, "", "heads")
    return {name: Head(model, name) for name in names}
