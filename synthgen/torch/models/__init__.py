"""Anomaly models on frozen backbones: learnt from normal images alone.

All models keep one small protocol::

    model = PatchCore(backbone, layers=(2, 3), coreset=0.1)   # or SequentialPatchCore, PaDiM
    model.fit(loader, progress="auto", log=None)              # returns the model
    model.update(loader)                                      # SequentialPatchCore: go on with new images
    scores, maps = model.predict(images)                      # NumPy float32, (N,) and (N, H, W)
    model.save(path)
    model = load_model(path)

`backbone` is a name of timm's, a path of own weights (both as `synthgen.torch.backbones.load_backbone` takes
them), or a timm module, built with or without ``features_only``. `layers` are 1 to 4: the last four resolutions
of the backbone, for most of them 1/4, 1/8, 1/16 and 1/32 of the image. A constructor is cheap, and its model is
whole: nothing is built later.

`loader` is anything that can be iterated: it yields images (N, C, H, W), or tuples and lists whose first item
is that, such as a `DataLoader` over `ShardDataset`; single images (C, H, W), as a `Dataset` yields them, count
as batches of one. Images are uint8, or floats in [0, 1], of one or three channels and all of one size; they are
normalised inside, with mean and deviation of the backbone. A model of several epochs goes through the loader
several times.

`scores` are higher where an image is less normal; `maps` are so for pixels, and have the size of the images.
Neither has an upper bound. ``model.image_size`` is (H, W) of the training images. ``model.notes`` is a dict of
JSON values that is saved with the model, for what its user wants to find again (folders, resizing, thresholds).

``model.predicted_bytes(images, size)`` is the size of the bank, and ``model.needed_bytes(images, size)`` the
memory that fitting takes, both before anything was fitted. ``fit`` tells both to `log`, a function of one line
of text, and refuses what does not fit into ``memory`` (bytes; by default what the device has left), with the
size that would.

A saved model is one safetensors file that holds everything, the backbone's weights among it.

Errors: `UsageError` for images, options and loaders that cannot be used, `FormatError` for a file that is not a
model.
"""

from synthgen.torch.models.augment import Augmentation
from synthgen.torch.models.padim import PaDiM
from synthgen.torch.models.patchcore import PatchCore
from synthgen.torch.models.sequential import SequentialPatchCore, meld
from synthgen.torch.models.store import load_model

__all__ = ["Augmentation", "PaDiM", "PatchCore", "SequentialPatchCore", "load_model", "meld"]
