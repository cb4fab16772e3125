"""What drawing a plate or a part returns."""

from typing import NamedTuple

import numpy as np


class Inspected(NamedTuple):
    """A drawn plate, or a part with a shape.

    Attributes
    ----------
    image : ndarray of uint8, (H, W)
    clean : ndarray of uint8, (H, W), or None
        The same object under the same light with nothing on it; equal to `image` outside of the mask.
    region : ndarray of uint8, (H, W)
        255 where the image shows the object and nothing of its edge.
    mask : ndarray of uint8, (H, W)
        255 at every pixel that may differ from the clean twin.
    masks : dict of ndarray of uint8, (H, W)
        The same for each kind alone.
    instances : ndarray of uint8 or uint16, (H, W)
        Number of the topmost object, 0 = none.
    objects : list of dict
        See `Annotations`.
    """

    image: np.ndarray
    clean: np.ndarray | None
    region: np.ndarray
    mask: np.ndarray
    masks: dict
    instances: np.ndarray
    objects: list
