"""A run whose shards go into a store. There are no locks: whoever writes a shard writes the same bytes.

Of all processes that begin at an address one makes the run record, and the others compare theirs with it. What is
finished is found by one list. A shard is put before its sidecar, and the manifest last: so whatever a sidecar or a
manifest names is there, wherever a run was killed.
"""

import json
import os
import socket
import time
import warnings
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from synthgen.cards import CARD, CROISSANT, MAX_CARD, is_beside_data, unchanged_cards
from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.run.classes import check_classes, class_table
from synthgen.run.differences import in_words
from synthgen.run.folder import agree, check_device
from synthgen.run.parts import Part
from synthgen.run.plan import Plan
from synthgen.run.records import finish
from synthgen.run.target import Target, scratch_folder, scratch_of, sweep_scratch
from synthgen.run.work import Report, Work
from synthgen.shards.files import write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    MAX_PART,
    MAX_TABLE,
    RUN,
    SHARDS,
    RunRecord,
    Sidecar,
    decode_json,
    encode_json,
    most_bytes,
    says_of,
    sidecar_name,
)
from synthgen.shards.places import Place


def draw_into_store(plan: Plan, place: Place, work: Work, scratch=None) -> Report:
    """Draw a data set, or the rest of one, into a store; parameters and errors as for `generate`."""
    start = time.monotonic()
    above = scratch_of(scratch)
    sweep_scratch(above)

    there = place.sizes()
    _check_strangers(place, there, plan.run)
    if work.overwrite:
        _remove_listed(place, there, above)
        there = place.sizes()

    with _begun(place, plan.run) as begun, _lease(place, work.part, there):
        check_device(place.address, begun, plan.run, work.any_device)
        sidecars = _sidecars(place, there, begun)
        todo = [shard for shard in work.shards_of(begun) if sidecars[shard] is None]
        if todo:
            sidecars = _drawn(plan, place, work, begun, todo, above)
        finished = _finish(plan, place, begun, sidecars, above)
        if finished:
            _remove_leases(place)

    return work.report(place.address, begun, sidecars, todo, finished, time.monotonic() - start)


def _check_strangers(place: Place, there: dict[str, int], run: RunRecord) -> None:
    """Refuse an address below which something else lies: without a run record, sidecars tell whose shards are."""
    if RUN in there:
        return

    own = {name for shard in range(run.shards) for name in _names(run, shard)}
    own |= {CLASSES, DATASET}
    others = there.keys() - own
    strangers = [name for name in others if not is_beside_data(name) and not _is_lease(name)]
    if strangers:
        found = f"{len(strangers)} other objects, for example {min(strangers)}"
        raise UsageError(f"{place.address}: must be empty or hold this data set, got {found}")
    _ = _sidecars(place, there, run)


def _remove_listed(place: Place, there: dict[str, int], above: Path) -> None:
    """Remove what the run record at an address lists, and its card.

    The record goes last, so that after a kill it tells what else there is.
    """
    run = _record(place)
    if run is None:
        return
    shards = [name for shard in range(run.shards) for name in _names(run, shard)]
    listed = [DATASET, *shards, CLASSES, *_own_cards(place, there, above), RUN]
    place.remove(name for name in listed if name in there)


def _own_cards(place: Place, there: dict[str, int], above: Path) -> list[str]:
    """Return which of the files that describe a data set are there as we wrote them."""
    sizes = {name: there[name] for name in (CARD, CROISSANT) if name in there}
    with scratch_folder(above) as folder:
        for name, content in place.read_all(sizes, MAX_CARD):
            write_atomically(folder / name, content)
        return unchanged_cards(folder)


def _record(place: Place) -> RunRecord | None:
    """Return the run record at an address, or None where there is none."""
    try:
        raw = place.read(RUN, most_bytes(RunRecord))
    except FormatError:
        if place.exists(RUN):
            raise
        return None
    return decode_json(raw, RunRecord, place.key(RUN))


@contextmanager
def _begun(place: Place, run: RunRecord):
    """Yield the record that a data set is drawn with: of all processes one makes it.

    A record that this process made is removed again if the block fails before the first shard is there.
    """
    is_made = place.create(RUN, encode_json(run))
    try:
        yield run if is_made else _agreed(place, run)
    except BaseException:
        if is_made:
            with suppress(SynthgenError):
                _withdraw(place)
        raise


def _agreed(place: Place, run: RunRecord) -> RunRecord:
    """Return the record that another run made, if it is of the same data."""
    found = _record(place)
    if found is None:
        raise UsageError(f"{place.key(RUN)}: was removed just now; run the same command again")
    if agree(found, run):
        return found
    hint = "choose another --out, or --overwrite to replace it"
    raise UsageError(f"{place.address}: holds other data: {in_words(found, run)}; {hint}")


