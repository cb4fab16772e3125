"""Commands that use an anomaly model: detect, evaluate. They need synthgen[torch]."""

from pathlib import Path

import click

from synthgen.cli.options import json_option, print_json, progress_option
from synthgen.errors import UsageError

THRESHOLDS = "thresholds"  # what the notes of a model call them

batch_option = click.option(
    "--batch", type=click.IntRange(min=1), default=8, help="Images at a time.  [default: 8]"
)
device_option = click.option("--device", help="cpu, cuda, cuda:1, ..  [default: a GPU where there is one]")


@click.command()
@click.argument("model_file", metavar="FILE", type=click.Path())
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="Folder for scores.csv and the heat maps.")
@click.option("--threshold", type=float, help="Image score from which on an image is anomalous.")
@click.option("--pixel-threshold", type=float, help="Score from which on a pixel is outlined.")
@batch_option
@device_option
@json_option
@progress_option
def detect(model_file, images, out, threshold, pixel_threshold, batch, device, as_json, progress):
    """Score IMAGES (files, folders, data sets) with the model in FILE, and lay heat maps over them.

    Thresholds are those that `synthgen evaluate --keep-thresholds` left in FILE, unless they are given.

    \b
    synthgen detect brick.safetensors photos/ --out found
    synthgen detect brick.safetensors a.png b.png --out found --threshold 31.5
    """
    model = load(model_file, device=device)

    from synthgen.layouts import open_images
    from synthgen.look.heatmaps import write_heatmaps
    from synthgen.run.progress import Progress

    images = open_images(images)
    folder = _made(out)
    kept = model.notes.get(THRESHOLDS, {})
    threshold = kept.get("image") if threshold is None else threshold
    pixel_threshold = kept.get("pixel") if pixel_threshold is None else pixel_threshold
    predictions = _predict(model, images, batch, progress)
    with Progress(progress, len(predictions.scores), unit="heat maps") as bar:
        pictures = write_heatmaps(predictions, folder / "heatmaps", pixel_threshold, bar.advance)
    rows = []
    for entry, score, picture in zip(predictions.images.entries, predictions.scores, pictures, strict=True):
        rows.append({"image": entry.name, "score": float(score), "heatmap": str(picture)})
        if threshold is not None:
            rows[-1]["anomalous"] = bool(score >= threshold)
    _write_csv(rows, folder / "scores.csv")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['score']:10.4g}  {'ANOMALOUS  ' * row.get('anomalous', False)}{row['image']}")
    click.echo(f"{folder}: scores.csv and {len(rows)} heat maps", err=True)


@click.command()
@click.argument("model_file", metavar="FILE", type=click.Path())
@click.argument("test_set", type=click.Path())
@click.option("--normal", type=click.Path(), help="Normal images to add, if TEST_SET has none.")
@click.option("--out", type=click.Path(), help="Folder for the table, the scores and the plots.")
@click.option("--keep-thresholds", is_flag=True, help="Store the best thresholds in FILE, for detect.")
@batch_option
@device_option
@json_option
@progress_option
def evaluate(model_file, test_set, normal, out, keep_thresholds, batch, device, as_json, progress):
    """Measure the model in FILE on TEST_SET: a table for each category and kind of defect.

    TEST_SET is a category of MVTec AD, MVTec LOCO or VisA, or a folder of several; a folder with `good` and a
    folder for each kind of defect, masks in `ground_truth`; or a data set of ours. Images and masks are
    stretched to the size that the model was fitted at.

    \b
    synthgen evaluate brick.safetensors mvtec/brick --out report
    synthgen evaluate brick.safetensors cutpaste-set --normal photos/good --json
    """
    model = load(model_file, device=device)

    from synthgen.layouts import open_test_set
    from synthgen.run.progress import Progress
    from synthgen.torch.evaluation import format_table, measure

    images = open_test_set(test_set, normal=normal)
    categories = sorted({entry.category for entry in images.entries})
    if keep_thresholds and len(categories) > 1:
        raise UsageError(f"--keep-thresholds: must be for one category, got {', '.join(categories)}")
    if out is not None:
        _made(out)
    predictions = _predict(model, images, batch, progress)
    if predictions.lost:
        click.echo(f"{predictions.lost} defects are too small for this size: no pixel of them is left", err=True)
    with Progress(progress, sum(1 + len(kinds) for _, kinds in predictions.parts()), unit="rows") as bar:
        rows = measure(predictions, bar.advance)
    if keep_thresholds:
        values = {"image": rows[0].threshold, "pixel": rows[0].pixel_threshold}
        model.notes[THRESHOLDS] = {name: value for name, value in values.items() if value is not None}
        model.save(model_file)
    if as_json:
        print_json(rows)
    else:
        click.echo(format_table(rows))
    if out is not None:
        _report(predictions, rows, Path(out))


def load(path, kind: str | None = None, memory: int | None = None, device: str | None = None):
    """Return the model in a file; with `kind`, one of that kind only."""
    from synthgen import torch as companion

    model = companion.load_model(path, memory=memory, device=device)
    if kind not in (None, model.kind):
        raise UsageError(f"{path}: must be a model of kind {kind}, got {model.kind}")
    return model


def _made(out) -> Path:
    """Return the folder of the results, which is there now."""
    from synthgen.shards.files import make_folder

    make_folder(Path(out), out)
    return Path(out)


def _predict(model, images, batch: int, progress: str):
    """Return what the model says of images, stretched to the size of those it was fitted to."""
    from synthgen.run.progress import Progress
    from synthgen.torch.evaluation import predict_set

    with Progress(progress, len(images)) as bar:
        return predict_set(model, images.resized(tuple(model.image_size)), batch, bar.advance)


def _report(predictions, rows: list, folder: Path) -> None:
    """Write the table, the scores and the plots."""
    import msgspec

    from synthgen.shards.files import write_atomically
    from synthgen.torch.evaluation import plot_curves

    scores = [
        {"image": entry.name, "category": entry.category, "kind": entry.kind, "score": float(score)}
        for entry, score in zip(predictions.images.entries, predictions.scores, strict=True)
    ]
    _write_csv(scores, folder / "scores.csv")
    write_atomically(folder / "table.json", msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
    pictures = plot_curves(predictions, rows, folder)
    click.echo(f"{folder}: scores.csv, table.json, {', '.join(path.name for path in pictures)}", err=True)


def _write_csv(rows: list[dict], path: Path) -> None:
    import csv
    import io

    from synthgen.shards.files import write_atomically

    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))
