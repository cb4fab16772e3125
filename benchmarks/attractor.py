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
    shifts = [(r, c) for r in range(3) for c in range(3)]
    return np.any([padded[r : r + mask.shape[0], c : c + mask.shape[1]] for r, c in shifts], axis=0)


def covered(points: np.ndarray, region) -> np.ndarray:
    """Return which pixels of the frame hold a point."""
    x0, y0, x1, y1 = region
    rows = np.floor((points[:, 0] - x0) * (SIZE - 1) / (x1 - x0)).astype(int)
    columns = np.floor((points[:, 1] - y0) * (SIZE - 1) / (y1 - y0)).astype(int)
    inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[rows[inside], columns[inside]] = True
    return mask


def shared(one: np.ndarray, other: np.ndarray) -> float:
    """Return the lower of the shares of pixels of each mask that lie near a pixel of the other."""
    return min((one & near(other)).sum() / one.sum(), (other & near(one)).sum() / other.sum())


def main() -> None:
    print(f"worst and median of {SYSTEMS} systems")
    print(f"{'maps':>4s} {'ours and plain':>24s} {'plain and plain again':>24s}")
    for n in range(2, 9):
        ours_plain, plain_plain = [], []
        for seed in range(SYSTEMS):
            system = sample_system(np.random.default_rng([n, seed]), n)
            first, second = (
                chain(system.maps, np.cumsum(system.probabilities), POINTS + 100)[100:] for _ in range(2)
            )
            region = (*first.min(axis=0), *first.max(axis=0))
            plain, again = covered(first, region), covered(second, region)
            ours_plain.append(shared(render(system, SIZE, POINTS, region=region) > 0, plain))
            plain_plain.append(shared(again, plain))
        columns = [f"{min(x):12.2%} {np.median(x):11.2%}" for x in (ours_plain, plain_plain)]
        print(f"{n:4d} {columns[0]} {columns[1]}")


if __name__ == "__main__":
    main()
