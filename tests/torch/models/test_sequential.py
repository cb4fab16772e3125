"""Sequential PatchCore against the algorithm of paper 002, patch by patch, and what update and meld mean."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.coreset.streaming import SequentialCoreset
from synthgen.torch.models import Augmentation, PatchCore, SequentialPatchCore, meld
from synthgen.torch.models.augment import plate


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("random:test_resnet")


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64), dtype=np.uint8))


def normal_rows(rows, channels, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(3, 1, (rows, channels)).astype(np.float32))


def plain_sequential(patches, size, points=()):
    """Return the coreset of `size` after each patch has been tested against it alone, one after the other."""
    points, entered = list(points), 0
    for patch in patches.numpy().astype(float):
        if len(points) < size:
            points.append(patch)
            entered += 1
            continue
        table = np.square(np.subtract.outer(np.array(points), np.array(points)).diagonal(axis1=1, axis2=3)).sum(-1)
        np.fill_diagonal(table, np.inf)
        if np.square(np.array(points) - patch).sum(1).min() > table.min():
            closest = np.argwhere(table == table.min())
            points[min(min(pair) for pair in closest.tolist())] = patch
            entered += 1
    return np.array(points), entered


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 999), st.sampled_from([1, 48, 1 << 20]))
def test_blocks_give_the_coreset_that_single_patches_give(size, channels, seed, block):
    patches = normal_rows(40, channels, seed)
    coreset = SequentialCoreset(size, channels, "cpu", block)
    entered = sum(coreset.take(part) for part in patches.split(17))
    expected, count = plain_sequential(patches, size)
    assert np.array_equal(coreset.points, expected)
    assert entered == count


def test_a_second_pass_goes_on_from_the_first():
    patches = normal_rows(60, 3, 5)
    coreset = SequentialCoreset(7, 3, "cpu")
    coreset.take(patches)
    again = coreset.take(patches)
    first, _ = plain_sequential(patches, 7)
    second, count = plain_sequential(patches, 7, first)
    assert np.array_equal(coreset.points, second)
    assert again == count


def test_the_closest_pair_only_moves_apart():
    coreset = SequentialCoreset(10, 4, "cpu")
    gaps = []
    for patches in torch.from_numpy(np.random.default_rng(1).normal(size=(20, 15, 4)).astype(np.float32)):
        coreset.take(patches)
        gaps.append(float(torch.pdist(coreset.points).min()))
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0]


def test_fit_learns_image_by_image_whatever_the_batches(backbone, images):
    model = SequentialPatchCore(backbone, points=50, epochs=2).fit([images])
    patches = [model.features(image[None]).flatten(2)[0].T for image in images]
    coreset = SequentialCoreset(50, patches[0].shape[1], "cpu")
    changes = [sum(coreset.take(p.contiguous()) for p in patches) for _ in range(2)]
    torch.testing.assert_close(model.bank, coreset.points)
    assert model.changes == changes


def test_epochs_end_when_nothing_changed(backbone, images):
    model = SequentialPatchCore(backbone, points=20, epochs=50).fit(images.split(3))
    assert 1 < len(model.changes) < 50
    assert model.changes[-1] == 0
    assert 0 not in model.changes[:-1]


def test_update_goes_on_where_fit_ended(backbone, images):
    model = SequentialPatchCore(backbone, points=60, epochs=1).fit([images[:4]])
    before = model.bank.clone()
    model.update([images[4:]])
    assert not torch.equal(model.bank, before)
    torch.testing.assert_close(model.bank, SequentialPatchCore(backbone, points=60, epochs=1).fit([images]).bank)


def test_update_with_nothing_new_changes_nothing(backbone, images):
    model = SequentialPatchCore(backbone, points=20, epochs=50).fit([images])
    before = model.bank.clone()
    model.update([images])
    assert torch.equal(model.bank, before)
    assert model.changes == [0]


@pytest.mark.parametrize("size", [10, 40, 55, 80])
def test_meld_is_the_algorithm_on_the_points_of_all_models(backbone, images, size):
    models = [SequentialPatchCore(backbone, points=40, epochs=1).fit([part]) for part in images.split(4)]
    banks = [m.bank.clone() for m in models]
    melded = meld(models, size, epochs=1)
    coreset = SequentialCoreset(size, banks[0].shape[1], "cpu")
    coreset.take(torch.cat(banks))
    assert torch.equal(melded.bank, coreset.points)
    assert melded.options() == {**models[0].options(), "points": size}
    assert all(torch.equal(m.bank, bank) for m, bank in zip(models, banks, strict=True))
    assert melded.predict(images)[0].shape == (8,)


def test_melding_one_model_with_itself_gives_it_back(backbone, images):
    model = SequentialPatchCore(backbone, points=40, epochs=1).fit([images])
    assert torch.equal(meld([model, model]).bank, model.bank)


def test_models_that_cannot_be_melded_are_refused(backbone, images):
    model = SequentialPatchCore(backbone, points=40, epochs=1).fit([images])
    other = SequentialPatchCore("random:test_efficientnet", points=40, epochs=1).fit([images])
    for models, size, rule in (
        ([], None, "at least one model"),
        ([model], 41, "size must be 1 to 40 points, got 41"),
        ([model, other], 40, "of one backbone, number 1 is not"),
        ([model, SequentialPatchCore(backbone, points=40)], 40, "must be fitted first"),
        ([PatchCore(backbone).fit([images])], 40, "number 0 is not"),
    ):
        with pytest.raises(UsageError, match=rule):
            meld(models, size)


def test_a_bank_that_does_not_fit_is_refused_with_one_that_does(backbone, images):
    model = SequentialPatchCore(backbone, points=20_000, memory=50_000_000)
    with pytest.raises(
        UsageError, match=r"a bank of 20,000 points .* need .* MB, 50 MB may be used; [\d,]+ points"
    ) as e:
        model.fit([images])
    fitting = int(str(e.value).split("; ")[1].split(" ")[0].replace(",", ""))
    assert SequentialPatchCore(backbone, points=fitting, memory=50_000_000).needed_bytes(1, (64, 64)) <= 50_000_000
    assert model.needed_bytes(1, (64, 64)) == model.needed_bytes(1000, (64, 64)) > 20_000**2 * 4


def test_updating_and_melding_keep_to_the_memory(backbone, images):
    model, lines = SequentialPatchCore(backbone, points=40, epochs=1).fit([images]), []
    model.memory = model.needed_bytes(1, (64, 64))
    model.update([images], log=lines.append)
    assert lines[0].startswith("sequential-patchcore: the bank takes ")
    assert meld([model, model], 40).fitted
    with pytest.raises(UsageError, match=r"memory: a bank of 80 points .*; \d+ points would fit"):
        meld([model, model], 80)
    model.memory -= 1
    with pytest.raises(UsageError, match=r"memory: a bank of 40 points .*; 39 points would fit"):
        model.update([images])


def test_too_few_patches_and_iterators_are_refused(backbone, images):
    with pytest.raises(UsageError, match="points: must be at most the 512 patches of the images, got 2,048"):
        SequentialPatchCore(backbone).fit([images])
    with pytest.raises(UsageError, match="5 epochs, got an iterator"):
        SequentialPatchCore(backbone, points=9).fit(iter([images]))
    with pytest.raises(UsageError, match="must be fitted first"):
        SequentialPatchCore(backbone, points=9).update([images])


def test_augmentation_differs_by_image_and_epoch_and_comes_again_with_the_seed(images):
    vary = Augmentation()
    first = vary(images, 1, 0, 0)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, vary(images, 1, 0, 0))
    assert torch.equal(first[3:], vary(images[3:], 1, 0, 3))
    assert not torch.equal(first, vary(images, 1, 1, 0))
    assert not torch.equal(first, vary(images, 2, 0, 0))


def test_augmentation_of_nothing_only_flips(images):
    flips = [images[0].flip(axes).float() / 255 for axes in ([], [1], [2], [1, 2])]
    found = {
        next(i for i, flip in enumerate(flips) if torch.allclose(flip, varied, atol=1e-6))
        for varied in Augmentation(0, 0, 0, 0, 0)(images[:1].expand(30, -1, -1, -1), 0, 0, 0)
    }
    assert found == {0, 1, 2, 3}


@pytest.mark.parametrize(("angle", "rows", "columns"), [(0, 6, 8), (np.pi / 2, 8, 6), (np.pi, 6, 8)])
def test_the_border_takes_its_share_of_the_image(angle, rows, columns):
    inside = plate((8, 8), angle, 0.25)
    assert int(inside.sum()) == rows * columns
    assert bool(inside[0 if angle == np.pi else -1, -1]) is False
    assert plate((8, 8), angle, 0).all()


def test_an_augmented_model_depends_on_its_seed_alone(backbone, images):
    def bank(seed, parts):
        model = SequentialPatchCore(backbone, points=30, epochs=2, augment=True, seed=seed)
        return model.fit(images.split(parts)).bank

    torch.testing.assert_close(bank(1, 8), bank(1, 3))
    assert not torch.equal(bank(1, 8), bank(2, 8))


@pytest.mark.parametrize("values", [{"noise": -1}, {"border": 1.0}, {"blur": float("nan")}])
def test_augmentation_out_of_range_is_refused(values):
    with pytest.raises(UsageError, match=f"augment: {next(iter(values))} must be"):
        Augmentation(**values)
