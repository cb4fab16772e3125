"""Anomaly models on frozen backbones: learned from normal images alone.

All models keep one small protocol::

    model = PatchCore(backbone, layers=(2, 3), coreset=0.1)   # or another; `memory` and `device` may be given, too
    model.fit(loader, progress="auto", log=None)              # returns the model
    model.update(loader)                                      # SequentialPatchCore: go on with new images
    scores, maps = model.predict(images)                      # NumPy float32, (N,) and (N, H, W)
    model.save(path)
    model = load_model(path)

`backbone` is a name of timm's, a path of own weights (both as `synthgen.torch.backbones.load_backbone` takes
them), a timm module, built with or without ``features_only``, or an `Extractor`, which gives features in a way of
its own. `layers` are 1 to 4: the last four resolutions of the backbone, for most of them 1/4, 1/8, 1/16 and 1/32 of
the image; of a vision transformer they are the numbers of its blocks. A constructor is cheap, and its model is
whole: nothing is built later.

`loader` is anything that can be iterated: it yields images (N, C, H, W), or tuples and lists whose first item
is that, such as a `DataLoader` over `ShardDataset`; single images (C, H, W), as a `Dataset` yields them, count
as batches of one. Images are uint8, or floats in [0, 1], of one or three channels and all of one size; they are
normalised inside, with mean and deviation of the backbone. A model of several epochs goes through the loader
several times.

`scores` are higher where an image is less normal; `maps` are so for pixels, and have the size of the images.
Neither has an upper bound. A model whose ``localises`` is False returns None for the maps. ``model.image_size`` is
(H, W) of the training images. ``model.notes`` is a dict of JSON values that is saved with the model, for what its
user wants to find again (folders, resizing, thresholds).

``model.predicted_bytes(images, size)`` is the size of the bank, and ``model.needed_bytes(images, size)`` the
memory that fitting takes, both before anything was fitted. ``fit`` gives both to `log`, a function of one line
of text, and refuses what does not fit into ``memory`` (bytes; by default what the device has left), with the
size that would.

``model.local_scores(reference, places)``, where ``model.differentiable`` is True, is a function from images to
scores of some places through which gradients flow; `synthgen.torch.refine` uses it.

A saved model is one safetensors file that holds everything, the backbone's weights among it.

Errors: `UsageError` for images, options and loaders that cannot be used, `FormatError` for a file that is not a
model.

A model is one module of this package, named as its kind; a new model is a new file and a line in `MODELS`, or an
entry point of the group ``synthgen.models`` in another package. The module has

``HELP``
    Help of ``synthgen fit KIND``, with examples.
``Options``
    A frozen ``msgspec.Struct``, a child of `ModelOptions`: what the constructor takes by keyword, with limits and
    help in its annotations.
``MODEL``
    The class, a child of `AnomalyModel` with this ``kind`` and these ``Options``.
``MEMBERS``
    Of an ensemble: help of ``--member``, which takes the place of ``--backbone``.
``CALIBRATED``
    Of an ensemble that is fitted to images which no member was fitted to: True.
``meld(models, points)``
    Where models can be joined: returns one model made of several.

Its help is read without torch, so the module imports torch inside its functions, or from modules that it imports
there.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from synthgen.errors import SynthgenError, UsageError, did_you_mean, one_line
from synthgen.lazy import lazy

GROUP = "synthgen.models"

# kind -> what it does
MODELS = {
    "patchcore": "A bank of normal patches, thinned out evenly: accurate, memory grows with the images.",
    "sequential-patchcore": "A bank of fixed size, built image by image: any number of images, can go on learning.",
    "padim": "A Gaussian at each place: for parts that always lie in the same place.",
    "cflow": "The density of patches at each place, by flows that are trained: few images, slow to fit.",
    "simplenet": "A network that tells normal patches from noisy ones: quick to predict, the file is small.",
    "cutpaste": "A backbone that learned to see pasted pieces, and a Gaussian of patches: slow to fit.",
    "sinbad": "How features are distributed over the whole image: for parts that are missing; no maps.",
    "panda": "Nearest normal images, after a training that draws them together: quick; no maps.",
    "efficientad": "A student and an autoencoder that follow a distilled teacher: quick to predict, slow to fit.",
    "puad": "EfficientAD, and the features of the whole image: also for parts that are missing.",
    "floor": "The distance of blurred gray values from their mean: what other models must be better than.",
    "chance": "Random scores: what a benchmark measures for them must be what chance gives.",
    "fastflow": "The density of whole maps of features, by flows; by anomalib.",
    "reverse-distillation": "A decoder that gives back the features of normal images; by anomalib.",
    "stfpm": "A student that follows the backbone on normal images; by anomalib.",
    "feature-ensemble": "The features of several backbones or models, fused and scored as one.",
    "score-ensemble": "Fitted models together: their scores are calibrated and combined.",
}

_LAZY = {
    "AnomalyModel": "base",
    "Augmentation": "augment",
    "Chance": "chance",
    "Cflow": "cflow",
    "CutPasteModel": "cutpaste",
    "EfficientAd": "efficientad",
    "Extractor": "base",
    "Floor": "floor",
    "FeatureEnsemble": "feature_ensemble",
    "PaDiM": "padim",
    "Panda": "panda",
    "PatchCore": "patchcore",
    "Puad": "puad",
    "ScoreEnsemble": "score_ensemble",
    "SequentialPatchCore": "sequential_patchcore",
    "SimpleNet": "simplenet",
    "Sinbad": "sinbad",
    "load_model": "loading",
    "meld": "sequential_patchcore",
}

__all__ = ["MODELS", "differentiable", "kinds", "load", *_LAZY]


def kinds() -> dict[str, str]:
    """Return all kinds of models with a line of help each; those of other packages come last."""
    lines = dict(MODELS)
    for point in _others():
        package = _package(point)
        lines[point.name] = f"From the package {package}."
    return lines


def differentiable() -> list[str]:
    """Return the kinds of our own models whose scores have gradients, for `synthgen.torch.refine`."""
    return sorted(kind for kind in MODELS if load(kind).MODEL.differentiable)


def load(kind: str) -> ModuleType:
    """Return the module of a kind of model.

    Raises
    ------
    UsageError
        If there is no such kind.
    SynthgenError
        If a model of another package cannot be loaded.
    """
    if kind in MODELS:
        name = kind.replace("-", "_")
        return import_module(f"synthgen.torch.models.{name}")

    for point in _others():
        if point.name == kind:
            return _loaded(point)
    names = kinds()
    known = ", ".join(names)
    raise UsageError(f"kind must be one of {known}, got {kind!r}{did_you_mean(kind, names)}")


def _others() -> list[EntryPoint]:
    """Return the entry points of other packages; names of our own models stay ours."""
    points = entry_points(group=GROUP)
    return [point for point in points if point.name not in MODELS]


def _loaded(point: EntryPoint) -> ModuleType:
    try:
        return point.load()
    except Exception as error:  # whatever a stranger's module raises
        package = _package(point)
        place = f"{point.name}: the entry point {point.value} of {package}"
        raise SynthgenError(f"{place} cannot be loaded: {one_line(error)}") from error


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


__getattr__, __dir__ = lazy(__name__, _LAZY, optional=True)
