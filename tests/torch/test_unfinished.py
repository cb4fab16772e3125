"""What is left beside a file whose training was interrupted, and what is not."""

import pytest

from synthgen.errors import UsageError
from synthgen.torch.pretrain.checkpoint import CHECKPOINT
from synthgen.torch.unfinished import unfinished


def work(out, identity, overwrite=False, checkpoint=False, fails=False):
    """Do nothing in the folder, or leave a checkpoint, or fail."""
    with unfinished(out, ".csv", identity, overwrite, "training", 60) as kept:
        assert kept.table == out.with_suffix(".csv")
        if checkpoint:
            (kept.folder / CHECKPOINT).write_bytes(b"")
        if fails:
            raise ValueError("it")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_stays_of_a_training_that_is_finished_or_has_no_checkpoint(tmp_path):
    work(tmp_path / "m.safetensors", {"steps": 3}, checkpoint=True)
    with pytest.raises(ValueError, match="it"):
        work(tmp_path / "m.safetensors", {"steps": 3}, fails=True)
    assert names(tmp_path) == []


def test_a_checkpoint_stays_and_belongs_to_one_training(tmp_path):
    out = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="it"):
        work(out, {"steps": 3, "seed": 1}, checkpoint=True, fails=True)
    assert names(tmp_path) == ["m.unfinished"]
    with pytest.raises(UsageError, match=r"m.unfinished: holds another training: steps is 3, not 4; --overwrite"):
        work(out, {"steps": 4, "seed": 1})
    assert CHECKPOINT in names(tmp_path / "m.unfinished")
    work(out, {"steps": 4, "seed": 1}, overwrite=True)
    assert names(tmp_path) == []
