"""EfficientAD finds defects on a teacher, keeps what it learned, and refuses what is no teacher."""

import numpy as np
import pytest
import torch
from PIL import Image

from synthgen.errors import UsageError
from synthgen.torch.models import EfficientAd, load_model

pytestmark = pytest.mark.usefixtures("narrow_pdn")
SMALL = {"steps": 15, "step_images": 2, "rate": 1e-2}
DEFECT = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(6, 6)


@pytest.fixture(scope="module")
def parts(images):
    return images[:, :, :44, :44]


@pytest.fixture(scope="module")
def model(parts, narrow_pdn):
    return EfficientAd("random:pdn_small", seed=2, **SMALL).fit([parts[:6]], progress="none")


def test_a_defect_is_scored_higher_and_found_where_it_is(model, parts):
    defect = parts[6:].clone()
    defect[:, :, 28:40, 4:16] = DEFECT
    normal, _ = model.predict(parts[6:])
    scores, maps = model.predict(defect)
    assert (scores > normal).all()
    assert maps.shape == (2, 44, 44)
    assert maps.dtype == scores.dtype == np.float32
    inside = maps[:, 28:40, 4:16].mean((1, 2))
    assert (inside > maps[:, :, 32:].mean((1, 2))).all()


def test_a_file_keeps_all(model, parts, tmp_path):
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.options() == model.options()
    for one, again in zip(model.predict(parts), read.predict(parts), strict=True):
        assert np.array_equal(one, again)
    assert model.predicted_bytes(6, (44, 44)) == sum(value.nbytes for value in model.tensors().values())
    assert model.predicted_bytes(6, (44, 44)) < model.needed_bytes(6, (44, 44))


def test_equal_seeds_give_equal_models_and_a_prediction_depends_on_one_image(parts):
    first, second = (EfficientAd("random:pdn_small", steps=3).fit([parts], progress="none") for _ in range(2))
    assert all(torch.equal(value, second.tensors()[name]) for name, value in first.tensors().items())
    alone = np.concatenate([first.predict(parts[k : k + 1])[1] for k in range(3)])
    np.testing.assert_allclose(alone, first.predict(parts[:3])[1], rtol=1e-3, atol=1e-5)


def test_on_normal_images_that_were_held_out_the_quantiles_are_0_and_a_tenth(parts):
    model = EfficientAd("random:pdn_small", steps=2).fit([parts[:1]], progress="none")
    batch = model.features.normalise(parts[:1])
    maps, _ = model.networks.judged(batch, model._wanted(model.networks, batch))
    for number, of_one in enumerate(maps):
        lower, upper = np.quantile(of_one.detach().numpy(), (0.9, 0.995))
        np.testing.assert_allclose(model.networks.quantiles[number].numpy(), (lower, upper), rtol=1e-4)


def test_the_student_gives_less_of_images_of_other_things(model, parts, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (44, 44, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "other.png")
    taught = EfficientAd("random:pdn_small", seed=2, penalty=tmp_path, **SMALL).fit([parts[:6]], progress="none")
    batch = taught.features.normalise(torch.from_numpy(noise).permute(2, 0, 1)[None])

    sizes = [float(each.networks.student(batch)[:, :384].square().mean()) for each in (taught, model)]
    assert sizes[0] < sizes[1]
    assert {row["penalty"] for row in model.history} == {0.0}
    assert taught.history[-1]["penalty"] > 0


def test_what_is_no_teacher_is_refused_in_one_line(model, parts):
    rule = r"^backbone must be a teacher of `synthgen distill` \(pdn_small, pdn_medium\) for efficientad, got "
    with pytest.raises(UsageError, match=rule + "test_resnet"):
        EfficientAd("random:test_resnet")
    with pytest.raises(UsageError, match="images must be 44 x 44 as the model's, got 44 x 40"):
        model.predict(parts[:, :, :, :40])
    with pytest.raises(UsageError, match="backbone cannot take images of 32 x 32"):
        EfficientAd("random:pdn_small", steps=1).fit([parts[:, :, :32, :32]], progress="none")


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"layers": (3,)}, "layers must"), ({"pool": 3}, "pool must"), ({"steps": 0}, "steps must")],
)
def test_options_that_cannot_be_are_refused(options, rule):
    with pytest.raises(UsageError, match=rule):
        EfficientAd("random:pdn_small", **options)
