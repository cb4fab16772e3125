"""Damaged folders of a pre-training: it ends as undisturbed, or is refused."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import torch

import synthgen
from attacks import damage
from attacks.isolated import isolated
from attacks.models import edit_header
from attacks.trials import Trial, Wrong
from synthgen.recipe import Recipe
from synthgen.torch.pretrain import pretrain
from synthgen.torch.pretrain.checkpoint import CHECKPOINT

_SETTINGS = {"epochs": 3, "batch_size": 6, "threads": 1, "workers": 0, "device": "cpu", "progress": "none"}
ROOM = 2**31
# Ways of damage for files of a kind.
_MORE = {".safetensors": (edit_header,) * 4, ".json": damage.TEXTS}


class Checkpoints:
    """Damages a file of an interrupted pre-training, and resumes it."""

    kind = "checkpoints"
    count = 130

    def __init__(self, folder: Path):
        torch.set_num_threads(1)
        self.folder = folder
        recipe = Recipe.from_dict({
            "family": "fractals", "classes": 3, "per_class": 8, "size": 32, "points": 500, "systems": 3,
        })  # fmt: skip
        synthgen.generate(recipe, folder / "set", workers=0, progress=False)

        self.interrupted = self._interrupted(folder / "interrupted")
        whole = folder / "whole"
        shutil.copytree(self.interrupted, whole)
        self._train(whole)
        self.wanted = weights_in(whole)

    def trial(self, rng: np.random.Generator) -> Trial:
        """Damage one file of the folder."""
        copy = self.folder / "copy"
        shutil.copytree(self.interrupted, copy)
        try:
            files = sorted(path for path in copy.iterdir() if path.is_file())
            path = damage.one_of(rng, [*files, *[copy / CHECKPOINT] * 6])

            more = _MORE.get(path.suffix, ())
            what = damage.damaged(path, rng, more)
            findings = isolated({"resume": lambda: self._compare(copy)}, room=ROOM)
        finally:
            shutil.rmtree(copy)
        return Trial(what, findings)

    def _train(self, folder: Path, **changes) -> None:
        settings = {**_SETTINGS, **changes}
        pretrain(self.folder / "set", folder, "test_resnet", **settings)

    def _interrupted(self, folder: Path) -> Path:
        """Return the folder of a training that was killed after its first checkpoint."""
        child = os.fork()
        if child == 0:
            self._train(folder, checkpoint_seconds=0)
            os._exit(0)

        while not (folder / CHECKPOINT).exists():
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return folder

    def _compare(self, folder: Path) -> None:
        self._train(folder)
        for name, data in weights_in(folder).items():
            if data != self.wanted[name]:
                raise Wrong(f"{name} has other weights")


def weights_in(folder: Path) -> dict[str, bytes]:
    """Return the weights that a training ends with."""
    paths = [folder / "best.safetensors", folder / "last.safetensors"]
    return {path.name: path.read_bytes() for path in paths}
