"""The command that makes an anomaly model: ``fit KIND``. It needs synthgen-vision[torch]; its help pages do not."""

import difflib
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import click
import msgspec

from synthgen.cli.anomaly import batch_option, device_option, load
from synthgen.cli.options import (
    LOCAL,
    Words,
    command,
    json_option,
    options_of,
    out_option,
    print_json,
    progress_option,
    with_options,
)
from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.machine import counted
from synthgen.options import convert, parse_size
from synthgen.torch import models
from synthgen.torch.models.options import FALSE_ALARMS, HOLD_OUT, LEAST_IMAGES, with_preset

_SIZE = 256
_FRAMING = ("fit", "tile", "bits")  # how images are shown to the model
_MEGABYTE = 10**6
# Ending of the table of losses beside a model that was trained, and how often a training is kept.
_LOSSES = ".training.csv"
_CHECKPOINT_SECONDS = 300.0
_NORMAL = click.option(
    "--normal",
    type=LOCAL,
    multiple=True,
    help="Normal images: a folder, or a data set of any layout. May be given several times.",
)
_BACKBONE = click.option(
    "--backbone",
    metavar="NAME|FILE",
    help="timm name, random:NAME, or weights of `synthgen pretrain`.",
)
_ARCH = click.option("--arch", metavar="NAME", help="timm name of a --backbone that is a file without a card.")
_UPDATE = click.option(
    "--update", type=LOCAL, help="Go on from the model in this file, with the images of --normal."
)
_MELD = click.option("--meld", type=LOCAL, multiple=True, help="Join the models in these files.")
_COMMON = (
    click.option(
        "--size",
        metavar="N|WxH",
        help=f"Size at which the model sees images.  [default: {_SIZE}; with --tile that of a tile]",
    ),
    click.option(
        "--fit",
        type=click.Choice(["stretch", "letterbox", "crop"]),
        help="How images come to that size: stretched; with black beside them; or cut to its shape.  "
        "[default: stretch]",
    ),
    click.option(
        "--tile",
        metavar="N|WxH",
        help="Cut images into overlapping tiles of so many pixels instead: for small defects in large images.",
    ),
    click.option(
        "--bits", type=int, help="Bits that a camera uses of the 16 of deep image files, 8 to 16.  [default: 16]"
    ),
    click.option(
        "--hold-out",
        type=click.FloatRange(0, 0.9),
        help="Share of the images that the model is not fitted to: thresholds come from their scores; 0 for none.  "
        f"[default: {HOLD_OUT}; none of fewer than {LEAST_IMAGES} images]",
    ),
    click.option(
        "--shots",
        type=click.IntRange(min=1),
        help="Take so many of the normal images, chosen at random, and leave the others out.",
    ),
    click.option(
        "--false-alarms",
        type=click.FloatRange(0, 0.5),
        help=f"Share of normal images that may reach the thresholds.  [default: {FALSE_ALARMS}]",
    ),
    click.option(
        "--calibrate",
        metavar="[SHARE]",
        type=click.FloatRange(0, 1),
        is_flag=False,
        flag_value=1.0,
        help="Take the backbone's batch-norm statistics from the normal images: wholly, or a share from 0 to 1 of "
        "them, the rest as they are.",
    ),
    click.option("--memory", metavar="MB", type=int, help="Most memory to use.  [default: what is left]"),
    device_option,
    batch_option,
    json_option,
    progress_option,
)


class _Kinds(click.Group):
    """A command for each kind of model, made when it is used."""

    def list_commands(self, context):
        return list(models.kinds())

    def parse_args(self, context, args):
        """Take the kind, which comes before all options."""
        if args and args[0].startswith("-") and args[0] not in context.help_option_names:
            listed = ", ".join(models.kinds())
            context.fail(f"The kind of model comes first, as in `fit patchcore {args[0]} ..`: one of {listed}.")
        return super().parse_args(context, args)

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
        *([_members_option(module)] if hasattr(module, "MEMBERS") else [_BACKBONE, _ARCH]),
        out_option("File of the model (safetensors)."),
        click.option(
            "--overwrite", is_flag=True, help="Replace a model that is there, or a training of another one."
        ),
    ]
    if hasattr(module.MODEL, "update"):
        options.append(_UPDATE)
    if hasattr(module, "meld"):
        options.append(_MELD)
    if hasattr(module, "PRESETS"):
        options.append(_preset_option(module.PRESETS))

    def run(out, overwrite, batch, progress, as_json, hold_out, false_alarms, **given):
        check_place(out, overwrite)
        share = HOLD_OUT if hold_out is None else hold_out
        alarms = FALSE_ALARMS if false_alarms is None else false_alarms
        if "set" in given:
            given["set"] = _settings(given["set"])
        with ExitStack() as stack:
            keep = partial(_kept, stack, Path(out), overwrite)
            work = _Work(module, batch, progress, share, alarms, keep)
            model = _made(work, given)
            model.save(out)
        _report(model, Path(out), as_json)

    run = with_options(run, [*options, *options_of(module.Options), *_COMMON])
    return command(kind, help=inspect.cleandoc(module.HELP))(run)


