"""Memory is lent again when nothing uses it any more, and never before."""

import copy
import gc
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from synthgen.torch import ShardDataset
from synthgen.torch.data import rooms
from synthgen.torch.data.rooms import Rooms

# Ways to hold a tensor: what is kept, and whether it uses the same memory.
HELD = {
    "tensor": lambda tensor: tensor,
    "row": lambda tensor: tensor.unbind()[-1],
    "view": lambda tensor: tensor.detach().view(-1)[1:],
    "array": lambda tensor: tensor.numpy()[1:],
    "row as an array": lambda tensor: tensor[1].numpy(),
    "array in inference": torch.inference_mode()(lambda tensor: tensor[1].numpy()),
    "half": lambda tensor: tensor.chunk(2)[0],
    "parameter": lambda tensor: torch.nn.Parameter(tensor, requires_grad=False),
    "buffer": lambda tensor: memoryview(tensor.numpy()),
    "dlpack": np.from_dlpack,
    "dlpack of a row": lambda tensor: np.from_dlpack(tensor[1]),
    "storage": lambda tensor: torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()),
    "copy": lambda tensor: tensor.clone(),
}
# What is done with the tensor after that; torch moves it to other memory, or gives it another storage.
DONE = {
    "nothing": lambda tensor: None,
    "shared": lambda tensor: tensor.share_memory_(),
    "row shared": lambda tensor: tensor[0].share_memory_(),
    "storage shared": lambda tensor: tensor.untyped_storage().share_memory_(),
    "sent to a process": ForkingPickler.dumps,
    "other data": lambda tensor: setattr(tensor, "data", torch.zeros(1, dtype=torch.uint8)),
    "other storage": lambda tensor: tensor.set_(torch.zeros(1, dtype=torch.uint8)),
}
shapes = st.tuples(st.integers(2, 9), st.just(64))
steps = st.tuples(
    st.sampled_from(["image", "mask"]),
    shapes,
    st.sampled_from(sorted(HELD)),
    st.sampled_from(sorted(DONE)),
    st.integers(0, 3),
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(rooms, "LEAST", 128)


@given(st.lists(steps, max_size=20))
@settings(max_examples=25)
def test_what_is_held_keeps_its_values(steps):
    lender = Rooms()
    held = {}
    for number, (name, shape, way, done, place) in enumerate(steps):
        tensor = lender.lend(name, shape, "uint8")
        assert tensor.shape == shape
        tensor.fill_(number)
        held[place] = (number, None if way == "tensor" and done.startswith("other") else HELD[way](tensor))
        DONE[done](tensor)
        del tensor
        for value, kept in held.values():
            assert kept is None or (np.asarray(kept) == value).all()


@pytest.mark.parametrize("done", DONE)
@pytest.mark.parametrize("way", HELD)
def test_memory_is_not_lent_again_while_a_view_of_it_lives(way, done):
    if way == "tensor" and done.startswith("other"):
        return  # the tensor itself is another one then
    lender = Rooms()
    tensor = lender.lend("image", (4, 64), "uint8").fill_(7)
    held = HELD[way](tensor)
    DONE[done](tensor)
    del tensor
    others = [lender.lend("image", (4, 64), "uint8").fill_(9) for _ in range(3)]
    assert (np.asarray(held) == 7).all()

    # and it is let go with the view
    del held, others
    lender.lend("image", (4, 64), "uint8")
    assert not lender._left


def test_memory_is_lent_again():
    lender = Rooms()
    first = lender.lend("image", (4, 64), "uint8")
    second = lender.lend("image", (4, 64), "uint8")
    place = first.data_ptr()
    assert place % 64 == second.data_ptr() % 64 == 0

    row = first[3]
    del first
    assert lender.lend("image", (4, 64), "uint8").data_ptr() != place
    del row
    found = {lender.lend("image", (3, 16), "int32").data_ptr() for _ in range(3)}
    assert found == {place}


def test_a_small_tensor_does_not_keep_the_memory_of_a_large_one():
    lender = Rooms()
    large = lender.lend("image", (64, 64), "uint8")
    place = large.data_ptr()
    del large
    assert lender.lend("image", (31, 64), "uint8").data_ptr() != place


def test_no_more_memory_is_kept_than_a_loop_needs():
    lender = Rooms()
    held = [lender.lend("image", (4, 64), "uint8") for _ in range(9)]
    del held
    assert len(lender._free["image"]) == 2


def test_a_copy_has_memory_of_its_own():
    lender = Rooms()
    place = lender.lend("image", (4, 64), "uint8").data_ptr()
    twin = copy.deepcopy(lender)  # by the same protocol as pickle
    tensor = lender.lend("image", (4, 64), "uint8")
    assert tensor.data_ptr() == place
    assert twin.lend("image", (4, 64), "uint8").data_ptr() != place


@pytest.mark.filterwarnings("ignore:.*pin_memory.*")
@pytest.mark.parametrize(
    "options", [{}, {"num_workers": 1, "multiprocessing_context": "fork", "persistent_workers": True}]
)
def test_batches_of_a_loader_are_not_overwritten_by_those_that_follow(data_set, options):
    dataset = ShardDataset(data_set, fields=("mask",))
    loader = DataLoader(dataset, batch_size=8, pin_memory=True, **options)
    kept = []
    for _ in range(2):
        for images, labels, masks in loader:
            values = [part.numpy().copy() for part in (images, labels, masks)]
            held = (images[2:], labels.numpy(), np.from_dlpack(masks))
            kept.append((held, (values[0][2:], *values[1:])))
            if len(kept) % 2:
                images.share_memory_()
    for held, values in kept:
        for one, value in zip(held, values, strict=True):
            np.testing.assert_array_equal(np.asarray(one), value)


def test_batches_that_are_held_together_share_no_memory(data_set):
    dataset = ShardDataset(data_set, fields=("mask",), threads=2)
    expected = [dataset[i][0].clone() for i in range(40)]
    kept = []
    for start in range(0, 40, 4):
        items = dataset.__getitems__(range(start, start + 4))
        # Of every second batch one image is kept, and the rest of it let go.
        if start % 8:
            kept.append((start + 2, items[2][0]))
    gc.collect()
    for position, image in kept:
        assert torch.equal(image, expected[position])
