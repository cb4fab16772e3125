"""Options of a distillation: the published defaults, and what is refused."""

import pytest

from synthgen.errors import UsageError
from synthgen.torch.distillation import make_options


def test_the_defaults_are_those_of_the_publication():
    options = make_options()
    assert (options.steps, options.batch_size, options.rate, options.weight_decay) == (60_000, 16, 1e-4, 1e-5)
    assert (options.image_size, options.enlarged_size, options.layers) == (256, 512, (2, 3))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"network": "large"}, "network must be one of small, medium, got 'large'"),
        ({"layers": (3, 2)}, "layers must ascend, got 3,2"),
        ({"image_size": 50}, "image_size must be a multiple of 4, got 50"),
        ({"steps": 0}, "steps must be int >= 1"),
        ({"epochs": 3}, "epochs is not a known key"),
    ],
)
def test_options_that_cannot_be_are_refused(changes, rule):
    with pytest.raises(UsageError, match=rule):
        make_options(changes)
