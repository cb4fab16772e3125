"""The stream: every sample once, the same in any worker, resumable at any batch, equal on all ranks if asked."""

import json
import multiprocessing
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from synthgen.errors import UsageError
from synthgen.shards.places import Place
from synthgen.torch import ShardDataset, StreamDataset

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
STREAM = "synthgen.torch.data.stream"
# The server that forks workers loads torch once for all of them.
multiprocessing.set_forkserver_preload(["torch"])


def set_place(monkeypatch, rank=None, worker=None):
    """Let this process be another rank, (rank, world), or another worker, (worker, workers)."""
    if rank is not None:
        monkeypatch.setattr(f"{STREAM}.rank_and_world", lambda: rank)
    if worker is not None:
        monkeypatch.setattr(f"{STREAM}.worker_and_workers", lambda: worker)


def labels_and_images(loader):
    return [(label.tolist(), image.numpy().tobytes()) for image, label in loader]


def places_of(batches):
    """Return after how many batches to stop: at both ends, beside them, and in the middle."""
    return sorted({0, 1, len(batches) // 2, len(batches) - 1, len(batches)})


@pytest.mark.parametrize(("method", "workers"), [("fork", 1), ("fork", 4), ("spawn", 2), ("forkserver", 2)])
@pytest.mark.parametrize("kind", [ShardDataset, StreamDataset])
def test_workers_of_any_kind_read_everything_once(data_set, expected, kind, method, workers, fingerprint):
    if method != "fork" and "webdataset" in data_set.name:
        pytest.skip("starting torch takes seconds; the two others tell enough")
    got = [
        fingerprint(item)
        for item in DataLoader(
            kind(data_set, fields=("mask",)), batch_size=None, num_workers=workers, multiprocessing_context=method
        )
    ]
    assert got == expected if kind is ShardDataset else sorted(got) == sorted(expected)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("buffer", [0, 5, 100])
def test_ranks_and_workers_share_out_without_loss_or_repeat(data_set, monkeypatch, world, buffer, fingerprint):
    got, sizes = [], []
    for rank in range(world):
        set_place(monkeypatch, rank=(rank, world))
        stream = StreamDataset(data_set, shuffle_buffer=buffer)
        mine = []
        for worker in range(3):
            set_place(monkeypatch, worker=(worker, 3))
            mine += [fingerprint(item) for item in stream]
        assert len(mine) == len(stream)
        sizes.append(len(mine))
        got += mine
    assert sorted(got) == sorted(fingerprint(item) for item in ShardDataset(data_set))
    assert max(sizes) - min(sizes) <= 1


def test_shuffling_depends_on_the_epoch_alone(data_set, fingerprint):
    stream = StreamDataset(data_set, shuffle_buffer=8)

    def epoch(number):
        stream.set_epoch(number)
        return [fingerprint(item) for item in stream]

    first = epoch(0)
    assert epoch(1) != first
    assert sorted(epoch(1)) == sorted(first)
    assert epoch(0) == first
    assert [fingerprint(item) for item in StreamDataset(data_set)] != first


def test_workers_that_persist_see_a_new_epoch(data_set, fingerprint):
    stream = StreamDataset(data_set, shuffle_buffer=8)
    loader = DataLoader(stream, batch_size=None, num_workers=1, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([fingerprint(item) for item in loader])
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("buffer", [0, 6])
@pytest.mark.parametrize("stop", [0, 1, 17, 39, 40])
def test_a_pass_goes_on_where_it_stopped(data_set, buffer, stop, fingerprint):
    whole = [fingerprint(item) for item in StreamDataset(data_set, shuffle_buffer=buffer)]
    stream = StreamDataset(data_set, shuffle_buffer=buffer)
    iterator = iter(stream)
    head = [fingerprint(next(iterator)) for _ in range(stop)]
    state = stream.state_dict()
    again = StreamDataset(data_set, shuffle_buffer=buffer)
    again.load_state_dict(state)
    assert head + [fingerprint(item) for item in again] == whole
    # the state counts for one pass
    assert [fingerprint(item) for item in again] == whole


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize(("batches", "size"), [(0, 4), (1, 4), (5, 4), (3, 13), (4, 13)])
def test_a_plain_loader_can_be_resumed(data_set, workers, batches, size):
    stream = StreamDataset(data_set, shuffle_buffer=4)
    loader = DataLoader(stream, batch_size=size, num_workers=workers)
    whole = [image.numpy().tobytes() for image, _ in loader]
    stream.load_state_dict(stream.state_after(batches, size, workers))
    rest = [image.numpy().tobytes() for image, _ in loader]
    assert sorted(whole[:batches] + rest) == sorted(whole)


def test_spawned_workers_take_part_in_the_rank_that_sent_them(data_set, monkeypatch, fingerprint):
    if "webdataset" in data_set.name:
        pytest.skip("starting torch takes seconds; the other format tells enough")
    got = []
    for rank in (0, 1):
        set_place(monkeypatch, rank=(rank, 2))
        loader = DataLoader(
            StreamDataset(data_set), batch_size=None, num_workers=1, multiprocessing_context="spawn"
        )
        got += [fingerprint(item) for item in loader]
    assert sorted(got) == sorted(fingerprint(item) for item in ShardDataset(data_set))


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")
def test_stateful_loaders_resume(data_set):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    options = {"batch_size": 4, "num_workers": 2}
    loader = stateful.StatefulDataLoader(StreamDataset(data_set, shuffle_buffer=4), **options)
    whole = [image.numpy().tobytes() for image, _ in loader]
    loader = stateful.StatefulDataLoader(StreamDataset(data_set, shuffle_buffer=4), **options)
    iterator = iter(loader)
    head = [next(iterator)[0].numpy().tobytes() for _ in range(3)]
    state = loader.state_dict()
    del iterator
    again = stateful.StatefulDataLoader(StreamDataset(data_set, shuffle_buffer=4), **options)
    again.load_state_dict(state)
    assert head + [image.numpy().tobytes() for image, _ in again] == whole


def test_a_state_of_another_layout_is_refused(data_set):
    stream = StreamDataset(data_set)
    stream.load_state_dict(stream.state_after(1, 4, num_workers=3))
    with pytest.raises(UsageError, match="rank 0 of 1 with 3 workers"):
        next(iter(stream))


BUFFERS = st.sampled_from([0, 3])
BATCHES = st.sampled_from([1, 3, 7, 8, 21])


@settings(max_examples=60)
@given(data=st.data(), workers=st.integers(1, 5), batch=BATCHES, buffer=BUFFERS, drop_last=st.booleans())
def test_the_state_after_any_number_of_batches_resumes_exactly(uneven, data, workers, batch, buffer, drop_last):
    def passed(stream, worker):
        """Return the positions that a worker of a loader gives."""
        with pytest.MonkeyPatch.context() as patch:
            set_place(patch, worker=(worker, workers))
            patch.setattr(StreamDataset, "_read", lambda self, places, epoch: [(epoch, place) for place in places])
            return list(stream)

    def taken(stream):
        """Return the batches of a loader: one from each worker in turn."""
        left = [passed(stream, worker) for worker in range(workers)]
        batches = []
        while any(left):
            for samples in left:
                if len(samples) >= (batch if drop_last else 1):
                    batches.append(samples[:batch])
                del samples[:batch]
        return batches

    epoch = data.draw(st.integers(0, 3))
    stream = StreamDataset(uneven, shuffle_buffer=buffer)
    stream.set_epoch(epoch)
    whole = taken(stream)
    done = data.draw(st.integers(0, len(whole)))
    state = json.loads(json.dumps(stream.state_after(done, batch, workers, drop_last)))

    again = StreamDataset(uneven, shuffle_buffer=buffer)
    again.load_state_dict(state)
    assert taken(again) == whole[done:]
    assert taken(again) == whole
    again.set_epoch(epoch + 1)
    stream.set_epoch(epoch + 1)
    assert taken(again) == taken(stream)


@pytest.mark.parametrize(
    ("workers", "batch", "drop_last"), [(0, 8, False), (1, 5, True), (2, 7, False), (3, 2, False), (3, 3, True)]
)
def test_a_plain_loader_goes_on_with_the_same_batches(uneven, workers, batch, drop_last):
    stream = StreamDataset(uneven, shuffle_buffer=4)
    loader = DataLoader(stream, batch, num_workers=workers, drop_last=drop_last)
    stream.set_epoch(2)
    whole = labels_and_images(loader)
    for done in places_of(whole):
        stream.load_state_dict(stream.state_after(done, batch, workers, drop_last))
        assert labels_and_images(loader) == whole[done:]
    assert labels_and_images(loader) == whole


def test_the_main_process_says_where_it_is_only_if_it_reads(uneven):
    stream = StreamDataset(uneven)
    loader = DataLoader(stream, 4, num_workers=0)
    iterator = iter(loader)
    head = [next(iterator) for _ in range(2)]
    state = stream.state_dict()
    rest = labels_and_images(iterator)
    stream.load_state_dict(state)
    assert stream.state_dict() == state
    assert labels_and_images(loader) == rest
    assert len(head) + len(rest) == 6

    list(DataLoader(stream, 4, num_workers=1))
    with pytest.raises(UsageError, match="for workers use state_after"):
        stream.state_dict()


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(
    ("workers", "batch", "drop_last"), [(0, 8, False), (2, 7, False), (3, 2, False), (2, 4, True)]
)
def test_stateful_loaders_go_on_with_the_same_batches(uneven, workers, batch, drop_last, persistent):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def make():
        stream = StreamDataset(uneven, shuffle_buffer=4)
        options = {"num_workers": workers, "drop_last": drop_last, "persistent_workers": persistent and workers > 0}
        return stream, stateful.StatefulDataLoader(stream, batch, **options)

    stream, loader = make()
    stream.set_epoch(1)
    whole = labels_and_images(loader)
    stream.set_epoch(2)
    next_epoch = labels_and_images(loader)
    stream.set_epoch(1)
    iterator = iter(loader)
    states = [loader.state_dict()]
    states += [loader.state_dict() for _ in iterator]

    for done in places_of(whole):
        stream, loader = make()
        loader.load_state_dict(states[done])
        assert labels_and_images(loader) == whole[done:]
        stream.set_epoch(2)
        assert labels_and_images(loader) == next_epoch


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_after_an_epoch_a_stateful_loader_begins_the_next(uneven, workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    stream = StreamDataset(uneven, shuffle_buffer=4)
    loader = stateful.StatefulDataLoader(stream, 4, num_workers=workers)
    list(loader)
    state = loader.state_dict()
    stream.set_epoch(1)
    expected = labels_and_images(loader)

    stream = StreamDataset(uneven, shuffle_buffer=4)
    loader = stateful.StatefulDataLoader(stream, 4, num_workers=workers)
    loader.load_state_dict(state)
    stream.set_epoch(1)
    assert labels_and_images(loader) == expected


def test_a_state_of_other_data_or_another_order_is_refused(uneven, data_set):
    state = StreamDataset(uneven, shuffle_buffer=4).state_dict()
    cases = {
        "data": StreamDataset(data_set, shuffle_buffer=4),
        "shuffle_buffer": StreamDataset(uneven),
        "seed": StreamDataset(uneven, shuffle_buffer=4, seed=1),
        "even": StreamDataset(uneven, shuffle_buffer=4, even="pad"),
    }
    for name, stream in cases.items():
        with pytest.raises(UsageError, match=f"state must be one with {name} "):
            stream.load_state_dict(state)
    for damaged in ({}, {**state, "given": {"0": -1}}, {**state, "epoch": "one"}, None):
        with pytest.raises(UsageError, match="state must be one that state_dict returned: "):
            StreamDataset(uneven, shuffle_buffer=4).load_state_dict(damaged)


@pytest.mark.parametrize("even", ["pad", "drop"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_evened_ranks_give_equally_many_samples(uneven, monkeypatch, fingerprint, even, world):
    sizes = []
    got = []
    for rank in range(world):
        set_place(monkeypatch, rank=(rank, world))
        stream = StreamDataset(uneven, shuffle_buffer=5, even=even)
        items = [fingerprint(item) for item in stream]
        assert len(items) == len(stream)
        sizes.append(len(items))
        got += items
    every = {fingerprint(item) for item in ShardDataset(uneven)}
    assert set(sizes) == {21 // world if even == "drop" else -(-21 // world)}
    assert set(got) == every if even == "pad" else len(set(got)) == len(got)


TRAIN = """
import sys, torch
from datetime import timedelta
from torch import distributed
from torch.utils.data import DataLoader
from synthgen.torch import StreamDataset

folder, store, rank = sys.argv[1:]
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=int(rank), world_size=2, timeout=timedelta(seconds=60)
)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3072, 3))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for even in ("pad", "drop"):
    steps = 0
    for images, labels in DataLoader(StreamDataset(folder, even=even), batch_size=5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images.flatten(1) / 255), labels).backward()
        optimizer.step()
        steps += 1
    print(steps, float(model.module.weight.detach().double().sum()))
"""


def test_distributed_training_ends_with_uneven_data(uneven, tmp_path):
    processes = []
    for rank in range(2):
        command = [sys.executable, "-W", "ignore", "-c", TRAIN, str(uneven), str(tmp_path / "store"), str(rank)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    results = [process.communicate(timeout=300)[0].splitlines() for process in processes]
    assert [[line.split()[0] for line in lines] for lines in results] == [["3", "2"]] * 2
    assert results[0] == results[1]


@pytest.mark.parametrize("buffer", [0, 15])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_of_a_store_is_streamed_as_that_of_a_folder_is(data_set, tmp_path, buffer, workers):
    def labels(path, **options):
        stream = StreamDataset(path, shuffle_buffer=buffer, seed=3, **options)
        return labels_and_images(DataLoader(stream, batch_size=4, num_workers=workers))

    # the address of a folder is read as a store is, by any process
    assert labels(f"file://{data_set}", cache=tmp_path) == labels(data_set)


def test_the_shard_that_a_stream_reads_next_is_fetched_before(memory, data_set, tmp_path):
    place = Place(f"{memory}/d")
    for path in data_set.rglob("*"):
        if path.is_file():
            place.put(path, path.relative_to(data_set).as_posix())

    stream = StreamDataset(place.address, shuffle_buffer=1, cache=tmp_path)
    mirror = stream.dataset.mirror
    next(iter(stream))
    for thread in mirror._coming.values():
        thread.join()
    assert len(list(tmp_path.glob("*/shards/train-*"))) == 2
