"""The command that looks into backbones. It needs synthgen-vision[torch]; its help page does not."""

from pathlib import Path

import click

from synthgen.cli.options import LOCAL, command, json_option, out_option, print_json, progress_option
from synthgen.extras import needed_for


@command()
@click.argument("weights", nargs=-1, required=True)
@out_option("Folder for the pictures and features.csv.")
@click.option("--data", type=LOCAL, help="Labelled images: a folder for each class, or a data set of ours.")
@click.option(
    "--images", type=click.IntRange(10, 20_000), default=500, help="How many of them, in all.  [default: 500]"
)
@click.option("--size", metavar="N|WxH", default="224", help="Size that they are stretched to.  [default: 224]")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the map of the images.  [default: 0]")
@click.option("--batch-size", "batch", type=click.IntRange(1), default=16, help="Images at a time.  [default: 16]")
@json_option
@progress_option
def look(weights, out, data, images, size, seed, batch, as_json, progress):
    """Compare WEIGHTS (timm names, files, folders of pretrain): filters, features, convergence.

    Writes filters.png, the filters of the first layer side by side. With --data also tsne.png, the labelled images
    as each backbone sees them, and features.csv: accuracy of the nearest neighbors, effective dimensions (how far
    the features spread) and intraclass compactness. Folders of `synthgen pretrain` also give convergence.png.

    \b
    synthgen look runs/fractals runs/mandelbulbs random:resnet18 --data photos --out look
    """
    with needed_for("look"):
        from synthgen.torch.backbones import load_backbone
        from synthgen.torch.looking import filters_side_by_side, names_of
    from synthgen.shards.files import make_folder, refuse_remote

    refuse_remote(out)
    names = names_of(weights)
    labelled = _opened(data, images)
    pixels = _size(size)
    models = {name: load_backbone(given) for name, given in zip(names, weights, strict=True)}
    folder = Path(out)
    make_folder(folder, folder)

    written = ["filters.png"]
    _save(filters_side_by_side(models), folder / "filters.png")
    written += _curves(dict(zip(names, weights, strict=True)), folder)
    rows = []
    if labelled is not None:
        rows = _features(models, labelled, pixels, batch, seed, folder, progress)
        written += ["tsne.png", "features.csv"]
    if as_json:
        print_json({"files": [str(folder / name) for name in written], "features": rows})
        return
    _print(rows)
    click.echo(f"{folder}: {', '.join(written)}", err=True)


def _opened(data, images: int):
    if data is None:
        return None
    from synthgen.layouts.labelled import open_labelled

    return open_labelled(data, images)


def _size(typed: str) -> tuple[int, int]:
    from synthgen.options import parse_size

    height, width = parse_size(typed, "", "size")
    return height, width


def _features(models: dict, labelled, size, batch: int, seed: int, folder: Path, progress: str) -> list[dict]:
    """Write what the features of all models look like, and return a row for each model."""
    from synthgen.look.charts import scatter
    from synthgen.run.progress import Progress
    from synthgen.tables import write_csv
    from synthgen.torch.looking import embedded, measures_of, penultimate

    panels = {}
    rows = []
    with Progress(progress, len(models) * len(labelled.pictures)) as bar:
        for name, model in models.items():
            features = penultimate(model, labelled, size, batch, bar.advance)
            panels[name] = embedded(features, seed)
            rows.append({"weights": name, **measures_of(features, labelled.labels)})
    scatter(folder / "tsne.png", panels, labelled.labels, labelled.names)
    write_csv(folder / "features.csv", rows, list(rows[0]))
    return rows


def _curves(places: dict, folder: Path) -> list[str]:
    """Draw the curves of those weights that are folders of runs; return the files written."""
    from synthgen.look.charts import convergence
    from synthgen.torch.looking import curve_columns, history_of

    runs = {}
    for name, place in places.items():
        history = history_of(place)
        if history is not None:
            runs[name] = history
    columns = curve_columns(list(runs.values())) if runs else []
    if not columns:
        return []
    convergence(folder / "convergence.png", runs, columns)
    return ["convergence.png"]


def _print(rows: list[dict]) -> None:
    """Print a line for each model."""
    if not rows:
        return
    width = max(7, *(len(row["weights"]) for row in rows))
    click.echo(f"{'weights':{width}s}  kNN accuracy  dimensions  compactness")
    for row in rows:
        numbers = f"{row['knn_accuracy']:12.3f}  {row['effective_dimensions']:10.1f}"
        click.echo(f"{row['weights']:{width}s}  {numbers}  {row['intraclass_compactness']:11.3f}")


def _save(picture, path: Path) -> None:
    from synthgen.shards.files import replacing

    with replacing(path) as temporary:
        picture.save(temporary, "PNG")
