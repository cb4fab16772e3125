"""Which texture shows where: regions with irregular borders that divide an image, and small ones laid upon them.

``cell`` and ``drift`` regions divide the image among themselves: each pixel goes to the highest score, which is
nearness to a middle with noise, or noise alone. ``blob``, ``scar`` and ``patch`` lie upon those before them, as defects do.
Places and lengths are shares of the image's shorter side.
"""

import math

import numpy as np

from synthgen.texture.noise import smooth_noise

DIVIDING = ("cell", "drift")
LAID = ("blob", "scar", "patch")
# An image of several regions has such small ones upon it with this chance, each.
_LAID_SHARE = 0.4


def sample_regions(rng: np.random.Generator, number: int) -> list[dict]:
    """Return random parameters of a number of regions; the first divides the image with those of its border.

    Returns
    -------
    list of dict
        ``border``, one of `DIVIDING` or `LAID`; ``at``, row and column of the middle, as shares of the image;
        ``reach``, half of the length and half of the width; ``angle``, degrees; ``rough``, how far the border is moved, and
        ``period``, the width of its bumps; ``seed`` of these.
    """
    dividing = DIVIDING[int(rng.random() < 0.5)]
    regions = []
    for place in range(number):
        is_laid = rng.random() < _LAID_SHARE
        which = LAID[rng.integers(len(LAID))]
        border = which if place > 0 and is_laid else dividing
        regions.append(_sample_region(rng, border))
    # those that are laid upon others come last
    return sorted(regions, key=lambda region: region["border"] in LAID)


def _sample_region(rng: np.random.Generator, border: str) -> dict:
    shares = rng.random(7).tolist()
    down, right, size, shape, turn, rough, width = shares
    radius = 0.03 * 5**size
    reach = radius, radius * (0.5 + 0.5 * shape)
    if border == "scar":
        reach = 0.1 * 4**size, 0.008 * 3**shape
    elif border == "patch":
        reach = 0.02 * 4**size, 0.02 * 4**shape

    bumps = 0.15 * 3**width if border in DIVIDING else 1.2 * reach[1] + 0.02
    moved = 0.3 * rough * bumps if border in DIVIDING else 0.4 * rough * reach[1]
    return {
        "border": border,
        "at": [round(down, 5), round(right, 5)],
        "reach": [round(length, 5) for length in reach],
        "angle": round(180 * turn, 3),
        "rough": round(moved, 5),
        "period": round(bumps, 5),
        "seed": int(rng.integers(2**62)),
    }


def draw_regions(regions: list[dict], size: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the number of the region on top of each pixel, and all that each region covers.

    Parameters
    ----------
    regions : list of dict
        As returned by `sample_regions`.
    size : (int, int)
        Height and width of the image.

    Returns
    -------
    top : ndarray of uint8, (H, W)
        1 for the first region.
    covers : list of ndarray of bool, (H, W)
        Pixels of each region, hidden by later ones or not.
    """
    if len(regions) == 1:
        return np.ones(size, np.uint8), [np.ones(size, np.bool_)]

    rows, columns = _shares(size)
    dividing = [region for region in regions if region["border"] in DIVIDING]
    scores = [_score(region, rows, columns, size) for region in dividing]
    owner = np.argmax(scores, axis=0)
    top = (owner + 1).astype(np.uint8)
    covers = [owner == number for number in range(len(dividing))]

    for number, region in enumerate(regions[len(dividing) :], len(dividing) + 1):
        covered = _depth(region, rows, columns, size) > 0
        top[covered] = number
        covers.append(covered)
    return top.reshape(size), [cover.reshape(size) for cover in covers]


def _shares(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of all pixels over the shorter side, float64 (N,)."""
    height, width = size
    shorter = min(size)
    rows = (np.arange(height) + 0.5) / shorter
    columns = (np.arange(width) + 0.5) / shorter
    return np.repeat(rows, width), np.tile(columns, height)


def _offsets(region: dict, rows, columns, size) -> tuple[np.ndarray, np.ndarray]:
    """Return the places against the middle of a region, along its angle and across."""
    height, width = size
    down, right = region["at"]
    shorter = min(size)
    y = rows - down * height / shorter
    x = columns - right * width / shorter
    turn = math.radians(region["angle"])
    cosine = round(math.cos(turn), 9)
    sine = round(math.sin(turn), 9)
    return cosine * x + sine * y, cosine * y - sine * x


def _score(region: dict, rows, columns, size) -> np.ndarray:
    """Return how much a dividing region wants each pixel."""
    noise = smooth_noise(rows, columns, region["seed"], region["period"])
    if region["border"] == "drift":
        return noise
    along, across = _offsets(region, rows, columns, size)
    distance = np.sqrt(along * along + across * across)
    return region["rough"] * noise - distance


def _depth(region: dict, rows, columns, size) -> np.ndarray:
    """Return how far each pixel lies inside a region that is laid upon others; negative outside."""
    along, across = _offsets(region, rows, columns, size)
    length, width = region["reach"]
    near = np.flatnonzero(along * along + across * across < (1.6 * (length + width)) ** 2)
    depth = np.full(len(rows), -1.0)
    along = along[near]
    across = across[near]
    noise = smooth_noise(along, across, region["seed"], region["period"])

    if region["border"] == "patch":
        inside = np.minimum(length - np.abs(along), width - np.abs(across))
    elif region["border"] == "scar":
        # a thin line that bends, and thins out towards its ends
        bend = 4 * width * smooth_noise(along, np.zeros(len(along)), region["seed"] + 1, length)
        place = np.clip(np.abs(along) / length, 0, 1)
        inside = width * np.sqrt(1 - place * place) - np.abs(across - bend)
        inside[place >= 1] = -1
    else:
        inside = width * (1 - np.sqrt((along / length) ** 2 + (across / width) ** 2))
    depth[near] = inside + region["rough"] * noise
    return depth
