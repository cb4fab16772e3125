"""What tells two runs apart, in words: refusals name it."""

from synthgen.shards.manifest import RunRecord, version_changes

# What does not make the data: a version of the recipe's text, its name, and how samples are stored.
_NO_DATA = frozenset({"synthgen", "name", "storage"})
_MOST_SHOWN = 80


def differences(there: RunRecord, here: RunRecord) -> list[str]:
    """Return in a few words each what differs between two records: first of the data, then of the storage.

    Examples: ``size is 256 there, 128 here``, ``numpy is 2.4.6 there, 2.5.0 here``.
    """
    found = _of_data(there, here)
    found += _of_storage(there, here)
    return found or ["their records differ, one of them may be damaged"]


def in_words(there: RunRecord, here: RunRecord) -> str:
    """Return `differences` as one text."""
    return ", ".join(differences(there, here))


def _of_data(there: RunRecord, here: RunRecord) -> list[str]:
    keys = [key for key in {**there.recipe, **here.recipe} if key not in _NO_DATA]
    found = []
    for key in keys:
        found += _pair(key, there.recipe.get(key), here.recipe.get(key))
    if found or there.fingerprints.data == here.fingerprints.data:
        return found

    name = f"family {here.recipe['family']}"
    changes = _pair(name, there.versions.get(name), here.versions.get(name))
    return changes or ["the files that samples are made of have changed"]


def _of_storage(there: RunRecord, here: RunRecord) -> list[str]:
    found = _pair("format", there.storage, here.storage)
    codecs = [record.fields["image"].codec for record in (there, here)]
    found += _pair("codec", *codecs)

    stages = [[f"{stage.classes}x{stage.per_class}" for stage in record.grown_from] for record in (there, here)]
    found += _pair("grown_from", *stages)
    if there.count == here.count and stages[0] == stages[1]:
        found += _pair("shard_size", there.shard_size, here.shard_size)
    return found + version_changes(there.versions, here.versions)


def _pair(name: str, there, here) -> list[str]:
    """Return the sentence on two values that differ, in a list, or an empty list."""
    if _plain(there) == _plain(here):
        return []
    return [f"{name} is {_shown(there)} there, {_shown(here)} here"]


def _plain(value):
    """Return a value such that a list and a tuple of equal values are equal."""
    return list(value) if isinstance(value, tuple) else value


def _shown(value) -> str:
    """Return a value as people write it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    is_sequence = isinstance(value, list | tuple)
    text = ",".join(map(_shown, value)) or "none" if is_sequence else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} .."
