"""From a model's coarse map to the outline of the defect (F2PAD, Tao et al. 2024).

>>> from synthgen.torch import refine  # doctest: +SKIP
>>> refine(model, image, mask).mask  # doctest: +SKIP
"""

import sys
from types import ModuleType

from synthgen.torch.refine.options import RefineOptions
from synthgen.torch.refine.prior import PIXELS, PixelPrior, Sampled
from synthgen.torch.refine.refinement import Refined, coarse_masks, refine, refine_all

__all__ = ["PIXELS", "PixelPrior", "RefineOptions", "Refined", "Sampled", "coarse_masks", "refine", "refine_all"]


class _Refine(ModuleType):
    """The package, which can be called as its function can: `synthgen.torch.refine(model, image)`."""

    def __call__(self, *given, **named):
        return refine(*given, **named)


sys.modules[__name__].__class__ = _Refine
