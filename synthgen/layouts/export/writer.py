"""What the writers of all targets share. A target is the class `Writer` of a module of `synthgen.layouts`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts.defects import DEFECTS, defect_field, images_of_plate, marked_pixels
from synthgen.layouts.entries import NORMAL
from synthgen.layouts.export.pictures import Encoded
from synthgen.layouts.export.sources import Picked, Source
from synthgen.layouts.export.splits import Splits, parse_splits
from synthgen.layouts.export.tree import Tree
from synthgen.machine import counted

# What gives data sets the things that a target may ask for.
GIVES_MASKS = "fractals, mandelbulb, multiformula, cutpaste, connectors and `stains --layout test` have masks"
GIVES_DEFECTS = "`stains --layout test`, `connectors --layout test` and `cutpaste` draw defects with masks"
GIVES_GOOD = "`stains`, `connectors` and `cutpaste --good` draw normal images"


class File(NamedTuple):
    """A file of a tree.

    Attributes
    ----------
    path : str
        Below the root of the tree, with ``/`` between folders.
    data : bytes
    role : str
        ``image``, ``mask`` or ``text``.
    total : int or None
        The sum of the pixels of an image, the number of pixels of a mask; None where it is not known.
    """

    path: str
    data: bytes
    role: str
    total: int | None = None


class Written(NamedTuple):
    """The files of one sample, and what the index files of the tree say of it."""

    files: list[File]
    row: dict | None = None


class Writer:
    """Writes data sets as one target wants them.

    Parameters
    ----------
    sources : sequence of Source
    options : Options

    Raises
    ------
    UsageError
        If the target needs what the data sets do not have.
    """

    # Splits where the user does not say.
    SPLITS = "train"
    # Whether `square` holds for all that the target writes of a sample: images, masks and further fields.
    SQUARES = False

    def __init__(self, sources: Sequence[Source], options: Options):
        self.sources = sources
        self.options = options
        self.splits: Splits = parse_splits(options.split or self.SPLITS)
        self.facts: dict = {}
        self.check()

    def check(self) -> None:
        """Raise `UsageError` if the target needs what the data sets do not have."""

    def survey(self) -> dict:
        """Return what must be known of all samples before one is written; it becomes `facts`, in all processes."""
        return {}

    def put(self, sample: Picked) -> Written:
        """Return the files of a sample."""
        raise NotImplementedError

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the index files of the tree; `rows` yields what `put` said of the samples, at each call."""

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return what was left out, or is not as a reader may expect."""
        return []

    def usage(self, out: Path) -> str:
        """Return the code that loads a finished tree in its consumer."""
        raise NotImplementedError

    @property
    def copies_shards(self) -> bool:
        """Whether whole shards are copied, and no sample is looked at."""
        return False

    def key(self, sample: Picked) -> str:
        """Return the name of a sample's files: its key; of several data sets, behind the number of its own."""
        if len(self.sources) == 1:
            return sample.key
        return f"{sample.source.number}-{sample.key}"

    def needs_masks(self, target: str) -> None:
        """Refuse a data set without a field that marks pixels."""
        for source in self.sources:
            fields = source.manifest.fields
            if not any(defect_field(fields, kind, self.options.truth) for kind in source.names):
                found = ", ".join(fields)
                raise UsageError(f"{source.path}: must have masks for {target}, got {found}; {GIVES_MASKS}")

    def marked(self, sample: Picked):
        """Return where the defects of a sample are, bool (H, W); None for a normal image, which has none."""
        if sample.is_good and self.options.truth == DEFECTS:
            return None
        return marked_pixels(sample.source.dataset, sample.place, sample.kind, self.options.truth)

    def is_normal(self, sample: Picked) -> bool:
        """Return whether an image counts as normal, as when a model is evaluated.

        Its class says so, or the defect of its plate lies on other images of the plate.
        """
        if sample.is_good:
            return True
        if images_of_plate(sample.source.manifest) == 1:
            return False
        return not self.marked(sample).any()


def notes_on_hidden(rows: Callable[[], Iterator[dict]]) -> list[str]:
    """Return how many images do not show the defect of their plate, if any: their rows have ``hides``."""
    count = sum("hides" in row for row in rows())
    if count == 0:
        return []
    images = counted(count, "image")
    return [f"{images} of a class of defects show none, and lie with the normal ones, as `evaluate` takes them"]


def as_file(path: str, image: Encoded, role: str) -> File:
    """Return an encoded image as a file; the path is given without its ending."""
    return File(f"{path}.{image.suffix}", image.data, role, image.total)


def joined_names(sources: Sequence[Source]) -> list[str]:
    """Return the names of the classes that are taken from several data sets; equal names are one class."""
    names: list[str] = []
    for source in sources:
        names += [source.names[label] for label in source.labels]
    return list(dict.fromkeys(names))


def normal_and_kinds(sources: Sequence[Source], target: str) -> list[str]:
    """Return the kinds of defects of some data sets; refuse those without normal images, or without defects."""
    places = ", ".join(str(source.path) for source in sources)
    kinds: list[str] = []
    for source in sources:
        kinds += source.kinds

    if not any(source.good for source in sources):
        wanted = " or ".join(NORMAL)
        raise UsageError(f"{places}: must have a class named {wanted} for {target}, got none; {GIVES_GOOD}")
    if not kinds:
        raise UsageError(f"{places}: must have a class of defects for {target}, got good alone; {GIVES_DEFECTS}")
    return list(dict.fromkeys(kinds))
