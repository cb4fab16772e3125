"""Weights of others: taken whole, under the names of the architecture, and nothing in a file is executed."""

import json

import pytest
import torch
from safetensors.torch import load_file

from synthgen.cli import cli
from synthgen.errors import FormatError, UsageError
from synthgen.torch import load_backbone
from synthgen.torch.backbones import create_model
from synthgen.torch.weights import import_weights

ARCH = "test_resnet"


@pytest.fixture(scope="module")
def weights():
    return create_model(ARCH, 1, num_classes=7).state_dict()


def prefixed(prefix, weights):
    return {prefix + name: value for name, value in weights.items()}


# what a checkpoint holds -> the prefix that is taken away
FORMS = {
    "plain": (lambda w: w, ""),
    "state_dict": (lambda w: {"epoch": 3, "state_dict": prefixed("module.", w), "best": 0.5}, "module."),
    "nested": (lambda w: {"state": {"model": prefixed("module.backbone.", w)}}, "module.backbone."),
    "lightning": (lambda w: {"state_dict": prefixed("model.", w) | {"loss.scale": torch.ones(1)}}, "model."),
    "teacher": (
        lambda w: {
            "student": {"backbone.conv1.0.weight": w["conv1.0.weight"]},
            "teacher": prefixed("backbone.", w),
        },
        "backbone.",
    ),
    "no counters": (lambda w: {name: value for name, value in w.items() if "tracked" not in name}, ""),
}


def saved(content, folder, name="a.pth"):
    torch.save(content, folder / name)
    return folder / name


@pytest.mark.parametrize("form", FORMS)
def test_the_weights_are_found_in_any_form(weights, tmp_path, form):
    make, prefix = FORMS[form]
    out = tmp_path / "a.safetensors"
    report = import_weights(saved(make(weights), tmp_path), out, ARCH, mean=[0.5], std=[0.2, 0.3, 0.4])
    assert (report.prefix, report.classes) == (prefix, 7)
    assert report.left_out == (["loss.scale"] if form == "lightning" else [])

    model = load_backbone(out)
    assert model.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    assert model.pretrained_cfg["std"] == (0.2, 0.3, 0.4)
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    load_backbone(out, features_only=True)


def test_the_classifier_may_be_dropped(weights, tmp_path):
    out = tmp_path / "a.safetensors"
    report = import_weights(saved(weights, tmp_path), out, ARCH, classifier=False)
    assert (report.classes, report.left_out) == (0, [])
    assert not [name for name in load_file(out) if name.startswith("fc.")]
    assert load_backbone(out).num_classes == 0


def test_the_card_says_where_the_weights_are_from(weights, tmp_path):
    import hashlib

    path = saved(weights, tmp_path)
    import_weights(path, tmp_path / "a.safetensors", ARCH)
    card = json.loads((tmp_path / "a.json").read_text())
    assert card["imported"] == {"file": "a.pth", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert (card["arch"], len(card["mean"])) == (ARCH, 3)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_is_named_and_not_executed(weights, tmp_path):
    path = saved({"state_dict": weights, "x": Evil(tmp_path / "was_here")}, tmp_path)
    with pytest.raises(FormatError, match=r"a\.pth: holds more than weights: \w*\.?open, which is not executed$"):
        import_weights(path, tmp_path / "a.safetensors", ARCH)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


MISTAKES = {
    "missing": (lambda w: {k: v for k, v in w.items() if k != "conv1.0.weight"}, r"1 missing \(conv1\.0\.weight\)"),
    "unexpected": (lambda w: w | {"layer1.9.conv1.weight": torch.ones(1)}, r"1 unexpected \(layer1\.9\.conv1"),
    "misshapen": (lambda w: w | {"conv1.0.weight": torch.ones(2, 2)}, r"conv1\.0\.weight \(2, 2\) in place of"),
    "nothing": (lambda w: {"epoch": 3}, r"missing"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_does_not_fit_is_named(weights, tmp_path, mistake):
    make, told = MISTAKES[mistake]
    with pytest.raises(UsageError, match=rf"a\.pth: must be weights of {ARCH}, got .*{told}") as error:
        import_weights(saved(make(dict(weights)), tmp_path), tmp_path / "a.safetensors", ARCH)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize("content", [b"", b"hello" * 100, b"\x80\x04", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.pth: is no whole checkpoint of torch$"):
        import_weights(tmp_path / "a.pth", tmp_path / "a.safetensors", ARCH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"out": "a.bin"}, r"^out must be a \.safetensors file in a folder that is there"),
        ({"std": [0.5, 0.5]}, r"^std must be one number or three"),
        ({"std": [0.0]}, r"^std must be > 0"),
        ({"arch": "test_resnett"}, r"did you mean test_resnet\?"),
        ({"path": "b.pth"}, r"b\.pth: no such file"),
        ({"path": "c.safetensors"}, r"c\.safetensors: must be a checkpoint of torch"),
    ],
)
def test_mistakes_are_one_line(weights, tmp_path, changes, told):
    saved(weights, tmp_path)
    (tmp_path / "c.safetensors").touch()
    given = {"path": "a.pth", "out": "a.safetensors", "arch": ARCH, **changes}
    given |= {name: tmp_path / given[name] for name in ("path", "out")}
    with pytest.raises(UsageError, match=told):
        import_weights(**given)


def test_a_file_that_is_there_is_replaced_only_on_request(weights, tmp_path):
    path, out = saved(weights, tmp_path), tmp_path / "a.safetensors"
    import_weights(path, out, ARCH)
    with pytest.raises(UsageError, match="is there already; --overwrite replaces it"):
        import_weights(path, out, ARCH)
    import_weights(path, out, ARCH, overwrite=True)


def test_the_command_says_what_was_taken_and_what_was_not(weights, tmp_path, capsys):
    content = prefixed("module.", weights) | {"neck.scale": torch.ones(1)}
    words = ["weights", "import", str(saved(content, tmp_path, "a.pth.tar")), "--arch", ARCH, "--mean", "0.5"]
    cli.main(words, standalone_mode=False)
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'a.safetensors'}: {ARCH}, {len(weights)} tensors, classifier of 7 classes\n"
    assert told.err.splitlines() == [
        "'module.' was taken from the beginning of their names",
        f"left out, for they are no part of {ARCH}: neck.scale",
    ]
    with pytest.raises(UsageError, match=r"^--std must be one number or three, such as"):
        cli.main([*words, "--std", "a,b", "--overwrite"], standalone_mode=False)


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".pt", ".ckpt", ".bin"])
def test_other_commands_name_the_import(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(UsageError, match=rf"`synthgen weights import {path} --arch NAME` makes one of it"):
        load_backbone(path, arch=ARCH)
