"""What a distilled teacher depends on beside the backbone and the images."""

from typing import Annotated, Literal

import msgspec

from synthgen.options import check_unique, convert
from synthgen.seeding import MAX_SEED

Meta = msgspec.Meta
# The networks of EfficientAD-S and EfficientAD-M, as timm knows them once `synthgen.torch.backbones` has it.
ARCHITECTURES = {"small": "pdn_small", "medium": "pdn_medium"}
# Channels of a teacher's features.
CHANNELS = 384


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the weights of a teacher depend on beside backbone and images. Defaults are the publication's."""

    network: Annotated[
        Literal["small", "medium"], Meta(description="The network of EfficientAD-S or of EfficientAD-M.")
    ] = "small"
    layers: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=99)], ...],
        Meta(
            min_length=1,
            description="Layers of the backbone that are learned: some of 1 to 4, for 1/4 to 1/32 of the image; or "
            "the numbers of the blocks of a vision transformer.",
        ),
    ] = (2, 3)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of the backbone's features, in places.")
    ] = 3
    image_size: Annotated[
        int, Meta(ge=48, le=4096, description="Side in pixels of the images that the teacher sees.")
    ] = 256
    enlarge: Annotated[
        float, Meta(ge=0.5, le=8, description="How many times as large the backbone sees the same image.")
    ] = 2.0
    gray_share: Annotated[float, Meta(ge=0, le=1, description="Share of the images that are shown in gray.")] = 0.1
    norm_images: Annotated[
        int,
        Meta(ge=2, le=10**7, description="Images that mean and deviation of the backbone's channels are taken of."),
    ] = 10_000
    steps: Annotated[int, Meta(ge=1, le=10**8, description="Steps of the training.")] = 60_000
    batch_size: Annotated[int, Meta(ge=1, le=10**5, description="Images in a step.")] = 16
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate of Adam.")] = 1e-4
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="Weight decay of Adam.")] = 1e-5
    seed: Annotated[
        int, Meta(ge=0, le=MAX_SEED, description="Seed of the first weights and of the order of the images.")
    ] = 0

    def __post_init__(self):
        check_unique(self, "layers")
        if list(self.layers) != sorted(self.layers):
            given = ",".join(map(str, self.layers))
            raise ValueError(f"layers must ascend, got {given}")
        if self.image_size % 4:
            raise ValueError(f"image_size must be a multiple of 4, got {self.image_size}")

    @property
    def enlarged_size(self) -> int:
        """Side in pixels of the images that the backbone sees."""
        return round(self.enlarge * self.image_size)


def make_options(changes: dict | None = None, place: str = "") -> Options:
    """Return the options with changes; values may be text.

    Raises
    ------
    UsageError
        With the place, the rule and the value.

    Examples
    --------
    >>> make_options({"steps": "100"}).steps
    100
    """
    return convert(changes or {}, Options, place)
