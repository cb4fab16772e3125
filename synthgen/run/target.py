"""Where the shards of a run go: into a folder, or below an address of a store.

Shards for a store are drawn in a scratch folder of this machine, put whole, and removed here. Their sidecars follow
them, so that a shard with a sidecar is whole.
"""

import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import msgspec

from synthgen.run.plan import Plan
from synthgen.run.shard import write_shard
from synthgen.shards.files import make_folder
from synthgen.shards.manifest import SHARDS, sidecar_name
from synthgen.shards.mutex import is_alive
from synthgen.shards.places import Place, place_of

_SCRATCH = re.compile(r"synthgen-(.+)-([0-9]+)-[0-9a-f]{8}")


class Target(msgspec.Struct, frozen=True):
    """Where shards go. It can be sent to another process, or to another machine.

    Attributes
    ----------
    folder : str
        Folder of the data set, or of what is drawn before it is put into a store.
    address : str or None
        Of the data set in a store.
    """

    folder: str
    address: str | None = None

    @property
    def place(self) -> Place | None:
        """The place at the address, or None."""
        return None if self.address is None else place_of(self.address)

    @property
    def needs_this_process(self) -> bool:
        """Whether only this process can write there."""
        place = self.place
        return place is not None and place.is_of_this_process

    def write(self, plan: Plan, shard: int, advance: Callable[[int], None]) -> None:
        """Draw and write one shard; it appears whole, with its sidecar after it, or not at all."""
        place = self.place
        if place is None:
            write_shard(plan, Path(self.folder), shard, advance)
            return

        with scratch_folder(self.folder) as folder:
            make_folder(folder / SHARDS)
            write_shard(plan, folder, shard, advance)
            for name in (plan.run.shard_name(shard), sidecar_name(plan.run, shard)):
                place.put(folder / SHARDS / name, f"{SHARDS}/{name}")


def scratch_of(folder=None) -> Path:
    """Return the folder in which shards are drawn before they are put into a store: by default the system's."""
    scratch = Path(folder or tempfile.gettempdir()).absolute()
    make_folder(scratch)
    return scratch


@contextmanager
def scratch_folder(above):
    """Yield a new folder that is removed at the end. Its name tells the process that made it."""
    token = secrets.token_hex(4)
    folder = Path(above) / f"synthgen-{socket.gethostname()}-{os.getpid()}-{token}"
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(above: Path) -> None:
    """Remove the folders that killed processes of this machine left in a scratch folder."""
    for folder in above.glob("synthgen-*"):
        match = _SCRATCH.fullmatch(folder.name)
        if match is None or match[1] != socket.gethostname():
            continue
        if not is_alive(int(match[2])):
            shutil.rmtree(folder, ignore_errors=True)
