"""What all anomaly models promise: fit, predict, options, memory, and one line for a mistake."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from synthgen.errors import DeviceError, UsageError
from synthgen.torch import models
from synthgen.torch.models import AnomalyModel, PaDiM, PatchCore, SequentialPatchCore, load_model
from synthgen.torch.models.options import ModelOptions

# kind -> options with which it is fitted at once
QUICK = {
    "patchcore": {"coreset": 20},
    "sequential-patchcore": {"points": 20},
    "padim": {"channels": 5},
    "cflow": {"blocks": 1, "epochs": 1, "layers": (2,)},
    "simplenet": {"layers": (1,), "steps": 60, "rows": 64, "noise": 3.0, "hidden": 8, "rate": 0.01},
    "cutpaste": {"layers": (1,), "patch": 0.5, "stride": 1.0, "epochs": 1, "hidden": 4, "views": 1},
    "sinbad": {"layers": (2,), "projections": 8},
    "panda": {"epochs": 0, "layers": (3,)},
    "floor": {},
    "chance": {},
}
# kind -> the backbone that it wants
WANTED = {
    "efficientad": "random:pdn_small",
    "puad": "random:pdn_small",
    "fastflow": "random:resnet18",
    "reverse-distillation": "random:resnet18",
    "stfpm": "random:resnet18",
}
# Kinds that keep something for each place of the image.
OF_PLACES = ("cflow", "efficientad", "fastflow", "floor", "padim", "puad", "reverse-distillation", "stfpm")


def as_fitted(kind, backbone):
    """Return a model of a kind that takes itself for fitted to images of 64 x 48, and learned nothing."""
    made = models.load(kind).MODEL
    if kind == "score-ensemble":
        model = made([as_fitted("patchcore", backbone), as_fitted("sinbad", backbone)])
    elif made.is_ensemble:
        model = made([backbone])
    elif made.needs_backbone:
        model = made(WANTED.get(kind, backbone))
    else:
        model = made()
    model.image_size = (64, 48)
    return model


@pytest.fixture(scope="module", params=list(QUICK))
def upright(request, backbone, images):
    """A model of each kind in turn that was fitted to upright images."""
    made = models.load(request.param).MODEL
    backbones = [backbone] if made.needs_backbone else []
    return made(*backbones, **QUICK[request.param]).fit([images[:4, :, :, :32]])


def test_a_defect_is_scored_higher_and_found_where_it_is(make_with_maps, images):
    model = make_with_maps(sigma=2.0).fit([images[:6]])
    defect = images[6:].clone()
    defect[:, :, 36:52, 8:24] = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(8, 8)
    normal, _ = model.predict(images[6:])
    scores, maps = model.predict(defect)
    assert (scores > normal).all()
    assert scores.shape == (2,)
    assert maps.shape == (2, 64, 64)
    assert scores.dtype == maps.dtype == np.float32
    for row, column in (np.unravel_index(m.argmax(), m.shape) for m in maps):
        assert 30 <= row <= 58
        assert 2 <= column <= 30


def test_a_model_of_whole_images_scores_a_defect_higher_and_has_no_maps(make_whole, images):
    model = make_whole().fit([images[:6]])
    defect = images[6:].clone()
    defect[:, :, 36:52, 8:24] = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(8, 8)
    scores, maps = model.predict(defect)
    assert (scores > model.predict(images[6:])[0]).all()
    assert scores.shape == (2,)
    assert scores.dtype == np.float32
    assert maps is None


def test_equal_seeds_give_equal_models(make, images):
    first, second = (make(seed=5).fit([images]) for _ in range(2))
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in first.state)


@pytest.mark.parametrize("model", [PatchCore, PaDiM])
def test_other_seeds_give_other_models(model, backbone, images):
    first, second = (model(backbone, seed=seed).fit([images]) for seed in (1, 2))
    assert any(not torch.equal(getattr(first, name), getattr(second, name)) for name in first.state)


def test_no_images_have_no_scores(upright, images):
    none = images[:0, :, :, :32]
    scores, maps = upright.predict(none)
    assert scores.shape == (0,)
    assert scores.dtype == np.float32
    if upright.localises:
        assert maps.shape == (0, 64, 32)
        assert maps.dtype == np.float32
    else:
        assert maps is None


@pytest.mark.usefixtures("narrow_pdn")
@pytest.mark.parametrize("kind", models.MODELS)
def test_a_model_of_any_kind_is_not_asked_about_no_images(kind, backbone):
    model = as_fitted(kind, backbone)
    for none in (np.zeros((0, 3, 64, 48), np.uint8), torch.zeros(0, 3, 64, 48)):
        scores, maps = model.predict(none)
        assert scores.shape == (0,)
        assert (maps is not None) == model.localises
    with pytest.raises(UsageError, match=r"^images must be"):
        model.predict(np.zeros((0, 3, 64, 0), np.uint8))


@pytest.mark.parametrize("size", [(32, 64), (96, 64)])
def test_what_is_learned_of_a_place_scores_no_other_place(upright, images, size):
    height, width = size
    other = images[:2].repeat(1, 1, 2, 1)[:, :, :height, :width]
    if upright.kind in OF_PLACES:
        with pytest.raises(UsageError, match=f"^images must be 64 x 32 as the model's, got {height} x {width}$"):
            upright.predict(other)
    else:
        scores, maps = upright.predict(other)
        assert scores.shape == (2,)
        assert maps is None or maps.shape == (2, *size)


def test_the_kinds_that_learn_places_are_known():
    found = [kind for kind in models.MODELS if models.load(kind).MODEL.of_places]
    assert sorted(found) == sorted(OF_PLACES)


def test_any_loader_will_do(make, images):
    expected = make().fit([images]).predict(images)[0]
    loaders = (
        DataLoader(TensorDataset(images, torch.zeros(8)), batch_size=3),
        [(image, 0) for image in images],
        [images.numpy()],
        [images.double() / 255],
    )
    for loader in loaders:
        np.testing.assert_allclose(make().fit(loader).predict(images)[0], expected, rtol=1e-2, atol=1e-2)


def test_the_prediction_of_size_is_told_and_true(make, images):
    lines = []
    model = make()
    predicted = model.predicted_bytes(8, (64, 64))
    model.fit([images], log=lines.append)
    assert predicted == sum(getattr(model, name).nbytes for name in model.state)
    assert predicted < model.needed_bytes(8, (64, 64))
    assert len(lines) == 1
    assert lines[0].startswith(f"{model.kind}: the bank takes ")


def test_mistakes_are_one_line(make, images):
    model = make()
    for loader, rule in (
        ([], "images must be at least one, got an empty loader"),
        ([images, images[:, :, :32]], "images must be of one size, 64 x 64, got 32 x 64"),
        ([{"image": images}], "images must be tensors or arrays, got dict"),
        ([images[0, 0]], r"images must be \(N, C, H, W\), got \(64, 64\)"),
    ):
        with pytest.raises(UsageError, match=rule):
            model.fit(loader)
        assert not model.fitted
    for use in (lambda: model.predict(images), lambda: model.save("never")):
        with pytest.raises(UsageError, match=f"{model.kind} must be fitted first"):
            use()
    with pytest.raises(UsageError, match=r"memory must be at least .* for .* may be used; .* would fit"):
        make(memory=1000).fit([images])
    wrong = [("memory", 0), ("sigma", -1), ("sigma", np.nan), ("sigma", np.inf), ("seed", -1), ("pool", 0)]
    for name, value in [*wrong, ("layers", (7,))]:
        with pytest.raises(UsageError, match=f"^{name} must "):
            make(**{name: value})
    for device in ("abacus", "meta", "cuda:99"):
        with pytest.raises(DeviceError, match=f"device must be one that torch can use, got {device}: "):
            make(device=device)


@pytest.mark.parametrize(
    ("model", "options", "name"),
    [
        (PatchCore, {"coreset": 0.0}, "coreset"),
        (PatchCore, {"coreset": 1.5}, "coreset"),
        (PatchCore, {"coreset": 0}, "coreset"),
        (PatchCore, {"projection": 0}, "projection"),
        (PatchCore, {"neighbours": 0}, "neighbours"),
        (PatchCore, {"block": 0}, "block"),
        (SequentialPatchCore, {"points": 0}, "points"),
        (SequentialPatchCore, {"epochs": 0}, "epochs"),
        (PaDiM, {"channels": 0}, "channels"),
        (PaDiM, {"regularisation": 0.0}, "regularisation"),
    ],
)
def test_options_out_of_range_are_refused(backbone, model, options, name):
    with pytest.raises(UsageError, match=f"^{name} must be"):
        model(backbone, **options)


def test_a_border_is_neither_learned_nor_scored(make_with_places, images, tmp_path):
    # without padding the scores at the edge are as high as elsewhere
    options = {"sigma": 0.0, "pool_padding": "none"}
    plain = make_with_places(**options).fit([images[:6]])
    model = make_with_places(**options, border=1).fit([images[:6]])
    places = plain.features(images).shape[2]
    assert model.features(images).shape[2] == places - 2
    defect = images[6:].clone()
    defect[:, :, :, :3] = 255  # within the border, but for the reach of the network
    assert (model.predict(defect)[0] / plain.predict(defect)[0] < 0.9).all()
    _, maps = model.predict(defect)
    assert maps.shape == (2, 64, 64)
    edge = slice(0, 64 // places * 3 // 2)  # all is what is nearest, up to the center of the first place inside
    corner = maps[:, edge, edge]
    np.testing.assert_allclose(corner, np.broadcast_to(maps[:, :1, :1], corner.shape), rtol=1e-5)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(defect)[1], maps)
    half = places // 2
    with pytest.raises(UsageError, match=f"border must be less than half of the {places} x {places} places"):
        make_with_places(border=half).fit([images])


class Means:
    """An extractor of features of its own: the mean of each square of 8 pixels, for each channel."""

    device = torch.device("cpu")
    border = 0

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images.float() / 255, 8)

    def shape(self, size):
        return 3, size[0] // 8, size[1] // 8


class MeanColor(AnomalyModel):
    """A model without maps: how far the mean color of an image is from that of normal images."""

    kind = "mean-color"
    Options = ModelOptions
    state = ("mean",)
    localises = False

    def fit(self, loader, progress="auto", log=None):
        features = torch.cat([self.features(images) for images in loader])
        self.mean = features.mean((0, 2, 3))
        self.image_size = (64, 64)
        return self

    def predicted_bytes(self, images, size):
        return 12

    def needed_bytes(self, images, size):
        return 12

    def state_forms(self, shape):
        return {"mean": ((shape[0],), torch.float32)}

    def _scores(self, features):
        return torch.linalg.vector_norm(features.mean((2, 3)) - self.mean, dim=1), None


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (PatchCore, {"coreset": 30}),
        (SequentialPatchCore, {"points": 30}),
        (PaDiM, {"channels": 3}),
        (MeanColor, {}),
    ],
)
def test_any_extractor_will_do(model, options, images):
    fitted = model(Means(), **options).fit([images])
    bright = images.clone()
    bright[:, :, 20:40, 20:40] = 255
    assert (fitted.predict(bright)[0] > fitted.predict(images)[0]).all()
    with pytest.raises(UsageError, match=f"{fitted.kind} cannot be saved with features of Means"):
        fitted.save("never")
    with pytest.raises(UsageError, match="layers must be left out with an extractor"):
        model(Means(), layers=(1,))


def test_images_that_do_not_fit_into_the_memory_are_refused(backbone, images, monkeypatch):
    model = PatchCore(backbone, coreset=30).fit([images])
    monkeypatch.setattr("synthgen.torch.models.base.available_bytes", lambda device: 10**9)
    giant = torch.zeros(1, dtype=torch.uint8).expand(2, 3, 16384, 16384)
    with pytest.raises(UsageError, match=r"^memory must be at least .* for 2 images of 16384 x 16384 at a time"):
        model.predict(giant)
    assert model.predict(images)[0].shape == (8,)


def test_a_model_may_have_no_maps(images):
    scores, maps = MeanColor(Means()).fit([images]).predict(images)
    assert scores.shape == (8,)
    assert maps is None


def test_unknown_options_are_named(backbone):
    with pytest.raises(UsageError, match=r"^neighbors is not a known key; did you mean neighbours"):
        PatchCore(backbone, neighbors=3)
