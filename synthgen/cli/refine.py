"""The command that finds the outlines of defects: ``refine``. It needs the extra torch; its help page does not."""

from functools import partial
from pathlib import Path

import click

from synthgen.cli.anomaly import EXIT_UNREADABLE, check_apart, device_option, load
from synthgen.cli.options import (
    LOCAL,
    command,
    json_option,
    options_of,
    out_option,
    print_json,
    progress_option,
    with_options,
)
from synthgen.errors import UsageError
from synthgen.machine import counted
from synthgen.options import convert
from synthgen.torch.refinement.options import RefineOptions

_OPTIONS = (
    out_option("Folder for masks, sheets, refined.csv, and with --recover normal images and cut-outs."),
    click.option(
        "--threshold",
        metavar="T|oracle",
        help="Score from which on a pixel belongs to the coarse mask; oracle takes the best one for the masks of "
        "IMAGES themselves, for comparisons.  [default: what `evaluate --keep-thresholds` left in MODEL]",
    ),
    click.option("--normal", type=LOCAL, multiple=True, help="Normal images, for --inpaint nearest."),
    click.option(
        "--tune",
        type=LOCAL,
        help="Choose sparsity and colors by the best mean IoU on this test set: validation images, with pasted "
        "defects for example.",
    ),
    *options_of(RefineOptions),
    click.option(
        "--batch-size", "batch", type=click.IntRange(min=1), help="Images at a time.  [default: 1; 8 on a GPU]"
    ),
    device_option,
    json_option,
    progress_option,
)


@command()
@click.argument("model_file", metavar="MODEL", type=LOCAL)
@click.argument("images", nargs=-1, required=True, type=LOCAL)
@partial(with_options, options=_OPTIONS)
@click.pass_context
def refine(context, model_file, images, out, threshold, normal, tune, batch, device, as_json, progress, **given):
    """Find the outlines of the defects in IMAGES, and the normal images behind them (F2PAD, Tao et al. 2024).

    MODEL says where to look. What it marks is replaced by an image that it finds normal and that equals the given
    one at as many pixels as possible; the defect is where the two differ. Where that does not help, the mask of
    MODEL is written, with a note. A run that was stopped goes on when it is started again.

    \b
    synthgen refine brick.safetensors photos/new --out refined
    synthgen refine brick.safetensors photos/new --out refined --recover
    synthgen cutpaste --normal photos/good --defects refined/cutouts
    """
    from synthgen.shards.files import refuse_remote
    from synthgen.torch.evaluation import kept_framing

    refuse_remote(out)
    typed = {name: value for name, value in given.items() if value is not None}
    options = convert(typed, RefineOptions, "")
    model = load(model_file, device=device)
    check_apart(out, images)
    check_kind(model)
    images = _opened(images, threshold).with_bits(kept_framing(model).bits)
    for line in images.left_out:
        click.echo(line, err=True)

    work = _work(model, images, Path(out), options, threshold, normal)
    if tune is not None:
        work = work._replace(options=_tuned(work, tune, progress))
    batch = batch or (1 if model.device.type == "cpu" else 8)
    rows = _refined(work, batch, progress)
    if as_json:
        print_json(rows)
    else:
        _print(rows, Path(out))
    if any("error" in row for row in rows):
        context.exit(EXIT_UNREADABLE)


def check_kind(model) -> None:
    """Refuse a model without gradients, and one that does not see whole images stretched to its size."""
    from synthgen.torch.evaluation import kept_framing

    if not model.differentiable:
        model.local_scores(None, [])
    framing = kept_framing(model)
    if framing.tile is not None or framing.fit != "stretch":
        shown = "tiles" if framing.tile is not None else framing.fit
        raise UsageError(f"model must see whole images, stretched, to be refined, got {shown}")


def check_refinable(model) -> None:
    """Refuse a model without gradients, or without a threshold that does not come from the test set."""
    from synthgen.torch.refinement.outlines import kept_threshold

    check_kind(model)
    kept_threshold(model)


def _opened(paths, threshold: str | None):
    """Return the images: a test set where masks are needed or there, or else images of which nothing is known."""
    from synthgen.layouts import open_images, open_test_set

    if len(paths) == 1:
        try:
            return open_test_set(paths[0])
        except UsageError:
            if threshold == "oracle":
                raise
    return open_images(paths)


def _work(model, images, out: Path, options: RefineOptions, threshold: str | None, normal):
    """Return what is to be done."""
    import numpy as np

    from synthgen.layouts import open_normal
    from synthgen.torch.refinement.folder import Work, threshold_of

    start = None
    if normal:
        size = tuple(model.image_size)
        pictures = [item.image for item in open_normal(normal, size)]
        start = np.stack(pictures)
    value = threshold_of(model, threshold, images)
    return Work(model, images, out, options, value, start)


def _tuned(work, path, progress: str) -> RefineOptions:
    """Return the options that suit a test set best, and print what was chosen."""
    from synthgen.layouts import open_test_set
    from synthgen.run.progress import Progress
    from synthgen.torch.refinement.tuning import GRID, candidates, tuned

    size = tuple(work.model.image_size)
    images = []
    masks = []
    for item in open_test_set(path, size):
        if item.label and item.mask is not None:
            images.append(item.image)
            masks.append(item.mask)
    tries = len(list(candidates(work.options, GRID)))
    with Progress(progress, tries * len(images)) as bar:
        options = tuned(work.model, images, masks, work.options, threshold=work.threshold, advance=bar.advance)

    chosen = ", ".join(f"{name} {getattr(options, name):g}" for name in GRID)
    click.echo(f"chosen on {counted(len(images), 'image')} of {path}: {chosen}", err=True)
    return options


def _refined(work, batch: int, progress: str) -> list[dict]:
    from synthgen.run.progress import Progress
    from synthgen.torch.refinement.folder import refine_set

    with Progress(progress, len(work.images)) as bar:
        return refine_set(work, batch, bar.advance)


def _print(rows: list[dict], out: Path) -> None:
    """Print a line for each image, and where the results are."""
    for row in rows:
        if "error" in row:
            click.echo(f"{'-':>7}  {'-':>7}  {row['error']}")
            continue
        note = f"  ({row['note']})" if row["note"] else ""
        click.echo(f"{row['coarse_area']:7.2%}  {row['area']:7.2%}  {row['image']}{note}")

    known = [row for row in rows if "iou" in row]
    if known:
        count = len(known)
        before = sum(row["iou"] for row in known) / count
        after = sum(row["refined_iou"] for row in known) / count
        images = counted(count, "image")
        click.echo(f"mean IoU of {images} with masks: {before:.3f}, refined {after:.3f}")
    click.echo(f"{out}: masks, sheets, refined.csv", err=True)


def measured(model, predictions, rows: list, out, progress: str) -> list:
    """Return the rows of `evaluate` with the overlaps before and after; write and print what else was measured."""
    from synthgen.run.progress import Progress
    from synthgen.tables import write_csv
    from synthgen.torch.refinement.measure import Fit, fits, format_sizes, with_fits
    from synthgen.torch.refinement.outlines import kept_threshold

    threshold = kept_threshold(model)
    images = predictions.images.resized(tuple(model.image_size))
    with Progress(progress, len(images)) as bar:
        found = fits(model, images, predictions.maps, threshold, advance=bar.advance)
    if out is not None:
        write_csv(Path(out) / "refined.csv", [fit._asdict() for fit in found], Fit._fields)
    click.echo(format_sizes(found), err=True)
    return with_fits(rows, found)
