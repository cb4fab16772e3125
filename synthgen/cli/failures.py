"""Errors of torch that are no faults of ours: memory that is used up, and what a device cannot do."""

from synthgen.errors import one_line

_LESS = "fewer or smaller images at a time need less: --batch-size, --accumulate, --size"
# What the error says -> what to do. Torch raises plain RuntimeErrors, whose kinds only their texts tell apart.
_REASONS = {
    "CUDA out of memory": f"the memory of the GPU is used up; {_LESS}; --device cpu needs none of it",
    "can't allocate memory": f"the memory is used up; {_LESS}",
    "does not have a deterministic implementation": (
        "this network has a step that is not deterministic on this device; leave --deterministic out, or train on "
        "another device"
    ),
    "CUDA error": "the GPU failed; --device cpu does without it",
    "CUDNN_STATUS": "the GPU failed; --device cpu does without it",
    "CUBLAS_STATUS": "the GPU failed; --device cpu does without it",
}


def reason_of(error: Exception) -> str | None:
    """Return one sentence for an error of torch that a user can do something about, or None for another error.

    Examples
    --------
    >>> error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")
    >>> reason_of(error).partition(";")[0]
    'the memory is used up'
    """
    if not isinstance(error, RuntimeError):
        return None
    said = str(error)
    for words, advice in _REASONS.items():
        if words in said:
            return f"{advice} ({one_line(error)})"
    return None
