"""The command that shows a data set to people who have neither the data nor Python."""

import click

from synthgen.cli.options import command, json_option, out_option, print_json, progress_option
from synthgen.extras import needed_for
from synthgen.machine import counted, human_bytes


@command(compiles=False)
@click.argument("dataset", type=click.Path())
@out_option("Folder to write, or one file: a name that ends in .html.")
@click.option("--classes", type=int, help="Show at most N classes, spread over all.  [default: 64]")
@click.option("--per-class", type=int, help="Show at most N images of each.  [default: 8, or more of few classes]")
@click.option("--cell", type=int, default=128, help="Longer side of a small picture in pixels.  [default: 128]")
@click.option(
    "--megabytes", type=float, default=3, help="Add large pictures up to this size of the gallery.  [default: 3]"
)
@click.option(
    "--backbone",
    metavar="NAME|FILE",
    help="Let a network say which classes look alike: timm name, random:NAME, or weights of `synthgen pretrain`.",
)
@json_option
@progress_option
def gallery(dataset, out, classes, per_class, cell, megabytes, backbone, as_json, progress):
    """Write DATASET as a page that opens from a file: its classes, fields, objects, formulas and distributions.

    The page asks nothing of a network. One file has at most 20 MB, and shows fewer images where they do not fit.

    \b
    synthgen gallery fractals-1000x1000 -o gallery.html
    synthgen gallery plates -o site --per-class 32 --megabytes 15
    synthgen gallery textures-100x100 -o textures.html --backbone random:resnet18
    """
    from synthgen.look.gallery import gallery as write

    viewer = None if backbone is None else _viewer(backbone)
    report = write(dataset, out, classes, per_class, cell, megabytes, progress, viewer)
    if as_json:
        print_json(report._asdict())
        return
    _print(report)


def _viewer(backbone):
    with needed_for("--backbone"):
        from synthgen.torch.looking import BackboneViewer

    return BackboneViewer(backbone)


def _print(report) -> None:
    size = human_bytes(report.bytes)
    images = counted(report.samples, "image")
    classes = counted(report.classes, "class", "classes")
    click.echo(f"{report.path}: {images} of {classes}, {counted(report.files, 'file')}, {size}")
    for note in report.notes:
        click.echo(f"  {note}")
