"""Commands about this machine: doctor, completion."""

import os
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click

from synthgen.cli.options import json_option, print_json

_CORE = ("numpy", "numba", "h5py", "pillow", "isal", "msgspec", "click", "tqdm", "pyyaml", "pyopencl")
_EXTRAS = {"torch": ("torch", "torchvision"), "opencl-cpu": ("intel-opencl-rt",)}


@click.command()
@json_option
def doctor(as_json):
    """Say what is installed, what runs, how fast, and how to get the rest."""
    facts = {
        "python": sys.version.split()[0],
        "packages": {name: _installed(name) for name in _CORE},
        "extras": {extra: all(map(_installed, names)) for extra, names in _EXTRAS.items()},
        **_machine(),
        **_probe(),
    }
    if as_json:
        print_json(facts)
        return
    click.echo(f"python {facts['python']} on {facts['cpu']}, {facts['cpus']} CPUs, {facts['free_disk']} free here")
    for name, found in facts["packages"].items():
        click.echo(f"  {name:12s} {found or 'missing: pip install ' + name}")
    for extra, there in facts["extras"].items():
        click.echo(f"  extra {extra:10s} {'installed' if there else f'missing: pip install synthgen[{extra}]'}")
    click.echo(f"compiled code is cached in {facts['numba_cache']}")
    click.echo(f"fractals: {facts['fractals_per_second']:,.0f} images/s on one core (256x256, 100,000 points)")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _machine() -> dict:
    from synthgen.run.estimate import available_cpus, human_bytes
    from synthgen.run.shard import cpu_name

    return {
        "cpu": cpu_name(),
        "cpus": available_cpus(),
        "free_disk": human_bytes(shutil.disk_usage(Path.cwd()).free),
        "numba_cache": _numba_cache(),
    }


def _numba_cache() -> str:
    """Return where numba keeps compiled code: beside the sources if they can be written."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return os.environ["NUMBA_CACHE_DIR"]
    home = Path(find_spec("synthgen.ifs").origin).parent
    return str(home / "__pycache__" if os.access(home, os.W_OK) else Path.home() / ".cache" / "numba")


def _probe() -> dict:
    from synthgen.recipe import Recipe
    from synthgen.run import make_plan, probe

    start = time.perf_counter()
    estimate = probe(make_plan(Recipe.from_dict({"family": "fractals"})))
    return {
        "fractals_per_second": 1 / estimate.seconds_per_sample,
        "probe_seconds": round(time.perf_counter() - start, 2),
    }


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell):
    """Print the completion script of a shell.

    \b
    eval "$(synthgen completion bash)"      # in ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from synthgen.cli import cli

    click.echo(get_completion_class(shell)(cli, {}, "synthgen", "_SYNTHGEN_COMPLETE").source())
