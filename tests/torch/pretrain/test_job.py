"""Pre-training: the same weights however it was interrupted, and files that say what they are."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models.vgg import VGG
from torch import distributed

import synthgen
from synthgen.errors import FormatError, LockedError, UsageError
from synthgen.recipe import load_recipe
from synthgen.run.lock import part_lock
from synthgen.torch.backbones import load_backbone
from synthgen.torch.models import PatchCore
from synthgen.torch.pretrain import make_options, pretrain
from synthgen.torch.pretrain.augment import augment
from synthgen.torch.pretrain.checkpoint import CHECKPOINT
from synthgen.torch.pretrain.loop import Trainer

ARCH = "test_efficientnet"
SECONDS = 90
# 40 images: 5 steps an epoch; the augmentation draws what it can
SETTINGS = {
    "epochs": 2, "batch_size": 8, "lr": 0.05, "crop": 24, "scale": (0.5, 1.0), "flip": True, "jitter": 0.2,
    "mean": (0.2,), "std": (0.5,), "deterministic": True,
}  # fmt: skip
FIXED = {"arch": ARCH, "threads": 1, "progress": "none"}
DENSE = {
    **SETTINGS, "objective": "dense", "crop": 32, "scale": (0.3, 1.0), "mix": (1, 2), "epoch_images": 40,
    "purity": 0.6, "optimizer": "adamw", "lr": 0.002,
}  # fmt: skip
# What is trained in each way: 5 steps an epoch, too.
OBJECTIVES = {"classes": SETTINGS, "dense": DENSE, "both": {**DENSE, "class_weight": 1.0}}
SOURCES = {"classes": "shards", "dense": "regions", "both": "textures"}
COMMAND = [
    sys.executable, "-m", "synthgen", "pretrain", "--arch", ARCH, "--threads", "1", "--progress", "none",
    "--checkpoint-seconds", "0",
]  # fmt: skip


def as_options(settings):
    """Return the options of a command that mean these settings."""
    words = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
            continue
        between = "," if name in ("mean", "std", "layers") else ":"
        typed = between.join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [flag, typed]
    return words


@pytest.fixture(scope="module")
def shards(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain") / "shards"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    return folder


@pytest.fixture(scope="module", params=list(OBJECTIVES))
def training(request, tmp_path_factory):
    """A data set, the settings of an objective, and what an undisturbed training with them left."""
    source = request.getfixturevalue(SOURCES[request.param])
    settings = OBJECTIVES[request.param]
    folder = tmp_path_factory.mktemp("pretrain") / "undisturbed"
    train(source, folder, **settings)
    return source, settings, folder


def train(source, out, **changes):
    return pretrain(source, out, **{**FIXED, **SETTINGS, **changes})


@pytest.fixture(scope="module")
def undisturbed(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain") / "undisturbed"
    train(shards, folder, keep_every=2)
    return folder


def rows_of(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def same_weights(first, second):
    first, second = load_file(first / "last.safetensors"), load_file(second / "last.safetensors")
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def progress_of(folder):
    """Return epoch and step of the checkpoint, which is always whole."""
    try:
        with safe_open(folder / CHECKPOINT, "pt") as file:
            state = json.loads(file.metadata()["state"])
    except FileNotFoundError:
        return (0, 0)
    return state["epoch"], state["step"]


class Stop(Exception):
    """Ends a training from within, in place of a kill."""


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function after which training ends at the given step, counted over all epochs, without saving."""

    def stop(steps):
        count = iter(range(steps))
        add = Trainer._add_gradients  # once in each step

        def counted(self, *arguments):
            if next(count, None) is None:
                raise Stop
            return add(self, *arguments)

        monkeypatch.setattr(Trainer, "_add_gradients", counted)

    yield stop
    monkeypatch.undo()


