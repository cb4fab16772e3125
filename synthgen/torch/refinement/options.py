"""Options of a refinement. No torch here: help pages read them."""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta


class RefineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `synthgen.torch.refine`; the defaults serve all models and images."""

    sparsity: Annotated[
        float,
        Meta(
            ge=0,
            le=1e9,
            description="Weight of the penalty on pixels that differ, divided by the pixels of the coarse mask.",
        ),
    ] = 1500.0
    colors: Annotated[float, Meta(ge=0, le=1e9, description="Weight of the prior of colors.")] = 0.02
    smoothness: Annotated[float, Meta(ge=0, le=1e9, description="Weight of the total variation.")] = 0.05
    dilation: Annotated[
        float,
        Meta(
            ge=0, le=0.5, description="How far the region reaches beyond the coarse mask, as a share of the side."
        ),
    ] = 0.04
    inpaint: Annotated[
        Literal["biharmonic", "nearest", "mae"],
        Meta(
            description="What the search starts from: a smooth surface, the most similar normal image, or what a "
            "masked autoencoder expects."
        ),
    ] = "biharmonic"
    autoencoder: Annotated[
        str | None,
        Meta(description="For mae: folder of the autoencoder, as ViTMAEForPreTraining of transformers saves it."),
    ] = None
    sharing: Annotated[bool, Meta(description="Share gradients among neighboring pixels of similar color.")] = True
    step: Annotated[float, Meta(gt=0, le=10, description="Length of the first steps, in deviations of colors.")] = (
        0.15
    )
    iterations: Annotated[int, Meta(ge=1, le=100_000, description="Steps at most.")] = 45
    tolerance: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="End where ten steps bring less than this share of all that was won; 0 never ends early.",
        ),
    ] = 0.01
    difference: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(
            description="Difference from which on a pixel is defective, in deviations of colors; null chooses one "
            "for each image, by Otsu's method."
        ),
    ] = None
    opening: Annotated[
        bool, Meta(description="Open masks by 3 x 3 pixels, as Tao et al. do: thin scratches are lost.")
    ] = False
    smallest: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Pixels of the smallest part that stays in a mask.")
    ] = 6
    recover: Annotated[
        bool, Meta(description="Estimate the normal image once more inside the mask, as a clean twin of the image.")
    ] = False
