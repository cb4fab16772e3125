"""Pre-training: the same weights however it was interrupted, and files that say what they are."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("timm")

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import synthgen
from synthgen.errors import FormatError, LockedError, UsageError
from synthgen.run.lock import part_lock
from synthgen.torch.backbones import load_backbone
from synthgen.torch.pretrain import learning_rate, make_options, pretrain
from synthgen.torch.pretrain.augment import augment, change_light, random_crop, validation_view
from synthgen.torch.pretrain.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from synthgen.torch.pretrain.loop import Trainer
from synthgen.torch.pretrain.network import build_model, input_size
from synthgen.torch.pretrain.reading import share_out
from synthgen.torch.pretrain.report import best_row, filters_picture

ARCH = "test_efficientnet"
SECONDS = 90
# 40 images: 5 steps an epoch; the augmentation draws what it can
SETTINGS = {
    "epochs": 2, "batch_size": 8, "lr": 0.05, "crop": 24, "scale": (0.5, 1.0), "flip": True, "jitter": 0.2,
    "mean": (0.2,), "std": (0.5,), "deterministic": True,
}  # fmt: skip
FIXED = {"arch": ARCH, "threads": 1, "progress": "none"}
COMMAND = [
    sys.executable, "-m", "synthgen", "pretrain", "--arch", ARCH, "--threads", "1", "--progress", "none",
    "--checkpoint-seconds", "0", "--epochs", "2", "--batch-size", "8", "--lr", "0.05", "--crop", "24",
    "--scale", "0.5:1", "--flip", "--jitter", "0.2", "--mean", "0.2", "--std", "0.5", "--deterministic",
]  # fmt: skip


@pytest.fixture(scope="module")
def shards(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain") / "shards"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    return folder


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
        step = torch.optim.SGD.step

        def counted(self, *arguments):
            if next(count, None) is None:
                raise Stop
            return step(self, *arguments)

        monkeypatch.setattr(torch.optim.SGD, "step", counted)

    yield stop
    monkeypatch.undo()


def test_a_run_killed_in_mid_epoch_ends_with_the_same_weights(shards, undisturbed, tmp_path):
    folder = tmp_path / "o"
    process = subprocess.Popen([*COMMAND, str(shards), "--out", str(folder)], stderr=subprocess.PIPE)
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
    report = train(shards, folder)
    assert report.epochs == 2
    assert not report.was_finished
    assert same_weights(folder, undisturbed)
    assert not list(folder.glob(".*"))
    rows, expected = rows_of(folder), rows_of(undisturbed)
    for row, other in zip(rows, expected, strict=True):
        assert [row[k] for k in ("train_loss", "val_loss")] == [other[k] for k in ("train_loss", "val_loss")]


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
    shards, undisturbed, tmp_path, stop_after, monkeypatch, steps, workers
):
    stop_after(steps)
    with pytest.raises(Stop):
        train(shards, tmp_path / "o", checkpoint_seconds=0)
    monkeypatch.undo()
    assert progress_of(tmp_path / "o") == divmod(steps, 5)
    train(shards, tmp_path / "o", workers=workers)
    assert same_weights(tmp_path / "o", undisturbed)


def test_live_images_give_the_weights_of_their_shards(make_recipe, undisturbed, tmp_path):
    train(make_recipe(), tmp_path / "o")
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
        (
            {"crop": 48, "scale": (1, 1)},
            "crop must be <= 32, the images' side in pixels, unless resize is given, got 48",
        ),
        ({"crop": 0}, "scale needs a crop"),
        ({"arch": "resnett18"}, "did you mean resnet18"),
        ({"preset": "var2"}, "preset must be one of baseline, var1, var1-batch, var1-noscheduler, got 'var2'"),
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


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_checkpoint_keeps_the_optimiser(tmp_path, optimizer):
    from synthgen.torch.pretrain.ranks import TrainingGroup

    options = make_options(changes={"optimizer": optimizer, "precision": "fp32"})
    batches = [(torch.randint(0, 256, (4, 3, 6, 6), dtype=torch.uint8), torch.arange(4) % 2) for _ in range(4)]
    model, again = (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2)) for _ in range(2))
    trainers = [Trainer(m, options, TrainingGroup(0, 1, torch.device("cpu"))) for m in (model, again)]

    def steps(trainer, batches):
        trainer.train_epoch(batches, 0, 0, 4, torch.zeros(3, dtype=torch.float64), lambda *_: None)

    steps(trainers[0], batches[:2])
    save_checkpoint(tmp_path, model, trainers[0].optimizer, {"epoch": 1})
    assert load_checkpoint(tmp_path, again, trainers[1].optimizer) == {"epoch": 1}
    for trainer in trainers:
        steps(trainer, batches[2:])
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))


def test_presets_are_those_of_the_paper():
    baseline, var1 = make_options("baseline"), make_options("var1")
    assert (baseline.lr, baseline.momentum, baseline.weight_decay, baseline.epochs) == (0.1, 0.9, 1e-4, 100)
    assert (baseline.mean, baseline.std, baseline.crop, baseline.batch_size) == ((0.0,), (1.0,), 0, 1024)
    assert (var1.resize, var1.crop, var1.mean, var1.std, var1.batch_size) == (512, 224, (0.2,), (0.5,), 512)
    rates = [learning_rate(var1, epoch) for epoch in (0, 29, 30, 59, 60, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert make_options("var1-batch").batch_size == 1024
    assert {learning_rate(make_options("var1-noscheduler"), epoch) for epoch in range(100)} == {0.1}
    assert make_options("var1", {"batch_size": "64", "milestones": "2,3"}).milestones == (2, 3)


def test_the_rate_rises_and_falls_as_asked():
    options = make_options(changes={"warmup": 2, "epochs": 10, "schedule": "cosine"})
    rates = [learning_rate(options, epoch, 0.5) for epoch in range(10)]
    assert rates[:2] == pytest.approx([0.025, 0.075])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.002


IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 20, 26), dtype=np.uint8))


@settings(max_examples=25)
@given(st.integers(0, 5), st.integers(0, 10**9), st.booleans(), st.sampled_from([(1.0, 1.0), (0.2, 0.9)]))
def test_augmentation_depends_on_epoch_and_position_alone(epoch, position, flip, scale):
    options = make_options(changes={"crop": 12, "flip": flip, "scale": scale, "jitter": 0.3})
    first = augment(IMAGES, options, epoch, position)
    np.random.default_rng().random()
    assert torch.equal(augment(IMAGES, options, epoch, position), first)
    assert (first.dtype, tuple(first.shape)) == (torch.uint8, (3, 12, 12))


def test_augmentations_differ_between_epochs_and_positions():
    options = make_options(changes={"crop": 12})
    views = [augment(IMAGES, options, epoch, position) for epoch in range(8) for position in range(8)]
    assert len({view.numpy().tobytes() for view in views}) > 40


def test_a_plain_crop_is_a_part_of_the_image():
    windows = {IMAGES[:, r : r + 12, c : c + 12].numpy().tobytes() for r in range(9) for c in range(15)}
    rng = np.random.default_rng(1)
    crops = {random_crop(IMAGES, 12, (1.0, 1.0), rng).numpy().tobytes() for _ in range(2000)}
    assert crops == windows


def test_without_options_an_image_stays_as_it_is():
    assert torch.equal(augment(IMAGES, make_options(), 0, 0), IMAGES)
    assert torch.equal(change_light(IMAGES, 1.0, 1.0), IMAGES)
    assert torch.equal(validation_view(IMAGES, make_options(), (20, 26)), IMAGES)


def test_gray_images_have_three_equal_channels():
    gray = augment(IMAGES, make_options(changes={"gray": True}), 0, 0)
    slow = np.rint(np.tensordot((0.299, 0.587, 0.114), IMAGES.numpy().astype(float), 1))
    assert all(np.abs(gray[channel].numpy() - slow).max() <= 1 for channel in range(3))
    assert torch.equal(augment(IMAGES[:1], make_options(), 0, 0), IMAGES[:1].expand(3, -1, -1))


@given(
    st.integers(2, 400),
    st.integers(2, 40),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from(["map", "stream"]),
)
def test_every_rank_has_whole_batches_for_every_step(count, batch, world, workers, read):
    options = make_options(changes={"batch_size": batch * world})
    try:
        shares = share_out(count, read, options, world, workers)
    except UsageError as error:
        assert "batch_size must be <=" in str(error)
        readers = world * (max(1, workers) if read == "stream" else 1)
        assert count // readers < batch
        return
    readers = max(1, workers) if read == "stream" else 1
    # the least share that a rank, and a reader of it, can have
    assert shares.batch * shares.steps // readers <= count // world // readers
    assert shares.steps % readers == 0


def test_sizes_follow_resize_and_crop():
    assert input_size((64, 80), make_options()) == (64, 80)
    assert input_size((64, 80), make_options(changes={"resize": 32})) == (32, 32)
    assert input_size((64, 80), make_options("var1")) == (224, 224)


@pytest.mark.parametrize("arch", ["test_resnet", "deit_tiny_distilled_patch16_224", "levit_128s", "repvit_m0_9"])
def test_training_begins_from_no_opinion_and_can_leave_it(arch):
    model = build_model(arch, 5, 0, (224, 224)).train()
    scores = model(torch.randn(4, 3, 224, 224))
    scores = scores if isinstance(scores, torch.Tensor) else sum(scores)
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2, 3])).backward()
    heads = model.get_classifier()
    heads = heads if isinstance(heads, tuple) else (heads,)
    last = [[m for m in head.modules() if isinstance(m, torch.nn.Linear)][-1] for head in heads]
    assert not any(layer.weight.any() for layer in last)
    assert all(layer.weight.grad.any() for layer in last)


def test_the_first_of_equal_epochs_is_the_best():
    rows = [{"epoch": e, "val_accuracy": a} for e, a in ((1, None), (2, 0.5), (3, 0.7), (4, 0.7), (5, 0.1))]
    assert best_row(rows)["epoch"] == 3
    assert best_row(rows[:1]) is None


def test_a_filter_of_zeros_is_gray_and_weights_keep_their_sign():
    weights = np.zeros((4, 3, 2, 2), np.float32)
    weights[1, 0, 0, 0], weights[1, 2, 1, 1] = 3.0, -1.5
    picture = filters_picture(weights, cell=2, gap=1)
    assert picture.shape == (7, 7, 3)
    assert (picture[1:3, 1:3] == 128).all()
    assert picture[1, 4].tolist() == [255, 128, 128]
    assert picture[2, 5].tolist() == [128, 128, 64]
    assert (picture[0] == 255).all()
