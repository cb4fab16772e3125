"""What tells two runs apart, in words: refusals name it."""

from collections.abc import Collection

from synthgen.shards.manifest import RunRecord, version_changes

# What does not make the data: a version of the recipe's text, its name, and how samples are stored.
_NO_DATA = frozenset({"synthgen", "name", "storage"})
# What follows from the number of samples: it is not named beside that.
_FOLLOWING = ("grown_from", "shard_size")
_MOST_SHOWN = 80


def differences(there: RunRecord, here: RunRecord) -> list[str]:
    """Return in a few words each what differs between two records: first of the data, then of the storage.

    Examples: ``size is 256 there, 128 here``, ``numpy is 2.4.6 there, 2.5.0 here``.
    """
    of_data = _of_data(there, here)
    of_storage = _of_storage(there, here, _FOLLOWING if of_data else ())
    found = of_data + of_storage
    return found or ["their records differ, one of them may be damaged"]


def in_words(there: RunRecord, here: RunRecord) -> str:
    """Return `differences` as one text."""
    return ", ".join(differences(there, here))


def _of_data(there: RunRecord, here: RunRecord) -> list[str]:
    found = []
    for key in {**there.recipe, **here.recipe}:
        if key not in _NO_DATA:
            before = there.recipe.get(key)
            now = here.recipe.get(key)
            found += _pair(key, before, now)
    if found or there.fingerprints.data == here.fingerprints.data:
        return found

    family = here.recipe["family"]
    name = f"family {family}"
    before = there.versions.get(name)
    now = here.versions.get(name)
    changes = _pair(name, before, now)
    return changes or ["the files that samples are made of have changed"]


def _of_storage(there: RunRecord, here: RunRecord, left_out: Collection[str]) -> list[str]:
    before = _as_stored(there)
    now = _as_stored(here)
    found = []
    for name, value in before.items():
        if name not in left_out:
            found += _pair(name, value, now[name])
    return found + version_changes(there.versions, here.versions)


def _as_stored(record: RunRecord) -> dict:
    """Return how a record stores its samples, by the names of the options."""
    image = record.fields["image"]
    stages = [f"{stage.classes}x{stage.per_class}" for stage in record.grown_from]
    return {
        "format": record.storage,
        "codec": image.codec,
        "grown_from": stages,
        "shard_size": record.shard_size,
    }


def _pair(name: str, there, here) -> list[str]:
    """Return the sentence on two values that differ, in a list, or an empty list."""
    before = _shown(there)
    now = _shown(here)
    if before == now:
        return []
    return [f"{name} is {before} there, {now} here"]


def _shown(value) -> str:
    """Return a value as people write it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"

    text = str(value)
    if isinstance(value, list | tuple):
        words = [_shown(each) for each in value]
        text = ",".join(words) or "none"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} .."
