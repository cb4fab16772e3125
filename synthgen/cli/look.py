"""Commands for the eye: preview sheets and single samples."""

from pathlib import Path

import click

from synthgen.cli.options import command, complete_recipe, json_option, out_option, print_json, recipe_argument
from synthgen.errors import UsageError
from synthgen.machine import available_cpus
from synthgen.threads import drawing_threads

# The pictures that can be written, by the endings of their names.
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@command()
@click.argument("source", shell_complete=complete_recipe)
@out_option("Picture to write: .png, .jpg or .webp.")
@click.option("--classes", type=click.IntRange(1, 200), default=8, help="Rows.  [default: 8]")
@click.option("--per-class", type=click.IntRange(1, 200), default=8, help="Images in each.  [default: 8]")
@click.option("--overlay", metavar="FIELD", help="Lay a mask or instance ids over the images.")
@click.option(
    "--cell", type=click.IntRange(16, 1024), default=128, help="Longer side of a cell in pixels.  [default: 128]"
)
@click.option(
    "--field", metavar="FIELD", help="Show a field in place of the image: mask, instances, depth, normal."
)
@json_option
def preview(source, out, classes, per_class, overlay, cell, field, as_json):
    """Make a labelled contact sheet of SOURCE: a data set, or a recipe that has not been drawn.

    \b
    synthgen preview fractals-1000x1000 -o sheet.png
    synthgen preview tiny-fractals -o sheet.png --overlay mask
    """
    from synthgen.look.sheet import contact_sheet

    path = Path(out)
    _format_of(path)
    sheet = contact_sheet(source, classes, per_class, overlay, cell, field)
    _save(sheet, path)
    if as_json:
        print_json({"path": str(out), "width": sheet.width, "height": sheet.height})
    else:
        click.echo(f"{out}: {sheet.width}x{sheet.height}")


@command()
@recipe_argument
@click.option("--label", type=int, required=True, help="Class of the sample.")
@click.option("--index", type=int, default=0, help="Number within the class.  [default: 0]")
@click.option("--size", metavar="N|WxH", help="Draw it at another size.")
@out_option("Picture to write: .png, .jpg or .webp.")
@click.option("--fields", "with_fields", is_flag=True, help="Write each field too: OUT.FIELD.png")
@click.option("--params", is_flag=True, help="Print the parameters as JSON.")
@json_option
def render(recipe, label, index, size, out, with_fields, params, as_json):
    """Draw one sample of RECIPE (a name, a file or a data set) without the data set's files.

    \b
    synthgen render fractals-1k --label 12 --index 34 -o one.png
    synthgen render fractals-1000x1000 --label 12 -o big.png --size 1024
    """
    from PIL import Image

    from synthgen.look.colors import IDS, picture_of
    from synthgen.run import render as draw

    path = Path(out)
    _format_of(path)
    with drawing_threads(available_cpus()):
        sample = draw(recipe, label, index, size)
    _save(Image.fromarray(sample.image), path)

    written = {"image": str(path)}
    for name, value in sample.fields.items() if with_fields else ():
        pixels = picture_of(value, ids=name == IDS)
        place = path.with_suffix(f".{name}.png")
        _save(Image.fromarray(pixels), place)
        written[name] = str(place)

    if as_json:
        print_json({"key": sample.key, "label": sample.label, "files": written, "params": sample.params})
    elif params:
        print_json(sample.params)


def _save(image, path: Path) -> None:
    from synthgen.shards.files import replacing

    with replacing(path) as temporary:
        image.save(temporary, _format_of(path))


def _format_of(path: Path) -> str:
    """Return the format that a picture's name ends in; refuse others."""
    suffix = path.suffix.lower() or ".png"
    if suffix not in _FORMATS:
        raise UsageError(f"out must end in {', '.join(_FORMATS)}, got {path.name}")
    return _FORMATS[suffix]
