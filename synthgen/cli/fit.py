"""The command that makes an anomaly model: ``fit KIND``. It needs synthgen[torch]; its help pages do not."""

import difflib
import inspect
from pathlib import Path

import click

from synthgen.cli.anomaly import THRESHOLDS, batch_option, device_option, load
from synthgen.cli.options import command, options_of, out_option, progress_option, with_options
from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.options import convert, parse_size
from synthgen.torch import models

_SIZE = 256
_MEGABYTE = 10**6
_NORMAL = click.option(
    "--normal",
    type=click.Path(),
    multiple=True,
    help="Normal images: a folder, or a data set of any layout. May be given several times.",
)
_BACKBONE = click.option(
    "--backbone",
    metavar="NAME|FILE",
    help="timm name, random:NAME, or weights of `synthgen pretrain`.",
)
_UPDATE = click.option(
    "--update", type=click.Path(), help="Go on from the model in this file, with the images of --normal."
)
_MELD = click.option("--meld", type=click.Path(), multiple=True, help="Join the models in these files.")
_COMMON = (
    click.option("--size", metavar="N|WxH", help=f"Size that images are stretched to.  [default: {_SIZE}]"),
    click.option("--memory", metavar="MB", type=int, help="Most memory to use.  [default: what is left]"),
    device_option,
    batch_option,
    progress_option,
)


class _Kinds(click.Group):
    """A command for each kind of model, made when it is used."""

    def list_commands(self, context):
        return list(models.kinds())

    def get_command(self, context, name):
        return kind_command(name) if name in models.kinds() else None

    def resolve_command(self, context, arguments):
        """Return the command of a kind; suggest one where the name is misspelt."""
        name = arguments[0]
        kinds = models.kinds()
        close = difflib.get_close_matches(name, kinds, 1)
        is_kind = name in kinds or name.startswith("-")
        if close and not is_kind:
            context.fail(f"No such kind of model '{name}'; did you mean {close[0]}?")
        return super().resolve_command(context, arguments)

    def format_commands(self, context, formatter):
        rows = list(models.kinds().items())
        with formatter.section("Kinds"):
            formatter.write_dl(rows)


@click.command(cls=_Kinds, subcommand_metavar="KIND [OPTIONS]")
def fit():
    """Fit an anomaly model to normal images.

    \b
    synthgen fit patchcore --normal photos/good --backbone resnet18 --out brick.safetensors
    synthgen fit padim --help
    """


def kind_command(kind: str) -> click.Command:
    """Return the command of a kind of model; its help is the ``HELP`` of the model's module."""
    module = models.load(kind)
    options = [
        _NORMAL,
        _BACKBONE,
        out_option("File of the model (safetensors)."),
        click.option("--overwrite", is_flag=True, help="Replace a model that is there."),
    ]
    if hasattr(module.MODEL, "update"):
        options.append(_UPDATE)
    if hasattr(module, "meld"):
        options.append(_MELD)

    def run(out, overwrite, **given):
        _check_place(out, overwrite)
        model = _made(module, given)
        model.save(out)
        _report(model, Path(out))

    run = with_options(run, [*options, *options_of(module.Options), *_COMMON])
    return command(kind, help=inspect.cleandoc(module.HELP))(run)


def _check_place(out, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or that is there already."""
    from synthgen.shards.files import refuse_remote

    refuse_remote(out)
    out = Path(out)
    is_file_name = out.parent.is_dir() and not out.is_dir()
    if not is_file_name:
        raise UsageError(f"out must be a file in a folder that is there, got {out}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: is there already; --overwrite replaces it")


def _made(module, given: dict):
    """Return the model that the options ask for: a new one, one that goes on, or several joined."""
    batch_size = given.pop("batch")
    progress = given.pop("progress")
    given = {name: value for name, value in given.items() if value not in (None, ())}
    if "memory" in given:
        given["memory"] *= _MEGABYTE

    with needed_for(f"fit {module.MODEL.kind}"):
        import torch  # noqa: F401

    if "meld" in given:
        return _melded(module, given)
    if "normal" not in given:
        raise UsageError("normal must be a folder of normal images, got none")

    normal = given.pop("normal")
    if "update" in given:
        model = _read(module, given)
        images = _opened(normal, model.image_size)
        loader = _in_batches(images, batch_size)
        return model.update(loader, progress, _say)

    typed = given.pop("size", _SIZE)
    size = parse_size(typed, "")
    model = _new(module, given)
    images = _opened(normal, tuple(size))
    model.notes |= {"normal": list(normal), "images": len(images)}
    loader = _in_batches(images, batch_size)
    return _fitted(model, loader, progress)


def _fitted(model, loader, progress: str):
    """Return a model that is fitted; one that `refine` takes keeps the colors of the images in its notes."""
    if not model.differentiable:
        return model.fit(loader, progress, _say)

    from synthgen.torch.refine import PIXELS, Sampled

    sampled = Sampled(loader, model.settings.seed)
    model.fit(sampled, progress, _say)
    model.notes[PIXELS] = sampled.prior().notes()
    return model


def _new(module, given: dict):
    """Return a model that is to be fitted."""
    if "backbone" not in given:
        raise UsageError("backbone must be a name of timm's or a file of weights, got none")

    backbone = given.pop("backbone")
    others = {name: given.pop(name) for name in ("memory", "device") if name in given}
    model = module.MODEL(backbone, **others, **given)
    model.notes["backbone"] = backbone
    return model


def _read(module, given: dict):
    """Return the model of ``--update``, to go on with."""
    path = given.pop("update")
    _refuse_others("update", given, {"memory", "device"}, "the model in the file keeps its own")
    model = load(path, module.MODEL.kind, **given)
    earlier = model.notes.get("updated", [])
    model.notes["updated"] = [*earlier, str(path)]
    model.notes.pop(THRESHOLDS, None)  # they were another model's
    return model


def _melded(module, given: dict):
    """Return one model made of those of ``--meld``."""
    paths = given.pop("meld")
    _refuse_others("meld", given, {"points", "device"}, "the models in the files keep theirs")
    device = given.get("device")
    parts = [load(path, module.MODEL.kind, device=device) for path in paths]
    points = None
    if "points" in given:
        typed = {"points": given["points"]}
        points = convert(typed, module.Options, "").points
    model = module.meld(parts, points)
    model.notes = {"melded": list(paths)}
    return model


def _refuse_others(option: str, given: dict, allowed: set, reason: str) -> None:
    """Refuse what does not go with an option."""
    for name in given:
        if name not in allowed:
            raise UsageError(f"{name} cannot be given with --{option}: {reason}")


def _opened(normal, size: tuple[int, int]):
    """Return the normal images of all sources, and print each with its count."""
    from synthgen.layouts import open_normal

    images = open_normal(normal, size)
    for source in images.sources:
        _say(f"{source.place}: {source.count} normal images ({source.layout})")
    for line in images.left_out:
        _say(line)
    if len(images.sources) > 1:
        _say(f"{len(images)} normal images in all, from {len(images.sources)} places")
    return images


def _in_batches(images, batch_size: int):
    from synthgen.torch.evaluation import Batches

    return Batches(images, batch_size)


def _report(model, out: Path) -> None:
    """Print what was written."""
    height, width = model.image_size
    megabytes = out.stat().st_size / _MEGABYTE
    size = f"{width}x{height}"
    click.echo(f"{out}: {model.kind} for images of {size}, {megabytes:.1f} MB")


def _say(line: str) -> None:
    click.echo(line, err=True)
