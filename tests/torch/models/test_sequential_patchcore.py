"""Sequential PatchCore: passes, and what update and meld mean."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.coreset.streaming import SequentialCoreset
from synthgen.torch.models import PatchCore, SequentialPatchCore, meld
from synthgen.torch.models.augment import Augmentation


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64), dtype=np.uint8))


def test_fit_learns_image_by_image_whatever_the_batches(backbone, images):
    model = SequentialPatchCore(backbone, points=50, epochs=2).fit([images])
    patches = [model.features(image[None]).flatten(2)[0].T for image in images]
    coreset = SequentialCoreset(50, patches[0].shape[1], "cpu")
    changes = [sum(coreset.take(p.contiguous()) for p in patches) for _ in range(2)]
    torch.testing.assert_close(model.bank, coreset.points)
    assert model.changes == changes


def test_a_preset_has_the_settings_of_the_paper_unless_others_are_given():
    model = SequentialPatchCore.from_preset("mao2025", "random:test_efficientnet", sigma=1)
    settings = model.settings
    assert (settings.layers, settings.points, settings.pool, settings.neighbours) == ((3, 4), 2048, 2, 1)
    assert (settings.sigma, settings.epochs, settings.interpolation) == (1, 5, "nearest")
    assert model.augment == Augmentation()
    with pytest.raises(UsageError, match=r"^preset must be one of mao2025, got 'mao2024'; did you mean mao2025"):
        SequentialPatchCore.from_preset("mao2024")


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
        ([], None, "models must be at least one"),
        ([model], 41, "points must be 1 to 40, which the models have together, got 41"),
        ([model, other], 40, "of equal backbones and features, number 1 is not"),
        ([model, SequentialPatchCore(backbone, points=40)], 40, "must be fitted first"),
        ([PatchCore(backbone).fit([images])], 40, "number 0 is not"),
    ):
        with pytest.raises(UsageError, match=rule):
            meld(models, size)


def test_a_bank_that_does_not_fit_is_refused_with_one_that_does(backbone, images):
    model = SequentialPatchCore(backbone, points=20_000, memory=50_000_000)
    with pytest.raises(
        UsageError,
        match=r"memory must be at least .* MB for a bank of 20,000 points .*, 50 MB may be used; [\d,]+ points",
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
    with pytest.raises(UsageError, match=r"memory must be .* a bank of 80 points .*; \d+ points would fit"):
        meld([model, model], 80)
    model.memory -= 1
    with pytest.raises(UsageError, match=r"memory must be at least .* a bank of 40 points .*; 39 points would fit"):
        model.update([images])


def test_too_few_patches_and_iterators_are_refused(backbone, images):
    with pytest.raises(UsageError, match="points must be at most the 512 patches of the images, got 2,048"):
        SequentialPatchCore(backbone).fit([images])
    with pytest.raises(UsageError, match="5 epochs, got an iterator"):
        SequentialPatchCore(backbone, points=9).fit(iter([images]))
    with pytest.raises(UsageError, match="must be fitted first"):
        SequentialPatchCore(backbone, points=9).update([images])


def test_an_augmented_model_depends_on_its_seed_alone(backbone, images):
    def bank(seed, parts):
        model = SequentialPatchCore(backbone, points=30, epochs=2, augment=True, seed=seed)
        return model.fit(images.split(parts)).bank

    torch.testing.assert_close(bank(1, 8), bank(1, 3))
    assert not torch.equal(bank(1, 8), bank(2, 8))
