"""What a pre-training depends on, and the settings of paper 000 as presets."""

from math import cos, pi
from typing import Annotated, Literal

import msgspec

from synthgen.errors import UsageError
from synthgen.options import convert
from synthgen.seeding import MAX_SEED

Meta = msgspec.Meta


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the weights depend on beside the data. Defaults are the preset ``baseline``.

    The baseline's batch is that of the paper's ablation study: section 7.3 speaks of 1024 as the original size.
    """

    epochs: Annotated[int, Meta(ge=1, le=100_000, description="Passes over the training images.")] = 100
    batch_size: Annotated[
        int, Meta(ge=2, le=10**6, description="Images in a step; several GPUs share them out.")
    ] = 1024
    optimizer: Annotated[Literal["sgd", "adamw"], Meta(description="The paper's is sgd.")] = "sgd"
    lr: Annotated[float, Meta(gt=0, le=100, description="Learning rate.")] = 0.1
    momentum: Annotated[float, Meta(ge=0, lt=1, description="Of sgd.")] = 0.9
    weight_decay: Annotated[float, Meta(ge=0, le=10, description="Weight decay, on all weights.")] = 1e-4
    schedule: Annotated[
        Literal["constant", "steps", "cosine"], Meta(description="How the rate falls; steps: / 10 at milestones.")
    ] = "constant"
    milestones: Annotated[tuple[int, ...], Meta(description="Epochs of the schedule steps.")] = (30, 60)
    warmup: Annotated[int, Meta(ge=0, le=10**9, description="Epochs in which the rate rises from 0.")] = 0
    label_smoothing: Annotated[float, Meta(ge=0, lt=1, description="Of the cross entropy.")] = 0.0
    resize: Annotated[
        int, Meta(ge=0, le=4096, description="Side of the images before the crop; 0: as they are.")
    ] = 0
    crop: Annotated[int, Meta(ge=0, le=4096, description="Side of a random crop; 0: the whole image.")] = 0
    scale: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=1)], Annotated[float, Meta(gt=0, le=1)]],
        Meta(description="Share of the area that is cropped, then resized to --crop; 1:1 crops without."),
    ] = (1.0, 1.0)
    flip: Annotated[bool, Meta(description="Mirror images at random, both ways.")] = False
    jitter: Annotated[
        float, Meta(ge=0, lt=1, description="Change brightness and contrast by up to this share.")
    ] = 0.0
    gray: Annotated[bool, Meta(description="Take the colour away.")] = False
    mean: Annotated[tuple[float, ...], Meta(description="Of pixels in [0, 1]: one number or three.")] = (0.0,)
    std: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...], Meta(description="Of pixels in [0, 1]: one number or three.")
    ] = (1.0,)
    val_share: Annotated[
        float,
        Meta(ge=0, lt=1, description="Share held out for validation; 0: the training images, as in the paper."),
    ] = 0.0
    val_images: Annotated[
        int, Meta(ge=0, le=10**9, description="Validate on this many images only; 0: on all.")
    ] = 0
    val_every: Annotated[int, Meta(ge=1, le=10**6, description="Epochs from validation to validation.")] = 1
    stop_at: Annotated[
        float, Meta(gt=0, le=1, description="Validation accuracy that ends the training, as in the paper.")
    ] = 1.0
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Seed of weights, order and augmentation.")] = 0
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], Meta(description="auto: bf16 on GPUs that have it, else fp32.")
    ] = "auto"
    deterministic: Annotated[bool, Meta(description="Only algorithms that give the same bits each time.")] = False

    def __post_init__(self):
        if len(self.mean) not in (1, 3) or len(self.std) not in (1, 3):
            raise ValueError(f"mean and std must be one number or three, got {self.mean} and {self.std}")
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale must be LOW:HIGH, got {self.scale[0]}:{self.scale[1]}")
        if self.scale != (1.0, 1.0) and not self.crop:
            raise ValueError("scale needs a crop, got crop 0")


_VAR1 = {
    "resize": 512,
    "crop": 224,
    "mean": (0.2,),
    "std": (0.5,),
    "batch_size": 512,
    "schedule": "steps",
    "milestones": (30, 60),
}
# Paper 000, sections 4 and 7.3.
PRESETS = {
    "baseline": {},
    "var1": _VAR1,
    "var1-batch": {**_VAR1, "batch_size": 1024},
    "var1-noscheduler": {**_VAR1, "schedule": "constant"},
}


def make_options(preset: str = "baseline", changes: dict | None = None, place: str = "pretrain") -> Options:
    """Return the options of a preset with changes; values may be text.

    Raises
    ------
    UsageError
        With the place, the rule and the value.

    Examples
    --------
    >>> make_options("var1", {"batch_size": "64"}).batch_size
    64
    """
    if preset not in PRESETS:
        raise UsageError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    return convert({**PRESETS[preset], **(changes or {})}, Options, place, "")


def learning_rate(options: Options, epoch: int, part: float = 0.0) -> float:
    """Return the learning rate after `epoch` whole epochs and a part of the next.

    Examples
    --------
    >>> [round(learning_rate(make_options("var1"), epoch), 9) for epoch in (29, 30, 60)]
    [0.1, 0.01, 0.001]
    """
    now = epoch + part
    if now < options.warmup:
        return options.lr * now / options.warmup
    if options.schedule == "steps":
        return options.lr / 10 ** sum(epoch >= milestone for milestone in options.milestones)
    if options.schedule == "cosine":
        done = (now - options.warmup) / max(1, options.epochs - options.warmup)
        return options.lr * (1 + cos(pi * done)) / 2
    return options.lr
