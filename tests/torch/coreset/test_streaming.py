"""The sequential coreset against the algorithm of Mao et al. 2025, patch by patch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.torch.coreset.streaming import SequentialCoreset


def normal_rows(rows, channels, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(3, 1, (rows, channels)).astype(np.float32))


def plain_sequential(patches, size, points=()):
    """Return the coreset of `size` after each patch has been tested against it alone, one after the other."""
    points, entered = list(points), 0
    for patch in patches.numpy().astype(float):
        if len(points) < size:
            points.append(patch)
            entered += 1
            continue
        table = np.square(np.subtract.outer(np.array(points), np.array(points)).diagonal(axis1=1, axis2=3)).sum(-1)
        np.fill_diagonal(table, np.inf)
        if np.square(np.array(points) - patch).sum(1).min() > table.min():
            closest = np.argwhere(table == table.min())
            points[min(min(pair) for pair in closest.tolist())] = patch
            entered += 1
    return np.array(points), entered


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 999), st.sampled_from([1, 48, 1 << 20]))
def test_blocks_give_the_coreset_that_single_patches_give(size, channels, seed, block):
    patches = normal_rows(40, channels, seed)
    coreset = SequentialCoreset(size, channels, "cpu", block)
    entered = sum(coreset.take(part) for part in patches.split(17))
    expected, count = plain_sequential(patches, size)
    assert np.array_equal(coreset.points, expected)
    assert entered == count


def test_a_second_pass_goes_on_from_the_first():
    patches = normal_rows(60, 3, 5)
    coreset = SequentialCoreset(7, 3, "cpu")
    coreset.take(patches)
    again = coreset.take(patches)
    first, _ = plain_sequential(patches, 7)
    second, count = plain_sequential(patches, 7, first)
    assert np.array_equal(coreset.points, second)
    assert again == count


def test_the_closest_pair_only_moves_apart():
    coreset = SequentialCoreset(10, 4, "cpu")
    gaps = []
    for patches in torch.from_numpy(np.random.default_rng(1).normal(size=(20, 15, 4)).astype(np.float32)):
        coreset.take(patches)
        gaps.append(float(torch.pdist(coreset.points).min()))
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0]
