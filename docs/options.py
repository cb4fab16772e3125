"""Write the tables of options into the pages: `python docs/options.py` after a change of options.

A table stands between the lines ``<!-- options of NAME -->`` and ``<!-- end of options -->``. A test compares it
with the struct of options.
"""

import re
from pathlib import Path

import click
import msgspec

from synthgen import families
from synthgen.cli.options import option_of
from synthgen.torch import models
from synthgen.torch.distillation.options import Options as Distillation

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- options of (\S+) -->\n).*?(<!-- end of options -->)", re.DOTALL)


def table(kind) -> str:
    """Return the options of a struct as a Markdown table."""
    rows = ["", "| option | meaning |", "|---|---|"]
    for field in msgspec.structs.fields(kind):
        command = option_of(field)(click.Command("page"))
        option = command.params[0]
        name = " / ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
        if not option.is_flag:
            name = name[:-1] + f" {option.make_metavar(click.Context(command))}`"
        cells = (name.replace("|", "\\|"), " ".join(option.help.split()))
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([*rows, "", ""])


def options_named(name: str):
    """Return the options of a family, of a kind of model, or of a distillation."""
    if name == "distillation":
        return Distillation
    known = families if name in families.FAMILIES else models
    return known.load(name).Options


def filled(text: str) -> str:
    """Return a page with its tables of options made anew."""

    def replaced(match):
        return match[1] + table(options_named(match[2])) + match[3]

    return _TABLE.sub(replaced, text)


if __name__ == "__main__":
    for page in sorted(DOCS.rglob("*.md")):
        page.write_text(filled(page.read_text()))
