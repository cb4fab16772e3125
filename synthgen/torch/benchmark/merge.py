"""Brings the results of parts that were run in several folders together."""

from collections.abc import Sequence
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.run.lock import part_lock
from synthgen.shards.files import make_folder, refuse_remote, system_errors, write_atomically
from synthgen.torch.benchmark.jobs import differences
from synthgen.torch.benchmark.record import CONFIG, OF_JOBS, Begun, Record, read_begun, read_records, remember
from synthgen.torch.benchmark.tables import write_tables


def merge(out, parts: Sequence) -> int:
    """Bring results together, write the tables, and return the number of jobs that are there.

    Parameters
    ----------
    out : str or Path
        Folder; made if there is none, or one of this benchmark.
    parts : sequence of str or Path
        Folders of the same benchmark.

    Raises
    ------
    UsageError
        If a part is of another benchmark, or two have different results of one job.
    """
    refuse_remote(out)
    folder = Path(out)
    if not parts:
        raise UsageError("parts must be folders of a benchmark, got none")

    places = [Path(part) for part in parts]
    begun = read_begun(places[0])
    own = [folder] if (folder / CONFIG).is_file() else []
    for place in [*places, *own]:
        _check_same(begun, place, places[0])

    with system_errors(folder):
        make_folder(folder)
        with part_lock(folder, (1, 1), alone=True):
            remember(begun, folder)
            there = {record.name: record for record in read_records(folder)}
            for place in places:
                _take(place, folder, there)
    write_tables(folder)
    return len(there)


def _check_same(begun: Begun, place: Path, first: Path) -> None:
    other = read_begun(place)
    if (other.benchmark, other.jobs) != (begun.benchmark, begun.jobs):
        found = differences(begun.benchmark, other.benchmark) or ["the jobs differ"]
        listed = "; ".join(found[:5])
        raise UsageError(f"{place}: must be of the same benchmark as {first}, got another: {listed}")


def _take(place: Path, folder: Path, there: dict[str, Record]) -> None:
    """Copy the results of a folder; one that failed gives way to one that did not."""
    for record in read_records(place):
        known = there.get(record.name)
        if known is not None and known.fingerprint != record.fingerprint:
            found = "; ".join(differences(record.spec, known.spec)[:5])
            raise UsageError(
                f"{place}: must have the settings of the others, got others for {record.name}: {found}"
            )
        if known is not None and (record.failed or not known.failed):
            continue
        _copy(record, place, folder)
        there[record.name] = record


def _copy(record: Record, place: Path, folder: Path) -> None:
    """Copy the files of a job, the record last."""
    home = Path(record.model) / record.set / record.category
    for kind in OF_JOBS:
        for source in sorted((place / kind / home).glob(f"seed-{record.seed}*")):
            is_own = source.name.partition(".")[0] == f"seed-{record.seed}"
            files = sorted(source.rglob("*")) if source.is_dir() else [source]
            for file in files:
                if is_own and file.is_file():
                    target = folder / file.relative_to(place)
                    make_folder(target.parent)
                    write_atomically(target, file.read_bytes())
