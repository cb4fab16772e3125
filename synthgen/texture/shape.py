"""What a kind of field needs to know of one field."""

from typing import NamedTuple


class Shape(NamedTuple):
    """The parameters of one field that are its kind's own.

    Attributes
    ----------
    variant : str
        One of the kind's ``VARIANTS``.
    seed : int
        Of all chance that belongs to places.
    form : tuple of float
        Numbers whose meaning the kind and the variant decide.
    """

    variant: str
    seed: int
    form: tuple[float, ...]
