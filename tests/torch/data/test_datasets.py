"""Readers for training: every sample once, the same in any worker, resumable in mid-epoch."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

import synthgen  # noqa: E402
from synthgen.errors import FormatError, UsageError  # noqa: E402
from synthgen.torch import LiveDataset, ShardDataset, StreamDataset  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def fingerprint(item):
    image, label, *fields = item
    return (int(label), image.numpy().tobytes(), *(f.numpy().tobytes() for f in fields))


def loaded(dataset, **options):
    return [fingerprint(item) for item in DataLoader(dataset, batch_size=None, **options)]


@pytest.fixture(scope="module")
def expected(make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch") / "d"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    return [
        (s.label, s.image.transpose(2, 0, 1).tobytes(), s.fields["mask"].tobytes()) for s in synthgen.open(folder)
    ]


def test_items_are_tensors(data_set):
    image, label, mask = ShardDataset(data_set, fields=("mask",))[3]
    assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, 32, 32))
    assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (32, 32))
    assert isinstance(label, int)


def test_shards_live_and_stream_give_the_same(data_set, make_recipe, expected):
    live = LiveDataset(make_recipe(), fields=("mask",))
    shards = ShardDataset(data_set, fields=("mask",))
    assert len(live) == len(shards) == 40
    assert [fingerprint(shards[i]) for i in range(40)] == expected
    assert [fingerprint(live[i]) for i in range(40)] == expected
    assert [fingerprint(item) for item in StreamDataset(data_set, fields=("mask",))] == expected
    assert fingerprint(live[-1]) == expected[-1]


@pytest.mark.parametrize(("method", "workers"), [("fork", 1), ("fork", 4), ("spawn", 2), ("forkserver", 2)])
@pytest.mark.parametrize("kind", [ShardDataset, StreamDataset])
def test_workers_of_any_kind_read_everything_once(data_set, expected, kind, method, workers):
    if method != "fork" and kind is ShardDataset and "webdataset" in data_set.name:
        pytest.skip("starting torch takes seconds; the three others tell enough")
    got = loaded(kind(data_set, fields=("mask",)), num_workers=workers, multiprocessing_context=method)
    assert got == expected if kind is ShardDataset else sorted(got) == sorted(expected)


def test_a_data_set_that_was_read_may_be_forked(data_set, expected):
    dataset = ShardDataset(data_set, fields=("mask",))
    dataset[0]
    assert loaded(dataset, num_workers=2, multiprocessing_context="fork") == expected


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("buffer", [0, 5, 100])
def test_ranks_and_workers_share_out_without_loss_or_repeat(data_set, monkeypatch, world, buffer):
    got, sizes = [], []
    for rank in range(world):
        monkeypatch.setattr("synthgen.torch.data.datasets._rank", lambda rank=rank: (rank, world))
        stream = StreamDataset(data_set, shuffle_buffer=buffer)
        mine = []
        for worker in range(3):
            monkeypatch.setattr("synthgen.torch.data.datasets._worker", lambda worker=worker: (worker, 3))
            mine += [fingerprint(item) for item in stream]
        assert len(mine) == len(stream)
        sizes.append(len(mine))
        got += mine
    assert sorted(got) == sorted(fingerprint(item) for item in ShardDataset(data_set))
    assert max(sizes) - min(sizes) <= 1


def test_shuffling_depends_on_the_epoch_alone(data_set):
    stream = StreamDataset(data_set, shuffle_buffer=8)

    def epoch(number):
        stream.set_epoch(number)
        return [fingerprint(item) for item in stream]

    first = epoch(0)
    assert epoch(1) != first
    assert sorted(epoch(1)) == sorted(first)
    assert epoch(0) == first
    assert [fingerprint(item) for item in StreamDataset(data_set)] != first


def test_workers_that_persist_see_a_new_epoch(data_set):
    stream = StreamDataset(data_set, shuffle_buffer=8)
    loader = DataLoader(stream, batch_size=None, num_workers=1, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([fingerprint(item) for item in loader])
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("buffer", [0, 6])
@pytest.mark.parametrize("stop", [0, 1, 17, 39, 40])
def test_a_pass_goes_on_where_it_stopped(data_set, buffer, stop):
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


def test_spawned_workers_take_part_in_the_rank_that_sent_them(data_set, monkeypatch):
    got = []
    for rank in (0, 1):
        monkeypatch.setattr("synthgen.torch.data.datasets._rank", lambda rank=rank: (rank, 2))
        got += loaded(StreamDataset(data_set), num_workers=1, multiprocessing_context="spawn")
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


def test_transforms_get_the_image(data_set):
    for kind in (ShardDataset, StreamDataset):
        image, _ = next(iter(kind(data_set, transform=lambda x: x.float() / 255)))
        assert image.dtype == torch.float32
        assert 0 < image.max() <= 1


@pytest.mark.parametrize(
    "options", [{"gray": True}, {"background": "diamond-square"}, {"storage": {"codec": "png-stored"}}]
)
def test_other_kinds_of_images(make_recipe, tmp_path, options):
    recipe = make_recipe(**options)
    synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    shards, live = ShardDataset(tmp_path / "d"), LiveDataset(recipe)
    for i in range(10):
        assert torch.equal(shards[i][0], live[i][0])
    assert shards[0][0].shape[0] == (1 if options.get("gray") else 3)
    sample = synthgen.open(tmp_path / "d")[4]
    expected = sample.image[None] if sample.image.ndim == 2 else np.moveaxis(sample.image, 2, 0)
    assert np.array_equal(shards[4][0].numpy(), expected)


def test_wrong_arguments_are_named(data_set, tmp_path):
    for kind in (ShardDataset, StreamDataset):
        with pytest.raises(UsageError, match="fields must be among mask, got 'depth'"):
            kind(data_set, fields=("depth",))
        with pytest.raises(FormatError):
            kind(tmp_path)
    with pytest.raises(UsageError, match="shuffle_buffer must be >= 0"):
        StreamDataset(data_set, shuffle_buffer=-1)
    with pytest.raises(IndexError):
        LiveDataset("tiny-fractals")[200]
