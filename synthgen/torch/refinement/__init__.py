"""From a model's coarse map to the outline of the defect (F2PAD, Tao et al. 2024).

The function is also `synthgen.torch.refine`::

    found = synthgen.torch.refine(model, image, mask)
    found.mask, found.normal, found.difference, found.notes
"""

from synthgen.lazy import lazy
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

__getattr__, __dir__ = lazy(__name__, _LAZY, optional=True)
