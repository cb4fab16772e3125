"""The command that describes a data set for others."""

from pathlib import Path

import click

from synthgen.cli.options import LOCAL, command, json_option, print_json


@command()
@click.argument("dataset", type=LOCAL)
@click.option(
    "--license", metavar="NAME", help="As Hugging Face names it.  [default: cc0-1.0 for formula families]"
)
@click.option("--creator", metavar="NAME", help="The person or organization that publishes.")
@click.option("--url", metavar="URL", help="Where the data set is published.")
@click.option("--date", metavar="YYYY-MM-DD", help="When it is published.")
@click.option(
    "--texts",
    metavar="FILE",
    type=LOCAL,
    help="YAML file with texts in place of ours: limitations, biases, uses ..",
)
@click.option("--sheet", is_flag=True, help="Show some samples: sheet.png beside the card.")
@click.option("--overwrite", is_flag=True, help="Replace a card, or a sheet, that somebody made.")
@json_option
def card(dataset, texts, sheet, overwrite, as_json, **given):
    """Write README.md and croissant.json of DATASET, to publish it.

    The card makes `datasets.load_dataset(DATASET)`, and the viewer of the Hub, take the samples. It says how the
    data set is made again, what its fields are and what it is not good for. croissant.json is for machines.

    \b
    synthgen card fractals-1000x1000 --creator "A. Author" --url https://example.org/fractals
    synthgen card my-parts --license cc-by-4.0 --creator "A. Author"
    """
    from synthgen.cards import Details, write_card
    from synthgen.cards.details import read_texts
    from synthgen.cards.writing import SHEET, check_card, check_sheet
    from synthgen.options import convert

    values = {name: value for name, value in given.items() if value is not None}
    details = convert(values, Details, "")
    if texts is not None:
        details = convert({**values, "texts": read_texts(texts)}, Details, "")
    if sheet:
        check_card(dataset, details, overwrite)
        check_sheet(dataset, overwrite)
        _draw_sheet(dataset, Path(dataset) / SHEET)

    written = [str(path) for path in write_card(dataset, details, overwrite)]
    if as_json:
        print_json(written)
    else:
        click.echo("\n".join(written))


def _draw_sheet(dataset, path: Path) -> None:
    from synthgen.cards.writing import sheet_mark
    from synthgen.look.sheet import contact_sheet
    from synthgen.shards.files import replacing

    image = contact_sheet(dataset, 8, 8, None, 128, None)
    with replacing(path) as temporary:
        image.save(temporary, "PNG", pnginfo=sheet_mark())
