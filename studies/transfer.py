"""The model of `stains.yaml`: Sequential PatchCore that learns drawn plates, then those of the target.

Mao et al. 2025, section V-B: 2,048 points, one neighbor, maps smoothed by 2 pixels, five passes. Ours: layers 2 and
3 of EfficientNet-lite0 in place of 3 and 4 of MobileNetV3-large, since images are a fifth as wide as theirs.
"""

from pathlib import Path

import torch

from synthgen.errors import UsageError
from synthgen.layouts import open_normal, open_test_set
from synthgen.seeding import generator
from synthgen.torch.evaluation import Batches, predict_set
from synthgen.torch.models import SequentialPatchCore, load_model, meld

LEARNED = Path("learned")
SETS = Path("sets")
VALIDATION = SETS / "validation"
TARGET = "target"
DRAWN = ("synth", "ws")
# Other lights of the same drawn plates (section V-A).
LIGHTS = ("rotated", "large")
# Images of a plate of the target.
PLACES = 12


class Transfer:
    """Sequential PatchCore on plates of the target, on drawn ones, or on both.

    Its scores are divided by the threshold of the best F1 on validation plates: from 1 on a pixel is a defect.

    Parameters
    ----------
    backbone : str
    learns : str
        ``target``: plates of the target alone. ``synth`` or ``ws``: drawn plates, clean or with water stains, those
        of the folder ``sets/NAME-SEED``. Words behind it: ``dr``, also under two other lights (domain
        randomization); ``da``, varied in each pass (data augmentation); ``ft``, then goes on with the target's
        (fine-tuning); ``melded``, one bank of those of four models: of the target's plates, the drawn ones, with
        other lights, with augmentation; a number, so many plates of the target in place of all, which the seed
        chooses.
    points, epochs : int
    seed : int
        Of the drawn plates, their order, the augmentation, and the choice of the target's.
    """

    def __init__(self, backbone: str, learns: str = TARGET, points: int = 2048, epochs: int = 5, seed: int = 0):
        self.plates, *words = learns.split("-")
        numbers = [int(word) for word in words if word.isdigit()]
        strange = {word for word in words if not word.isdigit()} - {"dr", "da", "ft", "melded"}
        if self.plates not in (TARGET, *DRAWN) or strange:
            raise UsageError(
                f"learns must be target, synth or ws, with dr, da, ft, melded or a number, got {learns}"
            )

        self.backbone = backbone
        self.words = words
        self.few = numbers[0] if numbers else None
        self.seed = seed
        self.settings = {"points": points, "epochs": epochs, "neighbours": 1, "sigma": 2.0, "seed": seed}

    def fit(self, loader) -> "Transfer":
        """Learn; `loader` gives the plates of the target."""
        images = torch.cat(list(loader))
        target = self._in_order(self._some(images))
        self.size = tuple(images.shape[2:])

        self.model = self._made(target)
        self.features = self.model.features
        self.threshold = self._best_threshold()
        return self

    def _made(self, target: torch.Tensor) -> SequentialPatchCore:
        if self.plates == TARGET:
            return self._of_target(target)
        if "melded" in self.words:
            return self._melded(target)
        model = self._drawn("dr" in self.words, "da" in self.words)
        if "ft" in self.words:
            model.augment = None
            model.update(target.split(1), progress="none")
        return model

    def _melded(self, target: torch.Tensor) -> SequentialPatchCore:
        parts = [
            self._of_target(target),
            self._drawn(lights=False, augment=False),
            self._drawn(lights=True, augment=False),
            self._drawn(lights=False, augment=True),
        ]
        return meld(parts, self.settings["points"])

    def _of_target(self, target: torch.Tensor) -> SequentialPatchCore:
        return self._new().fit(target.split(1), progress="none")

    def _drawn(self, lights: bool, augment: bool) -> SequentialPatchCore:
        """Return the model of drawn plates, from a file if it was learned before: several rows begin with it."""
        path = LEARNED / f"{self.plates}{'-dr' * lights}{'-da' * augment}-{self.seed}.safetensors"
        fresh = self._new(augment)
        if path.exists():
            model = load_model(path)
            if model.options() == fresh.options() and model.image_size == self.size:
                return model

        names = [self.plates]
        if lights:
            names += [f"{self.plates}-{light}" for light in LIGHTS]
        images = [self._read(SETS / f"{name}-{self.seed}") for name in names]
        fresh.fit(self._in_order(torch.cat(images)).split(1), progress="none")
        path.parent.mkdir(exist_ok=True)
        fresh.save(path)
        return fresh

    def _new(self, augment: bool = False) -> SequentialPatchCore:
        return SequentialPatchCore(self.backbone, augment=augment, **self.settings)

    def _read(self, folder: Path) -> torch.Tensor:
        """Return the normal images of a data set, uint8 (N, 3, H, W)."""
        return torch.cat(list(Batches(open_normal(folder, self.size))))

    def _some(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images of as many plates of the target as may be used."""
        if self.few is None:
            return images
        plates = images.split(PLACES)
        rng = generator(self.seed, 0, 0, "studies.stains.few")
        chosen = rng.permutation(len(plates))[: self.few]
        return torch.cat([plates[number] for number in sorted(chosen)])

    def _in_order(self, images: torch.Tensor) -> torch.Tensor:
        """Return images in the order of the seed: the bank depends on it."""
        rng = generator(self.seed, 0, 0, "studies.stains.order")
        return images[torch.from_numpy(rng.permutation(len(images)))]

    def _best_threshold(self) -> float:
        """Return the pixel score of the best F1 on the validation plates."""
        images = open_test_set(VALIDATION, self.size)
        predictions = predict_set(self.model, images)
        threshold, _ = predictions.part(VALIDATION.name).best_pixel_threshold
        return threshold

    def predict(self, images: torch.Tensor):
        """Return scores and maps of images."""
        scores, maps = self.model.predict(images)
        return scores / self.threshold, maps / self.threshold
