"""Damaged model files: a model predicts as it did, or is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from attacks import damage
from attacks.isolated import isolated
from attacks.trials import Trial, Wrong
from synthgen.torch.models import PaDiM, PatchCore, SequentialPatchCore, load_model

BACKBONE = "random:test_resnet"
ROOM = 3 * 2**29


def fitted_models(folder: Path) -> list[Path]:
    """Return the files of small models of all kinds."""
    models = (
        PatchCore(BACKBONE, coreset=20),
        SequentialPatchCore(BACKBONE, points=20, epochs=1),
        PaDiM(BACKBONE, channels=8),
    )

    return [fitted_model(model, folder) for model in models]


def fitted_model(model, folder: Path) -> Path:
    """Fit a model to a few images; return its file."""
    path = folder / f"{model.kind}.safetensors"
    images = noise(6, seed=0)

    model.fit(images.split(3), progress="none")
    model.save(path)
    return path


def noise(count: int, seed: int) -> torch.Tensor:
    """Return images of noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3, 48, 48), dtype=np.uint8)
    return torch.from_numpy(pixels)


class Models:
    """Damages a model file, loads it and predicts."""

    kind = "models"
    count = 300

    def __init__(self, folder: Path):
        torch.set_num_threads(1)
        self.paths = fitted_models(folder)
        self.copy = folder / "copies" / "model.safetensors"
        self.images = noise(2, seed=1)
        self.wanted = {path: self._said(path) for path in self.paths}

    def trial(self, rng: np.random.Generator) -> Trial:
        """Damage one model."""
        path = damage.one_of(rng, self.paths)
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        self.copy.parent.mkdir()
        shutil.copyfile(path, self.copy)
        what = damage.damaged(self.copy, rng, (edit_header,) * 12)
        steps = {"load and predict": lambda: self._compare(path)}
        findings = isolated(steps, room=ROOM)
        return Trial(f"{path.stem}: {what}", findings)

    def _said(self, path: Path) -> dict:
        """Return all that a model is and says."""
        model = load_model(path)
        scores, maps = model.predict(self.images)
        return {
            "scores": scores.tobytes(),
            "maps": maps.tobytes(),
            "image size": model.image_size,
            "notes": model.notes,
            "options": model.options(),
        }

    def _compare(self, path: Path) -> None:
        found = self._said(self.copy)
        for name, wanted in self.wanted[path].items():
            if found[name] != wanted:
                raise Wrong(f"{name} are others")


def edit_header(path: Path, rng) -> str:
    """Give a value in the header of a safetensors file, or in the JSON texts of its metadata, an odd value."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])

    metadata = header.get("__metadata__", {})
    texts = [key for key, text in sorted(metadata.items()) if text.startswith("{")]

    if texts and rng.random() < 0.8:
        key = damage.one_of(rng, texts)
        value = json.loads(metadata[key])
        said = damage.set_oddly(value, rng)
        metadata[key] = json.dumps(value)
    else:
        said = damage.set_oddly(header, rng)

    text = json.dumps(header).encode()
    length = len(text).to_bytes(8, "little")
    tensors = data[8 + size :]
    path.write_bytes(length + text + tensors)
    return f"header: {said}"
