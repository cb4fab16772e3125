"""From a model's coarse map to the outline of the defect (F2PAD, Tao et al. 2024).

The function is also `synthgen.torch.refine`::

    found = synthgen.torch.refine(model, image, mask)
    found.mask, found.normal, found.difference, found.notes
"""

from importlib import import_module

from synthgen.extras import needed_for
from synthgen.torch.refinement.options import RefineOptions

# Loaded on first use: the help of the command needs no torch.
_LAZY = {
    "PIXELS": "prior",
    "PixelPrior": "prior",
    "Refined": "outlines",
    "Sampled": "prior",
    "coarse_masks": "outlines",
    "refine": "outlines",
    "refine_all": "outlines",
}

__all__ = ["RefineOptions", *_LAZY]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.torch.refinement' has no attribute {name!r}")
    with needed_for(name):
        value = getattr(import_module(f"synthgen.torch.refinement.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
