"""Batches for the objective dense: textures come again in other images, and chance depends on places alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.recipe import Recipe
from synthgen.shards.order import Permutation
from synthgen.torch.data import LiveDataset
from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.composites import Composites, joined, regions, share_out_composites
from synthgen.torch.pretrain.ranks import TrainingGroup
from synthgen.torch.pretrain.reading import open_source


@pytest.fixture(scope="module")
def source():
    recipe = Recipe.from_dict({
        "family": "multiformula", "source": "fractals", "source_classes": 20, "groups": 10, "classes": 10,
        "per_class": 8, "size": 32, "systems": 1, "points": 500, "objects": "1:2",
    })  # fmt: skip
    return open_source(recipe)


def composites_of(source, world=1, rank=0, workers=0, **changes):
    options = make_options(changes={"objective": "dense", "batch_size": 12, **changes})
    shares = share_out_composites(source, options, world)
    return Composites(source, options, shares, TrainingGroup(rank, world, torch.device("cpu")), workers)


def dealt(composites, epoch=0, step=0):
    return composites.items(composites._training, epoch, step, "x")


@given(st.integers(0, 50), st.sampled_from([(1, 1), (1, 3), (2, 2)]), st.sampled_from([0.0, 0.25]))
def test_each_class_of_a_batch_lies_in_several_images(source, step, mix, share):
    composites = composites_of(source, mix=mix, val_share=share)
    items = dealt(composites, step=step)
    labels = np.array(source.dataset.targets)
    counts = {}
    for _, positions in items:
        assert mix[0] <= len(positions) <= mix[1]
        assert max(positions) < len(composites.shares.training)
        for label in labels[list(positions)]:
            counts[label] = counts.get(label, 0) + 1

    # the cards of a class are dealt as often as those of any other
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) > 1
    used = [position for _, positions in items for position in positions]
    per_class = np.bincount(labels[list(composites.shares.training)], minlength=10)
    for label, count in counts.items():
        mine = [position for position in used if labels[position] == label]
        assert len(set(mine)) == min(count, per_class[label])


def test_only_the_first_images_of_a_class_are_used_where_so_many_are_asked_for(source):
    composites = composites_of(source, class_images=3, mix=(2, 3))
    used = {
        position for step in range(30) for _, positions in dealt(composites, step=step) for position in positions
    }
    order = Permutation(source.record.count, source.record.seed)
    indices = order.forward(np.array(sorted(used))) % source.record.per_class
    assert set(indices.tolist()) == {0, 1, 2}
    assert len(used) == 30


def test_half_of_the_images_that_are_joined_are_blurred_where_that_is_asked_for(source):
    def seen(is_blurred, epoch, is_validation=False):
        composites = composites_of(source, blur=is_blurred, crop=24)
        batches = composites.validation() if is_validation else composites.training(epoch, 0)
        images, textures = next(iter(batches))
        return images, textures

    same = []
    for epoch in range(5):
        images, textures = seen(False, epoch)
        blurred, its_textures = seen(True, epoch)
        assert torch.equal(textures, its_textures)
        same += [torch.equal(one, other) for one, other in zip(images, blurred, strict=True)]
    assert len(same) == 60
    assert 15 < sum(same) < 45
    for plain, blurred in zip(seen(False, 0, True), seen(True, 0, True), strict=True):
        assert torch.equal(plain, blurred)


def test_batches_depend_on_epoch_step_and_rank_alone(source):
    first = dealt(composites_of(source), 1, 2)
    assert dealt(composites_of(source), 1, 2) == first
    assert dealt(composites_of(source), 0, 2) != first
    assert dealt(composites_of(source), 1, 3) != first
    numbers = [
        number for rank in range(2) for step in range(3)
        for number, _ in dealt(composites_of(source, world=2, rank=rank), step=step)
    ]  # fmt: skip
    assert sorted(numbers) == list(range(36))


def test_an_epoch_goes_on_from_any_step(source):
    composites = composites_of(source, mix=(1, 3), flip=True, jitter=0.2)
    whole = list(composites.training(1, 0))
    rest = list(composites.training(1, 4))
    assert len(whole) == composites.shares.steps == 6
    for first, second in zip(whole[4:], rest, strict=True):
        assert all(map(torch.equal, first, second))


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Positions that any process has drawn."""
    log = tmp_path / "drawn"
    log.touch()
    plain = LiveDataset.sample

    def sample(dataset, position):
        with log.open("a") as file:
            file.write(f"{position}\n")
        return plain(dataset, position)

    monkeypatch.setattr(LiveDataset, "sample", sample)
    return lambda: sorted(map(int, log.read_text().split()))


def test_workers_draw_each_image_once_for_all_epochs(source, drawn):
    options = {"mix": (1, 2), "flip": True, "class_images": 4, "epochs": 3}
    read = composites_of(source, workers=2, **options)
    lines = []
    read.prepare(lines.append)
    assert lines == ["drawing 40 images first, by 2 workers"]
    epochs = [list(read.training(epoch, 0)) for epoch in range(3)]
    assert drawn() == sorted(read._training.positions)
    assert len(drawn()) == 40

    alone = composites_of(source, **options)
    for number, batches in enumerate(epochs):
        for one, other in zip(batches, alone.training(number, 0), strict=True):
            assert all(map(torch.equal, one, other))


def test_nothing_is_drawn_beforehand_that_may_not_be_needed_or_that_nobody_would_draw_again(source, drawn):
    lines = []
    composites_of(source, workers=2, epochs=1, epoch_images=24).prepare(lines.append)
    composites_of(source, workers=0, epochs=3).prepare(lines.append)
    assert drawn() == []
    assert lines == []


def test_the_validation_is_the_same_each_time_and_of_other_images(source):
    composites = composites_of(source, val_share=0.25, val_images=24, flip=True, jitter=0.2)
    first, second = (list(composites.validation()) for _ in range(2))
    assert len(first) == 1
    for one, other in zip(first, second, strict=True):
        assert all(map(torch.equal, one, other))
    for _, positions in composites.items(composites._validation, 0, 0, "x"):
        assert min(positions) >= 60


@given(st.integers(1, 8), st.integers(0, 10**6), st.sampled_from([(16, 16), (24, 40)]))
def test_joined_images_take_pixel_and_texture_from_the_same_part(count, seed, size):
    parts = []
    for number in range(count):
        image = torch.full((3, *size), number, dtype=torch.uint8)
        parts.append((image, torch.full(size, 100 + number, dtype=torch.int32)))
    image, textures = joined(parts, np.random.default_rng(seed))
    assert image.dtype == torch.uint8
    assert torch.equal(image[0].int() + 100, textures)


def test_regions_are_large_and_their_borders_irregular():
    taken = [regions(2, (96, 96), np.random.default_rng(seed)) for seed in range(20)]
    borders = [float((each[1:] != each[:-1]).float().mean()) for each in taken]
    assert 0.005 < np.mean(borders) < 0.1
    assert all(len(each.unique()) == 2 for each in taken)
    assert all((each != each[:1]).any() and (each != each[:, :1]).any() for each in taken)
