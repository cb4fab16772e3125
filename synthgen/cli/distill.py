"""The command that distills a teacher for EfficientAD. It needs synthgen-vision[torch]; its help page does not."""

from functools import partial

import click

from synthgen.cli.options import (
    checkpoint_option,
    command,
    json_option,
    options_of,
    out_option,
    print_json,
    progress_option,
    threads_option,
    training_device_option,
    with_options,
)
from synthgen.extras import needed_for
from synthgen.torch.distillation.options import Options


@command()
@click.argument("weights")
@click.option(
    "--data", required=True, metavar="DATASET", help="Images: a data set, a folder of images, or a recipe."
)
@out_option("File of the teacher (safetensors).")
@click.option("--arch", metavar="NAME", help="timm name of WEIGHTS that are a file without a card.")
@click.option("--workers", type=int, default=0, help="Processes that read.  [default: 0]")
@threads_option
@training_device_option
@checkpoint_option("checkpoints")
@click.option("--overwrite", is_flag=True, help="Replace a teacher that is there, or a training of another one.")
@partial(with_options, options=options_of(Options))
@json_option
@progress_option
def distill(weights, data, out, as_json, **given):
    """Train a small network to give the features of WEIGHTS: a teacher for `fit efficientad` (Batzner et al. 2024).

    WEIGHTS is a name of timm's, a file, or a folder of pretrain. Writes the teacher (timm state_dict), its card and
    its losses (NAME.log.csv). The same command resumes a training that was interrupted.

    \b
    synthgen distill out/best.safetensors --data multifractals-200 --out teacher.safetensors
    synthgen distill resnet18 --data photos --network medium --steps 10000 --out teacher.safetensors
    """
    with needed_for("distill"):
        from synthgen.torch.distillation import distill as train

    typed = {name: given.pop(name) for name in Options.__struct_fields__}
    changes = {name: value for name, value in typed.items() if value is not None}
    report = train(weights, data, out, **given, **changes, log=_say)
    if as_json:
        print_json(report)
        return

    state = "was finished before" if report.was_finished else "finished"
    click.echo(f"{report.path}: {state}. {report.arch}, {report.steps:,} steps, loss {report.loss:.4f}")


def _say(line: str) -> None:
    click.echo(line, err=True)
