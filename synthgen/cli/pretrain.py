"""The command that pre-trains a backbone."""

import os

import click
import msgspec

from synthgen.cli.options import COMMAND_LINE, json_option, option_of, print_json, progress_option
from synthgen.extras import needed_for

with needed_for("pretrain"):
    from synthgen.torch.pretrain import PRESETS, Options


def _training_options(command):
    for field in reversed(msgspec.structs.fields(Options)):
        command = option_of(field)(command)
    return command


@click.command()
@click.argument("source", metavar="DATASET_OR_RECIPE")
@click.option("--arch", required=True, metavar="NAME", help="Any timm model, for example wide_resnet50_2.")
@click.option("--out", required=True, type=click.Path(), help="Folder of the results.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="baseline",
    help="Settings of paper 000, sections 4 and 7.3; other options replace single ones.  [default: baseline]",
)
@click.option(
    "--read",
    type=click.Choice(["map", "stream", "live"]),
    help="Shards in a new order each epoch, nearly in stored order, or drawn on the fly.  [default: map, or live]",
)
@click.option("--workers", type=int, help="Processes that read.  [default: none on a CPU, else one for each CPU]")
@click.option("--threads", type=int, help="Of torch, on a CPU.  [default: all cores]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to train.")
@click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(0),
    default=300,
    help="Interval between checkpoints within an epoch.  [default: 300]",
)
@click.option("--keep-every", type=click.IntRange(0), default=0, help="Keep the weights of every n-th epoch.")
@click.option("--overwrite", is_flag=True, help="Replace a pre-training that lies in the folder.")
@_training_options
@json_option
@progress_option
def pretrain(source, out, arch, as_json, **given):
    """Pre-train a backbone on DATASET_OR_RECIPE: learn to tell its classes apart.

    Writes best.safetensors and last.safetensors (timm state_dict, with cards), log.csv, log.png, filters.png.
    The same command resumes a run that was interrupted. On several GPUs: torchrun --nproc-per-node 4 -m synthgen ..

    \b
    synthgen pretrain fractals-1000x1000 --arch wide_resnet50_2 --out weights
    synthgen pretrain tiny-fractals --arch resnet18 --preset var1 --batch-size 64 --epochs 5 --out weights
    """
    from synthgen.torch.pretrain import pretrain as train

    changes = {key: given.pop(key) for key in Options.__struct_fields__}
    changes = {key: value for key, value in changes.items() if value is not None}
    report = train(source, out, arch, place=COMMAND_LINE, **given, **changes)
    if int(os.environ.get("RANK", 0)):
        return  # torchrun: the first of the ranks speaks for all
    if as_json:
        print_json(report)
        return
    state = "was finished before" if report.was_finished else "finished"
    click.echo(
        f"{report.path}: {state}. {report.epochs} epochs; best is epoch {report.best_epoch} with a validation "
        f"accuracy of {report.accuracy:.2%} (loss {report.loss:.4f})"
    )
