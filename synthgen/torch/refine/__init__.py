"""From a model's coarse map to the outline of the defect (F2PAD, Tao et al. 2024).

The package can be called as its function `refine` can::

    found = synthgen.torch.refine(model, image, mask)
    found.mask, found.normal, found.difference, found.notes
"""

import sys
from importlib import import_module
from types import ModuleType

from synthgen.extras import needed_for
from synthgen.torch.refine.options import RefineOptions

# Loaded on first use: the help of the command needs no torch.
_LAZY = {
    "PIXELS": "prior",
    "PixelPrior": "prior",
    "Refined": "refinement",
    "Sampled": "prior",
    "coarse_masks": "refinement",
    "refine": "refinement",
    "refine_all": "refinement",
}

__all__ = ["RefineOptions", *_LAZY]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.torch.refine' has no attribute {name!r}")
    with needed_for(name):
        value = getattr(import_module(f"synthgen.torch.refine.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


class _Refine(ModuleType):
    """A module that can be called."""

    def __call__(self, *given, **named):
        return self.refine(*given, **named)


sys.modules[__name__].__class__ = _Refine
