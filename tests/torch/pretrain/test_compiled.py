"""Compiled depthwise convolutions are torch's, with any padding, and any number of threads gives the same bits."""

import copy

import pytest
import timm
import torch

from synthgen.torch.pretrain.compiled import use_compiled


def layer_of(padding, kernel, stride, channels=40):
    """Return a depthwise convolution: symmetric, or padded as TensorFlow does."""
    torch.manual_seed(0)
    if padding == "tensorflow":
        made = timm.layers.create_conv2d(channels, channels, kernel, stride=stride, depthwise=True, padding="same")
    else:
        made = torch.nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
    return made


def results(layer, image):
    """Return what a layer gives, and the gradients of image and weights."""
    image = image.clone(memory_format=torch.preserve_format).requires_grad_()
    layer.zero_grad()
    out = layer(image)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    return out.detach(), image.grad, layer.weight.grad.clone()


CASES = [
    ("tensorflow", 3, 2),
    ("tensorflow", 5, 2),
    ("tensorflow", 5, 1),
    (1, 3, 1),
    (2, 5, 1),
    (2, 5, 2),
    (0, 3, 2),
]


@pytest.mark.parametrize(("padding", "kernel", "stride"), CASES)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (3, 5)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_values_and_gradients_are_those_of_torch(padding, kernel, stride, size, layout):
    layer = layer_of(padding, kernel, stride)
    image = torch.randn(3, 40, *size).contiguous(memory_format=layout)
    expected = results(layer, image)
    use_compiled(layer)
    for one, other in zip(results(layer, image), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_threads_change_no_bit():
    layer = layer_of("tensorflow", 5, 2, channels=100)
    use_compiled(layer)
    image = torch.randn(2, 100, 9, 9)
    one = results(layer, image)
    torch.set_num_threads(3)
    try:
        several = results(layer, image)
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, one, several))


def test_only_plain_depthwise_layers_change_and_only_on_the_cpu_in_fp32():
    net = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    use_compiled(net)
    changed = [layer for layer in net.modules() if "forward" in vars(layer)]
    assert len(changed) == 16
    assert all(layer.groups > 1 for layer in changed)

    layer = changed[0]
    image = torch.randn(1, layer.in_channels, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(image).dtype == torch.bfloat16
    assert copy.deepcopy(net).to("meta")(torch.zeros(1, 3, 32, 32, device="meta")).device.type == "meta"

    others = [
        torch.nn.Conv2d(4, 8, 3, groups=4),
        torch.nn.Conv2d(4, 4, 3, groups=4, padding="same"),
        torch.nn.Conv2d(4, 4, 3, groups=4, padding_mode="reflect"),
        torch.nn.Conv2d(4, 4, 3, groups=4, dilation=2),
    ]
    for other in others:
        use_compiled(other)
        assert "forward" not in vars(other)


def test_a_copy_has_weights_of_its_own():
    layer = layer_of("tensorflow", 3, 2)
    use_compiled(layer)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight.zero_()
    image = torch.randn(1, 40, 6, 6)
    assert not other(image).any()
    assert layer(image).any()
