"""Several backbones or models, fused and scored as one."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from synthgen.errors import FormatError, UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.models import FeatureEnsemble, PatchCore, SimpleNet, load_model
from synthgen.torch.sealed import write_sealed


@pytest.fixture(scope="module")
def other():
    return load_backbone("random:test_resnet", seed=1)


@pytest.fixture(scope="module")
def fitted(backbone, other, images):
    return FeatureEnsemble([backbone, other], components=6, set={"coreset": 0.2}).fit([images[:6]], progress="none")


def with_defect(images):
    defect = images.clone()
    defect[:, :, 36:52, 8:24] = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(8, 8)
    return defect


def header_of(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["synthgen-model"])


@pytest.mark.parametrize(
    ("scorer", "options"),
    [
        ("patchcore", {"coreset": 0.2}),
        ("padim", {"channels": 4}),
        ("sequential-patchcore", {"points": 60}),
        ("discriminator", {"steps": 150, "rows": 64, "rate": 0.01}),
    ],
)
def test_a_defect_is_found_and_a_file_keeps_all(backbone, other, images, tmp_path, scorer, options):
    model = FeatureEnsemble([backbone, other], components=8, sigma=2.0, scorer=scorer, set=options)
    model.fit([images[:6]], progress="none")
    defect = with_defect(images[6:])
    scores, maps = model.predict(defect)
    assert (scores > model.predict(images[6:])[0]).all()
    assert model.of_places == (scorer == "padim")
    for row, column in (np.unravel_index(m.argmax(), m.shape) for m in maps):
        assert 28 <= row <= 60
        assert column <= 32

    model.notes["members"] = ["a", "b"]
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.options() == model.options()
    assert read.notes == model.notes
    for one, again in zip(model.predict(defect), read.predict(defect), strict=True):
        assert np.array_equal(one, again)


def test_one_member_with_all_components_scores_as_its_backbone_does(backbone, images):
    alone = PatchCore(backbone, coreset=1.0).fit([images[:6]], progress="none")
    ensemble = FeatureEnsemble([backbone], components=1.0, scale="none", set={"coreset": 1.0})
    ensemble.fit([images[:6]], progress="none")
    for one, other in zip(alone.predict(images), ensemble.predict(images), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_fitted_models_are_members_by_their_features(backbone, images, tmp_path):
    bank = PatchCore(backbone, layers=(1,), coreset=9).fit([images])
    with pytest.warns(UserWarning, match="tells nothing apart"):
        trained = SimpleNet(backbone, layers=(2,), steps=1, rows=8).fit([images])
    trained.save(tmp_path / "trained")
    model = FeatureEnsemble([bank, tmp_path / "trained", "random:test_resnet:3"], components=5, fuse="individual")
    model.fit([images], progress="none")
    model.save(tmp_path / "m")

    kinds = [member["kind"] for member in header_of(tmp_path / "m")["model"]["members"]]
    assert kinds == ["features", "simplenet", "features"]
    assert len(header_of(tmp_path / "m")["backbones"]) == 2  # that of layer 3 has other levels
    assert np.array_equal(load_model(tmp_path / "m").predict(images)[1], model.predict(images)[1])
    assert "bank" not in load_file(tmp_path / "m")


def test_equal_seeds_give_equal_tensors(fitted, backbone, other, images, tmp_path):
    again = FeatureEnsemble([backbone, other], components=6, set={"coreset": 0.2}).fit(
        [images[:6]], progress="none"
    )
    fitted.save(tmp_path / "a")
    again.save(tmp_path / "b")
    first, second = load_file(tmp_path / "a"), load_file(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_worth_knowing_is_said(backbone, images):
    lines = []
    model = FeatureEnsemble([backbone, _Blind()], components=0.8, set={"coreset": 20})
    model.fit([images], progress="none", log=lines.append)
    weak = [line for line in lines if line.startswith("member _Blind is weak: on drawn defects its AUROC is 0.")]
    said = [line for line in lines if "components of" in line]
    assert len(weak) == len(said) == 1
    count = model.features.block.basis.shape[1]
    assert said[0] == (
        f"feature-ensemble: {count} components of {model.features.block.basis.shape[0]} channels keep "
        f"{model.kept:.1%} of the variance"
    )
    assert model.kept >= 0.8
    with pytest.raises(UsageError, match="feature-ensemble cannot be saved with features of _Blind"):
        model.save("never")


class _Blind:
    """Features of noise."""

    device = torch.device("cpu")
    border = 0

    def __call__(self, images):
        return torch.rand((len(images), 3, 16, 16), generator=torch.Generator().manual_seed(len(images)))

    def shape(self, size):
        return 3, 16, 16


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"components": 0.0}, r"^components must be a share in \(0, 1\] or a number >= 1, got 0.0"),
        ({"components": 1.5}, "^components must be a share"),
        ({"grid": "x"}, "^grid must be N or WIDTHxHEIGHT"),
        ({"scale": "all"}, "^scale must be one of member, channel, none, got 'all'"),
        ({"set": {"sigma": 1}}, "^set must hold options of the scorer alone, got sigma"),
        ({"set": {"coresett": 1}}, "^coresett is not a known key; did you mean coreset"),
    ],
)
def test_options_that_cannot_be_are_refused(backbone, options, rule):
    with pytest.raises(UsageError, match=rule):
        FeatureEnsemble([backbone], **options)


def test_images_and_memory_that_do_not_do_are_refused(backbone, images):
    with pytest.raises(UsageError, match="images must be there twice"):
        FeatureEnsemble([backbone]).fit(iter([images]))
    with pytest.raises(UsageError, match=r"memory must be at least .* for the components of \d+ channels"):
        FeatureEnsemble([backbone], memory=1000).fit([images])
    with pytest.raises(UsageError, match=r"components must be at most .* got 5,000"):
        FeatureEnsemble([backbone], components=5000).fit([images])
    broken = FeatureEnsemble(["random:test_resnet"])
    next(broken.features.members[0].net.parameters()).data.fill_(float("nan"))
    with pytest.raises(UsageError, match=r"^member random:test_resnet: features must be finite"):
        broken.fit([images])


def test_forged_files_are_refused(fitted, tmp_path):
    path, wrong = tmp_path / "m", tmp_path / "wrong"
    fitted.save(path)
    tensors, header = load_file(path), header_of(path)
    model = header["model"]
    first, second = model["members"]

    def refused(rule, values=tensors, **changes):
        write_sealed(wrong, values, {"synthgen-model": json.dumps({**header, **changes})})
        with pytest.raises(FormatError, match=rule) as caught:
            load_model(wrong)
        assert "\n" not in str(caught.value)

    refused("basis must be", {**tensors, "basis": tensors["basis"][1:].contiguous()})
    refused("basis must be finite", {**tensors, "basis": tensors["basis"] / 0})
    refused("it has no scorer.bank", {name: value for name, value in tensors.items() if name != "scorer.bank"})
    refused(
        "backbone must be one of its backbones, got 7",
        model={**model, "members": [first, {**second, "backbone": 7}]},
    )
    refused("feature-ensemble with 0 members", model={**model, "members": []})
    refused("format must be 1, 2 or 3, got 4; a newer synthgen reads it", format=4)
    refused("is a damaged model", model={**model, "members": [first, {**second, "options": {"layers": [9]}}]})
    deep = model
    for _ in range(4):
        deep = {**model, "kind": "score-ensemble", "options": {}, "members": [deep]}
    refused("ensembles may lie in each other 4 deep", model=deep)
    with pytest.raises(UsageError, match="backbone must be left out for a model of several"):
        load_model(path, backbone=load_backbone("random:test_resnet"))
