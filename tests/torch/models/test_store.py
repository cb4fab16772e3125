"""The file of a model: what is saved comes back, what is damaged or forged is refused."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from synthgen.errors import FormatError, UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.models import PaDiM, PatchCore, load_model
from synthgen.torch.models.store import digest_of


def signed(tensors, metadata):
    """Return the metadata of a forged file: with a digest that is right for it."""
    if metadata is None:
        return None
    text = metadata["synthgen-model"]
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith("backbone.")}
    return {"synthgen-model": text, "synthgen-digest": digest_of(text, own)}


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


def test_files_that_are_no_models_are_refused(backbone, images, tmp_path):
    path, wrong = tmp_path / "m", tmp_path / "wrong"
    PatchCore(backbone).fit([images]).save(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["synthgen-model"])

    def refused(values, metadata, rule, error=FormatError):
        save_file(values, wrong, signed(values, metadata))
        with pytest.raises(error, match=rule) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)

    def changed(**values):
        return {"synthgen-model": json.dumps({**header, **values})}

    refused(tensors, None, "must be a model that synthgen saved")
    refused(tensors, changed(format=3), "format must be 1 or 2, got 3")
    refused(tensors, changed(kind="other"), "unknown kind other; a newer synthgen reads it")
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
    refused({**tensors, key: tensors[key] + 1}, changed(), "the weights of its backbone are others")
    wrong.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match="not a whole safetensors file"):
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
    header["format"] = 1
    del header["options"]["pool_padding"], header["options"]["alignment"], header["options"]["interpolation"]
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
        values = {**tensors, name: value}
        save_file(values, wrong, signed(values, metadata))
        with pytest.raises(FormatError, match=f"is a damaged model: {name} must"):
            load_model(wrong)


def test_notes_that_are_no_json_are_refused(backbone, images, tmp_path):
    model = PatchCore(backbone).fit([images])
    model.notes["path"] = tmp_path
    with pytest.raises(UsageError, match="notes must be JSON values"):
        model.save(tmp_path / "m")
