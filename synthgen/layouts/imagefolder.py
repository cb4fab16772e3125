"""ImageFolder of torchvision: ``SPLIT/000012-NAME/KEY.png``. Classes sort as text, so their numbers stand first."""

from collections.abc import Callable, Iterator
from pathlib import Path

from synthgen.layouts.export.names import safe_name
from synthgen.layouts.export.pictures import image_of
from synthgen.layouts.export.sources import Picked, check_splits
from synthgen.layouts.export.writer import Writer as Base
from synthgen.layouts.export.writer import Written, as_file, joined_names

# Files that the Hub takes in a folder.
IN_A_FOLDER = 10_000


class Writer(Base):
    """A folder for each class; of several data sets those with equal names are one class."""

    SQUARES = True

    def check(self) -> None:
        """Refuse splits without an image of a class, and number the classes."""
        check_splits(self.sources, self.splits)
        self._numbers: dict[str, int] = {}
        if len(self.sources) > 1:
            names = joined_names(self.sources)
            self._numbers = {name: number for number, name in enumerate(names)}

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample."""
        number = self._numbers.get(sample.kind, sample.label)
        name = safe_name(sample.kind)
        folder = f"{sample.split}/{number:06d}-{name}"
        image = image_of(sample, self.options)
        file = as_file(f"{folder}/{self.key(sample)}", image, "image")
        return Written([file])

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return that folders are larger than the Hub takes, where they may be."""
        share = max(share for _, share in self.splits)
        largest = max(source.per_class for source in self.sources) * share
        if largest <= IN_A_FOLDER:
            return []
        return [
            f"folders of up to {largest:,.0f} files: the Hub takes {IN_A_FOLDER:,}, and other readers any number"
        ]

    def usage(self, out: Path) -> str:
        """Return what torchvision is told."""
        split, _ = self.splits[0]
        return f'torchvision.datasets.ImageFolder("{out / split}")'
