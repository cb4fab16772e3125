"""Models that train their backbone: on a copy, from the start each time, by the late weights."""

import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models import Panda
from synthgen.torch.models.tuned import late_weights

SMALL = {"epochs": 1, "step_images": 4, "layers": (3,)}


def test_the_backbone_that_was_given_stays_and_each_fit_begins_with_it(backbone, images):
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    model = Panda(backbone, **{**SMALL, "layers": (4,)})
    first = model.fit([images]).bank
    assert all(torch.equal(weight, before[name]) for name, weight in backbone.state_dict().items())
    changed = model.features.net.state_dict()
    assert any(not torch.equal(changed[name], before[name]) for name in before)
    assert torch.equal(model.fit([images]).bank, first)


@pytest.mark.parametrize("form", ["random:test_resnet", "random:test_efficientnet", "random:test_vit"])
def test_late_weights_are_those_behind_the_middle(form):
    apart = FeatureExtractor(form, (4,))
    whole = FeatureExtractor(load_backbone(form), (4,))
    for features in (apart, whole):
        late = {id(weight) for weight in late_weights(features)}
        names = [name for name, weight in features.net.named_parameters() if id(weight) in late]
        everything = [name for name, _ in features.net.named_parameters()]
        assert 0 < len(names) < len(everything)
        assert everything[-len(names) :] == names


def test_features_that_cannot_be_trained_are_refused():
    class Means:
        device = torch.device("cpu")
        border = 0

        def __call__(self, images):
            return images.float()

        def shape(self, size):
            return 3, *size

    with pytest.raises(UsageError, match="panda must have a backbone that it can train, got features of Means"):
        Panda(Means())


def test_gray_and_colored_images_are_not_mixed(backbone, images):
    with pytest.raises(UsageError, match="images must all have 3 channels, got 1"):
        Panda(backbone, **SMALL).fit([images, images[:, :1]])
