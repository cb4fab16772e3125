"""One shard: draw its samples, encode them, write the file and its sidecar."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.machine import cpu_name
from synthgen.run.draw import draw_samples
from synthgen.run.plan import Plan
from synthgen.sample import Sample
from synthgen.shards.codecs import encode
from synthgen.shards.files import replacing, sha256_of
from synthgen.shards.manifest import FORMATS, SHARDS, RunRecord, Sidecar, write_sidecar
from synthgen.threads import at_once

# Drawn samples that may wait for the encoder.
_AHEAD = 4


def encode_sample(sample: Sample, fields: dict) -> tuple[dict[str, bytes], bytes]:
    """Return the encoded fields of a sample, and its parameters as JSON."""
    values = {"image": sample.pixels, **sample.fields}
    works = [partial(encode, values[name], entry.codec, entry.kind) for name, entry in fields.items()]
    height, width = fields["image"].shape[:2]
    encoded = at_once(works, (height, width))
    columns = dict(zip(fields, encoded, strict=True))
    return columns, msgspec.json.encode(sample.params)


def write_shard(plan: Plan, folder: Path, shard: int, advance: Callable[[int], None]) -> None:
    """Draw and write one shard; it appears whole, with its sidecar after it, or not at all.

    Parameters
    ----------
    plan : Plan
    folder : Path
        The data set's folder.
    shard : int
    advance : callable
        Called with 1 after each sample.
    """
    run = plan.run
    path = folder / SHARDS / run.shard_name(shard)
    device = families.device_of(families.load(plan.recipe.family), plan.recipe.options)

    with replacing(path) as temporary:
        write_samples(temporary, run, _samples(plan, shard, device.exclusive), advance)
        size = temporary.stat().st_size
        digest = sha256_of(temporary)

    stage = run.stage_of(shard)
    sidecar = Sidecar.signed(
        shard=shard,
        name=path.name,
        count=run.shard_count(shard),
        bytes=size,
        sha256=digest,
        fingerprints=stage.fingerprints,
        versions=stage.versions,
        device=device.name if run.tolerance else cpu_name(),
    )
    write_sidecar(folder, run, sidecar)


def write_samples(path: Path, run: RunRecord, samples: Iterable, advance: Callable[[int], None]) -> None:
    """Write (label, index, encoded sample) into a file, in the form of a shard; call `advance` after each."""
    writer = FORMATS[run.storage].Writer(path, run.fields, run.format)
    try:
        for label, index, encoded in samples:
            writer.add(label, index, *encoded)
            advance(1)
        writer.finish()
    finally:
        writer.close()


def _samples(plan: Plan, shard: int, beside: bool):
    """Yield (label, index, encoded sample) of a shard in order; on request encode beside drawing the next."""
    fields = plan.run.fields
    numbers = plan.samples(shard)
    samples = draw_samples(plan.recipe, *numbers)
    pairs = zip(*numbers, samples, strict=True)
    if not beside:
        for label, index, sample in pairs:
            yield label, index, encode_sample(sample, fields)
        return

    with ThreadPoolExecutor(1) as encoder:
        waiting: deque = deque()
        for label, index, sample in pairs:
            waiting.append((label, index, encoder.submit(encode_sample, sample, fields)))
            if len(waiting) > _AHEAD:
                label, index, encoded = waiting.popleft()
                yield label, index, encoded.result()
        for label, index, encoded in waiting:
            yield label, index, encoded.result()
