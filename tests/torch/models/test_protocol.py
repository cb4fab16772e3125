"""What all anomaly models promise: fit, predict, save, load, and one line for a mistake."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.ndimage import gaussian_filter
from torch.utils.data import DataLoader, TensorDataset

from synthgen.errors import DeviceError, FormatError, UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import as_vectors
from synthgen.torch.models import PaDiM, PatchCore, SequentialPatchCore, load_model
from synthgen.torch.models.padim import Moments, mahalanobis, whitened
from synthgen.torch.models.scoring import image_scores, smoothed

MAKERS = {
    "patchcore": lambda net, **o: PatchCore(net, coreset=0.2, **o),
    "sequential-patchcore": lambda net, **o: SequentialPatchCore(net, points=100, **o),
    "padim": lambda net, **o: PaDiM(net, channels=20, **o),
}


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("random:test_resnet")


@pytest.fixture(scope="module")
def images():
    """Smooth stripes with a little noise."""
    rng = np.random.default_rng(0)
    stripes = 128 + 60 * np.sin(np.arange(64) / 5)
    return torch.from_numpy((stripes + rng.normal(0, 5, (8, 3, 64, 64))).astype(np.uint8))


@pytest.fixture(params=list(MAKERS))
def make(request, backbone):
    return lambda net=backbone, **options: MAKERS[request.param](net, **options)


def test_a_defect_is_scored_higher_and_found_where_it_is(make, images):
    model = make(sigma=2.0).fit([images[:6]])
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


def test_a_saved_model_predicts_as_before(make, images, tmp_path):
    model = make(seed=3, sigma=1.0).fit([images])
    model.notes["thresholds"] = {"image": 1.5}
    model.save(tmp_path / "m.safetensors")
    read = load_model(tmp_path / "m.safetensors")
    assert type(read) is type(model)
    assert read.options() == model.options()
    assert read.image_size == (64, 64)
    assert read.notes == {"thresholds": {"image": 1.5}}
    for a, b in zip(read.predict(images), model.predict(images), strict=True):
        assert np.array_equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_models_are_saved_whatever_form_their_backbone_has(images, tmp_path):
    forms = (
        load_backbone("random:test_efficientnet", features_only=True, out_indices=(2, 3)),
        load_backbone("random:test_efficientnet"),
        "random:test_efficientnet",
    )
    scores = []
    for form in forms:
        model = PatchCore(form).fit([images])
        model.save(tmp_path / "m")
        scores.append(load_model(tmp_path / "m").predict(images)[0])
        assert np.array_equal(scores[-1], model.predict(images)[0])
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-4)


def test_equal_seeds_give_equal_models(make, images):
    first, second = (make(seed=5).fit([images]) for _ in range(2))
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in first.state)


@pytest.mark.parametrize("kind", ["patchcore", "padim"])
def test_other_seeds_give_other_models(kind, backbone, images):
    first, second = (MAKERS[kind](backbone, seed=seed).fit([images]) for seed in (1, 2))
    assert any(not torch.equal(getattr(first, name), getattr(second, name)) for name in first.state)


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
        ([], "images: must be at least one, got an empty loader"),
        ([images, images[:, :, :32]], "images: must be of one size, 64 x 64, got 32 x 64"),
        ([{"image": images}], "images: must be tensors or arrays, got dict"),
        ([images[0, 0]], r"images: must be \(N, C, H, W\), got \(64, 64\)"),
    ):
        with pytest.raises(UsageError, match=rule):
            model.fit(loader)
        assert not model.fitted
    for use in (lambda: model.predict(images), lambda: model.save("never")):
        with pytest.raises(UsageError, match=f"{model.kind}: must be fitted first"):
            use()
    with pytest.raises(UsageError, match=r"memory: .* need .* may be used; .* would fit"):
        make(memory=1000).fit([images])
    wrong = [("memory", 0), ("sigma", -1), ("sigma", np.nan), ("sigma", np.inf), ("seed", -1), ("pool", 0)]
    for name, value in [*wrong, ("layers", (7,))]:
        with pytest.raises(UsageError, match=f"^{name}: must "):
            make(**{name: value})
    for device in ("abacus", "meta", "cuda:99"):
        with pytest.raises(DeviceError, match=f"device: torch cannot use {device}: "):
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
    with pytest.raises(UsageError, match=f"{name}: must be"):
        model(backbone, **options)


def test_files_that_are_no_models_are_refused(backbone, images, tmp_path):
    path, wrong = tmp_path / "m", tmp_path / "wrong"
    PatchCore(backbone).fit([images]).save(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["synthgen-model"])

    def refused(values, metadata, rule, error=FormatError):
        save_file(values, wrong, metadata)
        with pytest.raises(error, match=rule) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)

    def changed(**values):
        return {"synthgen-model": json.dumps({**header, **values})}

    refused(tensors, None, "must be a model that synthgen saved")
    refused(tensors, changed(format=2), "format must be 1, got 2")
    refused(tensors, changed(kind="other"), "is a damaged model")
    refused(tensors, changed(options={}, image_size=None), "is a damaged model")
    refused(tensors, changed(image_size=[0, 64]), r"is a damaged model: .*image_size")
    refused(tensors, changed(notes=[]), r"is a damaged model: .*notes")
    refused(tensors, {"synthgen-model": "[" * 100_000}, "is a damaged model")
    refused(tensors, changed(backbone={**header["backbone"], "arch": "hf-hub:a/b"}), "got 'hf-hub:a/b'", UsageError)
    features = {"form": "features", "levels": [9]}
    refused(tensors, changed(backbone={**header["backbone"], **features}), "timm cannot build test_resnet")
    refused({k: v for k, v in tensors.items() if k != "bank"}, changed(), "is a damaged model")
    refused({**tensors, "bank": tensors["bank"][:, 1:].contiguous()}, changed(), "bank must be torch.float32")
    refused({**tensors, "bank": tensors["bank"][:0]}, changed(), "bank must be torch.float32")
    refused({**tensors, "bank": tensors["bank"].double()}, changed(), "got torch.float64")
    key = "backbone.conv1.0.weight"
    refused({k: v for k, v in tensors.items() if k != key}, changed(), "1 missing", UsageError)
    refused({**tensors, key: tensors[key] + 1}, changed(), "backbone must have the weights", UsageError)
    wrong.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match="no whole safetensors file"):
        load_model(wrong)
    with pytest.raises(UsageError, match="no such file"):
        load_model(tmp_path / "absent")
    assert load_model(path, backbone=load_backbone("random:test_resnet")).fitted
    with pytest.raises(UsageError, match="backbone must have the weights"):
        load_model(path, backbone=load_backbone("random:test_resnet", seed=1))


def test_a_file_of_an_older_version_keeps_the_padding_it_was_fitted_with(backbone, images, tmp_path):
    path = tmp_path / "m"
    model = PatchCore(backbone, pool_padding="none").fit([images])
    model.save(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["synthgen-model"])
    del header["options"]["pool_padding"]
    save_file(load_file(path), path, {"synthgen-model": json.dumps(header)})
    with pytest.warns(UserWarning, match="an older synthgen fitted this model with pool_padding none"):
        read = load_model(path)
    assert read.options() == model.options()
    assert np.array_equal(read.predict(images)[1], model.predict(images)[1])


def test_forged_gaussians_are_refused(backbone, images, tmp_path):
    path, wrong = tmp_path / "m", tmp_path / "wrong"
    PaDiM(backbone, channels=20).fit([images]).save(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    forged = {
        "mean": tensors["mean"][1:].contiguous(),
        "whitening": tensors["whitening"][:, :, 1:].contiguous(),
        "subset": tensors["subset"] + 10_000,
    }
    for name, value in forged.items():
        save_file({**tensors, name: value}, wrong, metadata)
        with pytest.raises(FormatError, match=f"is a damaged model: {name} must"):
            load_model(wrong)


def test_a_border_is_neither_learned_nor_scored(make, images, tmp_path):
    # without padding the scores at the edge are as high as elsewhere
    options = {"sigma": 0.0, "pool_padding": "none"}
    plain, model = make(**options).fit([images[:6]]), make(**options, border=1).fit([images[:6]])
    places = plain.features(images).shape[2]
    assert model.features(images).shape[2] == places - 2
    defect = images[6:].clone()
    defect[:, :, :, :3] = 255  # within the border, but for the reach of the network
    assert (model.predict(defect)[0] / plain.predict(defect)[0] < 0.9).all()
    _, maps = model.predict(defect)
    assert maps.shape == (2, 64, 64)
    edge = slice(0, 64 // places * 3 // 2)  # all is what is nearest, up to the centre of the first place inside
    corner = maps[:, edge, edge]
    np.testing.assert_allclose(corner, np.broadcast_to(maps[:, :1, :1], corner.shape), rtol=1e-5)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(defect)[1], maps)
    half = places // 2
    with pytest.raises(UsageError, match=f"border: must be less than half of the {places} x {places} places"):
        make(border=half).fit([images])


def test_notes_that_are_no_json_are_refused(backbone, images, tmp_path):
    model = PatchCore(backbone).fit([images])
    model.notes["path"] = tmp_path
    with pytest.raises(UsageError, match="notes: must be JSON values"):
        model.save(tmp_path / "m")


def test_smoothing_is_that_of_scipy():
    maps = np.random.default_rng(3).normal(size=(2, 20, 30)).astype(np.float32)
    for sigma in (0, 0.6, 2, 9):
        expected = np.stack([gaussian_filter(m, sigma, mode="nearest") for m in maps]) if sigma else maps
        np.testing.assert_allclose(smoothed(torch.from_numpy(maps), sigma), expected, atol=1e-5)


def test_patchcore_keeps_patches_of_the_images(backbone, images):
    model = PatchCore(backbone, coreset=37).fit(images.split(3))
    patches = torch.cat([as_vectors(model.features(part)) for part in images.split(3)])
    assert model.bank.shape == (37, patches.shape[1])
    assert (model.bank[:, None] == patches).all(2).any(1).all()
    everything = PatchCore(backbone, coreset=1.0, neighbours=1).fit([images])
    np.testing.assert_allclose(everything.predict(images)[0], 0, atol=1e-3)


def test_patchcore_takes_images_whose_number_is_not_known(backbone, images):
    lines = []
    streamed = PatchCore(backbone).fit((part for part in images.split(3)), log=lines.append)
    torch.testing.assert_close(streamed.bank, PatchCore(backbone).fit(images.split(3)).bank)
    assert len(lines) == 1
    short = PatchCore(backbone, memory=PatchCore(backbone).needed_bytes(2, (64, 64)) - 1)
    with pytest.raises(UsageError, match=r"3 images of 64 x 64 .*; 1 images would fit"):
        short.fit(part for part in images.split(3))


def test_patchcore_says_how_many_images_fit(backbone, images):
    limit = PatchCore(backbone).needed_bytes(5, (64, 64))
    with pytest.raises(UsageError, match=r"8 images of 64 x 64 .*; 5 images would fit"):
        PatchCore(backbone, memory=limit).fit([images])
    assert PatchCore(backbone, memory=limit).fit([images[:5]]).fitted
    with pytest.raises(UsageError, match="coreset: must be at most the 512 patches of the images, got 513"):
        PatchCore(backbone, coreset=513).fit([images])


def test_image_scores_are_those_of_the_paper():
    """Equations 6 and 7 of Roth et al. 2022, image by image."""
    rng = np.random.default_rng(4)
    patches, bank = rng.normal(size=(3, 7, 4)), rng.normal(size=(20, 4))
    table = np.linalg.norm(patches[:, :, None] - bank, axis=3)
    expected = []
    for image, distances in zip(patches, table, strict=True):
        test = distances.min(1).argmax()
        own = distances[test].argmin()
        around = np.linalg.norm(bank - bank[own], axis=1).argsort()[:5]
        weight = 1 - np.exp(distances[test, own]) / np.exp(np.linalg.norm(bank[around] - image[test], axis=1)).sum()
        expected.append(weight * distances[test, own])
    arguments = (torch.from_numpy(a) for a in (patches, table.min(2), table.argmin(2), bank))
    np.testing.assert_allclose(image_scores(*arguments, 5), expected)


def test_mahalanobis_distances_are_those_of_plain_covariances():
    rng = np.random.default_rng(5)
    values = rng.normal(3, 2, size=(6, 9, 4)) + 50
    moments = Moments(6, 4, "cpu")
    for part in torch.from_numpy(values.astype(np.float32)).split([2, 1, 6], dim=1):
        moments.add(part)
    np.testing.assert_allclose(moments.mean, values.mean(1), rtol=1e-5)
    queries = rng.normal(50, 3, size=(6, 3, 4))
    expected = np.empty((6, 3))
    for place in range(6):
        inverse = np.linalg.inv(np.cov(values[place].T) + 0.01 * np.eye(4))
        for q in range(3):
            offset = queries[place, q] - values[place].mean(0)
            expected[place, q] = np.sqrt(offset @ inverse @ offset)
    offsets = torch.from_numpy(queries.astype(np.float32)) - moments.mean[:, None]
    np.testing.assert_allclose(mahalanobis(offsets, whitened(moments.scatter, 8, 0.01)), expected, rtol=1e-3)


def test_padim_does_not_depend_on_batches_and_refuses_other_sizes(backbone, images):
    whole, single = (PaDiM(backbone, channels=10).fit(images.split(n)) for n in (8, 1))
    np.testing.assert_allclose(whole.predict(images)[1], single.predict(images)[1], rtol=2e-3)
    assert len(whole.subset) == len(set(whole.subset.tolist())) == 10
    with pytest.raises(UsageError, match="images: must be 64 x 64"):
        whole.predict(images[:, :, :32])
