"""The command that makes an anomaly model: fit. It needs synthgen[torch]."""

from pathlib import Path

import click

from synthgen.cli.anomaly import THRESHOLDS, batch_option, device_option, load
from synthgen.cli.options import COMMAND_LINE, progress_option
from synthgen.errors import UsageError

MODELS = ("patchcore", "sequential-patchcore", "padim")
SEQUENTIAL = MODELS[1]


def _points(context, option, value):
    """Read ``--coreset``: a number of points, or a share."""
    if value is None:
        return None
    try:
        return int(value) if value.isdecimal() else float(value)
    except ValueError:
        raise UsageError(f"--coreset: must be a share such as 0.1 or a number of points, got {value!r}") from None


def _layers(context, option, value):
    """Read ``--layers``."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--layers: must be numbers 1 to 4 with commas between, got {value!r}")
    return tuple(map(int, parts))


def model_options(command):
    """Add the options that go to the constructor of a model; those not given keep its defaults."""
    for option in reversed((
        click.option("--layers", metavar="A,B,..", callback=_layers, help="Some of 1 to 4.  [default: 2,3]"),
        click.option("--coreset", metavar="N", callback=_points, help="patchcore: share or count.  [default: 0.1]"),
        click.option("--projection", type=int, help="patchcore: channels in choosing points.  [default: 128]"),
        click.option("--neighbours", type=int, help="patchcore, sequential: that weigh the score of an image."),
        click.option("--points", type=int, help="sequential: size of the bank.  [default: 2048]"),
        click.option("--epochs", type=int, help="sequential: passes at most.  [default: 5]"),
        click.option("--augment", is_flag=True, default=None, help="sequential: vary the images as paper 002."),
        click.option("--channels", type=int, help="padim: channels to keep.  [default: 100]"),
        click.option("--regularisation", type=float, help="padim: added to each variance.  [default: 0.01]"),
        click.option("--pool", type=int, help="Side of the local average of features."),
        click.option("--pool-padding", type=click.Choice(["zeros", "none"]), help="Beyond the edges of features."),
        click.option("--border", type=int, help="Places of the features left out at each edge.  [default: 0]"),
        click.option("--sigma", type=float, help="Smoothing of the maps, pixels.  [default: 4]"),
        click.option("--seed", type=int, help="Of all chance.  [default: 0]"),
        click.option("--memory", metavar="MB", type=int, help="Most memory to use.  [default: what is left]"),
        device_option,
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("kind", metavar="MODEL", type=click.Choice(MODELS))
@click.option("--normal", type=click.Path(), help="Normal images: a folder, or a data set of any layout.")
@click.option("--backbone", metavar="NAME|FILE", help="timm name, random:NAME, or weights of `synthgen pretrain`.")
@click.option("--out", required=True, type=click.Path(), help="File of the model (safetensors).")
@click.option("--size", metavar="N|WxH", help="Size that images are stretched to.  [default: 256]")
@click.option("--update", type=click.Path(), help="sequential: go on from the model in this file, with new images.")
@click.option("--meld", type=click.Path(), multiple=True, help="sequential: join the models in these files.")
@model_options
@batch_option
@progress_option
def fit(kind, normal, backbone, out, size, update, meld, batch, progress, **options):
    """Fit MODEL (patchcore, sequential-patchcore or padim) to normal images.

    \b
    synthgen fit patchcore --normal photos/good --backbone resnet18 --out brick.safetensors
    synthgen fit sequential-patchcore --normal mvtec/bottle --backbone out/best.safetensors --out bottle.safetensors
    synthgen fit sequential-patchcore --update a.safetensors --normal new --out b.safetensors
    synthgen fit sequential-patchcore --meld a.safetensors --meld b.safetensors --points 4096 --out ab.safetensors
    """
    options = {name: value for name, value in options.items() if value is not None}
    if "memory" in options:
        options["memory"] *= 10**6
    place = Path(out)
    if place.is_dir() or not place.parent.is_dir():
        raise UsageError(f"--out: must be a file in a folder that is there, got {out}")
    if meld:
        others = {"--normal": normal, "--backbone": backbone, "--update": update, "--size": size}
        _only("--meld", kind, others, options, {"points", "device"})
        model = _melded(meld, **options)
    elif normal is None:
        raise UsageError("--normal: must be a folder of normal images, got none")
    elif update is not None:
        _only("--update", kind, {"--backbone": backbone, "--size": size}, options, {"memory", "device"})
        model = _updated(update, normal, batch, progress, options)
    elif backbone is None:
        raise UsageError("--backbone: must be a name of timm's or a file of weights, got none")
    else:
        model = _fitted(kind, normal, backbone, size or 256, batch, progress, options)
    model.save(place)
    height, width = model.image_size
    click.echo(f"{out}: {model.kind} for images of {width}x{height}, {place.stat().st_size / 1e6:.1f} MB")


def _only(option: str, kind: str, others: dict, given: dict, allowed: set) -> None:
    """Refuse what does not go with ``--update`` or ``--meld``."""
    if kind != SEQUENTIAL:
        raise UsageError(f"{option}: must be for {SEQUENTIAL}, got {kind}")
    wrong = [name for name, value in others.items() if value is not None]
    wrong += [f"--{name}" for name in given if name not in allowed]
    if wrong:
        raise UsageError(f"{wrong[0]}: must be left out with {option}, got it")


def _fitted(kind: str, normal, backbone: str, size, batch: int, progress: str, options: dict):
    """Return a new model, fitted to normal images."""
    import inspect

    from synthgen import torch as companion
    from synthgen.options import parse_size

    classes = (companion.PatchCore, companion.SequentialPatchCore, companion.PaDiM)
    made = next(model for model in classes if model.kind == kind)
    known = inspect.signature(made).parameters
    for name in options:
        if name not in known:
            raise UsageError(f"--{name}: must be left out for {kind}, which has no such option")
    from synthgen.layouts import open_normal
    from synthgen.torch.evaluation import Batches

    images = open_normal(normal, tuple(parse_size(size, COMMAND_LINE)))
    click.echo(f"{normal}: {len(images)} normal images ({images.layout})", err=True)
    model = made(backbone, **options)
    model.notes = {"normal": str(normal), "images": len(images), "backbone": backbone}
    return model.fit(Batches(images, batch), progress, _say)


def _updated(path, normal, batch: int, progress: str, options: dict):
    """Return the model of a file after it has learned more images."""
    model = load(path, SEQUENTIAL, **options)

    from synthgen.layouts import open_normal
    from synthgen.torch.evaluation import Batches

    images = open_normal(normal, tuple(model.image_size))
    click.echo(f"{normal}: {len(images)} normal images ({images.layout})", err=True)
    model.notes["updated"] = [*model.notes.get("updated", []), str(normal)]
    model.notes.pop(THRESHOLDS, None)  # they were another model's
    return model.update(Batches(images, batch), progress, _say)


def _melded(paths, points: int | None = None, device: str | None = None):
    """Return one model made of those in some files."""
    models = [load(path, SEQUENTIAL, device=device) for path in paths]

    from synthgen.torch.models import meld

    model = meld(models, points)
    model.notes = {"melded": list(paths)}
    return model


def _say(line: str) -> None:
    click.echo(line, err=True)
