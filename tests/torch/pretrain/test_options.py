"""The options of a training: presets and the learning rate. They need no torch."""

import subprocess
import sys

import msgspec
import pytest

from synthgen.errors import UsageError
from synthgen.torch.pretrain import learning_rate, make_options


def test_presets_are_those_of_the_paper():
    baseline, var1 = make_options("baseline"), make_options("var1")
    assert (baseline.lr, baseline.momentum, baseline.weight_decay, baseline.epochs) == (0.1, 0.9, 1e-4, 100)
    assert (baseline.mean, baseline.std, baseline.crop, baseline.batch_size) == ((0.0,), (1.0,), 0, 1024)
    assert (var1.resize, var1.crop, var1.mean, var1.std, var1.batch_size) == (0, 224, (0.2,), (0.5,), 512)
    rates = [learning_rate(var1, epoch) for epoch in (0, 29, 30, 59, 60, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert make_options("var1-batch").batch_size == 1024
    assert {learning_rate(make_options("var1-noscheduler"), epoch) for epoch in range(100)} == {0.1}
    assert make_options("var1", {"batch_size": "64", "milestones": "2,3"}).milestones == (2, 3)


def test_the_quick_preset_for_surfaces_trains_the_first_two_layers_on_fewer_images():
    whole, quick = make_options("surface"), make_options("surface-quick")
    assert (whole.used_layers, quick.used_layers) == ((2, 3), (1, 2))
    assert (whole.epochs * whole.epoch_images, quick.epochs * quick.epoch_images) == (240_000, 60_000)
    assert msgspec.structs.replace(whole, layers=(1, 2), until=2, epoch_images=5_000) == quick


def test_the_rate_rises_and_falls_as_asked():
    options = make_options(changes={"warmup": 2, "epochs": 10, "schedule": "cosine"})
    rates = [learning_rate(options, epoch, 0.5) for epoch in range(10)]
    assert rates[:2] == pytest.approx([0.025, 0.075])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.002


def test_options_load_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from synthgen.torch.pretrain import make_options\n"
        "print(make_options('var1').crop)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "224\n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layers": (3, 2)}, "layers must ascend, got 3,2"),
        ({"layers": (2, 2)}, "layers must ascend, got 2,2"),
        ({"layers": (1, 2), "until": 3}, "until must be the last of the layers, 2, got 3"),
        ({"rotate": 10.0}, "rotate needs the objective classes, got dense"),
        ({"affine": 0.1}, "affine needs the objective classes, got dense"),
        ({"label_smoothing": 0.1}, "label_smoothing must be 0 with objective dense, got 0.1"),
        ({"mix": (3, 2)}, "mix must be LOW:HIGH"),
    ],
)
def test_what_does_not_go_with_places_is_refused(changes, told):
    with pytest.raises(UsageError) as error:
        make_options(changes={"objective": "dense", **changes})
    assert told in str(error.value)


def test_what_is_of_places_alone_is_refused_with_classes():
    places = {
        "until": 3, "layers": (2, 3), "temperature": 0.2, "purity": 0.9, "class_weight": 1.0,
        "batch_classes": 4, "mix": (1, 2), "class_images": 2, "epoch_images": 100,
    }  # fmt: skip
    for name, value in places.items():
        with pytest.raises(UsageError, match=f"{name} needs the objective dense, got classes"):
            make_options(changes={name: value})
