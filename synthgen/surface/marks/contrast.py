"""How much a defect changes its image, in gray levels: one rule for plates and parts."""

import numpy as np

# Size of the image for which a defect is judged: the sampler does not know the one that is drawn.
SIZE = (1025, 1224)
# The share of its pixels, those that change most, over which the contrast of a defect is taken. A bump has a wide
# foot: in a dark corner a few of its pixels would pass for all of it.
_SHARES = {"scratch": 0.25, "dent": 0.25, "bump": 1.0}


def contrast_of(kind: str, before: np.ndarray, after: np.ndarray, exposure: float) -> float:
    """Return the mean change of a defect in gray levels: of all of a bump, else of the quarter that changes most.

    Parameters
    ----------
    kind : {"scratch", "dent", "bump"}
    before, after : ndarray, (n,)
        Brightness of the pixels of the defect, without and with it; 1 is white.
    exposure : float
        Of the camera.

    Returns
    -------
    float
        0 where there are no pixels.
    """
    if len(before) == 0:
        return 0.0
    scale = 255 * exposure
    was = np.clip(scale * before, 0, 255)
    becomes = np.clip(scale * after, 0, 255)
    change = np.sort(np.abs(becomes - was))
    count = max(1, int(_SHARES[kind] * len(change)))
    return float(change[-count:].mean())
