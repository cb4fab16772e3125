"""One thread for torch, in all tests of a run that has these; and a network of EfficientAD that is quick."""

import pytest

try:
    import torch
except ImportError:  # the tests that need it say so themselves
    pass
else:
    # On tensors as small as the tests' its threads wait for each other by spinning: beside other work on two cores
    # test_models_protocol.py took 42 s of CPU time with two threads, 8 s with one.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def narrow_pdn():
    """Make the network of EfficientAD-S narrow: its layers, places and last channels stay."""
    from torch import nn

    from synthgen.torch.distillation import pdn

    def narrow(channels=pdn.CHANNELS, num_classes=0, in_chans=3):
        layers = [
            ("conv1", nn.Conv2d(in_chans, 6, 4)),
            ("relu1", nn.ReLU()),
            ("pool1", nn.AvgPool2d(2)),
            ("conv2", nn.Conv2d(6, 8, 4)),
            ("relu2", nn.ReLU()),
            ("pool2", nn.AvgPool2d(2)),
            ("conv3", nn.Conv2d(8, 8, 3)),
            ("relu3", nn.ReLU()),
            ("conv4", nn.Conv2d(8, channels, 4)),
        ]
        stages = [("relu1", 6, 1), ("relu2", 8, 2), ("relu3", 8, 4), ("conv4", channels, 4)]
        return pdn.Pdn(layers, stages, channels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdn, "small", narrow)
        yield
