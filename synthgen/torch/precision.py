"""Full precision on GPUs, so that the scores of an image differ from those of a CPU by rounding alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Let convolutions on GPUs keep all bits of float32 while the block runs; by default cuDNN drops 13 of 23.

    With fewer, scores of PatchCore and PaDiM were 3 to 5 % of their spread away from those of the CPU, and an image
    had another map alone than in a batch, by 1e-4 of the largest value (H200, torch 2.11).
    """
    cudnn = torch.backends.cudnn
    switch, name, full = cudnn, "allow_tf32", False
    if hasattr(
        cudnn, "conv"
    ):  # since torch 2.9; the old switch cannot be read where a program has used the new one
        switch, name, full = cudnn.conv, "fp32_precision", "ieee"

    before = getattr(switch, name)
    setattr(switch, name, full)
    try:
        yield
    finally:
        setattr(switch, name, before)
