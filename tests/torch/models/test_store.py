"""The file of a model: what is saved comes back, what is damaged or forged is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.torch.backbones import create_model, load_backbone
from synthgen.torch.models import PaDiM, PatchCore, load_model
from synthgen.torch.pretrain.report import write_backbone
from synthgen.torch.sealed import write_sealed


def header_of(path):
    """Return the header of a model's file."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["synthgen-model"])


def forge(path, tensors, header):
    """Write a file that nobody saved, with a digest that is right for it."""
    text = header if isinstance(header, str) else json.dumps(header)
    write_sealed(path, tensors, {"synthgen-model": text})


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


def test_a_vision_transformer_of_any_size_comes_back(images, tmp_path):
    """Weights as `pretrain --resize 64` leaves them, used at 96 x 64."""
    net = create_model("test_vit", 0, img_size=64, num_classes=5)
    write_backbone(
        tmp_path / "w.safetensors", net, {"arch": "test_vit", "size": 64, "mean": [0.5] * 3, "std": [0.2] * 3}
    )
    high = torch.cat([images, images[:, :, :32]], 2)
    for backbone in (tmp_path / "w.safetensors", load_backbone(tmp_path / "w.safetensors")):
        model = PatchCore(backbone, coreset=9).fit([high])
        assert model.settings.layers == (3, 5)
        model.save(tmp_path / "m")
        assert np.array_equal(load_model(tmp_path / "m").predict(high)[1], model.predict(high)[1])


def test_files_that_are_no_models_are_refused(backbone, images, tmp_path):
    path, wrong = tmp_path / "m", tmp_path / "wrong"
    PatchCore(backbone).fit([images]).save(path)
    tensors = load_file(path)
    header = header_of(path)

    def refused(values, metadata, rule, error=FormatError):
        if metadata is None:
            save_file(values, wrong)
        else:
            forge(wrong, values, metadata)
        with pytest.raises(error, match=rule) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)

    def changed(**values):
        return {**header, **values}

    refused(tensors, None, "must be a model that synthgen saved")
    refused(tensors, changed(format=4), "format must be 1, 2 or 3, got 4")
    refused(tensors, changed(kind="other"), "unknown kind other; a newer synthgen reads it")
    refused(tensors, changed(options={}, image_size=None), "is a damaged model")
    refused(tensors, changed(image_size=[0, 64]), r"is a damaged model: .*image_size")
    refused(tensors, changed(notes=[]), r"is a damaged model: .*notes")
    refused(tensors, "[" * 100_000, "is a damaged model")
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
    header = header_of(path)
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
    header = header_of(path)
    forged = (
        ("mean", tensors["mean"][1:]),
        ("mean", tensors["mean"] / 0),
        ("whitening", tensors["whitening"][:, :, 1:]),
        ("subset", tensors["subset"] + 10_000),
        ("subset", tensors["subset"] - 10_000),
    )
    for name, value in forged:
        forge(wrong, {**tensors, name: value}, header)
        with pytest.raises(FormatError, match=f"is a damaged model: {name} must"):
            load_model(wrong)


def test_notes_that_are_no_json_are_refused(backbone, images, tmp_path):
    model = PatchCore(backbone).fit([images])
    model.notes["path"] = tmp_path
    with pytest.raises(UsageError, match="notes must be JSON values"):
        model.save(tmp_path / "m")


@pytest.fixture(scope="module")
def small_model(backbone, images, tmp_path_factory):
    """The bytes of a saved model, a place for damaged ones, and what the model predicts."""
    path = tmp_path_factory.mktemp("damaged") / "m.safetensors"
    model = PatchCore(backbone, coreset=9, layers=(3,)).fit([images[:2]])
    model.save(path)
    return path.read_bytes(), path, model.predict(images[:2])


def header_bytes(content: bytes) -> int:
    """Return where the tensors of a safetensors file begin."""
    return 8 + int.from_bytes(content[:8], "little")


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_harmless(small_model, images, data):
    content, path, expected = small_model
    tensors = header_bytes(content)
    ranges = ((0, tensors - 1), (tensors, len(content) - 1))
    place = data.draw(st.one_of(*(st.integers(*pair) for pair in ranges)))
    damaged = bytearray(content)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        model = load_model(path)
    except SynthgenError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)
    else:
        assert all(np.array_equal(*pair) for pair in zip(model.predict(images[:2]), expected, strict=True))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 400_000))
def test_a_file_that_was_cut_off_is_refused(small_model, length):
    content, path, _ = small_model
    path.write_bytes(content[: min(length, len(content) - 1)])
    with pytest.raises(FormatError, match="is not a whole safetensors file"):
        load_model(path)


def test_a_flipped_bit_in_the_bank_is_named(small_model):
    content, path, _ = small_model
    lengths = json.loads(content[8 : header_bytes(content)])
    start = header_bytes(content) + lengths["bank"]["data_offsets"][0]
    damaged = bytearray(content)
    damaged[start] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="is a damaged model: its SHA-256 is not the one that was written"):
        load_model(path)


