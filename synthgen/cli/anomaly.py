"""Commands that use an anomaly model: detect, evaluate. They need synthgen-vision[torch]."""

import os
from pathlib import Path

import click

from synthgen.cli.options import LOCAL, command, json_option, out_option, print_json, progress_option
from synthgen.errors import UsageError
from synthgen.machine import counted

EXIT_UNREADABLE = 3

batch_option = click.option(
    "--batch-size", "batch", type=click.IntRange(min=1), default=8, help="Images at a time.  [default: 8]"
)
device_option = click.option("--device", help="cpu, cuda, cuda:1, ..  [default: a GPU where there is one]")


@command()
@click.argument("model_file", metavar="FILE", type=LOCAL)
@click.argument("images", nargs=-1, required=True, type=LOCAL)
@out_option("Folder for scores.csv, the heat maps and the raw maps.")
@click.option("--threshold", type=float, help="Image score from which on an image is anomalous.")
@click.option("--pixel-threshold", type=float, help="Score from which on a pixel is outlined.")
@click.option(
    "--maps", type=click.Choice(["npy", "tiff"]), help="Write raw maps, too: float32, as large as the images."
)
@click.option(
    "--side-by-side", is_flag=True, help="Show image, map and both together, instead of both together alone."
)
@batch_option
@device_option
@json_option
@progress_option
@click.pass_context
def detect(context, model_file, images, out, batch, device, as_json, progress, **choices):
    """Score IMAGES (files, folders, data sets) with the model in FILE, and lay heat maps over them.

    Images are shown to the model as those that it was fitted to: stretched, in a letterbox, cropped or in tiles.
    Maps come back at the size of the image. Thresholds are those that `synthgen fit` found on normal images that it
    held out, or that `synthgen evaluate --keep-thresholds` left in FILE, unless they are given. In the table
    `scaled` is the score divided by the threshold.

    Results are written as they come, and the same command resumes a run that was interrupted. An image that cannot
    be read gets a row with the error; the rest goes on, and the exit status is 3.

    \b
    synthgen detect brick.safetensors photos/ --out found
    synthgen detect brick.safetensors a.png b.png --out found --threshold 31.5 --maps tiff --side-by-side
    """
    from synthgen.layouts import open_images
    from synthgen.shards.files import refuse_remote

    refuse_remote(out)
    check_apart(out, images)
    opened = open_images(images)
    _say_all(opened.left_out)
    model = load(model_file, device=device)
    rows = _detected(model, opened, Path(out), choices, batch, model_file, progress)

    scored = [row for row in rows if "score" in row]
    if as_json:
        print_json(rows)
    else:
        _print_scores(rows)
        _say_files(scored, out)
    if scored and "heatmap" not in scored[0]:
        _say(f"{model.kind} scores whole images: no heat maps")
    unreadable = len(rows) - len(scored)
    if unreadable:
        _say(f"{unreadable} of {counted(len(rows), 'image')} cannot be read; scores.csv says why")
        context.exit(EXIT_UNREADABLE)


def _detected(model, images, out: Path, choices: dict, batch: int, model_file, progress: str) -> list[dict]:
    """Write what the model says of images, and return the table."""
    from synthgen.run.progress import Progress
    from synthgen.shards.files import sha256_of
    from synthgen.torch.evaluation import Choices
    from synthgen.torch.evaluation import detect as write_results

    _check_memory(model, batch, len(images))
    digest = sha256_of(Path(model_file))
    chosen = Choices(**choices)
    with Progress(progress, len(images)) as bar:
        return write_results(model, images, out, chosen, batch, digest, bar.advance, _say)


def _say_files(scored: list[dict], out) -> None:
    """Say what was written."""
    pictures = sum("heatmap" in row for row in scored)
    maps = sum("map" in row for row in scored)
    files = ["scores.csv"]
    files += [f"{pictures} heat maps"] if pictures else []
    files += [f"{maps} raw maps"] if maps else []
    _say(f"{out}: {' and '.join(files)}")


