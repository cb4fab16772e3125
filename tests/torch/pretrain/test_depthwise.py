"""The faster gradient of depthwise convolutions is the right one, and is used where it should be."""

import pytest
import torch

from synthgen.torch.pretrain import depthwise
from synthgen.torch.pretrain.depthwise import FastDepthwise, is_slow


def gradients(mode, height, width, kernel, stride, padding, bias):
    """Return what a depthwise convolution gives, and the gradients of image and weights."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(6, 6, kernel, stride, padding, groups=6, bias=bias)
    image = torch.randn(3, 6, height, width).to(memory_format=torch.channels_last).requires_grad_()
    with mode():
        out = conv(image)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    return out, image.grad, *(p.grad for p in conv.parameters())


@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 3), (4, 3), (3, 6)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(5, 1, 2), (5, 2, 2), ((5, 3), (1, 2), (2, 1)), (5, 1, 4)]
)
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_are_those_of_torch(height, width, kernel, stride, padding, bias, monkeypatch):
    calls = []
    ours = depthwise.weight_gradient
    monkeypatch.setattr(depthwise, "weight_gradient", lambda *args: calls.append(1) or ours(*args))
    found = gradients(FastDepthwise, height, width, kernel, stride, padding, bias)
    assert calls == [1]
    expected = gradients(torch.enable_grad, height, width, kernel, stride, padding, bias)
    assert calls == [1]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_plain_numbers_are_left_to_torch():
    image, weight = torch.randn(2, 6, 3, 3), torch.randn(6, 1, 5, 5, requires_grad=True)
    with FastDepthwise():
        out = torch.conv2d(image, weight, None, 1, 2, 1, 6)
    out.sum().backward()
    assert out.shape == (2, 6, 3, 3)
    assert weight.grad.shape == weight.shape


def test_only_slow_convolutions_are_replaced():
    image, weight = torch.zeros(1, 8, 4, 4), torch.zeros(8, 1, 5, 5)
    assert is_slow(image, weight, (2, 2), (1, 1), 8)
    assert not is_slow(torch.zeros(1, 8, 5, 5), weight, (2, 2), (1, 1), 8)
    assert not is_slow(image, weight, (2, 2), (2, 2), 8)
    assert not is_slow(image, weight, "same", (1, 1), 8)
    assert not is_slow(image, torch.zeros(8, 2, 5, 5), (2, 2), (1, 1), 4)
    assert not is_slow(image, torch.zeros(16, 1, 5, 5), (2, 2), (1, 1), 8)
    assert not is_slow(image.double(), weight.double(), (2, 2), (1, 1), 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_slow(image, weight, (2, 2), (1, 1), 8)