def test_a_run_killed_in_mid_epoch_ends_with_the_same_weights(training, tmp_path):
    source, settings, undisturbed = training
    folder = tmp_path / "o"
    command = [*COMMAND, *as_options(settings), str(source), "--out", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    end = time.monotonic() + SECONDS
    while True:
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
        if progress_of(folder)[0] >= 1:
            process.send_signal(signal.SIGSTOP)
            if 0 < progress_of(folder)[1] < 5:
                break
            process.send_signal(signal.SIGCONT)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    epoch, step = progress_of(folder)
    assert epoch == 1
    assert 0 < step < 5
    report = train(source, folder, **settings)
    assert report.epochs == 2
    assert not report.was_finished
    assert same_weights(folder, undisturbed)
    assert not list(folder.glob(".*"))
    rows, expected = rows_of(folder), rows_of(undisturbed)
    for row, other in zip(rows, expected, strict=True):
        assert [row[k] for k in ("train_loss", "val_loss")] == [other[k] for k in ("train_loss", "val_loss")]


def test_a_signal_to_all_processes_of_a_job_is_the_training_s_to_answer(shards, undisturbed, tmp_path):
    folder = tmp_path / "o"
    command = [*COMMAND, *as_options(SETTINGS), "--workers", "2", str(shards), "--out", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + SECONDS
    while progress_of(folder) < (0, 2):
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "DataLoader" not in told
    assert not list(folder.glob(".*"))
    train(shards, folder)
    assert same_weights(folder, undisturbed)


def test_ctrl_c_saves_the_step_that_runs(shards, undisturbed, tmp_path, monkeypatch):
    step, count = torch.optim.SGD.step, iter(range(6))

    def interrupted(self, *arguments):
        if next(count) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(shards, tmp_path / "o")
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is handler
    assert progress_of(tmp_path / "o") == (1, 1)
    assert not list((tmp_path / "o").glob(".*"))
    train(shards, tmp_path / "o")
    assert same_weights(tmp_path / "o", undisturbed)


@pytest.mark.parametrize(("steps", "workers"), [(3, 2), (5, 0), (8, 0)])
def test_resumed_with_other_workers_the_weights_are_the_same(
    training, tmp_path, stop_after, monkeypatch, steps, workers
):
    source, settings, undisturbed = training
    stop_after(steps)
    with pytest.raises(Stop):
        train(source, tmp_path / "o", checkpoint_seconds=0, **settings)
    monkeypatch.undo()
    assert progress_of(tmp_path / "o") == divmod(steps, 5)
    train(source, tmp_path / "o", workers=workers, **settings)
    assert same_weights(tmp_path / "o", undisturbed)


def test_live_images_give_the_weights_of_their_shards(training, tmp_path):
    source, settings, undisturbed = training
    train(load_recipe(source), tmp_path / "o", **settings)
    assert same_weights(tmp_path / "o", undisturbed)
    assert json.loads((tmp_path / "o" / "pretrain.json").read_text())["read"] == "live"


@pytest.mark.parametrize(("workers", "steps"), [(0, 5), (2, 4)])
def test_a_stream_is_resumed_in_mid_epoch(shards, tmp_path, stop_after, monkeypatch, workers, steps):
    changes = {"read": "stream", "workers": workers, "checkpoint_seconds": 0}
    train(shards, tmp_path / "whole", **changes)
    stop_after(steps + 3)
    with pytest.raises(Stop):
        train(shards, tmp_path / "o", **changes)
    monkeypatch.undo()
    assert progress_of(tmp_path / "o") == (1, 3)
    with pytest.raises(UsageError, match=f"workers is {workers}, not 1"):
        train(shards, tmp_path / "o", **{**changes, "workers": 1})
    train(shards, tmp_path / "o", **changes)
    assert same_weights(tmp_path / "o", tmp_path / "whole")


def test_what_a_training_leaves_behind(shards, undisturbed):
    names = {p.name for p in undisturbed.iterdir()}
    kept = {f"{name}.{kind}" for name in ("best", "last", "epoch-00002") for kind in ("safetensors", "json")}
    assert names == {"pretrain.json", "log.csv", "log.png", "filters.png", *kept}
    card = json.loads((undisturbed / "last.json").read_text())
    manifest = synthgen.open(shards).manifest
    assert (card["arch"], card["classes"], card["epoch"]) == (ARCH, 5, 2)
    assert (card["mean"], card["std"], card["size"]) == ([0.2] * 3, [0.5] * 3, 24)
    assert card["data"] == {
        "fingerprint": manifest.fingerprints.data, "images": 40, "recipe": manifest.recipe
    }  # fmt: skip
    assert make_options(changes=card["options"]) == make_options(changes={**SETTINGS, "precision": "fp32"})
    rows = rows_of(undisturbed)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    assert (card["best"]["epoch"], card["best"]["val_accuracy"]) == (
        int(best["epoch"]),
        float(best["val_accuracy"]),
    )
    for name in ("log.png", "filters.png"):
        Image.open(undisturbed / name).verify()


def test_the_accuracy_on_the_card_is_that_of_the_weights(shards, undisturbed):
    model = load_backbone(undisturbed / "last.safetensors")
    samples = list(synthgen.open(shards))
    images = [torch.from_numpy(s.image.transpose(2, 0, 1).copy()) for s in samples]
    views = torch.stack([torch.nn.functional.interpolate(i[None], (24, 24), mode="bilinear", antialias=True)[0]
                         for i in images])  # fmt: skip
    with torch.inference_mode():
        scores = model((views / 255 - 0.2) / 0.5)
    labels = torch.tensor([s.label for s in samples])
    card = json.loads((undisturbed / "last.json").read_text())
    assert float((scores.argmax(1) == labels).double().mean()) == card["val_accuracy"]
    assert float(torch.nn.functional.cross_entropy(scores, labels)) == pytest.approx(card["val_loss"], rel=1e-5)


def test_a_finished_folder_says_so_and_refuses_other_options(shards, undisturbed, make_recipe, tmp_path):
    before = {p.name: p.stat().st_mtime_ns for p in undisturbed.iterdir()}
    report = train(shards, undisturbed)
    assert report.was_finished
    assert report.epochs == 2
    with pytest.raises(UsageError, match=r"another pre-training: lr is 0\.05, not 0\.1; --overwrite replaces it"):
        train(shards, undisturbed, lr=0.1)
    with pytest.raises(UsageError, match=r"data is [0-9a-f]{12}, not [0-9a-f]{12}; read is map, not live"):
        train(make_recipe(seed=1), undisturbed)
    assert {p.name: p.stat().st_mtime_ns for p in undisturbed.iterdir()} == before


def test_overwriting_removes_only_what_is_ours(shards, tmp_path):
    folder = tmp_path / "o"
    train(shards, folder, epochs=1, keep_every=1)
    (folder / "notes.txt").write_text("mine")
    train(shards, folder, epochs=1, lr=0.01, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert not list(folder.glob("epoch-*"))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "best.json").write_text("{}")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"must be empty or of a pre-training, it holds best\.json"):
            train(shards, tmp_path / "theirs", overwrite=overwrite)
    with part_lock(folder, (1, 1)), pytest.raises(LockedError):
        train(shards, folder, epochs=2, overwrite=True)


@pytest.mark.parametrize("objective", ["dense", "both"])
def test_dense_weights_load_everywhere_but_for_layers_that_were_not_trained(request, tmp_path, objective):
    source = request.getfixturevalue(SOURCES[objective])
    train(source, tmp_path / "o", **{**OBJECTIVES[objective], "epochs": 1})
    card = json.loads((tmp_path / "o" / "best.json").read_text())
    assert (card["trained_layers"], card["classes"]) == (3, 0)
    assert "layers behind 3 are random" in card["weights"]

    path = tmp_path / "o" / "best.safetensors"
    whole = timm.create_model(ARCH, num_classes=0, checkpoint_path=str(path))
    ours = load_backbone(tmp_path / "o").state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in whole.state_dict().items())
    random = load_backbone(f"random:{ARCH}").state_dict()
    same = {name for name, value in ours.items() if torch.equal(value, random[name])}
    assert any(name.startswith("blocks.4") for name in same)
    assert not any(name.startswith("blocks.3") and name.endswith("weight") for name in same)

    assert PatchCore(str(path)).features.shape((64, 64)) == (80, 8, 8)
    told = r"layers must be <= 3, since those behind were not trained, got 4; give layers 2,3"
    with pytest.raises(UsageError, match=told):
        PatchCore(str(path), layers=(3, 4))


