"""The command that pre-trains a backbone."""

import os
from functools import partial

import click

from synthgen.cli.options import (
    Words,
    checkpoint_option,
    command,
    complete_recipe,
    json_option,
    options_of,
    out_option,
    print_json,
    progress_option,
    threads_option,
    training_device_option,
    with_options,
)
from synthgen.torch.pretrain.options import PRESETS, Options


@command()
@click.argument("source", metavar="DATASET_OR_RECIPE", shell_complete=complete_recipe)
@click.option(
    "--arch",
    metavar="NAME",
    help="Any timm model, for example wide_resnet50_2.  [default: that of the presets surface, surface-quick]",
)
@out_option("Folder of the results.")
@click.option(
    "--preset",
    type=Words(list(PRESETS)),
    default="baseline",
    help="Settings of Ugwu et al. 2024, sections 4 and 7.3, or of our backbones for surfaces; other options "
    "replace them.  [default: baseline]",
)
@click.option(
    "--read",
    type=click.Choice(["map", "stream", "live"]),
    help="How images are read: from shards in a new order each epoch, from shards nearly in stored order, or drawn "
    "as they are needed.  [default: map for a data set, live for a recipe]",
)
@click.option("--workers", type=int, help="Processes that read.  [default: none on a CPU, else one for each CPU]")
@threads_option
@training_device_option
@checkpoint_option("checkpoints within an epoch")
@click.option(
    "--keep-every", type=click.IntRange(0), default=0, help="Keep the weights of every n-th epoch; 0 keeps none."
)
@click.option(
    "--probe",
    metavar="SET",
    help="A test set of ours, or its recipe, such as probe-plates: PatchCore is measured on it, in log.csv.",
)
@click.option(
    "--probe-every", type=click.IntRange(1), default=1, help="Epochs from one probe to the next.  [default: 1]"
)
@click.option("--overwrite", is_flag=True, help="Replace a pre-training that lies in the folder.")
@partial(with_options, options=options_of(Options))
@json_option
@progress_option
def pretrain(source, out, arch, as_json, **given):
    """Pre-train a backbone on DATASET_OR_RECIPE: learn to tell its classes apart, or the textures in its images.

    Writes best.safetensors and last.safetensors (timm state_dict, with cards), log.csv, log.png, filters.png.
    The same command resumes a run that was interrupted. On several GPUs: torchrun --nproc-per-node 4 -m synthgen ..

    \b
    synthgen pretrain multifractals-200 --arch wide_resnet50_2 --preset var1 --out weights
    synthgen pretrain tiny-fractals --arch resnet18 --crop 48 --batch-size 64 --epochs 5 --out weights
    """
    from synthgen.torch.pretrain import pretrain as train

    typed = {name: given.pop(name) for name in Options.__struct_fields__}
    changes = {name: value for name, value in typed.items() if value is not None}
    report = train(source, out, arch, **given, **changes)

    if _environment_rank():
        return  # torchrun: the first of the ranks speaks for all
    if as_json:
        print_json(report)
        return
    state = "was finished before" if report.was_finished else "finished"
    click.echo(
        f"{report.path}: {state}. {report.epochs} epochs; best is epoch {report.best_epoch} with a validation "
        f"accuracy of {report.accuracy:.2%} (loss {report.loss:.4f})"
    )


def _environment_rank() -> int:
    """Return the number that `torchrun` gives to this process; 0 without it."""
    return int(os.environ.get("RANK", 0))
