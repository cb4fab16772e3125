"""Scores of some places with gradients: those of `predict`, in a window as in the whole image."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch import models
from synthgen.torch.models import PatchCore
from synthgen.torch.models.local import LocalRows, window_of


def all_places(model, size=(64, 64), images=1):
    return [torch.ones((images, height, width), dtype=torch.bool) for height, width, _ in model.grids(size)]


def square(model, size=(64, 64)):
    """The places of one cell or a few in the middle, on each grid."""
    places = [torch.zeros((1, height, width), dtype=torch.bool) for height, width, _ in model.grids(size)]
    for each in places:
        each[:, each.shape[1] // 2, each.shape[2] // 2] = True
    return places


@pytest.fixture
def fitted(make_differentiable, images):
    return make_differentiable(sigma=0.0, border=1, layers=(1, 2), interpolation="nearest").fit([images[:6]])


def test_all_kinds_with_gradients_are_tried():
    assert models.differentiable() == ["cflow", "padim", "patchcore", "sequential-patchcore"]


def test_local_scores_are_those_of_predict(fitted, images):
    changed = images[6:8].clone()
    changed[:, :, 20:40, 20:40] = 255
    batch = fitted.features.normalise(changed)
    with torch.no_grad():
        found = fitted.local_scores(batch, all_places(fitted, images=2))(batch)
        _, expected = fitted._scores(fitted._features(changed))
    expected = expected if isinstance(expected, list) else [expected.square()]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs.flatten(), rtol=2e-3, atol=1e-3)


def test_gradients_are_those_of_finite_differences(fitted, images):
    batch = fitted.features.normalise(images[6:7]).double()
    fitted.features.net.double()
    for name in fitted.state:
        value = getattr(fitted, name)
        setattr(fitted, name, value.double() if value.is_floating_point() else value)
    try:
        scores = fitted.local_scores(batch, square(fitted))
        total = lambda values: sum(each.sum() for each in scores(values))  # noqa: E731
        batch.requires_grad_()
        (gradient,) = torch.autograd.grad(total(batch), batch)
        direction = torch.from_numpy(np.random.default_rng(0).normal(size=batch.shape))
        with torch.no_grad():
            step = 1e-6
            measured = (total(batch + step * direction) - total(batch - step * direction)) / (2 * step)
        torch.testing.assert_close((gradient * direction).sum(), measured, rtol=1e-4, atol=1e-6)
    finally:
        fitted.features.net.float()


def test_a_window_gives_the_rows_of_the_whole_image(backbone, images):
    model = PatchCore(backbone, layers=(1, 2), coreset=0.2).fit([images.tile(1, 1, 3, 3)])
    size = (192, 192)
    batch = model.features.normalise(images[:1].tile(1, 1, 3, 3))
    maps_of, coarsest = model._whole_maps()
    whole = LocalRows(maps_of, batch, square(model, size))
    part = LocalRows(maps_of, batch, square(model, size), coarsest)
    assert whole.window is None
    assert part.window is not None
    assert part.window.bottom - part.window.top < 192
    torch.testing.assert_close(part(batch)[0], whole(batch)[0], rtol=1e-4, atol=1e-5)

    changed = batch.clone()
    changed[:, :, 92:100, 92:100] += 1
    true_change = whole(changed)[0] - whole(batch)[0]
    found_change = part(changed)[0] - part(batch)[0]
    assert (found_change - true_change).norm() < 0.05 * true_change.norm()


def test_there_is_no_window_where_it_would_not_fit():
    everywhere = torch.ones((1, 16, 16), dtype=torch.bool)
    corner = everywhere & (torch.arange(256).view(16, 16) == 0)
    assert window_of([corner], (128, 128), 8) == (0, 0, 24, 24)
    for places, size, coarsest in (
        (everywhere, (128, 128), 8),  # all of the image
        (corner, (128, 128), 0),
        (corner, (100, 100), 8),  # cells are no whole pixels
        (corner.expand(2, 16, 16), (128, 128), 8),  # two images
        (corner & False, (128, 128), 8),
    ):
        assert window_of([places], size, coarsest) is None


def test_a_model_without_gradients_is_refused_with_those_that_have_them(images):
    from synthgen.torch.models.base import AnomalyModel

    class Plain(PatchCore):
        kind = "plain"
        local_scores = AnomalyModel.local_scores

    with pytest.raises(
        UsageError, match=r"model must have a differentiable score \(.*padim, patchcore, .*\), got plain"
    ):
        Plain("random:test_resnet").local_scores(images, [])
