"""What a family offers that draws objects for multi-formula images."""

from types import ModuleType

from synthgen.errors import UsageError
from synthgen.families._drawer import Drawer, device_of, seconds_of, tolerance_of


class Source:
    """Objects that a family draws, at the size in which they are pasted. A family's ``as_source`` returns one.

    Parameters
    ----------
    family : module
        The family.
    options : msgspec.Struct
        Its options for objects. An object with a field ``coverage`` is drawn on black and pasted by that alpha,
        others by their mask.
    kind : str
        The word for one object, for ``params["objects"]``.
    classes : int, optional
        How many of its classes are used where nobody says; default: all.
    per_class : int
        Images in a class where nobody says.
    """

    def __init__(self, family: ModuleType, options, kind: str, classes: int | None = None, per_class: int = 2000):
        self.family = family
        self.options = options
        self.kind = kind
        self.classes = classes or family.most_classes(options)
        self.per_class = per_class

    @property
    def inputs(self) -> dict[str, str]:
        """What the data fingerprint must know of the source, beside its name."""
        return {"source_version": str(self.family.VERSION)}

    def name(self, seed: int, label: int) -> str:
        """Return the name of a class."""
        line = self.family.describe_class(self.options, seed, label)
        return line["name"]

    def device(self) -> Drawer:
        """Return what draws the objects."""
        return device_of(self.family, self.options)

    def tolerance(self) -> float:
        """Return the gray levels by which other devices may differ."""
        return tolerance_of(self.family, self.options)

    def seconds(self, size: tuple[int, int]) -> float:
        """Return the rough time of one object of a size on one core."""
        return seconds_of(self.family, self.options, size)

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Return random parameters of an object; `share` is its side over half of the image's."""
        return self.family.sample(self.options, seed, label, member)

    def descriptors(self, seed: int, count: int):
        """Return a point for each of the first classes, ndarray (count, d); near points are similar classes.

        Raises
        ------
        UsageError
            Here: a family without descriptors can only be grouped at random.
        """
        raise UsageError(
            f"grouping must be random for objects of {self.family.NAME}: its classes have no descriptors"
        )