def test_the_objective_dense_needs_fields_that_some_families_have(shards, tmp_path):
    with pytest.raises(UsageError) as error:
        train(shards, tmp_path / "o", **DENSE)
    told = "must have the field instances for the objective dense, has mask; the families stains, multiformula"
    assert told in str(error.value)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"arch": "vgg11", "crop": 16},
         "crop must be >= 32, for 2 x 2 places of layer 3 of vgg11, got images of 16x16",
         marks=pytest.mark.skipif(not hasattr(VGG, "forward_intermediates"), reason="a VGG of an older timm")),
        ({"arch": "resnet18", "crop": 16},
         "crop must be >= 32, for 2 x 2 places of layer 3 of resnet18, got images of 16x16"),
        ({"arch": "levit_128s", "crop": 224, "layers": (1, 2)},
         "layers must be some that levit_128s has on images of 224x224 pixels, got 1,2: "),
        ({"batch_classes": 4, "batch_size": 2, "mix": (1, 1)},
         "batch_classes must be <= 1, so that each lies in two of the 2 images of a batch, got 4"),
        ({"batch_classes": 9}, "batch_classes must be <= 4, the classes of "),
        ({"read": "stream"}, "read must be map or live with objective dense"),
        ({"epoch_images": 4}, "batch_size must be <= 4, epoch_images, got 8"),
        ({"purity": 1.0, "scale": (0.01, 0.02), "batch_size": 2, "batch_classes": 1},
         "batch_size must give batches in which two textures lie in two images each, got 2"),
    ],
)  # fmt: skip
def test_dense_trainings_that_cannot_learn_are_one_line(regions, tmp_path, changes, told):
    with pytest.raises(UsageError) as error:
        train(regions, tmp_path / "o", **{**DENSE, **changes})
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_classes_beside_places_need_textures_that_are_classes(regions, tmp_path):
    with pytest.raises(UsageError) as error:
        train(regions, tmp_path / "o", **OBJECTIVES["both"])
    told = "class_weight needs a data set whose textures are its 4 classes, got texture "
    assert str(error.value).startswith(told)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_loss_at_chance_is_told(regions, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("synthgen.torch.pretrain.job._EARLY", 0)
    settings = {**DENSE, "lr": 1e-9, "epochs": 1, "temperature": 10.0, "progress": "plain"}
    train(regions, tmp_path / "o", **settings)
    assert "is that of guessing" in capsys.readouterr().err


def distance(first, second):
    """Return the largest difference of any two weights of two trainings."""
    first, second = load_file(first / "last.safetensors"), load_file(second / "last.safetensors")
    return max(float((first[key] - second[key]).abs().max()) for key in first)


def test_a_batch_in_parts_takes_the_same_steps_where_no_layer_looks_at_the_batch(shards, tmp_path):
    settings = {"arch": "test_efficientnet_ln", "batch_size": 10}
    train(shards, tmp_path / "whole", **settings)
    train(shards, tmp_path / "parts", accumulate=3, **settings)
    assert distance(tmp_path / "whole", tmp_path / "parts") < 1e-5
    losses = [[float(row["train_loss"]) for row in rows_of(tmp_path / name)] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_options_that_came_later_leave_older_trainings_as_they_were(undisturbed):
    identity = json.loads((undisturbed / "pretrain.json").read_text())
    assert not {"accumulate", "sync_batchnorm"} & identity.keys()


# The second of two ranks, which meet at a file.
SECOND_RANK = """
import json, sys
from torch import distributed
from synthgen.torch.pretrain import pretrain
place, source, out, settings = sys.argv[1:]
distributed.init_process_group("gloo", store=distributed.FileStore(place, 2), rank=1, world_size=2)
pretrain(source, out, **json.loads(settings))
"""


def test_two_ranks_with_shared_statistics_train_as_one(shards, tmp_path, monkeypatch):
    # in a second epoch, layers with maps of one pixel raise differences of rounding a thousandfold
    settings = {**FIXED, **SETTINGS, "epochs": 1, "device": "cpu"}
    train(shards, tmp_path / "alone", **settings)

    settings["sync_batchnorm"] = True
    place, folder = tmp_path / "store", tmp_path / "two"
    monkeypatch.setenv("WORLD_SIZE", "2")
    command = [sys.executable, "-c", SECOND_RANK, place, shards, folder, json.dumps(settings)]
    second = subprocess.Popen([str(part) for part in command])
    distributed.init_process_group("gloo", store=distributed.FileStore(str(place), 2), rank=0, world_size=2)
    try:
        train(shards, folder, **settings)
    finally:
        distributed.destroy_process_group()
        second.wait(SECONDS)
    assert second.returncode == 0
    assert distance(tmp_path / "alone", folder) < 1e-4


def test_training_stops_at_the_accuracy_asked_for(shards, tmp_path):
    report = train(shards, tmp_path / "o", stop_at=0.01, epochs=50)
    assert report.epochs == 1
    assert train(shards, tmp_path / "o", stop_at=0.01, epochs=50).was_finished


def test_held_out_images_are_never_trained_on(shards, tmp_path, monkeypatch):
    seen = set()

    def noting(image, options, epoch, position):
        seen.add(position)
        return augment(image, options, epoch, position)

    monkeypatch.setattr("synthgen.torch.pretrain.reading.augment", noting)
    train(shards, tmp_path / "o", epochs=3, val_share=0.2, val_every=2)
    assert seen <= set(range(32))
    assert len(seen) == 32
    rows = rows_of(tmp_path / "o")
    assert [bool(row["val_accuracy"]) for row in rows] == [False, True, True]
    card = json.loads((tmp_path / "o" / "best.json").read_text())
    assert card["validation"] == "held-out images"
    assert (card["val_accuracy"] * 8) % 1 == 0


def test_a_network_learns_the_classes(make_recipe, tmp_path):
    recipe = make_recipe(classes=2, per_class=40, systems=1, points=2000, augment=False, flips=False)
    settings = {"crop": 0, "flip": False, "jitter": 0, "scale": (1.0, 1.0), "epochs": 12, "stop_at": 0.95}
    assert train(recipe, tmp_path / "o", **settings).accuracy >= 0.95


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch_size": 64}, "batch_size must be <= 40, the training images, got 64"),
        ({"batch_size": 1}, "batch_size must be int >= 2, got 1"),
        ({"accumulate": 5}, "batch_size must be >= 10, two images for each part of accumulate, got 8"),
        (
            {"crop": 48, "scale": (1, 1)},
            "crop must be <= 32, the images' side in pixels, unless resize is given, got 48",
        ),
        ({"crop": 0}, "scale needs a crop"),
        ({"arch": "resnett18"}, "did you mean resnet18"),
        (
            {"preset": "var2"},
            "preset must be one of baseline, var1, var1-batch, var1-noscheduler, transforms, surface, "
            "surface-quick, got 'var2'",
        ),
        (
            {"arch": None},
            "arch must be the name of a timm model, got none; only the presets surface, surface-quick",
        ),
        ({"bath_size": 2}, "bath_size is not a known key; did you mean batch_size"),
        ({"mean": (1, 2)}, "mean must be one number or three"),
        (
            {"read": "stream", "val_share": 0.1},
            "val_share must be 0 with read stream, ",
        ),
        ({"read": "stream", "workers": 20}, "batch_size must be <= 2, the training images of each of 20 readers"),
        ({"arch": "inception_v3"}, "arch must classify images of 24x24 pixels, got inception_v3: "),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda, got 'tpu'"),
    ],
)
def test_wrong_options_are_one_line(shards, tmp_path, changes, told):
    with pytest.raises(UsageError) as error:
        train(shards, tmp_path / "o", **changes)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_sources_that_cannot_be_trained_on(make_recipe, tmp_path):
    with pytest.raises(FormatError):
        train(tmp_path, tmp_path / "o")
    with pytest.raises(UsageError, match="must be a file, a data set or an installed recipe"):
        train("tiny-fractal", tmp_path / "o")
    with pytest.raises(UsageError, match="read must be live for a recipe, got map; tiny-fractals is no folder"):
        train("tiny-fractals", tmp_path / "o", read="map")
    with pytest.raises(UsageError, match="must have at least 2 classes to tell apart, got 1"):
        train(make_recipe(classes=1), tmp_path / "o")


