"""A finished data set grows: a larger one of the same recipe goes on where it ended.

Samples do not depend on how many there are, so the shards that are there stay as they are. The samples that are
added are mixed among themselves, and cut into shards of their own.
"""

from pathlib import Path

import msgspec

from synthgen.recipe import Recipe
from synthgen.run.folder import (
    current_records,
    readable_manifest,
    readable_records,
    record_of,
    remove_shard,
    sweep,
)
from synthgen.run.lock import part_lock
from synthgen.run.plan import Plan, make_plan
from synthgen.run.records import end_growth
from synthgen.shards.manifest import Manifest, RunRecord, Stage


def continued(folder: Path, plan: Plan) -> Plan:
    """Return the plan that goes on with what a folder holds, or the plan itself where nothing there belongs to it.

    Parameters
    ----------
    folder : Path
        A finished data set of fewer classes or images, or one that grew, or grows, to what the plan asks for.
    plan : Plan
        As it would be drawn into an empty folder.
    """
    for record in current_records(folder):
        stages = _stages_before(folder, record, plan.recipe)
        if stages and _belongs(record, stages, plan):
            recipe = _grown(plan.recipe, stages)
            return make_plan(recipe, stages)
    return plan


def remove_growth(folder: Path, plan: Plan) -> RunRecord | None:
    """Make a folder again the finished data set that it holds, by removing what its growth has drawn.

    Sidecars go before their shards, and the record of the growth last: after a kill the growth goes on, or the rest
    of it is removed. No file of the finished data set is touched.

    Parameters
    ----------
    folder : Path
    plan : Plan
        What is to be drawn there next. Nothing is removed unless it is of the same data.

    Returns
    -------
    RunRecord or None
        Of the finished data set; None where nothing grew.

    Raises
    ------
    LockedError
        If another process draws there.
    """
    if _growing(folder, plan) is None:
        return None
    with part_lock(folder, (1, 1), alone=True):
        # Another process may have finished the growth, or removed it, just now.
        found = _growing(folder, plan)
        if found is None:
            return None

        growing, manifest = found
        added = range(manifest.shards, growing.shards)
        sweep(folder, growing, added, records=True)
        for shard in added:
            remove_shard(folder, growing, shard)
        end_growth(folder, manifest)
    return record_of(manifest)


def _growing(folder: Path, plan: Plan) -> tuple[RunRecord, Manifest] | None:
    """Return what a folder grows to and what it holds, if that is of the data of a plan; else None."""
    records, _ = readable_records(folder)
    if len(records) < 2 or not records[0].grows_from(records[1]):
        return None

    growing, finished = records
    is_within = finished.classes <= plan.recipe.classes and finished.per_class <= plan.recipe.per_class
    manifest = readable_manifest(folder, growing)
    if manifest is None or not is_within or not _belongs(finished, finished.stages, plan):
        return None
    return growing, manifest


def _stages_before(folder: Path, record: RunRecord, recipe: Recipe) -> list[Stage]:
    """Return the stages that lie before a recipe in a folder; none where it does not grow."""
    has_classes = recipe.classes - record.classes
    has_images = recipe.per_class - record.per_class
    if has_classes == 0 and has_images == 0:
        return record.grown_from
    if has_classes < 0 or has_images < 0:
        return []

    is_finished = readable_manifest(folder, record) is not None
    return record.stages if is_finished else []


def _belongs(record: RunRecord, stages: list[Stage], plan: Plan) -> bool:
    """Return whether a plan is of the same data as a record, stored in the same way."""
    steps = _steps(stages)
    asked = plan.recipe.storage.grown_from
    if steps[: len(asked)] != asked:
        return False
    if record.storage != plan.run.storage:
        return False
    if record.fields != plan.run.fields:
        return False

    last = stages[-1]
    smaller = msgspec.structs.replace(
        plan.recipe,
        classes=last.classes,
        per_class=last.per_class,
    )
    return smaller.data_fingerprint == last.fingerprints.data


def _grown(recipe: Recipe, stages: list[Stage]) -> Recipe:
    steps = _steps(stages)
    storage = msgspec.structs.replace(recipe.storage, grown_from=steps)
    return msgspec.structs.replace(recipe, storage=storage)


def _steps(stages: list[Stage]) -> tuple[tuple[int, int, int], ...]:
    """Return stages as a recipe names them."""
    steps = []
    for stage in stages:
        step = (stage.classes, stage.per_class, stage.shard_size)
        steps.append(step)
    return tuple(steps)
