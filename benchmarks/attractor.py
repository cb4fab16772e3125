"""Is it the same attractor? Ours against a plain one-chain chaos game, 2 million points, in the same frame.

Counts the share of covered pixels of each that have a covered pixel of the other within one pixel, for systems of
2 to 8 maps. The aim is over 99 % both ways.

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


def main() -> None:
    print(f"{'maps':>4s} {'plain near ours':>16s} {'ours near plain':>16s}   (worst of {SYSTEMS} systems)")
    for n in range(2, 9):
        shares = []
        for seed in range(SYSTEMS):
            system = sample_system(np.random.default_rng([n, seed]), n)
            points = chain(system.maps, np.cumsum(system.probabilities), POINTS + 100)[100:]
            region = (*points.min(axis=0), *points.max(axis=0))
            plain, ours = covered(points, region), render(system, SIZE, POINTS, region=region) > 0
            shares.append(((plain & near(ours)).sum() / plain.sum(), (ours & near(plain)).sum() / ours.sum()))
        worst = np.min(shares, axis=0)
        print(f"{n:4d} {worst[0]:16.2%} {worst[1]:16.2%}")


if __name__ == "__main__":
    main()
