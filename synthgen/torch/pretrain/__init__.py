"""Pre-training of backbones on our data, as in paper 000: options, reading, loop, checkpoints, report."""

from synthgen.torch.pretrain.job import Report, pretrain
from synthgen.torch.pretrain.options import PRESETS, Options, learning_rate, make_options

__all__ = ["PRESETS", "Options", "Report", "learning_rate", "make_options", "pretrain"]
