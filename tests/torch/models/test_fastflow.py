"""What can be said of fastflow without anomalib; what it learns is tested in tests/consumers."""

import pytest

from synthgen.errors import MissingExtraError, UsageError
from synthgen.torch.models.fastflow import FastFlow


def test_backbones_that_anomalib_cannot_take_are_refused_with_those_that_it_can():
    rule = r"^backbone must be one that fastflow of anomalib can take \(resnet18, wide_resnet50_2\)"
    with pytest.raises(UsageError, match=rule):
        FastFlow("random:test_efficientnet")


def test_what_is_to_be_installed_is_said(images, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anomalib", None)
    with pytest.raises(MissingExtraError, match=r"^fastflow: needs anomalib, pip install"):
        FastFlow("random:resnet18").fit([images], progress="none")


@pytest.mark.parametrize(
    ("options", "rule"), [({"layers": (2, 3)}, "layers must be 1,2,3"), ({"epochs": 0}, "epochs must")]
)
def test_options_that_cannot_be_are_refused(options, rule):
    with pytest.raises(UsageError, match=rule):
        FastFlow("random:resnet18", **options)