def test_a_damaged_checkpoint_is_one_line(shards, tmp_path, stop_after, monkeypatch):
    stop_after(2)
    with pytest.raises(Stop):
        train(shards, tmp_path, checkpoint_seconds=0)
    monkeypatch.undo()
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for content in (b"", whole[:1000], whole.replace(b'"version":"1"', b'"version":"9"')):
        (tmp_path / CHECKPOINT).write_bytes(content)
        with pytest.raises(FormatError, match=r"checkpoint\.safetensors: (is damaged|version must be 1, got 9)"):
            train(shards, tmp_path)


def test_the_checkpoint_of_another_training_is_refused(shards, tmp_path, stop_after, monkeypatch):
    for name, lr in (("a", 0.05), ("b", 0.06)):
        stop_after(2)
        with pytest.raises(Stop):
            train(shards, tmp_path / name, checkpoint_seconds=0, lr=lr)
        monkeypatch.undo()
    (tmp_path / "a" / CHECKPOINT).write_bytes((tmp_path / "b" / CHECKPOINT).read_bytes())
    with pytest.raises(
        FormatError, match=r"checkpoint\.safetensors: is damaged: it is of another training; --over"
    ):
        train(shards, tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epoch": 1}, "its history must have 1 epochs, got 0"),
        ({"step": 1000}, "its step must be at most 5, got 1000"),
        ({"epoch": "one"}, "Expected `int`, got `str` - at `$.epoch`"),
        ({"sums": [0.0]}, "Expected `array` of length 3"),
    ],
)
def test_a_state_that_cannot_be_is_refused(shards, tmp_path, monkeypatch, changes, told):
    state = {"epoch": 0, "step": 0, "sums": [0.0] * 3, "seconds": 0.0, "history": [], "stopped": False}
    monkeypatch.setattr("synthgen.torch.pretrain.job.load_checkpoint", lambda *arguments: {**state, **changes})
    with pytest.raises(FormatError) as error:
        train(shards, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / CHECKPOINT}: is damaged: {told}")


