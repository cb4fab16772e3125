"""EfficientAD finds defects on a teacher, keeps what it learned, and refuses what is no teacher."""

import numpy as np
import pytest
import torch
from PIL import Image

from synthgen.errors import UsageError
from synthgen.torch.models import EfficientAd, load_model

pytestmark = pytest.mark.usefixtures("narrow_pdn")
SMALL = {"steps": 60, "step_images": 4, "rate": 3e-3}
DEFECT = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(8, 8)


def broken(images):
    """Return the same images with a defect each."""
    images = images.clone()
    images[:, :, 36:52, 8:24] = DEFECT
    return images


@pytest.fixture
def model(images):
    return EfficientAd("random:pdn_small", seed=2, **SMALL).fit([images[:6]], progress="none")


def test_a_defect_is_scored_higher_and_found_where_it_is(model, images):
    normal, _ = model.predict(images[6:])
    scores, maps = model.predict(broken(images[6:]))
    assert (scores > normal).all()
    assert maps.shape == (2, 64, 64)
    assert maps.dtype == scores.dtype == np.float32
    inside = maps[:, 36:52, 8:24].mean((1, 2))
    assert (inside > maps[:, :, 40:].mean((1, 2))).all()


def test_a_file_keeps_all(model, images, tmp_path):
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.options() == model.options()
    for one, again in zip(model.predict(images), read.predict(images), strict=True):
        assert np.array_equal(one, again)
    assert model.predicted_bytes(6, (64, 64)) == sum(value.nbytes for value in model.tensors().values())
    assert model.predicted_bytes(6, (64, 64)) < model.needed_bytes(6, (64, 64))


def test_equal_seeds_give_equal_models_and_a_prediction_depends_on_one_image(images):
    first, second = (EfficientAd("random:pdn_small", steps=3).fit([images], progress="none") for _ in range(2))
    assert all(torch.equal(value, second.tensors()[name]) for name, value in first.tensors().items())
    alone = np.concatenate([first.predict(images[k : k + 1])[1] for k in range(3)])
    np.testing.assert_allclose(alone, first.predict(images[:3])[1], rtol=1e-3, atol=1e-5)


def test_on_normal_images_that_were_held_out_the_quantiles_are_0_and_a_tenth(images):
    model = EfficientAd("random:pdn_small", steps=2).fit([images[:1]], progress="none")
    batch = model.features.normalise(images[:1])
    maps, _ = model.networks.judged(batch, model._wanted(model.networks, batch))
    for number, of_one in enumerate(maps):
        lower, upper = np.quantile(of_one.detach().numpy(), (0.9, 0.995))
        np.testing.assert_allclose(model.networks.quantiles[number].numpy(), (lower, upper), rtol=1e-4)


def test_the_student_follows_less_on_images_of_other_things(images, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "other.png")
    plain = EfficientAd("random:pdn_small", **SMALL).fit([images[:6]], progress="none")
    model = EfficientAd("random:pdn_small", penalty=tmp_path, **SMALL).fit([images[:6]], progress="none")
    noise = torch.from_numpy(np.array(Image.open(tmp_path / "other.png"))).permute(2, 0, 1)[None]

    def given(fitted):
        found = fitted.networks.student(fitted.features.normalise(noise))
        return float(found[:, :384].square().mean())

    assert given(model) < given(plain)
    assert {row["penalty"] for row in plain.history} == {0.0}
    assert model.history[-1]["penalty"] > 0


def test_what_is_no_teacher_is_refused_in_one_line(images):
    rule = r"^backbone must be a teacher of `synthgen distill` \(pdn_small, pdn_medium\) for efficientad, got "
    with pytest.raises(UsageError, match=rule + "test_resnet"):
        EfficientAd("random:test_resnet")
    with pytest.raises(UsageError, match="images must be 64 x 64 as the model's, got 64 x 40"):
        EfficientAd("random:pdn_small", steps=1).fit([images], progress="none").predict(images[:, :, :, :40])
    with pytest.raises(UsageError, match="backbone cannot take images of 32 x 32"):
        EfficientAd("random:pdn_small", steps=1).fit([images[:, :, :32, :32]], progress="none")


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"layers": (3,)}, "layers must"), ({"pool": 3}, "pool must"), ({"steps": 0}, "steps must")],
)
def test_options_that_cannot_be_are_refused(options, rule):
    with pytest.raises(UsageError, match=rule):
        EfficientAd("random:pdn_small", **options)
