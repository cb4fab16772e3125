"""The command ``synthgen``: text -> one library call. Messages go to stderr, results to stdout."""

import os
import sys
import warnings
from importlib import import_module

import click

from synthgen import families
from synthgen.cli.failures import reason_of
from synthgen.cli.log import end_log
from synthgen.cli.options import Lazy
from synthgen.compiled import why_not_compiled
from synthgen.errors import SynthgenError, UsageError, one_line
from synthgen.process import EXIT_INTERRUPTED, interrupted, prepare
from synthgen.version import __version__

_told: set[str] = set()
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DAMAGED = 3

# name -> module of this package, what it does. The commands of families are made by `family.family_command`.
_COMMANDS = {
    "run": ("family", "Draw the data set of a recipe."),
    "plan": ("family", "Print what drawing a recipe would take: images, disk, time."),
    "recipes": ("data", "List the recipes that come with the package, or show one."),
    "info": ("data", "Print what a finished data set is."),
    "verify": ("data", "Check a finished data set: bytes, order, pixels."),
    "merge": ("data", "Bring parts that were drawn into several folders together."),
    "preview": ("look", "Make a labelled contact sheet."),
    "export": ("export", "Write data sets, or weights, as other programs read them."),
    "card": ("card", "Describe a data set for others: README.md and croissant.json."),
    "gallery": ("gallery", "Write a data set as a page that opens from a file."),
    "render": ("look", "Draw one sample, without the files of its data set."),
    "pretrain": ("pretrain", "Train a backbone on a data set (Ugwu et al. 2024)."),
    "distill": ("distill", "Train a small network to see as a backbone does, for efficientad."),
    "fit": ("fit", "Fit an anomaly model to normal images."),
    "detect": ("anomaly", "Score images with a model, and lay heat maps over them."),
    "evaluate": ("anomaly", "Measure a model on a test set: table, thresholds, plots."),
    "benchmark": ("benchmark", "Measure many models on many data sets, and print tables."),
    "refine": ("refine", "Find the outlines of defects, and the normal images behind them."),
    "look": ("look_weights", "Compare backbones: filters, features of labelled images, convergence."),
    "weights": ("weights", "Bring weights of others into files that fit, detect and your code read."),
    "export-model": ("export_model", "Write a model as ONNX, for use without torch."),
    "doctor": ("system", "Say what is installed, what runs, how fast, and how to get the rest."),
    "completion": ("system", "Print the completion script of a shell."),
}


class _Commands(Lazy):
    """All commands of the package."""

    def summaries(self):
        """Return what each command does, families first; a command wins over a family of its name."""
        summaries = families.known()
        for name, (_, summary) in _COMMANDS.items():
            summaries[name] = summary
        return summaries

    def get_command(self, ctx, cmd_name):
        if cmd_name in _COMMANDS:
            place, _ = _COMMANDS[cmd_name]
            module = import_module(f"synthgen.cli.{place}")
            return getattr(module, cmd_name.replace("-", "_"))

        if cmd_name in families.known():
            from synthgen.cli.family import family_command

            return family_command(cmd_name)
        return None


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every sample is a function of recipe, seed, class and index: any number of workers, and any number "
    "of kills and resumes, give the same files.",
)
@click.version_option(__version__, prog_name="synthgen")
def cli():
    """Make labelled image data sets out of mathematics.

    \b
    synthgen fractals --classes 1000 --per-class 1000
    synthgen preview fractals-1000x1000 -o sheet.png
    synthgen verify fractals-1000x1000
    """


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    warnings.showwarning = _tell_once
    prepare()
    try:
        code = cli.main(prog_name="synthgen", standalone_mode=False)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = _fail(interrupted(), EXIT_INTERRUPTED)
    except click.exceptions.Abort as error:
        code = _aborted(error)
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
    except MemoryError as error:
        code = _fail(f"the memory is used up: {one_line(error)}", EXIT_FAILED)
    except Exception as error:
        reason = reason_of(error)
        if reason is not None:
            _fail(reason, EXIT_FAILED)
        elif not _is_mended(error):
            raise
        code = EXIT_FAILED
    status = code if isinstance(code, int) else 0
    end_log(status)
    sys.exit(status)


def _aborted(error: click.exceptions.Abort) -> int:
    """Return the exit code of a command that ended early; click takes a file that ends too early for Ctrl-C."""
    if isinstance(error.__cause__, EOFError) and _is_mended(error):
        return EXIT_FAILED
    return _fail(interrupted(), EXIT_INTERRUPTED)


def _is_mended(error: Exception) -> bool:
    """Return whether a command failed by the cache of compiled code, and say so; a damaged one is removed."""
    reason = why_not_compiled(error)
    if reason is not None:
        _fail(reason, EXIT_FAILED)
        return True

    from synthgen.run.caches import remove_damaged_cache

    removed = remove_damaged_cache(error)
    if removed:
        _fail("run the same command again", EXIT_FAILED)
    return removed


def _tell_once(message, category, filename, lineno, file=None, line=None) -> None:
    """Print a warning in one line, and only the first of those that say the same."""
    if str(message) not in _told:
        _told.add(str(message))
        print(f"synthgen: warning: {message}", file=sys.stderr)


def _fail(message, code: int) -> int:
    print(f"synthgen: {message}", file=sys.stderr)
    return code
