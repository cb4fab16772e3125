"""PUAD adds to EfficientAD how unusual a whole image is."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from synthgen.errors import UsageError
from synthgen.torch.models import EfficientAd, Puad, load_model

pytestmark = pytest.mark.usefixtures("narrow_pdn")
SMALL = {"steps": 6, "step_images": 2, "rate": 1e-2}


@pytest.fixture(scope="module")
def images(images):
    return images[:, :, :44, :44]


@pytest.fixture(scope="module")
def fitted(images, narrow_pdn):
    return EfficientAd("random:pdn_small", **SMALL).fit([images[:6]], progress="none")


def test_it_is_efficientad_with_a_distance_added(fitted, images, tmp_path):
    """A slow twin: the Gaussian by scikit-learn, scores added by hand."""
    model = Puad(fitted).fit([images[:6]], progress="none")
    assert np.array_equal(model.predict(images)[1], fitted.predict(images)[1])

    def means(batch):
        return fitted.networks.student(fitted.features.normalise(batch))[:, :384].mean((2, 3)).numpy()

    learned, held = fitted._divided(6)
    gaussian = LedoitWolf().fit(means(images[learned]))
    everything = images[np.concatenate([learned, held])]  # a single image held out has no deviation
    parts = [[fitted.predict(each)[0], np.sqrt(gaussian.mahalanobis(means(each)))] for each in (everything, images)]
    known, found = np.array(parts[0]), np.array(parts[1])
    expected = ((found - known.mean(1)[:, None]) / known.std(1)[:, None]).sum(0)
    np.testing.assert_allclose(model.predict(images)[0], expected, rtol=5e-2, atol=5e-2)

    model.save(tmp_path / "m")
    assert np.array_equal(load_model(tmp_path / "m").predict(images)[0], model.predict(images)[0])
    assert model.predicted_bytes(6, (44, 44)) == sum(value.nbytes for value in model.tensors().values())


def test_it_trains_on_a_teacher_as_efficientad_does(fitted, images, tmp_path):
    model = Puad("random:pdn_small", **SMALL).fit([images[:6]], progress="none")
    whole = model.networks.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in fitted.networks.state_dict().items())

    fitted.save(tmp_path / "e.safetensors")
    again = Puad(tmp_path / "e.safetensors").fit([images[:6]], progress="none")
    assert np.array_equal(again.predict(images)[0], model.predict(images)[0])


def test_two_images_are_enough(fitted, images):
    few = EfficientAd("random:pdn_small", steps=1).fit([images[:2]], progress="none")
    assert np.isfinite(Puad(few).fit([images[:2]], progress="none").predict(images)[0]).all()


def test_an_image_that_is_unusual_as_a_whole_scores_higher(fitted, images):
    model = Puad(fitted).fit([images[:6]], progress="none")
    dark = images[6:] // 2
    assert (model.predict(dark)[0] > model.predict(images[6:])[0]).all()


def test_a_fitted_model_keeps_its_options(fitted, images, tmp_path):
    with pytest.raises(UsageError, match="steps must be left out with a fitted efficientad, which keeps its own"):
        Puad(fitted, steps=3)
    with pytest.raises(UsageError, match="images must be 44 x 44 as those of the efficientad, got 40 x 44"):
        Puad(fitted).fit([images[:, :, :40]], progress="none")
