"""What a pre-training depends on; the settings of Ugwu et al. 2024, and of backbones for surfaces, as presets."""

from math import cos, pi
from typing import Annotated, Literal

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.options import check_ranges, convert
from synthgen.seeding import MAX_SEED

Meta = msgspec.Meta
# The share of an image's area that a crop takes.
_Share = Annotated[float, Meta(gt=0, le=1)]
# How many images are joined into one.
_Parts = Annotated[int, Meta(ge=1, le=8)]
_Deviation = Annotated[float, Meta(gt=0)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the weights depend on beside the data. Defaults are the preset ``baseline``.

    The baseline's batch is that of the ablation study: Ugwu et al. 2024, section 7.3, call 1024 the original size.
    """

    objective: Annotated[
        Literal["classes", "dense"],
        Meta(
            description="What is learned: the class of an image, or at every place of some layers the texture that "
            "it lies on."
        ),
    ] = "classes"
    epochs: Annotated[int, Meta(ge=1, le=100_000, description="Passes over the training images.")] = 100
    batch_size: Annotated[int, Meta(ge=2, le=10**6, description="Images in a step, over all GPUs together.")] = 1024
    accumulate: Annotated[
        int,
        Meta(
            ge=1,
            le=10**4,
            description="Parts that a step's images are cut into, to save memory: their gradients are added up.",
        ),
    ] = 1
    sync_batchnorm: Annotated[
        bool,
        Meta(
            description="Normalize batches over the images of all GPUs; otherwise each GPU has its own statistics."
        ),
    ] = False
    optimizer: Annotated[
        Literal["sgd", "adamw"], Meta(description="Optimizer; Ugwu et al. 2024 use SGD with momentum.")
    ] = "sgd"
    lr: Annotated[float, Meta(gt=0, le=100, description="Learning rate.")] = 0.1
    momentum: Annotated[float, Meta(ge=0, lt=1, description="Momentum of SGD.")] = 0.9
    weight_decay: Annotated[float, Meta(ge=0, le=10, description="Weight decay, on all weights.")] = 1e-4
    schedule: Annotated[
        Literal["constant", "steps", "cosine"],
        Meta(description="How the learning rate falls; steps divides it by 10 at each milestone."),
    ] = "constant"
    milestones: Annotated[
        tuple[int, ...], Meta(description="Epochs at which the schedule steps lowers the learning rate.")
    ] = (30, 60)
    warmup: Annotated[
        int, Meta(ge=0, le=10**9, description="Epochs in which the learning rate rises from 0 to its value.")
    ] = 0
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="Label smoothing of the cross-entropy loss.")
    ] = 0.0
    resize: Annotated[
        int, Meta(ge=0, le=4096, description="Side that images are resized to before the crop; 0 keeps their size.")
    ] = 0
    crop: Annotated[int, Meta(ge=0, le=4096, description="Side of a random crop; 0 takes the whole image.")] = 0
    scale: Annotated[
        tuple[_Share, _Share],
        Meta(
            description="Share of the area that is cropped, then resized to the crop's side; 1:1 does not resize."
        ),
    ] = (1.0, 1.0)
    flip: Annotated[bool, Meta(description="Mirror images at random, in both directions.")] = False
    jitter: Annotated[
        float, Meta(ge=0, lt=1, description="Change brightness and contrast at random by up to this share.")
    ] = 0.0
    rotate: Annotated[
        float, Meta(ge=0, le=180, description="Turn images at random by up to this angle in degrees.")
    ] = 0.0
    affine: Annotated[
        float, Meta(ge=0, lt=1, description="Shear and stretch images at random by up to this share.")
    ] = 0.0
    blur: Annotated[bool, Meta(description="Blur half of the images by a 3 x 3 Gaussian.")] = False
    gray: Annotated[bool, Meta(description="Turn images gray.")] = False
    mean: Annotated[
        tuple[float, ...], Meta(description="Mean that is subtracted from pixels in [0, 1]: one number or three.")
    ] = (0.0,)
    std: Annotated[
        tuple[_Deviation, ...],
        Meta(description="Standard deviation that pixels in [0, 1] are divided by: one number or three."),
    ] = (1.0,)
    val_share: Annotated[
        float,
        Meta(
            ge=0, lt=1, description="Share of the images held out for validation; 0 validates on training images."
        ),
    ] = 0.0
    val_images: Annotated[
        int, Meta(ge=0, le=10**9, description="Validate on this many images only; 0 takes all.")
    ] = 0
    val_every: Annotated[int, Meta(ge=1, le=10**6, description="Epochs from one validation to the next.")] = 1
    stop_at: Annotated[
        float, Meta(gt=0, le=1, description="Stop once the validation accuracy reaches this share.")
    ] = 1.0
    until: Annotated[
        int,
        Meta(
            ge=0,
            le=4,
            description="Of dense: the last layer that is trained, 1 to 4 for 1/4 to 1/32 of the image; those "
            "behind it stay random.  [default: the last of --layers]",
        ),
    ] = 0
    layers: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4)], ...],
        Meta(
            description="Of dense: layers whose places are told apart.  [default: the last two up to --until, 2,3]"
        ),
    ] = ()
    temperature: Annotated[
        float, Meta(gt=0, le=10, description="Of dense: what cosines are divided by before the softmax.")
    ] = 0.1
    purity: Annotated[
        float,
        Meta(
            gt=0.5, le=1, description="Of dense: the share of a place that must lie on one texture for it to count."
        ),
    ] = 0.95
    class_weight: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Of dense: weight of a second loss, by which the mean of the last layer tells the classes "
            "of an image and what share of it each covers; 0 for none.",
        ),
    ] = 0.0
    batch_classes: Annotated[
        int,
        Meta(
            ge=0,
            le=10**6,
            description="Of dense: classes in a batch, each in several images; 0 takes so many that each comes 2.4 "
            "times.",
        ),
    ] = 0
    mix: Annotated[
        tuple[_Parts, _Parts],
        Meta(description="Of dense: images that are joined into one, with irregular borders, LOW:HIGH."),
    ] = (1, 1)
    class_images: Annotated[
        int,
        Meta(ge=0, le=10**8, description="Of dense: the images of each class that are used; 0 takes all."),
    ] = 0
    epoch_images: Annotated[
        int,
        Meta(ge=0, le=10**9, description="Of dense: images in an epoch; 0 takes as many as the data set has."),
    ] = 0
    seed: Annotated[
        int, Meta(ge=0, le=MAX_SEED, description="Seed of the first weights, the order of images and augmentation.")
    ] = 0
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Meta(description="Type of numbers; auto is bf16 on GPUs that have it, else fp32."),
    ] = "auto"
    deterministic: Annotated[
        bool, Meta(description="Use only algorithms that give the same bits each time; slower on GPUs.")
    ] = False

    def __post_init__(self):
        for name in ("mean", "std"):
            values = getattr(self, name)
            count = len(values)
            if count not in (1, 3):
                raise ValueError(f"{name} must be one number or three, got {values}")

        least = 2 * self.accumulate  # batch norm needs two images
        if self.batch_size < least:
            raise ValueError(
                f"batch_size must be >= {least}, two images for each part of accumulate, got {self.batch_size}"
            )

        low, high = self.scale
        if low > high:
            typed = f"{low:g}:{high:g}"
            raise ValueError(f"scale must be LOW:HIGH with LOW <= HIGH, got {typed}")

        is_whole = self.scale == (1.0, 1.0)
        if not is_whole and not self.crop:
            raise ValueError("scale needs a crop, got crop 0")

        check_ranges(self, "mix")
        if self.is_dense:
            self._check_dense()
        else:
            self._check_classes()

    @property
    def is_dense(self) -> bool:
        """Whether places are told apart, not images."""
        return self.objective == "dense"

    @property
    def used_layers(self) -> tuple[int, ...]:
        """The layers that a dense loss sees."""
        if self.layers:
            return self.layers
        last = self.until or _USUAL_LAST
        return tuple(range(max(1, last - 1), last + 1))

    def _check_dense(self) -> None:
        """Refuse what does not go with the objective dense."""
        ascending = sorted(set(self.layers))
        if list(self.layers) != ascending:
            given = ",".join(map(str, self.layers))
            raise ValueError(f"layers must ascend, got {given}")

        last = self.used_layers[-1]
        if self.until not in (0, last):
            raise ValueError(f"until must be the last of the layers, {last}, got {self.until}")
        for name in ("rotate", "affine"):
            if getattr(self, name):
                raise ValueError(f"{name} needs the objective classes, got dense")
        if self.label_smoothing:
            raise ValueError(f"label_smoothing must be 0 with objective dense, got {self.label_smoothing}")

    def _check_classes(self) -> None:
        """Refuse options of the objective dense."""
        for field in msgspec.structs.fields(type(self)):
            value = getattr(self, field.name)
            if field.name in _OF_DENSE and value != field.default:
                raise ValueError(f"{field.name} needs the objective dense, got classes")


# Options that only the objective dense has.
_OF_DENSE = (
    "until",
    "layers",
    "temperature",
    "purity",
    "class_weight",
    "batch_classes",
    "mix",
    "class_images",
    "epoch_images",
)
# The last layer that is trained where nothing is said: those that PatchCore uses.
_USUAL_LAST = 3

# Options that came later, with the values under which a training is what it was before: those are not written down.
LATER: dict[str, object] = {
    "accumulate": 1,
    "sync_batchnorm": False,
    "objective": "classes",
    "until": 0,
    "layers": (),
    "temperature": 0.1,
    "purity": 0.95,
    "class_weight": 0.0,
    "batch_classes": 0,
    "mix": (1, 1),
    "class_images": 0,
    "epoch_images": 0,
}

_VAR1 = {
    "crop": 224,
    "mean": (0.2,),
    "std": (0.5,),
    "batch_size": 512,
    "schedule": "steps",
    "milestones": (30, 60),
}
# Random transforms as those of Anderson and Farrell (WACV 2022): table 13 names them, and gives no numbers.
_TRANSFORMS = {
    "rotate": 180.0,
    "affine": 0.2,
    "blur": True,
}
# Ours: textures at every place, an hour on two cores; docs/studies/pretraining.md.
_SURFACE = {
    "objective": "dense",
    "until": 3,
    "epochs": 12,
    "epoch_images": 20_000,
    # drawn once and kept: 0.8 GB of the 1,000 textures of the recipe
    "class_images": 4,
    "batch_size": 48,
    "mix": (1, 3),
    "crop": 96,
    # of images of 256 x 256: 81 to 125 pixels are resized to 96
    "scale": (0.1, 0.24),
    "flip": True,
    "jitter": 0.15,
    "optimizer": "adamw",
    "lr": 2e-3,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup": 1,
    "mean": (0.5,),
    "std": (0.5,),
    "val_images": 960,
}
# The loss on the layers that show fine defects, and no deeper ones: a quarter of an hour of one core.
_SURFACE_QUICK = {**_SURFACE, "layers": (1, 2), "until": 2, "epoch_images": 5_000}
# The architecture of a preset that has one.
ARCHITECTURES = {"surface": "tf_efficientnet_lite0", "surface-quick": "tf_efficientnet_lite0"}
# The others: Ugwu et al. 2024, sections 4 and 7.3: images of 512 x 512 that are cropped, never enlarged.
PRESETS: dict[str, dict] = {
    "baseline": {},
    "var1": _VAR1,
    "var1-batch": {**_VAR1, "batch_size": 1024},
    "var1-noscheduler": {**_VAR1, "schedule": "constant"},
    "transforms": _TRANSFORMS,
    "surface": _SURFACE,
    "surface-quick": _SURFACE_QUICK,
}


def make_options(preset: str = "baseline", changes: dict | None = None, place: str = "") -> Options:
    """Return the options of a preset with changes; values may be text.

    Parameters
    ----------
    preset : {'baseline', 'var1', 'var1-batch', 'var1-noscheduler', 'transforms', 'surface', 'surface-quick'}
    changes : dict, optional
        Values that replace those of the preset.
    place : str
        Where the changes come from; errors begin with it.

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
        known = ", ".join(PRESETS)
        raise UsageError(f"preset must be one of {known}, got {preset!r}{did_you_mean(preset, PRESETS)}")

    values = dict(PRESETS[preset])
    values.update(changes or {})
    return convert(values, Options, place)


def learning_rate(options: Options, epoch: int, part: float = 0.0) -> float:
    """Return the learning rate after `epoch` whole epochs and a part of the next.

    Examples
    --------
    >>> [round(learning_rate(make_options("var1"), epoch), 9) for epoch in (29, 30, 60)]
    [0.1, 0.01, 0.001]
    """
    rate = options.lr
    warmup = options.warmup
    now = epoch + part
    if now < warmup:
        return rate * now / warmup

    if options.schedule == "steps":
        lowered = sum(epoch >= milestone for milestone in options.milestones)
        return rate / 10**lowered

    if options.schedule == "cosine":
        length = max(1, options.epochs - warmup)
        passed = now - warmup
        done = passed / length
        height = 1 + cos(pi * done)
        return rate * height / 2

    return rate
