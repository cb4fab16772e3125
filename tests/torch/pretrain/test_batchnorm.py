"""Shared batch statistics: of one rank they are torch's own batch normalization, whatever calls it."""

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import distributed, nn

from synthgen.torch.pretrain.batchnorm import SyncedBatchNorm


@pytest.fixture(scope="module", autouse=True)
def one_rank(tmp_path_factory):
    store = distributed.FileStore(str(tmp_path_factory.mktemp("ranks") / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.BatchNorm2d(3), (4, 3, 5, 6)),
        (lambda: nn.BatchNorm2d(3, affine=False), (4, 3, 5, 6)),
        (lambda: nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 5, 6)),
        (lambda: nn.BatchNorm1d(3), (8, 3)),
        (lambda: BatchNormAct2d(3), (4, 3, 5, 6)),
    ],
)
def test_one_rank_gets_what_torch_computes(make, shape, training):
    torch.manual_seed(0)
    plain, synced = make().train(training), make().train(training)
    values = torch.randn(shape) * 3 + 1
    weights = torch.randn(shape)

    found = []
    for layer, mode in ((plain, None), (synced, SyncedBatchNorm())):
        given = values.clone().requires_grad_()
        if mode is None:
            out = layer(given)
        else:
            with mode:
                out = layer(given)
        (out * weights).sum().backward()
        gradients = [given.grad, *(weight.grad for weight in layer.parameters())]
        found.append([out.detach(), *gradients, *(b for b in layer.buffers() if b.is_floating_point())])

    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
