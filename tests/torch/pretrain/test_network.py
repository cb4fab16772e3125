"""The network fits the images, and begins without an opinion."""

import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.network import build_model, input_size


def test_sizes_follow_resize_and_crop():
    assert input_size((64, 80), make_options()) == (64, 80)
    assert input_size((64, 80), make_options(changes={"resize": 32})) == (32, 32)
    assert input_size((512, 512), make_options("var1")) == (224, 224)


@pytest.mark.parametrize("preset", ["var1", "var1-batch", "var1-noscheduler"])
def test_var1_crops_and_never_enlarges(preset):
    with pytest.raises(UsageError, match="crop must be <= 64, the images' side in pixels, unless resize is given"):
        input_size((64, 80), make_options(preset))


def test_enlarging_is_said_aloud():
    options = make_options("var1", {"resize": 512})
    with pytest.warns(UserWarning, match="resize enlarges images of 80x64 pixels to 512x512: they become blurred"):
        assert input_size((64, 80), options) == (224, 224)


@pytest.mark.parametrize("arch", ["test_resnet", "deit_tiny_distilled_patch16_224", "levit_128s", "repvit_m0_9"])
def test_training_begins_from_no_opinion_and_can_leave_it(arch):
    model = build_model(arch, 5, 0, (224, 224)).train()
    scores = model(torch.randn(4, 3, 224, 224))
    scores = scores if isinstance(scores, torch.Tensor) else sum(scores)
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2, 3])).backward()
    heads = model.get_classifier()
    heads = heads if isinstance(heads, tuple) else (heads,)
    last = [[m for m in head.modules() if isinstance(m, torch.nn.Linear)][-1] for head in heads]
    assert not any(layer.weight.any() for layer in last)
    assert all(layer.weight.grad.any() for layer in last)
