"""MVTec AD, read and written: ``train/good``, ``test/KIND``, ``ground_truth/KIND/NNN_mask.png``.

VisA after its authors' script is the same with masks named ``NNN.png``.

Source: Bergmann et al., MVTec AD, CVPR 2019, and the readme of the data set.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts.defects import images_of_plate
from synthgen.layouts.entries import NORMAL, Entry
from synthgen.layouts.export.names import safe_name, safe_names
from synthgen.layouts.export.pictures import image_of, mask_of
from synthgen.layouts.export.sources import Picked, Source, check_splits
from synthgen.layouts.export.splits import parse_splits
from synthgen.layouts.export.writer import File, Written, as_file, normal_and_kinds, notes_on_hidden
from synthgen.layouts.export.writer import Writer as Base
from synthgen.layouts.files import (
    entry_of,
    masks_by_image,
    normal_entries,
    paired,
    pictures_in,
    read_mask,
    subfolders,
)
from synthgen.layouts.truth import Truth, truth_of_regions
from synthgen.machine import counted
from synthgen.shards.codecs import suffix

NAME = "MVTec AD"
_GOOD = "good"


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    for_fitting = path / "train" / "good"
    for_testing = path / "test" / "good"
    return for_fitting.is_dir() or for_testing.is_dir()


def normal(path: Path) -> list[Entry]:
    """Return the images of ``train/good``."""
    images = pictures_in(path / "train" / "good")
    return normal_entries(images, path.name)


def test_set(path: Path) -> list[Entry]:
    """Return the images of ``test``, with masks where there is a folder ``ground_truth``."""
    folders = subfolders_of(path / "test")
    masks = partial(masks_for, path)
    return kinds_of(folders, path.name, masks, truths)


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    tests = path / "test"
    truth = path / "ground_truth"
    if fitting:
        return [tests, truth]

    kinds = subfolders_of(tests)
    masks = [truth / kind.name for kind in kinds]
    return [path / "train", *masks]


def subfolders_of(path: Path) -> list[Path]:
    """Return the folders in a folder, none if it is not there."""
    return subfolders(path) if path.is_dir() else []


def masks_for(path: Path, kind: str) -> Path | None:
    """Return the folder of the masks of a kind of defect; None if the category has no masks."""
    truth = path / "ground_truth"
    return truth / kind if truth.is_dir() else None


def kinds_of(folders: list[Path], category: str, masks: Callable, read_all: Callable) -> list[Entry]:
    """Return the images of folders, each a kind.

    Parameters
    ----------
    folders : list of Path
        Those named good, normal or ok are normal, each other is a kind of defect.
    category : str
    masks : callable
        Takes a kind and returns the folder of its masks, or None if there are none.
    read_all : callable
        Takes the images of a kind and the folder of its masks, returns for each what reads its truth.
    """
    entries = []
    for folder in folders:
        images = pictures_in(folder)
        if is_normal(folder.name):
            entries += normal_entries(images, category)
            continue

        place = masks(folder.name)
        known_truths = [None] * len(images) if place is None or not images else read_all(images, place)
        for image, truth in zip(images, known_truths, strict=True):
            entries.append(entry_of(image, 1, folder.name, category, truth))
    return entries


def is_normal(folder: str) -> bool:
    """Return whether a folder of this name holds normal images, for fitting or for testing."""
    return folder.removesuffix("_test") in NORMAL


def truths(images: list[Path], folder: Path) -> list[Callable]:
    """Return for each image what reads its truth from the masks of a folder."""
    by_image = masks_by_image(pictures_in(folder), folder)
    masks = paired(images, by_image, folder)
    return [partial(read_truth, mask) for mask in masks]


def read_truth(path: Path, shape: tuple[int, int]) -> Truth:
    """Return the truth of one mask file: each 8-connected region is a defect."""
    values = read_mask(path, shape)
    return truth_of_regions(values > 0)


class Writer(Base):
    """One category. Normal images are for fitting and for testing, all others for testing.

    Images are numbered by their index, in equally many digits everywhere: readers pair masks with images by order,
    or look for one name in the other.
    """

    SPLITS = "train=0.8,test=0.2"
    SQUARES = True
    TARGET = "mvtec"
    # Whether readers of the target list PNG files alone, so that others are as if they were not there.
    PNG_ALONE = True

    def check(self) -> None:
        """Name the kinds of defects, and number the images."""
        if self.PNG_ALONE:
            self._refuse_jpeg()
        self.kinds = normal_and_kinds(self.sources, self.TARGET)
        self.needs_masks(self.TARGET)
        self._check_splits()
        self._folders = dict(zip(self.kinds, safe_names(self.kinds, taken=NORMAL), strict=True))
        self.category = safe_name(self.options.category or self.sources[-1].path.name)

        # The number of the first image of each class, among those of each folder that it may lie in.
        self._firsts: dict[tuple[int, int, str], int] = {}
        counts: Counter = Counter()
        for source in self.sources:
            for label in source.labels:
                for folder in self._folders_of(source, label):
                    self._firsts[source.number, label, folder] = counts[folder]
                    counts[folder] += source.manifest.per_class

        largest = max(counts.values()) - 1
        self._digits = max(3, len(str(largest)))

    def _refuse_jpeg(self) -> None:
        wanted = self.options.image
        stored = [suffix(source.manifest.fields["image"].codec) for source in self.sources]
        endings = stored if wanted == "stored" else [wanted]
        if "jpg" in endings:
            found = "jpg" if wanted == "jpg" else "stored images that are JPEG"
            raise UsageError(
                f"image must be png for {self.TARGET}, whose readers list PNG files alone, got {found}"
            )

    def _check_splits(self) -> None:
        allowed = [name for name, _ in parse_splits(self.SPLITS)]
        strange = [name for name, _ in self.splits if name not in allowed]
        if strange:
            raise UsageError(f"split must be of {', '.join(allowed)} for {self.TARGET}, got {strange[0]}")

        # Normal images of one data set and a test set with its own: nothing is to be split.
        alone = {source.number for source in self.sources if not source.kinds}
        is_mixed = any(source.kinds and source.good for source in self.sources)
        self._for_fitting = alone if is_mixed else set()
        if not self._for_fitting:
            with_good = [source for source in self.sources if source.good]
            check_splits(with_good, self.splits, optional=("validation",), only_good=True)

    def _folder(self, kind: str) -> str:
        return _GOOD if kind in NORMAL else self._folders[kind]

    def _folders_of(self, source: Source, label: int) -> list[str]:
        """Return the folders that the images of a class may lie in: not all show the defect of their plate."""
        folder = self._folder(source.names[label])
        may_hide = images_of_plate(source.manifest) > 1 and folder != _GOOD
        return [folder, _GOOD] if may_hide else [folder]

    def folder_of(self, sample: Picked) -> str:
        """Return the folder of an image: that of its kind of defect, or ``good``."""
        return _GOOD if self.is_normal(sample) else self._folder(sample.kind)

    def split_of(self, sample: Picked) -> str:
        """Return whether an image is for fitting or for testing."""
        if not sample.is_good:
            return "test"
        if not self._for_fitting:
            return sample.split
        return "train" if sample.source.number in self._for_fitting else "test"

    def number(self, sample: Picked, folder: str) -> str:
        """Return the number of an image among those of its folder."""
        first = self._firsts[sample.source.number, sample.label, folder]
        return f"{first + sample.index:0{self._digits}d}"

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample and, of one with defects, its mask."""
        folder = self.folder_of(sample)
        place = f"{folder}/{self.number(sample, folder)}"
        split = self.split_of(sample)
        image = image_of(sample, self.options)
        files = [as_file(f"{self.category}/{split}/{place}", image, "image")]
        if folder != _GOOD:
            files += self.masks(sample, f"{self.category}/ground_truth/{place}")
        return Written(files, self.said_of(sample, folder) or None)

    def said_of(self, sample: Picked, folder: str) -> dict:
        """Return what `notes` counts: that an image shows no defect, or a photograph that is for fitting too."""
        said: dict = {}
        if sample.is_good:
            return said
        if folder == _GOOD:
            said["hides"] = True
        is_split = sample.source.good and not self._for_fitting and len(self.splits) > 1
        if is_split and sample.split != "test" and sample.source.photographs is not None:
            said["is_fitted"] = True
        return said

    def notes(self, rows: Callable[[], Iterator[dict]]) -> list[str]:
        """Return how many images do not show their defect, and how many show what a model is fitted to."""
        found = notes_on_hidden(rows)
        fitted = sum("is_fitted" in row for row in rows())
        if fitted:
            images = counted(fitted, "image")
            found.append(
                f"{images} with defects are made of photographs that are for fitting too: two data sets, of "
                "different photographs, keep them apart"
            )
        return found

    def masks(self, sample: Picked, place: str) -> list[File]:
        """Return the mask of a sample."""
        mask = mask_of(self.marked(sample), self.options)
        return [as_file(f"{place}_mask", mask, "mask")]

    def usage(self, out: Path) -> str:
        """Return what the readers of MVTec AD are told."""
        return "\n".join(
            (
                f'anomalib.data.MVTecAD(root="{out}", category="{self.category}")',
                f"python bin/run_patchcore.py .. dataset -d {self.category} mvtec {out}  # patchcore-inspection",
                f'synthgen.layouts.open_test_set("{out / self.category}")',
            )
        )
