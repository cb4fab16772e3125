"""The command that writes data sets, and weights, as other programs read them."""

import click

from synthgen.cli import EXIT_DAMAGED
from synthgen.cli.options import (
    command,
    json_option,
    options_of,
    out_option,
    print_json,
    progress_option,
    with_options,
)
from synthgen.extras import needed_for
from synthgen.machine import counted, human_bytes, human_time

_TIMM = "timm"
# Options that people know by another name: ours -> theirs.
_ALIASES = {"category": "--object", "flavour": "--flavor"}


def _own_options(draw):
    """Add the options of exports."""
    from synthgen.exports import Options

    return with_options(draw, options_of(Options))


@command()
@click.argument("target")
@click.argument("datasets", metavar="DATASET..", nargs=-1, required=True)
@out_option("Folder to write.")
@_own_options
@click.option(
    "--check", "only_check", is_flag=True, help="Read the export back: bytes, and pixels against the data."
)
@click.option("--workers", type=int, help="Processes.  [default: one for each CPU]")
@json_option
@progress_option
def export(target, datasets, out, only_check, workers, as_json, progress, **given):
    """Write DATASETs as TARGET: the layout that another program reads.

    \b
    imagefolder      torchvision, timm
    mvtec            anomalib, patchcore-inspection: normal images, defects with masks
    mvtec-loco       anomalib: a mask for each defect
    anomalib-folder  anomalib's Folder, with a configuration
    coco             pycocotools, torchvision, Detectron, RF-DETR, FiftyOne, LightlyStudio
    yolo-seg         ultralytics
    hf               Hugging Face: files with metadata, or --shards with a card
    visa             readers of VisA
    anomalygen       NVIDIA's AnomalyGen
    timm             weights of `synthgen pretrain`, for timm and the Hub

    The same command resumes an export that was interrupted. OUT.export.json lists every file with its SHA-256. The
    last lines show the code that loads the export.

    \b
    synthgen export imagefolder fractals-1000x1000 --split train=0.9,val=0.1 --out images
    synthgen export mvtec plates plates-test --category plate --out mvtec
    synthgen export coco plates-test --out coco --check
    """
    options = {name: value for name, value in given.items() if value is not None}
    if target == _TIMM:
        others = {"--check": only_check, "--workers": workers is not None}
        refused = [name for name, is_given in others.items() if is_given] + list(options)
        _export_weights(datasets, out, refused, as_json)
        return

    from synthgen.errors import UsageError
    from synthgen.exports import TARGETS

    if target not in TARGETS:
        raise UsageError(f"target must be one of {', '.join(TARGETS)}, {_TIMM}, got {target}")

    from synthgen.layouts.export import check
    from synthgen.layouts.export import export as write

    report = write(target, datasets, out, workers, progress, **options)
    findings = check(out) if only_check else None
    if as_json:
        print_json({"export": report, "check": findings})
    else:
        _print_report(report)
        _print_findings(findings)
    if findings is not None and not findings.ok:
        raise SystemExit(EXIT_DAMAGED)


for _option in export.params:
    if _option.name in _ALIASES:
        _option.opts.append(_ALIASES[_option.name])


def _export_weights(weights, out, refused: list[str], as_json: bool) -> None:
    from synthgen.errors import UsageError

    if len(weights) > 1:
        raise UsageError(f"timm takes one file of weights, got {len(weights)}")
    if refused:
        raise UsageError(f"{refused[0]} must be left out for timm")
    with needed_for("export timm"):
        from synthgen.torch.timm_folder import export_timm

    report = export_timm(weights[0], out)
    if as_json:
        print_json(report._asdict())
        return
    click.echo(f"{report.path}: {report.arch}")
    click.echo(report.usage)


def _print_report(report) -> None:
    state = "was finished before" if report.was_finished else f"finished in {human_time(report.seconds)}"
    size = human_bytes(report.bytes)
    images = counted(report.images, "image")
    masks = f", {counted(report.masks, 'mask')}" if report.masks else ""
    files = counted(report.files, "file")
    click.echo(f"{report.path}: {state}. {images}{masks}, {files}, {size}")
    for note in report.notes:
        click.echo(f"  {note}")
    click.echo(report.usage)


def _print_findings(findings) -> None:
    if findings is None:
        return
    for path, reason in findings.problems:
        click.echo(f"{path}: {reason}")
    state = "ok" if findings.ok else counted(len(findings.problems), "problem")
    files = counted(findings.files, "file")
    images = counted(findings.images, "image")
    masks = counted(findings.masks, "mask")
    click.echo(f"check: {files}, {images} and {masks} decoded: {state}")
