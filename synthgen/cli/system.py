"""Commands about this machine: doctor, completion."""

import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from synthgen.cli.options import command, json_option, print_json
from synthgen.compiled import cache_place, temporary_note
from synthgen.extras import install_hint

_CORE = ("numpy", "numba", "h5py", "pillow", "isal", "deflate", "msgspec", "click", "tqdm", "pyyaml", "pyopencl")
_EXTRAS = {
    "torch": ("torch", "torchvision", "timm", "safetensors", "scipy", "matplotlib"),
    "scene": ("trimesh",),
    "opencl-cpu": ("intel-opencl-rt",),
    "remote": ("fsspec", "s3fs"),
    "ray": ("ray",),
}


@command()
@json_option
def doctor(as_json):
    """Say what is installed, what runs, how fast, and how to get the rest."""
    facts = {
        "python": sys.version.split()[0],
        "packages": {name: _installed(name) for name in _CORE},
        "extras": {extra: all(map(_installed, names)) for extra, names in _EXTRAS.items()},
        **_machine(),
        **_probe(),
        "install_hint": install_hint("opencl-cpu"),
        "devices": _devices(),
    }
    if as_json:
        print_json(facts)
    else:
        _print_packages(facts)
        _print_speed(facts)
        _print_devices(facts)


def _print_packages(facts: dict) -> None:
    click.echo(f"python {facts['python']} on {facts['cpu']}, {facts['cpus']} CPUs, {facts['free_disk']} free here")
    for name, found in facts["packages"].items():
        state = found or f"missing: pip install {name}"
        click.echo(f"  {name:12s} {state}")
    for extra, there in facts["extras"].items():
        state = "installed" if there else f"missing: {install_hint(extra)}"
        click.echo(f"  extra {extra:10s} {state}")


def _print_speed(facts: dict) -> None:
    speed = facts["fractals_per_second"]
    note = temporary_note() or f"compiled code is cached in {facts['numba_cache']}"
    click.echo(note)
    click.echo(f"fractals: {speed:,.0f} images/s on one core (256x256, 100,000 points)")


def _print_devices(facts: dict) -> None:
    click.echo("devices for Mandelbulbs, best first; --device or SYNTHGEN_DEVICE chooses by number or name:")
    for device in facts["devices"]:
        state = f"{device['rays_per_second']:,.0f} rays/s" if device["usable"] else device["note"]
        click.echo(f"  {device['index']}: {device['label']}: {state}")

    if all(device["kind"] == "numba" for device in facts["devices"]):
        click.echo(f"  no OpenCL device works here; one line installs one: {facts['install_hint']}")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _machine() -> dict:
    from synthgen.machine import available_cpus, cpu_name, human_bytes

    return {
        "cpu": cpu_name(),
        "cpus": available_cpus(),
        "free_disk": human_bytes(shutil.disk_usage(Path.cwd()).free),
        "numba_cache": str(cache_place()),
    }


def _devices() -> list[dict]:
    from synthgen.errors import DeviceError
    from synthgen.mandelbulb import list_devices, rays_per_second

    rows = []
    for device in list_devices():
        row = {name: getattr(device, name) for name in ("index", "label", "kind", "usable", "note")}
        if device.usable:
            try:
                row["rays_per_second"] = rays_per_second(device)
            except DeviceError as error:
                row.update(usable=False, note=str(error).splitlines()[0])
        rows.append(row)
    return rows


def _probe() -> dict:
    from synthgen.recipe import Recipe
    from synthgen.run import make_plan, probe

    start = time.perf_counter()
    estimate = probe(make_plan(Recipe.from_dict({"family": "fractals"})))
    return {
        "fractals_per_second": 1 / estimate.seconds_per_sample,
        "probe_seconds": round(time.perf_counter() - start, 2),
    }


@command(compiles=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell):
    """Print the completion script of a shell.

    \b
    eval "$(synthgen completion bash)"      # in ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from synthgen.cli import cli

    click.echo(get_completion_class(shell)(cli, {}, "synthgen", "_SYNTHGEN_COMPLETE").source())
