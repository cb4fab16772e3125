"""The command ``synthgen``: text -> one library call. Messages go to stderr, results to stdout."""

import os
import signal
import sys

import click

from synthgen.cli import data, family, look, system
from synthgen.errors import SynthgenError, UsageError
from synthgen.families import FAMILIES
from synthgen.version import __version__

EXIT_FAILED, EXIT_USAGE, EXIT_DAMAGED, EXIT_INTERRUPTED = 1, 2, 3, 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every sample is a function of recipe, seed, class and index: any number of workers, and any number of "
    "kills and resumes, give the same files.",
)
@click.version_option(__version__, prog_name="synthgen")
def cli():
    """Make labelled image data sets out of mathematics.

    \b
    synthgen fractals --classes 1000 --per-class 1000
    synthgen preview fractals-1000x1000 -o sheet.png
    synthgen verify fractals-1000x1000
    """


for _name in FAMILIES:
    cli.add_command(family.command(_name))
for _command in (
    family.run, family.plan, data.recipes, data.info, data.verify, data.merge,
    look.preview, look.render, system.doctor, system.completion,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems end a job so: it can be resumed
    try:
        code = cli.main(prog_name="synthgen", standalone_mode=False)
    except click.exceptions.Abort:
        code = _fail("interrupted; run the same command again to resume", EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        code = _fail("interrupted; run the same command again to resume", EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except UsageError as error:
        code = _fail(error, EXIT_USAGE)
    except SynthgenError as error:
        code = _fail(error, EXIT_FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    except OSError as error:
        code = _fail(error, EXIT_FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message, code: int) -> int:
    print(f"synthgen: {message}", file=sys.stderr)
    return code
