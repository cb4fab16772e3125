"""ImageFolder of torchvision: ``SPLIT/000012-NAME/KEY.png``. Classes sort as text, so their numbers stand first."""

from pathlib import Path

from synthgen.layouts.export.names import safe_name
from synthgen.layouts.export.pictures import image_of
from synthgen.layouts.export.sources import Picked, check_splits
from synthgen.layouts.export.writer import Writer as Base
from synthgen.layouts.export.writer import Written, as_file


class Writer(Base):
    """A folder for each class; of several data sets those with equal names are one class."""

    def check(self) -> None:
        """Refuse splits without an image of a class, and number the classes."""
        check_splits(self.sources, self.splits)
        names = [source.names[label] for source in self.sources for label in source.labels]
        if len(self.sources) == 1:
            self._numbers = {}
            return
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample."""
        number = self._numbers.get(sample.kind, sample.label)
        folder = f"{sample.split}/{number:06d}-{safe_name(sample.kind)}"
        image = image_of(sample, self.options)
        return Written([as_file(f"{folder}/{self.key(sample)}", image, "image")])

    def usage(self, out: Path) -> str:
        """Return what torchvision is told."""
        split, _ = self.splits[0]
        return f'torchvision.datasets.ImageFolder("{out / split}")'