@command()
@click.argument("model_file", metavar="FILE", type=LOCAL)
@click.argument("test_set", type=LOCAL)
@click.option("--normal", type=LOCAL, multiple=True, help="Normal images to add, if TEST_SET has none.")
@out_option("Folder for the table, the scores, the anomalies and the plots.", required=False)
@click.option(
    "--metric",
    "metrics",
    metavar="NAME[@LIMIT]",
    multiple=True,
    help="What to measure, such as pl, pl@0.5, aupro@0.05, fpr@0.99, or module:function; may be given several "
    "times.  [default: the usual ones]",
)
@click.option("--trust", is_flag=True, help="Run the code of metrics that are given as module:function.")
@click.option(
    "--held-out",
    type=LOCAL,
    multiple=True,
    help="Normal images that FILE was not fitted to: for thresholds.",
)
@click.option("--synthetic", is_flag=True, help="Paste defects on --held-out, and take the best thresholds there.")
@click.option("--oracle", is_flag=True, help="Add what the best thresholds of TEST_SET itself would give.")
@click.option("--keep-thresholds", is_flag=True, help="Store the best thresholds of TEST_SET in FILE, for detect.")
@click.option(
    "--region",
    metavar="MASK|FOLDER|FIELD",
    help="What is inspected: a mask for all images, a folder of masks, or a field of TEST_SET, such as region.",
)
@click.option("--own-size", is_flag=True, help="Measure at the size of the images, not at that of the model.")
@click.option("--intervals", is_flag=True, help="Print 95 % intervals, from 2,000 resamples of the images.")
@click.option(
    "--pictures", is_flag=True, help="Write sheets of images, maps and masks, and right and wrong pixels."
)
@click.option("--refine", is_flag=True, help="Refine the masks, and add IoU and DICE before and after (F2PAD).")
@batch_option
@device_option
@json_option
@progress_option
def evaluate(model_file, test_set, out, batch, device, as_json, progress, **given):
    """Measure the model in FILE on TEST_SET: a table for each category and kind of defect.

    TEST_SET is a category of MVTec AD, MVTec LOCO or VisA, or a folder of several; a folder with `good` and a
    folder for each kind of defect, masks in `ground_truth`; or a data set of ours. Images are shown to the model
    as those that it was fitted to, and masks are cut and resized with them.

    F1, recall, IoU and the like are measured at thresholds that do not come from TEST_SET: those that FILE keeps,
    or of --held-out. What its own best thresholds would give is called `oracle`.

    With --region pixels outside of it count in no metric, and the score of an image is the highest of its map
    inside. Masks in a folder are named as the images are. The same regions hold for --held-out.

    \b
    synthgen evaluate brick.safetensors mvtec/brick --out report
    synthgen evaluate brick.safetensors cutpaste-set --normal photos/good --json
    synthgen evaluate brick.safetensors mvtec/brick --metric pl --metric pl@0.5 --metric aupro@0.05 --intervals
    """
    from synthgen.cli.measuring import Evaluation, check
    from synthgen.layouts import open_test_set, within
    from synthgen.shards.files import refuse_remote

    if out is not None:
        refuse_remote(out)
    columns = check(given, out)
    model = load(model_file, device=device)
    if given["refine"]:
        from synthgen.cli.refine import check_refinable

        check_refinable(model)

    images = open_test_set(test_set, normal=given["normal"] or None)
    _say_all(images.left_out)
    if given["keep_thresholds"]:
        _check_one_category(images)
    if out is not None:
        _made(out)

    if given["region"]:
        images = within(images, given["region"])
    work = Evaluation(model, columns, batch, progress, given)
    thresholds = work.thresholds()
    predictions = _predict(model, images, batch, progress, given["own_size"])
    rows = work.measured(predictions, thresholds)
    if given["refine"]:  # at the threshold that the model came with: never at one of these masks
        from synthgen.cli.refine import measured

        rows = measured(model, predictions, rows, out, progress)
    if given["keep_thresholds"]:
        _keep_thresholds(model, rows[0], model_file, test_set)

    bounds = work.intervals(predictions, rows) if given["intervals"] else []
    work.show(rows, bounds, as_json)
    if out is not None:
        work.write(predictions, rows, bounds, thresholds, Path(out))


def load(path, kind: str | None = None, memory: int | None = None, device: str | None = None):
    """Return the model in a file; with `kind`, one of that kind only."""
    from synthgen import torch as companion

    model = companion.load_model(path, memory=memory, device=device)
    if kind not in (None, model.kind):
        raise UsageError(f"{path}: must be a model of kind {kind}, got {model.kind}")
    return model


def _say(line: str) -> None:
    click.echo(line, err=True)


def _say_all(lines: list[str]) -> None:
    for line in lines:
        _say(line)


def check_apart(out, images) -> None:
    """Refuse a folder of results among the images: the next run would take heat maps for photographs."""
    folder = Path(os.path.realpath(out))
    for path in map(Path, images):
        if path.is_dir() and folder.is_relative_to(os.path.realpath(path)):
            raise UsageError(f"out must lie outside of the folder of images {path}, got {out}")


def _check_one_category(images) -> None:
    categories = sorted({entry.category for entry in images.entries})
    if len(categories) > 1:
        raise UsageError(f"keep_thresholds must be for one category, got {', '.join(categories)}")


def _made(out) -> Path:
    """Return the folder of the results, which is there now."""
    from synthgen.shards.files import make_folder

    make_folder(Path(out), out)
    return Path(out)


def _predict(model, images, batch: int, progress: str, own_size: bool):
    """Return what the model says of images, shown to it as those that it was fitted to."""
    from synthgen.run.progress import Progress
    from synthgen.torch.evaluation import kept_framing, predict_set

    framing = kept_framing(model)
    _check_memory(model, batch, len(images))
    with Progress(progress, len(images)) as bar:
        images = images.with_bits(framing.bits)
        predictions = predict_set(model, images, batch, bar.advance, framing=framing, own_size=own_size)

    if len(predictions.scores) and predictions.maps is None:
        _say(f"{model.kind} scores whole images: no heat maps, and no measures of pixels")
    if predictions.lost:
        _say(f"{predictions.lost} defects are too small or lie too far out for this size: no pixel of them is left")
    if predictions.regions is not None:
        _say(f"region: {predictions.inspected.mean():.1%} of the pixels are inspected")
    if predictions.hidden:
        _say(f"{predictions.hidden} anomalous images have no defect inside of the region; they stay anomalous")
    return predictions


def _check_memory(model, batch: int, images: int) -> None:
    """Refuse batches that do not fit into the memory; of few images there are many tiles."""
    from synthgen.torch.evaluation import kept_framing

    tiled = kept_framing(model).tile is not None
    at_once = batch if tiled else min(batch, images)
    model.check_prediction(at_once, model.image_size)


def _print_scores(rows: list[dict]) -> None:
    for row in rows:
        if "error" in row:
            click.echo(f"{'-':>10}  {row['error']}")
            continue
        mark = "ANOMALOUS  " if row.get("anomalous") else ""
        click.echo(f"{row['score']:10.4g}  {mark}{row['image']}")


def _keep_thresholds(model, row, path, test_set) -> None:
    """Store the best thresholds of a test set in the file of a model."""
    from synthgen.torch.evaluation.limits import keep

    keep(model, row.oracle_threshold, row.oracle_pixel_threshold, source=f"the best of {test_set}")
    model.save(path)
