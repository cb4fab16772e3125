"""Checkpoints: a training goes on from exactly what was saved, or says in one line what is wrong."""

import hashlib
import json
import os
import struct
import tracemalloc
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from synthgen.errors import FormatError
from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from synthgen.torch.pretrain.loop import Trainer
from synthgen.torch.pretrain.ranks import TrainingGroup

STATE = {"epoch": 3, "step": 2}


def make_network():
    """Return a small network and its optimizer, after a step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.arange(8.0).view(2, 4)).square().sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, *make_network(), STATE, "a training")
    return folder


@pytest.fixture(scope="module")
def content(saved):
    return (saved / CHECKPOINT).read_bytes()


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A folder whose checkpoint a test replaces."""
    return tmp_path_factory.mktemp("other")


@contextmanager
def little_memory():
    """Kilobytes never cost gigabytes."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


network = cache(make_network)


def reason(folder):
    """Return why the checkpoint of a folder is refused, in one line."""
    with pytest.raises(FormatError) as error:
        load_checkpoint(folder, *network(), "a training")

    line = str(error.value)
    start = f"{folder / CHECKPOINT}: "
    assert line.startswith(start)
    assert "\n" not in line
    return line.removeprefix(start)


def reason_of(folder, content):
    (folder / CHECKPOINT).write_bytes(content)
    line = reason(folder)
    assert line.startswith("is damaged: ")
    assert line.endswith("; --overwrite begins the training anew")
    return line


def sealed(header, body):
    """Return a file with a right digest, whatever it holds."""
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header, separators=(",", ":")).encode()
    raw = struct.pack("<Q", len(text)) + text + body
    return raw.replace(b"0" * 64, hashlib.sha256(raw).hexdigest().encode(), 1)


def parts_of(content):
    (size,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def test_what_was_saved_comes_back(saved):
    model, optimizer = make_network()
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    momentum = [state["momentum_buffer"].clone() for state in optimizer.state.values()]
    for value in model.state_dict().values():
        value.zero_()
    optimizer.state.clear()

    assert load_checkpoint(saved, model, optimizer, "a training") == STATE
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    found = [state["momentum_buffer"] for state in optimizer.state.values()]
    assert all(map(torch.equal, found, momentum))


def test_other_programs_read_it(saved):
    tensors = load_file(saved / CHECKPOINT)
    weights = make_network()[0].state_dict()
    assert all(torch.equal(tensors[f"model/{name}"], value) for name, value in weights.items())


def test_without_a_checkpoint_there_is_no_state(tmp_path):
    assert load_checkpoint(tmp_path, *make_network()) is None


@settings(max_examples=200)
@given(data=st.data())
def test_no_flipped_bit_is_taken_for_a_checkpoint(content, other, data):
    changed = bytearray(content)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed[bit // 8] ^= 1 << bit % 8
    reason_of(other, bytes(changed))


@settings(max_examples=40)
@given(data=st.data())
def test_nothing_but_the_whole_file_is_taken_for_a_checkpoint(content, other, data):
    cut = data.draw(st.integers(0, len(content) - 1))
    more = data.draw(st.binary(min_size=1, max_size=40))
    for changed in (content[:cut], content[cut:] if cut else b"", content + more, more + content):
        reason_of(other, changed)


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_foreign_files_are_no_checkpoints(other, content, size):
    reason_of(other, content)
    reason_of(other, struct.pack("<Q", size) + content)


@settings(max_examples=80)
@given(data=st.data())
def test_sealed_files_of_another_form_are_refused(content, other, data):
    """Shapes, types and names that nobody wrote, up to giant ones, with a right digest."""
    header, body = parts_of(content)
    name = data.draw(st.sampled_from(sorted(header.keys() - {"__metadata__"})))
    how = data.draw(st.sampled_from(["shape", "dtype", "name", "offsets"]))
    entry = header[name]
    if how == "shape":
        entry["shape"] = data.draw(
            st.lists(st.integers(0, 2**62), max_size=4).filter(lambda s: s != entry["shape"])
        )
    elif how == "dtype":
        entry["dtype"] = data.draw(st.sampled_from(["F16", "F64", "U8", "I32"]))
    elif how == "name":
        header[data.draw(st.sampled_from(["model/x", "optimizer/9/x", "optimizer/x/y", "z"]))] = header.pop(name)
    else:
        entry["data_offsets"] = [0, 2**60]
    reason_of(other, sealed(header, body))


def test_foreign_safetensors_and_other_trainings_are_refused(saved, content, other):
    save_file({"x": torch.zeros(3)}, other / CHECKPOINT)
    assert "it holds no digest" in reason(other)

    header, body = parts_of(content)
    for name, value, told in (
        ("version", "2", "its version must be 1, got 2"),
        ("training", "b", "another training"),
    ):
        changed = {**header, "__metadata__": {**header["__metadata__"], name: value}}
        assert told in reason_of(other, sealed(changed, body))
    deep = {**header, "__metadata__": {**header["__metadata__"], "state": "[" * 100_000}}
    reason_of(other, sealed(deep, body))


def test_a_giant_file_is_not_read(other):
    with open(other / CHECKPOINT, "wb") as file:
        file.truncate(2**40)
    with little_memory():
        assert "it must have at most" in reason(other)


def test_giant_declared_sizes_take_no_memory(content, other):
    header, body = parts_of(content)
    with little_memory():
        for size in (2**30, 2**40, 2**63):
            reason_of(other, struct.pack("<Q", size) + content[8:])
        for shape in ([2**30], [2**40, 2**20], [0, 2**60]):
            giant = {**header, "model/x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}
            reason_of(other, sealed(giant, body))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / CHECKPOINT)
    assert reason(tmp_path).startswith("must be a plain file")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_checkpoint_keeps_the_optimizer(tmp_path, optimizer):
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
