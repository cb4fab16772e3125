"""Blocks are principal components, and resizing may come before or after them."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from synthgen.errors import UsageError
from synthgen.torch.ensembles.blocks import (
    Wanted,
    components_of,
    fused,
    global_block,
    individual_block,
    joined,
    principal_axes,
    resized,
)
from synthgen.torch.features import as_vectors
from synthgen.torch.models.gaussians import Moments

GRID = (6, 8)


def maps_of(seed: int):
    """Return maps of two members, the second on a smaller grid and far quieter."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(5, 5)) @ rng.normal(size=(5, 4 * 48))
    first = torch.from_numpy(mixed.reshape(5, 4, *GRID).transpose(1, 0, 2, 3).astype(np.float32))
    second = torch.from_numpy(0.01 * rng.normal(size=(4, 3, 3, 4)).astype(np.float32))
    return [first, second + 5]


def moments_of(*tables):
    """Return the moments of rows, added table by table."""
    moments = Moments(1, tables[0].shape[1], "cpu")
    for table in tables:
        moments.add(as_vectors(table).unsqueeze(0))
    return moments


def whole(maps):
    return joined(maps, GRID)


def rows_of(maps):
    return as_vectors(whole(maps)).double().numpy()


@pytest.mark.parametrize("wanted", [3, 0.9, 1.0])
def test_a_global_block_gives_the_components_of_scikit_learn_up_to_sign(wanted):
    maps = maps_of(0)
    first, second = [each[:2] for each in maps], [each[2:] for each in maps]
    found = global_block(moments_of(whole(first), whole(second)), [5, 3], Wanted(wanted, "none"))
    count = found.block.basis.shape[1]

    theirs = PCA(None if wanted == 1.0 else wanted, svd_solver="full")
    expected = theirs.fit_transform(rows_of(maps))
    assert count == theirs.n_components_
    got = as_vectors(fused(maps, found.block, GRID)).double().numpy()
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=2e-3)
    np.testing.assert_allclose(found.block.eigenvalues, theirs.explained_variance_, rtol=1e-3, atol=1e-6)
    assert found.share == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-4)


@pytest.mark.parametrize("scale", ["member", "channel", "none"])
@pytest.mark.parametrize("size", [GRID, (4, 5), (12, 9)])
def test_projecting_before_resizing_is_resizing_joining_and_projecting(scale, size):
    maps = maps_of(1)
    block = global_block(moments_of(whole(maps)), [5, 3], Wanted(4, scale)).block
    at_once = joined(maps, size)
    standard = (as_vectors(at_once) - block.mean) / block.scale
    expected = (standard @ block.basis).view(4, *size, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(fused(maps, block, size), expected, rtol=1e-4, atol=1e-4)


def test_the_whole_basis_keeps_distances():
    maps = maps_of(2)
    block = global_block(moments_of(whole(maps)), [5, 3], Wanted(1.0, "none")).block
    before = as_vectors(whole(maps))
    after = as_vectors(fused(maps, block, GRID))
    distances = [(rows[1:] - rows[:-1]).norm(dim=1) for rows in (before, after)]
    torch.testing.assert_close(distances[1], distances[0], rtol=1e-4, atol=1e-4)


def test_individual_blocks_of_one_member_are_the_global_block():
    maps = maps_of(3)[:1]
    moments = moments_of(maps[0])
    one = individual_block([moments], Wanted(2)).block
    other = global_block(moments, [5], Wanted(2)).block
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


def test_individual_blocks_lie_one_after_the_other():
    maps = maps_of(4)
    found = individual_block([moments_of(each) for each in maps], Wanted(2))
    got = fused(maps, found.block, GRID)
    assert got.shape[1] == 4
    alone = global_block(moments_of(maps[1]), [3], Wanted(2)).block
    torch.testing.assert_close(got[:, 2:], resized(fused(maps[1:], alone, (3, 4)), GRID), rtol=1e-4, atol=1e-4)


def test_no_member_is_louder_than_another():
    maps = maps_of(5)
    moments = moments_of(whole(maps))
    loud = global_block(moments, [5, 3], Wanted(3, "none")).block.basis
    even = global_block(moments, [5, 3], Wanted(8, "member")).block
    assert loud[5:].abs().max() < 0.01
    variances = moments.scatter[0].diagonal() / (moments.count - 1) / even.scale**2
    assert [float(part.sum()) for part in variances.split([5, 3])] == pytest.approx([1, 1], rel=1e-3)


def test_white_components_have_variance_1():
    maps = maps_of(6)
    block = global_block(moments_of(whole(maps)), [5, 3], Wanted(5, "member", whiten=True)).block
    variances = as_vectors(fused(maps, block, GRID)).var(0)
    torch.testing.assert_close(variances, torch.ones(5), rtol=1e-2, atol=1e-2)


def test_signs_of_eigenvectors_are_fixed():
    rng = np.random.default_rng(0)
    table = torch.from_numpy(rng.normal(size=(40, 6)))
    eigenvalues, vectors = principal_axes(table.T @ table)
    assert (eigenvalues.diff() <= 0).all()
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()


@pytest.mark.parametrize(
    ("wanted", "rows", "message"),
    [
        (9, 100, "components must be at most 8, of 8 channels in 100 places, got 9"),
        (5, 5, "components must be at most 4, of 8 channels in 5 places, got 5"),
    ],
)
def test_more_components_than_there_are_are_refused(wanted, rows, message):
    with pytest.raises(UsageError, match=message):
        components_of(torch.ones(8), wanted, rows)


def test_a_share_takes_512_components_at_most_and_all_if_it_is_1():
    flat = torch.ones(600, dtype=torch.float64)
    assert components_of(flat, 0.99, 10_000) == 512
    assert components_of(flat, 1.0, 10_000) == 600
