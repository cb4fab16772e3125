"""Teachers for EfficientAD (Batzner et al. 2024): small networks that learned to see as a backbone does.

The options load without torch, so that the command line can show them; the rest loads on first use.
"""

from synthgen.lazy import lazy
from synthgen.torch.distillation.options import ARCHITECTURES, Options, make_options

__all__ = ["ARCHITECTURES", "DistillReport", "Options", "distill", "make_options"]

__getattr__, __dir__ = lazy(__name__, {"DistillReport": "job", "distill": "job"}, optional=True)
