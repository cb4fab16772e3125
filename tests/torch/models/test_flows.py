"""Conditional flows: they are densities, and what they say of volumes is true."""

import numpy as np
import torch

from synthgen.torch.models.flows import CODES, Block, Flow, place_codes


def test_the_density_of_two_channels_has_the_integral_1():
    flow = Flow(2, 3).draw(1, 0)
    axis = torch.linspace(-12, 12, 481)
    rows = torch.cartesian_prod(axis, axis)
    codes = place_codes(4, 4)[5].expand(len(rows), CODES)
    with torch.no_grad():
        density = (2 * flow(rows, codes)).exp()
    step = float(axis[1] - axis[0])
    assert abs(float(density.sum()) * step**2 - 1) < 1e-3


def test_the_stretch_of_space_is_that_of_the_jacobian():
    flow = Flow(6, 4).draw(2, 0).double()
    codes = place_codes(3, 3)[:1].double()
    row = torch.from_numpy(np.random.default_rng(0).normal(size=6))

    def mapped(row):
        rows = row[None]
        for block in flow.blocks:
            rows, _ = block(rows, codes)
        return rows[0]

    expected = torch.linalg.slogdet(torch.autograd.functional.jacobian(mapped, row)).logabsdet
    rows, found = row[None], torch.zeros(1)
    for block in flow.blocks:
        rows, stretched = block(rows, codes)
        found = found + stretched
    torch.testing.assert_close(found[0].double(), expected, rtol=1e-9, atol=1e-9)


def test_an_untrained_block_only_scales_by_1():
    block = Block(5)
    for weight in block.net.parameters():
        torch.nn.init.zeros_(weight)
    rows = torch.arange(10.0).view(2, 5)
    out, stretch = block(rows, torch.zeros(2, CODES))
    torch.testing.assert_close(out, rows)
    torch.testing.assert_close(stretch, torch.zeros(2), atol=1e-5, rtol=0)


def test_codes_tell_all_places_apart():
    codes = place_codes(5, 7)
    assert codes.shape == (35, CODES)
    assert len(torch.unique(codes, dim=0)) == 35
    assert codes[:, 0].tolist() == [float(torch.sin(torch.tensor(float(i % 7)))) for i in range(35)]


def test_another_seed_or_number_gives_another_flow():
    first, same, seed, number = (Flow(4, 1).draw(*key) for key in ((0, 0), (0, 0), (1, 0), (0, 1)))
    weights = [flow.blocks[0].net[0].weight for flow in (first, same, seed, number)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
