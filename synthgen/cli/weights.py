"""Commands on weights of others: ``weights import``. They need synthgen-vision[torch]; their help pages do not."""

from pathlib import Path

import click

from synthgen.cli.options import LOCAL, Command, Suggesting, json_option, print_json
from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.machine import counted


@click.group(cls=Suggesting)
def weights():
    """Bring weights of others into files that fit, detect and your code read.

    \b
    synthgen weights import resnet18-5c106cde.pth --arch resnet18
    """


@weights.command("import", cls=Command, compiles=False)
@click.argument("file", metavar="FILE", type=LOCAL)
@click.option("--arch", required=True, metavar="NAME", help="timm name of the architecture, for example resnet18.")
@click.option("-o", "--out", type=click.Path(), help="File to write.  [default: FILE with .safetensors]")
@click.option("--mean", metavar="A,B,C", help="Mean of images in [0, 1]: one number or three.  [default: timm's]")
@click.option("--std", metavar="A,B,C", help="Standard deviation: one number or three.  [default: timm's]")
@click.option("--classifier/--no-classifier", default=True, help="Keep the classifier.  [default: on]")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
def import_(file, arch, out, mean, std, classifier, overwrite, as_json):
    """Make a safetensors file with a card of a checkpoint in FILE (.pth, .pth.tar, .pt); nothing in it is executed.

    Prefixes of names such as `module.` or `backbone.` are taken away. What is missing, of another shape, or no part
    of the architecture is named.

    \b
    synthgen weights import resnet18-5c106cde.pth --arch resnet18
    synthgen weights import checkpoint.pth.tar --arch resnet50 --mean 0.5 --std 0.5 -o ours.safetensors
    """
    with needed_for("weights import"):
        from synthgen.torch.weights import import_weights

    stem = file.removesuffix(".tar")
    out = out or Path(stem).with_suffix(".safetensors")
    report = import_weights(file, out, arch, _numbers("mean", mean), _numbers("std", std), classifier, overwrite)
    if as_json:
        print_json(report)
        return

    classes = counted(report.classes, "class", "classes")
    head = f"classifier of {classes}" if report.classes else "no classifier"
    click.echo(f"{report.path}: {report.arch}, {counted(report.tensors, 'tensor')}, {head}")
    if report.prefix:
        click.echo(f"{report.prefix!r} was taken from the beginning of their names", err=True)
    if report.left_out:
        names = ", ".join(report.left_out)
        click.echo(f"left out, for they are no part of {report.arch}: {names}", err=True)


def _numbers(name: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{name} must be one number or three, such as 0.5 or 0.5,0.4,0.3, got {text!r}") from None