def _withdraw(place: Place) -> None:
    if not any(name.startswith(f"{SHARDS}/") for name in place.sizes()):
        place.remove([RUN])


@contextmanager
def _lease(place: Place, part: Part, there: dict[str, int]):
    """Write down who draws a part while the block runs; say so if another process may be drawing it."""
    name = f".lease-{part.k}-of-{part.n}.json"
    if name in there:
        warnings.warn(f"{place.key(name)}: {_holder(place, name)} goes on, or was killed", stacklevel=2)

    since = datetime.now(UTC).isoformat(timespec="seconds")
    own = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
    place.write(name, json.dumps(own).encode())
    try:
        yield
    finally:
        with suppress(SynthgenError):
            place.remove([name])


def _remove_leases(place: Place) -> None:
    """Remove the leases at the address of a finished data set: those of killed parts would stay for ever.

    A part that still lives has nothing left to draw, and misses nothing.
    """
    place.remove(name for name in place.sizes() if _is_lease(name))


def _is_lease(name: str) -> bool:
    return name.startswith(".lease-") and "/" not in name


def _holder(place: Place, name: str) -> str:
    """Return who draws a part, in words."""
    try:
        found = json.loads(place.read(name, MAX_PART))
        return f"a run on {found['host']}, begun at {found['since']},"
    except (SynthgenError, ValueError, KeyError, TypeError):
        return "another run"


def _names(run: RunRecord, shard: int) -> tuple[str, str]:
    """Return the names of a shard and of its sidecar."""
    return f"{SHARDS}/{run.shard_name(shard)}", f"{SHARDS}/{sidecar_name(run, shard)}"


def _sidecars(place: Place, there: dict[str, int], run: RunRecord) -> list[Sidecar | None]:
    """Return the sidecars of all shards, None for a shard that has to be drawn."""
    shards: dict[str, int] = {}
    for shard in range(run.shards):
        file, sidecar = _names(run, shard)
        if file in there and sidecar in there:
            shards[sidecar] = shard

    sizes = {name: there[name] for name in shards}
    found: list[Sidecar | None] = [None] * run.shards
    for name, content in place.read_all(sizes, most_bytes(Sidecar)):
        shard = shards[name]
        file, _ = _names(run, shard)
        found[shard] = _whole(content, run, shard, there[file], place.key(name))
    return found


def _whole(raw: bytes, run: RunRecord, shard: int, size: int, key: str) -> Sidecar | None:
    """Return a sidecar that says that its shard, of so many bytes, is finished; else None."""
    try:
        sidecar = decode_json(raw, Sidecar, key)
    except FormatError:
        return None
    is_own = sidecar.shard == shard and says_of(sidecar, run, shard, size, key)
    return sidecar if is_own else None


def _drawn(plan: Plan, place: Place, work: Work, begun: RunRecord, todo, above: Path) -> list[Sidecar | None]:
    """Draw shards into a store and return the sidecars of all shards."""
    try:
        work.draw(plan, Target(str(above), place.address), todo)
    finally:
        sweep_scratch(above)

    sidecars = _sidecars(place, place.sizes(), begun)
    work.check_arrived(place.address, begun, sidecars, todo)
    work.check_devices(place.address, begun, sidecars)
    return sidecars


def _finish(plan: Plan, place: Place, begun: RunRecord, sidecars: list[Sidecar | None], above: Path) -> bool:
    """Write class table, card and manifest if all shards are there; return whether they are."""
    if any(sidecar is None for sidecar in sidecars):
        return False

    with scratch_folder(above) as folder:
        write_atomically(folder / RUN, encode_json(begun))
        _settle_classes(plan, place, folder)
        finish(folder, begun, sidecars)

        own = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        manifest = own.pop(DATASET)
        for name, content in own.items():
            place.create(name, content)
        if not _holds(place, DATASET, manifest):
            place.write(DATASET, manifest)
    return True


def _holds(place: Place, name: str, content: bytes) -> bool:
    """Return whether an object has this content."""
    try:
        return place.read(name, len(content)) == content
    except FormatError:
        return False


def _settle_classes(plan: Plan, place: Place, folder: Path) -> None:
    """Bring the class table that lies in a store, or else that of the recipe, into a folder and into the store.

    Tables of two kinds of CPU may differ in the last bits of a number: the one that came first stays.
    """
    table = class_table(plan.recipe)
    if not place.create(CLASSES, table):
        place.fetch(CLASSES, folder / CLASSES, MAX_TABLE)
        with suppress(FormatError):
            check_classes(folder, plan.recipe)
            return
        place.write(CLASSES, table)
    write_atomically(folder / CLASSES, table)
