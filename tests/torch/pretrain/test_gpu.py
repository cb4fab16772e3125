"""Trainings on a GPU. Run by `make test-gpu`; without a GPU these tests are skipped."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from synthgen.torch.pretrain import pretrain
from synthgen.torch.pretrain.loop import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
SETTINGS = {
    "classes": {"crop": 24, "lr": 0.05},
    "dense": {
        "objective": "dense", "crop": 32, "scale": (0.3, 1.0), "mix": (1, 2), "purity": 0.6, "epoch_images": 40,
        "optimizer": "adamw", "lr": 0.002,
    },
}  # fmt: skip
USUAL = {"arch": "test_efficientnet", "device": "cuda", "progress": "none", "epochs": 2, "batch_size": 8}


class Stop(Exception):
    """Ends a training from within, in place of a kill."""


@pytest.mark.parametrize("objective", list(SETTINGS))
def test_a_deterministic_training_that_was_killed_ends_with_the_same_weights(
    objective, regions, tmp_path, monkeypatch
):
    given = {**USUAL, **SETTINGS[objective], "deterministic": True}
    pretrain(regions, tmp_path / "whole", workers=2, **given)

    taken = iter(range(4))
    add = Trainer._add_gradients

    def stopped(self, *arguments):
        if next(taken, None) is None:
            raise Stop
        return add(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_add_gradients", stopped)
        with pytest.raises(Stop):
            pretrain(regions, tmp_path / "killed", workers=0, checkpoint_seconds=0, **given)
    pretrain(regions, tmp_path / "killed", workers=2, **given)

    whole, killed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(values, killed[name]) for name, values in whole.items())


@pytest.mark.parametrize("objective", list(SETTINGS))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_types_of_numbers_train(objective, precision, regions, tmp_path):
    report = pretrain(regions, tmp_path / "o", precision=precision, **USUAL, **SETTINGS[objective])
    assert np.isfinite(report.loss)
    weights = load_file(tmp_path / "o" / "last.safetensors")
    assert all(torch.isfinite(values).all() for values in weights.values())
