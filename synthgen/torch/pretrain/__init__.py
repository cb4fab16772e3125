"""Pre-training of backbones on our data (Ugwu et al. 2024): options, reading, loop, checkpoints, report.

The options load without torch, so that the command line can show them; the rest loads on first use.
"""

from importlib import import_module

from synthgen.extras import needed_for
from synthgen.torch.pretrain.options import PRESETS, Options, learning_rate, make_options

__all__ = ["PRESETS", "Options", "PretrainReport", "learning_rate", "make_options", "pretrain"]


def __getattr__(name: str):
    if name not in ("PretrainReport", "pretrain"):
        raise AttributeError(f"module 'synthgen.torch.pretrain' has no attribute {name!r}")
    with needed_for("pretrain"):
        job = import_module("synthgen.torch.pretrain.job")
    return getattr(job, name)
