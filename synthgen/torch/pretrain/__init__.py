"""Pre-training of backbones on our data (Ugwu et al. 2024): options, reading, loop, checkpoints, report.

The options load without torch, so that the command line can show them; the rest loads on first use.
"""

from synthgen.lazy import lazy
from synthgen.torch.pretrain.options import PRESETS, Options, learning_rate, make_options

__all__ = ["PRESETS", "Options", "PretrainReport", "learning_rate", "make_options", "pretrain"]

__getattr__, __dir__ = lazy(__name__, {"PretrainReport": "job", "pretrain": "job"}, optional=True)
