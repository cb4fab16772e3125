"""Coresets and neighbours against plain, slow twins."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.torch.coreset import greedy as coreset
from synthgen.torch.coreset.greedy import (
    chosen_rows_by_products,
    k_center,
    nearest_points,
    projected,
    squared_distances,
)


def whole_numbers(rows, channels, high=9, seed=0):
    """Rows whose squared distances are exact in float32, with many ties."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, high, (rows, channels)).astype(np.float32))


def plain_distances(a, b):
    return np.linalg.norm(a.numpy()[:, None].astype(float) - b.numpy()[None], axis=2)


def plain_k_center(points, count, first):
    """Choose the point farthest from all those chosen, by the whole table of distances."""
    table = plain_distances(points, points)
    chosen = [first]
    while len(chosen) < count:
        gaps = table[chosen].min(0)
        gaps[chosen] = -1
        chosen.append(int(gaps.argmax()))
    return chosen


def test_squared_distances_are_those_of_all_pairs():
    a, b = torch.randn(7, 5), torch.randn(4, 5)
    np.testing.assert_allclose(squared_distances(a, b), plain_distances(a, b) ** 2, atol=1e-5)


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
@pytest.mark.parametrize("count", [1, 3])
def test_neighbours_are_those_of_the_whole_table_in_blocks_of_any_size(block, count):
    rng = np.random.default_rng(2)
    queries, points = (torch.from_numpy(rng.normal(size=(n, 6)).astype(np.float32)) for n in (23, 11))
    distances, indices = nearest_points(queries, points, count, block)
    table = plain_distances(queries, points)
    assert np.array_equal(indices, table.argsort(1)[:, :count])
    np.testing.assert_allclose(distances, np.sort(table, 1)[:, :count], rtol=1e-5)


def test_a_query_that_is_a_point_is_at_distance_zero_whatever_its_length():
    points = torch.randn(50, 8) * 1e-3 + 100
    assert torch.equal(nearest_points(points, points)[0], torch.zeros(50, 1))


def test_there_are_no_more_neighbours_than_points():
    assert nearest_points(torch.randn(3, 2), torch.randn(2, 2), 9)[1].shape == (3, 2)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 99), st.data())
def test_k_center_chooses_as_the_plain_algorithm_does(rows, channels, seed, data):
    points = whole_numbers(rows, channels, high=4, seed=seed)
    count = data.draw(st.integers(1, rows))
    chosen = k_center(points, count, seed)
    expected = plain_k_center(points, count, int(chosen[0]))
    assert chosen.tolist() == expected
    assert chosen_rows_by_products(points, count, expected[0], lambda n: None).tolist() == expected


def test_chosen_rows_differ_though_all_points_are_equal():
    assert sorted(k_center(torch.ones(6, 3), 6).tolist()) == list(range(6))


def test_k_center_covers_better_than_chance():
    points = torch.from_numpy(np.random.default_rng(5).normal(size=(400, 4)).astype(np.float32))
    widest = nearest_points(points, points[k_center(points, 40)])[0].max()
    assert widest < nearest_points(points, points[:40])[0].max()


def test_the_seed_decides_where_the_choice_begins():
    points = torch.randn(100, 3)
    assert torch.equal(k_center(points, 9, seed=4), k_center(points, 9, seed=4))
    assert len({int(k_center(points, 1, seed=s)[0]) for s in range(5)}) > 1


def test_progress_is_told_of_each_choice():
    told = []
    k_center(torch.randn(20, 2), 7, advance=told.append)
    assert sum(told) == 7


@pytest.mark.parametrize("count", [0, 21])
def test_a_coreset_has_one_point_to_all(count):
    with pytest.raises(UsageError, match="coreset must have 1 to 20 points"):
        k_center(torch.randn(20, 2), count)


def test_projection_nearly_keeps_distances_and_leaves_narrow_rows_alone():
    points = torch.from_numpy(np.random.default_rng(6).normal(size=(30, 1000)).astype(np.float32))
    narrow = projected(points, 256, seed=1)
    assert narrow.shape == (30, 256)
    assert torch.equal(narrow, projected(points, 256, seed=1))
    off = ~torch.eye(30, dtype=torch.bool)
    ratio = (squared_distances(narrow, narrow)[off] / squared_distances(points, points)[off]).sqrt()
    assert 0.8 < ratio.min() < ratio.max() < 1.2
    assert projected(points, 501) is points
    assert projected(points, None) is points


def test_the_block_is_what_the_table_takes(monkeypatch):
    sizes = []
    whole = torch.addmm
    monkeypatch.setattr(
        coreset.torch, "addmm", lambda *a, **k: sizes.append(whole(*a, **k).nbytes) or whole(*a, **k)
    )
    nearest_points(torch.randn(100, 3), torch.randn(10, 3), block_bytes=400)
    assert max(sizes) == 400
    assert len(sizes) == 10


def test_choosing_leaves_the_threads_of_torch_as_they_were():
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            k_center(torch.rand(50, 4), 9)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
