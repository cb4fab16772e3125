"""Damaged model files: a model predicts as it did, or is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from synthgen.torch.models import PaDiM, PatchCore, SequentialPatchCore, load_model

from attacks import damage
from attacks.isolated import isolated
from attacks.trials import Trial, Wrong

BACKBONE = "random:test_resnet"
ROOM = 3 * 2**29


def fitted_models(folder: Path) -> list[Path]:
    """Return the files of small models of all kinds."""
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3, 48, 48), dtype=np.uint8))
    models = (
        PatchCore(BACKBONE, coreset=20),
        SequentialPatchCore(BACKBONE, points=20, epochs=1),
        PaDiM(BACKBONE, channels=8),
    )

    paths = []
    for model in models:
        path = folder / f"{model.kind}.safetensors"
        model.fit(images.split(3), progress="none").save(path)
        paths.append(path)
    return paths


class Models:
    """Damages a model file, loads it and predicts."""

    kind = "models"
    count = 300

    def __init__(self, folder: Path):
        torch.set_num_threads(1)
        self.paths = fitted_models(folder)
        self.copy = folder / "copies" / "model.safetensors"
        self.images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 3, 48, 48), dtype=np.uint8))
        self.wanted = {path: self._said(path) for path in self.paths}

    def trial(self, rng: np.random.Generator) -> Trial:
        """Damage one model."""
        path = self.paths[int(rng.integers(len(self.paths)))]
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        self.copy.parent.mkdir()
        shutil.copyfile(path, self.copy)

        what = damage.damaged(self.copy, rng, (edit_header,) * 12)
        findings = isolated({"load and predict": lambda: self._compare(path)}, room=ROOM)
        return Trial(f"{path.stem}: {what}", findings)

    def _said(self, path: Path) -> tuple:
        model = load_model(path)
        scores, maps = model.predict(self.images)
        return scores.tobytes(), maps.tobytes(), model.image_size, model.notes, model.options()

    def _compare(self, path: Path) -> None:
        names = ("scores", "maps", "image size", "notes", "options")
        found = self._said(self.copy)
        for name, value, wanted in zip(names, found, self.wanted[path], strict=True):
            if value != wanted:
                raise Wrong(f"{name} are others")


def edit_header(path: Path, rng) -> str:
    """Give a value in the header of a safetensors file, or in the JSON texts of its metadata, an odd value."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])

    texts = {key: text for key, text in header.get("__metadata__", {}).items() if text.startswith("{")}
    if texts and rng.random() < 0.8:
        key = sorted(texts)[int(rng.integers(len(texts)))]
        value = json.loads(texts[key])
        said = damage.set_oddly(value, rng)
        header["__metadata__"][key] = json.dumps(value)
    else:
        said = damage.set_oddly(header, rng)

    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    return f"header: {said}"
