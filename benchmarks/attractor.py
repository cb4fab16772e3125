"""Is it the same attractor? Ours against a plain one-chain chaos game, 2 million points, in the same frame.

Counts the share of covered pixels of each that have a covered pixel of the other within one pixel, for systems of
2 to 8 maps. The aim is over 99 % both ways, or as much as a second plain chain reaches: sparse tails of some
systems are not covered by 2 million points, whoever draws them.

    python benchmarks/attractor.py
"""

import numpy as np
from fractals import chain

from synthgen.ifs import render, sample_system

POINTS, SIZE, SYSTEMS = 2_000_000, 256, 5


def near(mask: np.ndarray) -> np.ndarray:
    """Return the mask grown by one pixel on all sides."""
    padded = np.pad(mask, 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return windows.any(axis=(2, 3))


def covered(points: np.ndarray, region) -> np.ndarray:
    """Return which pixels of the frame hold a point."""
    x0, y0, x1, y1 = region
    rows = places(points[:, 0], x0, x1)
    columns = places(points[:, 1], y0, y1)
    inside = within(rows) & within(columns)

    mask = np.zeros((SIZE, SIZE), bool)
    mask[rows[inside], columns[inside]] = True
    return mask


def places(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the pixels of coordinates along one axis of the frame."""
    pixels = (values - low) * (SIZE - 1) / (high - low)
    return np.floor(pixels).astype(int)


def within(pixels: np.ndarray) -> np.ndarray:
    """Return which pixels lie in the frame."""
    return (pixels >= 0) & (pixels < SIZE)


def shared(one: np.ndarray, other: np.ndarray) -> float:
    """Return the lower of the shares of pixels of each mask that lie near a pixel of the other."""
    of_one = (one & near(other)).sum() / one.sum()
    of_other = (other & near(one)).sum() / other.sum()
    return min(of_one, of_other)


def plain_points(system) -> np.ndarray:
    """Return the points of one plain chain, after a hundred that it begins with."""
    cumulated = np.cumsum(system.probabilities)
    return chain(system.maps, cumulated, POINTS + 100)[100:]


def main() -> None:
    print(f"worst and median of {SYSTEMS} systems")
    print(f"{'maps':>4s} {'ours and plain':>24s} {'plain and plain again':>24s}")
    for n in range(2, 9):
        ours_plain = []
        plain_plain = []
        for seed in range(SYSTEMS):
            system = sample_system(np.random.default_rng([n, seed]), n)
            first = plain_points(system)
            region = (*first.min(axis=0), *first.max(axis=0))
            plain = covered(first, region)
            again = covered(plain_points(system), region)
            ours = render(system, SIZE, POINTS, region=region) > 0
            ours_plain.append(shared(ours, plain))
            plain_plain.append(shared(again, plain))

        columns = [f"{min(x):12.2%} {np.median(x):11.2%}" for x in (ours_plain, plain_plain)]
        print(f"{n:4d} {columns[0]} {columns[1]}")


if __name__ == "__main__":
    main()
