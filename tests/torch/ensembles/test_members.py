"""What a user may name as a member of an ensemble."""

import pytest
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.ensembles.fused import Opened
from synthgen.torch.ensembles.members import Member, load_members, member_of, name_of, opened, without_its_border
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models import Chance, FeatureEnsemble, Floor, PatchCore, ScoreEnsemble, SimpleNet
from synthgen.torch.models.options import ModelOptions


@pytest.fixture(scope="module")
def net():
    return load_backbone("random:test_resnet")


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ("resnet18", Member("resnet18")),
        ("resnet18:2,3", Member("resnet18", (2, 3))),
        ("random:resnet18", Member("random:resnet18")),
        ("random:resnet18:4", Member("random:resnet18", (4,))),
        ("weights/best.safetensors:1,2", Member("weights/best.safetensors", (1, 2))),
        ("vit_tiny_patch16_224:5,11", Member("vit_tiny_patch16_224", (5, 11))),
        ("resnet18:layer2", Member("resnet18:layer2")),
        (Member("resnet18", pool=1), Member("resnet18", None, 1)),
    ],
)
def test_layers_stand_behind_a_colon(given, member):
    assert member_of(given) == member
    assert name_of(given) == (given.backbone if isinstance(given, Member) else given)


def test_a_backbone_has_its_own_layers_or_those_of_the_ensemble():
    settings = ModelOptions(layers=(1, 2), pool=5)
    own = opened(Member("random:test_resnet", (2, 3), 1), settings, "cpu")
    usual = opened("random:test_resnet", settings, "cpu")
    assert (own.layers, own.pool) == ((2, 3), 1)
    assert (usual.layers, usual.pool) == ((1, 2), 5)


def test_fitted_models_are_cut_open_where_their_kind_says(net, images, tmp_path):
    bank = PatchCore(net, layers=(1,), border=1, coreset=9).fit([images])
    bank.save(tmp_path / "bank")
    features = opened(str(tmp_path / "bank"), ModelOptions(), None)
    assert isinstance(features, FeatureExtractor)
    assert (features.layers, features.border) == ((1,), 0)

    with pytest.warns(UserWarning, match="tells nothing apart"):
        trained = SimpleNet(net, steps=1, rows=8).fit([images])
    behind = opened(trained, ModelOptions(), None)
    assert isinstance(behind, Opened)
    plain = trained.features(images)
    assert behind.shape((32, 32)) == plain.shape[1:]
    weight = trained.network.adapter.weight
    expected = torch.einsum("ndhw,kd->nkhw", plain, weight) + trained.network.adapter.bias.view(-1, 1, 1)
    torch.testing.assert_close(behind(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["score-ensemble", "feature-ensemble", "floor", "chance"])
def test_a_model_without_one_backbone_is_no_member(net, images, kind):
    bank = PatchCore(net, coreset=9).fit([images], progress="none")
    made = {
        "score-ensemble": lambda: ScoreEnsemble([bank]),
        "feature-ensemble": lambda: FeatureEnsemble([bank], components=2, set={"coreset": 9}),
        "floor": Floor,
        "chance": Chance,
    }
    model = made[kind]().fit([images], progress="none")
    with pytest.raises(
        UsageError, match=f"^member must be a backbone or a model fitted on one backbone, got {kind}$"
    ):
        opened(model, ModelOptions(), None)


def test_mistakes_are_one_line(net, tmp_path):
    with pytest.raises(UsageError, match="patchcore must be fitted first"):
        opened(PatchCore(net), ModelOptions(), None)
    with pytest.raises(UsageError, match="member must name the file of a fitted model, got none"):
        load_members([], None, None)
    with pytest.raises(UsageError, match="member must name each file once, got a twice"):
        load_members(["a", "a"], None, None)
    torch.save({"a": 1}, tmp_path / "code.pth")
    with pytest.raises(UsageError, match=r"code.pth: must be a safetensors file; `synthgen weights import"):
        opened(tmp_path / "code.pth", ModelOptions(), None)
    with pytest.raises(FormatError, match=r"code.pth: is not a whole safetensors file"):
        load_members([tmp_path / "code.pth"], None, None)


def test_features_of_strangers_must_have_no_border():
    class Stranger:
        border = 2

    with pytest.raises(UsageError, match="members must have features without a border, got Stranger with 2"):
        without_its_border(Stranger())