# What a file with a right digest may say, and the word that its reading begins with. `backbone` is merged.
FORGED = {
    "a giant architecture": ({"backbone": {"arch": "vit_giant_patch14_clip_224"}}, "refused"),
    "an unknown architecture": ({"backbone": {"arch": "resnet19"}}, "refused"),
    "many classes": ({"backbone": {"classes": 10**9}}, "refused"),
    "fewer than no classes": ({"backbone": {"classes": -5}}, "refused"),
    "fewer than no levels": ({"backbone": {"form": "features", "levels": [-9]}}, "refused"),
    "very many levels": ({"backbone": {"form": "features", "levels": list(range(10**5))}}, "refused"),
    "a negative deviation": ({"backbone": {"std": [-1.0, 1.0, 1.0]}}, "refused"),
    "two means": ({"backbone": {"mean": [0.5, 0.5]}}, "refused"),
    "a giant image": ({"image_size": [16384, 16384]}, "read"),
    "an image too large for any": ({"image_size": [16385, 64]}, "refused"),
    "a negative image": ({"image_size": [-64, 64]}, "refused"),
    "foreign options": ({"options": {"channels": 3}}, "refused"),
    "negative options": ({"options": {"pool": -3}}, "refused"),
    "a giant border": ({"options": {"border": 9999}}, "refused"),
    "layers that are none": ({"options": {"layers": [7]}}, "refused"),
    "a giant pool": ({"options": {"pool": 99}}, "read"),
    "a long version": ({"format": 10**400}, "refused"),
}


def test_a_small_file_costs_little_memory_whatever_it_says(backbone, images, tmp_path):
    """In a process of its own, which says by how much its peak memory grew."""
    plain = tmp_path / "plain"
    PatchCore(backbone, coreset=9).fit([images]).save(plain)
    tensors = load_file(plain)
    header = header_of(plain)

    for name, (change, _) in FORGED.items():
        inner = {**header["backbone"], **change.get("backbone", {})}
        forge(tmp_path / name, tensors, {**header, **change, "backbone": inner})
    weights = tmp_path / "w.safetensors"
    save_file(load_backbone("random:test_resnet").state_dict(), weights)
    weights.with_suffix(".json").write_text('{"arch": "vit_giant_patch14_clip_224"}')

    paths = [str(tmp_path / name) for name in ("plain", *FORGED)]
    code = f"""
import resource
from synthgen.errors import SynthgenError
from synthgen.torch import load_backbone, load_model
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
for read, path in [*((load_model, path) for path in {paths}), (load_backbone, {str(weights)!r})]:
    before = peak()
    try:
        read(path)
        print("read", peak() - before, "")
    except SynthgenError as error:
        print("refused", peak() - before, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = [line.split(" ", 2) for line in done.stdout.splitlines()]
    expected = ["read", *(word for _, word in FORGED.values()), "refused"]
    assert [word for word, _, _ in rows] == expected
    assert all(float(megabytes) < 300 for _, megabytes, _ in rows[1:])


def test_tensors_of_other_shapes_are_refused(make, images, tmp_path):
    model = make()
    model.fit([images]).save(tmp_path / "m")
    tensors = load_file(tmp_path / "m")
    header = header_of(tmp_path / "m")

    for name in model.state:
        value = tensors[name]
        for forged in (value[:0], value[None], value.flatten()[:1], value.to(torch.complex64)):
            if forged.shape == value.shape and forged.dtype == value.dtype:
                continue
            forge(tmp_path / "wrong", {**tensors, name: forged}, header)
            with pytest.raises(FormatError, match=f"is a damaged model: {name} must be") as caught:
                load_model(tmp_path / "wrong")
            assert "\n" not in str(caught.value)


def test_a_file_that_is_larger_than_the_memory_is_refused(backbone, images, tmp_path):
    """In a process of its own, which may not map as much as the sparse files declare."""
    model = tmp_path / "giant.model"
    PatchCore(backbone, coreset=9).fit([images]).save(model)
    weights = tmp_path / "giant.safetensors"
    save_file(load_backbone("random:test_resnet").state_dict(), weights)
    weights.with_suffix(".json").write_text('{"arch": "test_resnet"}')
    for path in (model, weights):
        with open(path, "rb+") as file:
            file.truncate(2**40)

    code = f"""
import resource
from synthgen.errors import StorageError
from synthgen.torch import load_backbone, load_model
resource.setrlimit(resource.RLIMIT_AS, (2**36, 2**36))
for read, path in [(load_model, {str(model)!r}), (load_backbone, {str(weights)!r})]:
    try:
        read(path)
    except StorageError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = [f"{path}: cannot be read: its {2**40:,} bytes do not fit into memory" for path in (model, weights)]
    assert run.stdout.splitlines() == expected
