"""A gallery from start to end: choose samples, draw their pictures, write a page or a folder."""

from pathlib import Path
from typing import NamedTuple

from synthgen.errors import UsageError
from synthgen.look.gallery.chosen import Chosen, chosen_samples, fewer
from synthgen.look.gallery.classes import Look, look_of, shown_class
from synthgen.look.gallery.contents import Contents, contents_of
from synthgen.look.gallery.seen import Seen, Viewer, seen_classes
from synthgen.look.gallery.writing import check_out, is_one_file, write_folder, write_one
from synthgen.look.pictures import check_encoder
from synthgen.run.progress import Progress
from synthgen.shards.dataset import Dataset, open_dataset

# No single file is larger: mail and browsers take it.
LIMIT = 20_000_000
# The longer side of a large picture.
LARGE = 512
_LEAST_CELL = 32
_ENCODED = 4 / 3  # what base64 makes of a byte
_SAFE = 0.8  # the share of the limit that an estimate may use


class GalleryReport(NamedTuple):
    """What a gallery holds.

    Attributes
    ----------
    path : str
    classes, samples : int
        Shown.
    large : int
        Samples with large pictures.
    files : int
    bytes : int
        Of all files.
    notes : list of str
        What is not shown.
    """

    path: str
    classes: int
    samples: int
    large: int
    files: int
    bytes: int
    notes: list[str]


def gallery(
    dataset,
    out,
    classes: int | None = None,
    per_class: int | None = None,
    cell: int = 128,
    megabytes: float = 3,
    progress: bool | str = False,
    viewer: Viewer | None = None,
) -> GalleryReport:
    """Write a data set as a page that opens from a file and asks nothing of a network.

    Parameters
    ----------
    dataset : str or Path
        Folder of a finished data set.
    out : str or Path
        A name that ends in ``.html`` becomes one file of at most 20 MB. Any other becomes a folder with
        ``index.html``. A gallery that lies there is replaced, and nothing else.
    classes, per_class : int, optional
        At most so many classes, spread over all, and samples in each, drawn by lot. Default: 64 classes, together
        about 512 samples. One file shows fewer where these do not fit.
    cell : int
        The longer side of a small picture in pixels, 32 to 512.
    megabytes : float
        Large pictures are added while the gallery has at most so many MB, up to 20.
    progress : bool or str
        As for `Progress`.
    viewer : callable, optional
        Returns features of images, by which classes look alike, such as ``BackboneViewer("random:resnet18")`` of
        `synthgen.torch.looking`. It is shown up to 8 images of each class. Default: the mean of the images of a
        class, and of their spectra.

    Returns
    -------
    GalleryReport

    Raises
    ------
    UsageError
        If a number is out of range, `out` holds something else, or features are not finite.
    FormatError
        If the data set is missing, unfinished or damaged.
    StorageError
        If the disk is full or may not be written.
    """
    _check(cell, megabytes)
    check_encoder()
    out = Path(out)
    opened = open_dataset(dataset)
    check_out(out)

    wanted = chosen_samples(opened.manifest, classes, per_class)
    seen = None if viewer is None else seen_classes(opened, wanted, viewer, progress)
    look = look_of(opened, cell, LARGE)
    budget = megabytes * 1e6
    if is_one_file(out):
        contents = _fitting(opened, look, wanted, progress, seen).with_large(budget, in_folder=False)
        sizes = write_one(out, contents.page(in_folder=False))
    else:
        contents = _drawn(opened, look, wanted, wanted, progress, seen).with_large(budget, in_folder=True)
        sizes = write_folder(out, contents.page(in_folder=True), contents.beside())
    return _report(out, contents, sizes)


def _check(cell: int, megabytes: float) -> None:
    if not _LEAST_CELL <= cell <= LARGE:
        raise UsageError(f"cell must lie in {_LEAST_CELL}..{LARGE}, got {cell}")
    most = LIMIT // 10**6
    if not 0 <= megabytes <= most:
        raise UsageError(f"megabytes must lie in 0..{most}, got {megabytes}")


def _fitting(dataset: Dataset, look: Look, wanted: Chosen, progress, seen: Seen | None) -> Contents:
    """Return the contents of one file: fewer samples, until they fit."""
    chosen = _estimated(dataset, look, wanted)
    while True:
        contents = _drawn(dataset, look, chosen, wanted, progress, seen)
        if len(contents.page(in_folder=False)) <= LIMIT or chosen.total == 1:
            return contents
        chosen = fewer(chosen, _SAFE)


def _estimated(dataset: Dataset, look: Look, chosen: Chosen) -> Chosen:
    """Return as many of some samples as fit into one file, as the class in the middle tells."""
    middle = len(chosen.labels) // 2
    shown = shown_class(dataset, look, chosen.labels[middle], chosen.indices[middle])
    pictures = sum(map(len, shown.pictures.values()))
    size = pictures * _ENCODED + len(shown.details)

    share = LIMIT * _SAFE / (size * len(chosen.labels))
    return chosen if share >= 1 else fewer(chosen, share)


def _drawn(dataset: Dataset, look: Look, chosen: Chosen, wanted: Chosen, progress, seen: Seen | None) -> Contents:
    with Progress(progress, chosen.total) as bar:
        return contents_of(dataset, look, chosen, wanted, bar.advance, seen)


def _report(out: Path, contents: Contents, sizes: list[int]) -> GalleryReport:
    chosen = contents.chosen
    return GalleryReport(
        str(out),
        classes=len(chosen.labels),
        samples=chosen.total,
        large=contents.large,
        files=len(sizes),
        bytes=sum(sizes),
        notes=contents.notes(),
    )
