"""The command that writes a fitted model for use without torch; it needs synthgen-vision[torch,onnx]."""

from pathlib import Path

import click

from synthgen.cli.anomaly import load
from synthgen.cli.fit import check_place
from synthgen.cli.options import LOCAL, command, json_option, out_option, print_json


@command("export-model")
@click.argument("model_file", metavar="FILE", type=LOCAL)
@out_option("File of the graph (.onnx).")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
def export_model(model_file, out, overwrite, as_json):
    """Write the model in FILE as an ONNX graph, which runs without torch and without synthgen.

    The graph takes images as uint8 (N, H, W, 3), red first, at the size that the model was fitted at, and returns
    scores (N,) and maps (N, H, W). Normalising is inside. Its answers are compared with torch's on 20 images.

    \b
    synthgen export-model brick.safetensors --out brick.onnx
    """
    check_place(out, overwrite)
    model = load(model_file, device="cpu")

    from synthgen.torch.export import export_onnx

    exported = export_onnx(model, out)
    height, width = model.image_size
    if as_json:
        print_json({
            "path": str(out),
            "kind": model.kind,
            "size": [height, width],
            "opset": exported.opset,
            "difference": exported.difference,
        })  # fmt: skip
        return

    megabytes = Path(out).stat().st_size / 1e6
    click.echo(f"{out}: {model.kind} for images of {width}x{height}, opset {exported.opset}, {megabytes:.1f} MB")
    click.echo(f"differs from torch by {exported.difference:.1e} of the largest score, on 20 images", err=True)