def test_weights_are_those_of_their_card(shards, undisturbed, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed, folder)
    for name in ("best", "last"):
        weights = folder / f"{name}.safetensors"
        content = weights.read_bytes()
        card = json.loads((folder / f"{name}.json").read_text())
        assert card["sha256"] == hashlib.sha256(content).hexdigest()
        middle = len(content) // 2
        weights.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        with pytest.raises(FormatError, match=rf"{name}\.safetensors: must have the SHA-256 that its card says"):
            load_backbone(weights)
    with pytest.raises(FormatError, match=r"last\.safetensors: must have the SHA-256"):
        train(shards, folder)


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"arch": "x", "epoch": 2, "best": {"epoch": "two"}}'])
def test_a_damaged_card_is_one_line(shards, undisturbed, tmp_path, content):
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed, folder)
    (folder / "last.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"last\.json: ") as error:
        train(shards, folder)
    assert "\n" not in str(error.value)


def test_a_damaged_record_is_one_line(shards, tmp_path):
    os.mkfifo(tmp_path / "pretrain.json")
    with pytest.raises(FormatError, match=r"pretrain\.json: must be a plain file"):
        train(shards, tmp_path)
    (tmp_path / "pretrain.json").unlink()
    for content in (b"", b"[]", b"[" * 100_000, b"\xff"):
        (tmp_path / "pretrain.json").write_bytes(content)
        with pytest.raises(FormatError, match=r"pretrain\.json: is damaged: "):
            train(shards, tmp_path)
    with open(tmp_path / "pretrain.json", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(FormatError, match=r"pretrain\.json: is damaged: must be smaller than"):
        train(shards, tmp_path)
