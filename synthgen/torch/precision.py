"""Full precision on GPUs, so that the scores of an image differ from those of a CPU by rounding alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Let convolutions on GPUs keep all bits of float32 while the block runs; by default cuDNN drops 13 of 23.

    With fewer, scores of PatchCore and PaDiM were 3 to 5 % of their spread away from those of the CPU, and an image
    had another map alone than in a batch, by 1e-4 of the largest value (H200, torch 2.11).
    """
    cudnn: Any = torch.backends.cudnn
    # the switch of torch 2.9; the old one cannot be read where a program has used the new one
    is_new = hasattr(cudnn, "conv")
    switch = cudnn.conv if is_new else cudnn
    name = "fp32_precision" if is_new else "allow_tf32"

    before = getattr(switch, name)
    setattr(switch, name, "ieee" if is_new else False)
    try:
        yield
    finally:
        setattr(switch, name, before)