def _members_option(module):
    """Return the option that takes the members of an ensemble."""
    return click.option("--member", metavar="NAME|FILE", multiple=True, help=module.MEMBERS)


def _preset_option(presets: dict[str, dict]):
    """Return the option that takes all settings of a paper."""
    return click.option(
        "--preset",
        type=Words(list(presets)),
        help="Settings of a paper, with its backbone; other options replace them.",
    )


def _settings(typed: tuple[str, ...]) -> dict[str, str]:
    """Return what is given as KEY=VALUE, by key."""
    found: dict[str, str] = {}
    for each in typed:
        key, sign, value = each.partition("=")
        if not (key and sign):
            raise UsageError(f"set must be KEY=VALUE, got {each!r}")
        if key in found:
            raise UsageError(f"set must name each key once, got {key} twice")
        found[key.replace("-", "_")] = value
    return found


def check_place(out, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or that is there already."""
    from synthgen.shards.files import refuse_remote

    refuse_remote(out)
    out = Path(out)
    is_file_name = out.parent.is_dir() and not out.is_dir()
    if not is_file_name:
        raise UsageError(f"out must be a file in a folder that is there, got {out}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: is there already; --overwrite replaces it")


def _kept(stack: ExitStack, out: Path, overwrite: bool, model, images: dict) -> None:
    """Have the training of a model kept beside its file, until the stack ends."""
    if not model.resumes:
        return
    from synthgen.torch.backbones import fingerprint
    from synthgen.torch.unfinished import unfinished

    identity = {"kind": model.kind, "backbone": fingerprint(model.features.net), **model.options(), **images}
    place = unfinished(out, _LOSSES, identity, overwrite, "training", _CHECKPOINT_SECONDS)
    model.kept_in = stack.enter_context(place)


class _Work(NamedTuple):
    """How a model is fitted, whatever it is.

    Attributes
    ----------
    module : module
        Of the kind of model.
    batch_size : int
    progress : str
    hold_out : float
        Share of the images that give the thresholds.
    false_alarms : float
        Share of normal images that may reach them.
    keep : callable
        Called with a model and what identifies its images before it is fitted: a training is kept from then on.
    """

    module: ModuleType
    batch_size: int
    progress: str
    hold_out: float
    false_alarms: float
    keep: Callable

    def load(self, path, **given):
        """Return the model in a file, which must be of the kind."""
        return load(path, self.module.MODEL.kind, **given)


def _made(work: _Work, given: dict):
    """Return the model that the options ask for: a new one, one that goes on, or several joined."""
    given = {name: value for name, value in given.items() if value not in (None, (), {})}
    if "memory" in given:
        given["memory"] *= _MEGABYTE

    if "meld" in given:
        _need_torch(work)
        return _melded(work, given)
    if "normal" not in given:
        raise UsageError("normal must be a folder of normal images, got none")

    # the folder first: that it is not there is said at once
    images = _opened(given["normal"])
    _need_torch(work)
    if getattr(work.module, "CALIBRATED", False):
        return _calibrated(work, given, images)
    if "update" in given:
        return _updated(work, given, images)
    return _fitted(work, given, images)


def _need_torch(work: _Work) -> None:
    with needed_for(f"fit {work.module.MODEL.kind}"):
        import torch  # noqa: F401


def _fitted(work: _Work, given: dict, images):
    """Return a new model, fitted to images."""
    from synthgen.torch.evaluation.inspection import keep_framing

    normal = given.pop("normal")
    framing = _framing(given)
    typed = given.pop("size", None)
    size = _size(typed, framing)
    share = given.pop("calibrate", None)
    shots = given.pop("shots", None)
    model = _new(work.module, given)
    images = _sampled(images, shots, model)
    images, held = _divided(work, images.with_bits(framing.bits), model)

    keep_framing(model, framing)
    model.notes |= {"normal": list(normal), "images": len(images)}
    loader = _in_batches(images, work.batch_size, framing, size)
    if share is not None:
        from synthgen.torch.calibrate import calibrate_model

        calibrate_model(model, loader, share)
    seen = {"normal": list(normal), "images": len(images), "size": list(size), **msgspec.to_builtins(framing)}
    work.keep(model, seen)
    _fit(model, loader, work.progress)
    _find_thresholds(work, model, held)
    return model


def _fit(model, loader, progress: str) -> None:
    """Fit a model; one that `refine` takes keeps the colors of the images in its notes."""
    if not model.differentiable:
        model.fit(loader, progress, _say)
        return

    from synthgen.torch.refinement import PIXELS, Sampled

    sampled = Sampled(loader, model.settings.seed)
    model.fit(sampled, progress, _say)
    model.notes[PIXELS] = sampled.prior().notes()


def _framing(given: dict):
    """Take the options that say how images are shown to the model."""
    from synthgen.layouts.framing import Framing

    typed = {name: given.pop(name) for name in _FRAMING if name in given}
    if "tile" in typed:
        typed["tile"] = _pixels("tile", typed["tile"])
    return convert(typed, Framing, "")


def _size(typed: str | None, framing) -> tuple[int, int]:
    """Return height and width of the images that the model sees."""
    if typed is not None:
        return _pixels("size", typed)
    return framing.tile or (_SIZE, _SIZE)


def _pixels(name: str, typed: str) -> tuple[int, int]:
    """Return height and width, as typed for an option."""
    height, width = parse_size(typed, "", name)
    return height, width


def _new(module, given: dict):
    """Return a model that is to be fitted."""
    if hasattr(module, "MEMBERS"):
        others = {name: given.pop(name) for name in ("memory", "device") if name in given}
        members = list(given.pop("member", ()))
        model = module.MODEL(members, **others, **given)
        model.notes["members"] = members
        return model

    preset = given.pop("preset", None)
    if preset is not None:
        given |= with_preset(module.PRESETS, preset, given)
    if module.MODEL.needs_backbone and "backbone" not in given:
        raise UsageError("backbone must be a name of timm's or a file of weights, got none")
    backbone = given.pop("backbone", None)
    others = {name: given.pop(name) for name in ("arch", "memory", "device") if name in given}
    model = module.MODEL(backbone, **others, **given)
    model.notes["backbone"] = backbone
    if preset is not None:
        model.notes["preset"] = preset
    return model


def _calibrated(work: _Work, given: dict, images):
    """Return an ensemble of fitted models, calibrated on images that none of them was fitted to."""
    from synthgen.torch.ensembles.unseen import unseen
    from synthgen.torch.evaluation.inspection import keep_framing

    normal = list(given.pop("normal"))
    for name in (*_FRAMING, "size", "calibrate", "shots"):
        if name in given:
            raise UsageError(f"{name} must be left out: the members keep their own")

    model = _new(work.module, given)
    framing = _common_framing(model)
    chosen = unseen(images.with_bits(framing.bits), normal, dict(zip(model.names, model.members, strict=True)))
    _say(f"{len(chosen)} of {len(images)} normal images calibrate the members, which were not fitted to them")

    keep_framing(model, framing)
    model.notes |= {"normal": normal, "images": len(chosen)}
    _fit(model, _in_batches(chosen, work.batch_size, framing, model.members_size), work.progress)
    _find_thresholds(work, model, chosen)
    return model


def _common_framing(model):
    """Return how all members of an ensemble see images."""
    from synthgen.torch.evaluation import kept_framing

    framing = kept_framing(model.members[0])
    for name, member in zip(model.names, model.members, strict=True):
        if kept_framing(member) != framing:
            raise UsageError(f"members must be models that see images in the same way, {name} is not")
    return framing


def _updated(work: _Work, given: dict, images):
    """Return the model of ``--update``, gone on with."""
    from synthgen.torch.evaluation import kept_framing
    from synthgen.torch.evaluation.limits import forget

    path = given.pop("update")
    normal = given.pop("normal")
    shots = given.pop("shots", None)
    _refuse_others("update", given, {"memory", "device"}, "the model in the file keeps its own")
    model = work.load(path, **given)
    earlier = model.notes.get("updated", [])
    model.notes["updated"] = [*earlier, str(path)]
    forget(model)
    if "normal" in model.notes:
        model.notes["normal"] = [*model.notes["normal"], *normal]

    framing = kept_framing(model)
    images = _sampled(images, shots, model)
    images, held = _divided(work, images.with_bits(framing.bits), model)
    loader = _in_batches(images, work.batch_size, framing, model.image_size)
    model.update(loader, work.progress, _say)
    _find_thresholds(work, model, held)
    return model


def _melded(work: _Work, given: dict):
    """Return one model made of those of ``--meld``."""
    from synthgen.torch.evaluation.inspection import keep_framing, kept_framing

    paths = given.pop("meld")
    _refuse_others("meld", given, {"points", "device"}, "the models in the files keep theirs")
    device = given.get("device")
    parts = [work.load(path, device=device) for path in paths]
    framing = kept_framing(parts[0])
    for path, part in zip(paths, parts, strict=True):
        if kept_framing(part) != framing:
            raise UsageError(f"meld must be models that see images in the same way, {path} is not")

    points = None
    if "points" in given:
        typed = {"points": given["points"]}
        points = convert(typed, work.module.Options, "").points
    model = work.module.meld(parts, points)
    model.notes = {"melded": list(paths)}
    keep_framing(model, framing)
    return model


def _refuse_others(option: str, given: dict, allowed: set, reason: str) -> None:
    """Refuse what does not go with an option."""
    for name in given:
        if name not in allowed:
            raise UsageError(f"{name} cannot be given with --{option}: {reason}")


def _opened(normal):
    """Return the normal images of all sources, and print each with its count."""
    from synthgen.layouts import open_normal

    images = open_normal(normal)
    _check_one_category(images)
    for source in images.sources:
        _say(f"{source.place}: {source.count} normal images ({source.layout})")
    for line in images.left_out:
        _say(line)
    if len(images.sources) > 1:
        _say(f"{len(images)} normal images in all, from {len(images.sources)} places")
    return images


def _check_one_category(images) -> None:
    """Refuse a folder of several categories: one model would be fitted to things that do not look alike."""
    from synthgen.layouts.entries import shown

    start = 0
    for source in images.sources:
        end = start + source.count
        categories = sorted({images.entries[place].category for place in range(start, end)})
        start = end
        if len(categories) > 1:
            listed = shown(categories)
            raise UsageError(
                f"{source.place}: must be one category to fit a model to, got {len(categories)} ({listed}); "
                f"fit a model to each, as with --normal {Path(source.place) / categories[0]}"
            )


def _sampled(images, shots: int | None, model):
    """Return so many of the images, chosen at random; all where the number is not given."""
    from synthgen.torch.evaluation.limits import sampled

    if shots is None:
        return images
    seed = getattr(model.settings, "seed", 0)
    chosen = sampled(images, shots, seed)
    model.notes["shots"] = shots
    _say(f"{shots} of {len(images)} normal images, chosen with seed {seed}")
    return chosen


def _divided(work: _Work, images, model):
    """Return the images to fit the model to, and those that are held out, if any."""
    from synthgen.torch.evaluation import divided

    seed = getattr(model.settings, "seed", 0)
    return divided(images, work.hold_out, seed)


def _in_batches(images, batch_size: int, framing, size):
    from synthgen.torch.evaluation import Batches

    return Batches(images, batch_size, framing, size)


def _find_thresholds(work: _Work, model, held) -> None:
    """Store the thresholds that the images held out give, and say what they promise, if anything."""
    from synthgen.torch.ensembles.crossed import crossed_limits
    from synthgen.torch.evaluation import held_out_limits, kept_framing
    from synthgen.torch.evaluation.limits import keep

    if held is None:
        return
    is_calibrated = getattr(work.module, "CALIBRATED", False)
    limits_of = crossed_limits if is_calibrated else held_out_limits
    limits = limits_of(model, held, work.batch_size, kept_framing(model), work.false_alarms)
    keep(model, limits.image, limits.pixel, limits.normal)

    images = counted(len(held), "image")
    way = "left out in turn" if is_calibrated else "held out"
    share = limits.normal.false_alarms
    _say(f"threshold {limits.image:.4g} from {images} {way}: {share:.1%} of normal images may reach it")


def _report(model, out: Path, as_json: bool) -> None:
    """Print what was written."""
    height, width = model.image_size
    if as_json:
        stored = out.stat().st_size
        print_json({"path": str(out), "kind": model.kind, "size": [height, width], "bytes": stored})
        return

    megabytes = out.stat().st_size / _MEGABYTE
    size = f"{width}x{height}"
    click.echo(f"{out}: {model.kind} for images of {size}, {megabytes:.1f} MB")


def _say(line: str) -> None:
    click.echo(line, err=True)
