import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.shards.order import Permutation


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_every_number_occurs_once_and_comes_back(count, seed):
    order = Permutation(count, seed)
    ids = order.forward(np.arange(count))
    assert sorted(ids.tolist()) == list(range(count))
    assert np.array_equal(order.inverse(ids), np.arange(count))


@given(st.integers(1, 10**12), st.integers(0, 2**63 - 1), st.data())
def test_large_counts_need_no_table(count, seed, data):
    order = Permutation(count, seed)
    position = data.draw(st.integers(0, count - 1))
    assert order.inverse(order.forward(position)) == position


def test_classes_are_mixed():
    # 100 classes x 100: a stretch of 1,000 holds nearly all classes, about ten times each
    labels = Permutation(10_000, 0).forward(np.arange(1000)) // 100
    counts = np.bincount(labels, minlength=100)
    assert (counts > 0).sum() >= 99
    assert counts.max() < 25
    assert np.corrcoef(labels[:-1], labels[1:])[0, 1] ** 2 < 0.02


def test_the_order_is_that_of_the_specification():
    # written from FORMAT.md, with plain integers
    top = 2**64 - 1

    def mix(z):
        z = (z + 0x9E3779B97F4A7C15) & top
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & top
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & top
        return z ^ (z >> 31)

    count, seed = 1000, 77
    half = max(1, -(-(count - 1).bit_length() // 2))
    mask = 2**half - 1
    keys = [mix(seed + i) for i in range(6)]

    def encrypt(x):
        left, right = x >> half, x & mask
        for key in keys:
            left, right = right, left ^ (mix((right + key) & top) & mask)
        return left << half | right

    def place(p):
        x = encrypt(p)
        while x >= count:
            x = encrypt(x)
        return x

    assert [place(p) for p in range(count)] == Permutation(count, seed).forward(np.arange(count)).tolist()
