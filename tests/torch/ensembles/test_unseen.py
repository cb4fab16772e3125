"""The images that calibrate an ensemble are those that no member was fitted to."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet, Source, open_normal
from synthgen.torch.ensembles.unseen import unseen
from synthgen.torch.evaluation.limits import divided, sampled


def images_of(count):
    """Return a set of images, numbered by their entries."""
    return ImageSet(range(count), [Source("a", "plain", count)])


def fitted_to(images, share=0.2, seed=0, shots=None, normal=("a",)):
    """Return a member with the notes that `fit` writes, and the numbers of the images that it was fitted to."""
    chosen = images if shots is None else sampled(images, shots, seed)
    kept, held = divided(chosen, share, seed)
    notes = {"normal": list(normal), "images": len(kept)}
    if held is not None:
        notes["normal_scores"] = {"images": len(held)}
    if shots is not None:
        notes["shots"] = shots
    member = SimpleNamespace(notes=notes, settings=SimpleNamespace(seed=seed), parts=tuple)
    return member, set(kept.entries)


@pytest.mark.parametrize(("share", "seed", "shots"), [(0.2, 0, None), (0.37, 5, None), (0.0, 0, 30), (0.25, 3, 24)])
def test_what_a_member_was_fitted_to_is_left_out(share, seed, shots):
    images = images_of(53)
    member, fitted = fitted_to(images, share, seed, shots)
    assert set(unseen(images, ["a"], {"m": member}).entries) == set(range(53)) - fitted


def test_what_any_member_was_fitted_to_is_left_out():
    images = images_of(50)
    first, one = fitted_to(images, 0.5, 1)
    second, other = fitted_to(images, 0.5, 2)
    assert set(unseen(images, ["a"], {"m": first, "n": second}).entries) == set(range(50)) - one - other


def test_all_images_of_other_folders_are_new():
    images = images_of(20)
    member, _ = fitted_to(images)
    assert len(unseen(images, ["b"], {"m": member})) == 20


@pytest.fixture(scope="module")
def category(tmp_path_factory):
    """A category of MVTec AD with 20 images to fit to, and 5 normal ones to test on."""
    folder = tmp_path_factory.mktemp("mvtec") / "bottle"
    for inner, count in (("train/good", 20), ("test/good", 5), ("test/crack", 1)):
        (folder / inner).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / inner / f"{number}.png")
    (folder.parent / "link").symlink_to(folder / "train/good")
    return folder


@pytest.mark.parametrize("other", ["bottle", "bottle/train/good", "link"])
def test_an_image_is_known_by_whatever_folder_it_is_given(category, other):
    images = open_normal([category])
    member, fitted = fitted_to(images, normal=[category])
    given = str(category.parent / other)
    left = unseen(open_normal([given]), [given], {"m": member})
    numbers = {Path(entry.name).name for entry in left.entries}
    assert numbers == {Path(entry.name).name for entry in images.entries} - {Path(e.name).name for e in fitted}
    assert len(numbers) == 4


def test_other_images_of_the_same_folder_are_new(category):
    member, _ = fitted_to(open_normal([category]), normal=[category])
    other = str(category / "test/good")
    assert len(unseen(open_normal([other]), [other], {"m": member})) == 5


def test_what_a_member_of_a_member_was_fitted_to_is_left_out():
    images = images_of(50)
    inner, fitted = fitted_to(images)
    whole, _ = fitted_to(images, normal=("b",))
    whole.parts = lambda: [SimpleNamespace(model=inner), object()]
    assert set(unseen(images, ["a"], {"m": whole}).entries) == set(range(50)) - fitted


def test_what_cannot_be_known_or_is_too_little_is_refused():
    images = images_of(20)
    member, _ = fitted_to(images, 0.0)
    with pytest.raises(
        UsageError, match="normal must hold at least 2 images that no member was fitted to, got 0 of 20"
    ):
        unseen(images, ["a"], {"m": member})
    with pytest.raises(UsageError, match="normal must be what member m was fitted to, a as it was then"):
        unseen(images_of(21), ["a"], {"m": member})
    both, _ = fitted_to(images, normal=("a", "b"))
    with pytest.raises(UsageError, match="normal must be what member m was fitted to, a, b as it was then"):
        unseen(images, ["a"], {"m": both})
